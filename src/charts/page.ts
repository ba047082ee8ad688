/** @file One offline HTML page: no script, no network, light and dark. */
import { escapeHtml } from './html.ts';

export interface Section<Body = string> {
  readonly title: string;
  /** Plain text under the title. */
  readonly lead: string;
  /** HTML. */
  readonly body: Body;
}

/** A page. `subtitle` and `footer` are plain text. */
interface Page<Body> {
  readonly title: string;
  readonly subtitle: string;
  readonly sections: readonly Section<Body>[];
  readonly footer: string;
}

const style = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--line:#d5dae0;--ground:#fff;--card:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa4b0;--line:#343b44;--ground:#12161b;--card:#1a2027}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:880px;margin:0 auto;padding:32px 20px 64px}h1{font-size:1.9rem;line-height:1.2;margin:0}
h2{font-size:1.25rem;margin:2.6rem 0 .3rem;padding-top:1rem;border-top:1px solid var(--line)}
p{margin:.4rem 0 1rem}.sub{overflow-wrap:anywhere}.lead,.sub,figcaption,footer,.note{color:var(--soft)}figcaption{font-size:.86rem;margin-top:.5rem}
figure{margin:1rem 0;padding:16px;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden}
svg{width:100%;height:auto;font:12px system-ui,sans-serif}svg .grid{stroke:var(--line)}svg .tick{fill:var(--soft)}svg .band{fill:var(--soft);opacity:.18}
.tokens{white-space:pre-wrap;line-height:1.9}.t{border-radius:3px;padding:1px 0}
.legend span{display:inline-block;padding:0 8px;font-variant-numeric:tabular-nums}
.bar{display:grid;grid-template-columns:minmax(7rem,2fr) 3fr 4.5rem;gap:10px;align-items:center;padding:3px 0}
.bar .note{grid-column:1/-1;font-size:.84rem;margin:-4px 0 4px}.track{position:relative;height:14px;border-left:0;background:linear-gradient(90deg,transparent 49.9%,var(--soft) 49.9%,var(--soft) 50.1%,transparent 50.1%)}
.track i{position:absolute;top:0;bottom:0;border-radius:2px;outline:1px solid var(--line)}.n{text-align:right;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem;margin:.6rem 0}td,th{padding:4px 12px 4px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
td.n{text-align:right}details{margin-top:.6rem}summary{cursor:pointer;color:var(--soft);font-size:.86rem}pre{white-space:pre-wrap;background:var(--card);padding:12px;border-radius:8px;overflow-x:auto;font-size:.86rem}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem;font-size:.86rem}`;

/** The whole document. */
export function renderPage(page: Page<string>): string {
  const sections = page.sections.map(
    (section) => sectionBegin(section) + section.body + sectionEnd,
  );
  return pageBegin(page) + sections.join('') + pageEnd(page);
}

/**
 * The document of sections whose bodies come in pieces.
 * @yields HTML, which makes a whole only together
 */
export async function* pagePieces(
  page: Page<AsyncIterable<string> | Iterable<string>>,
): AsyncGenerator<string> {
  yield pageBegin(page);
  for (const section of page.sections) {
    yield sectionBegin(section);
    yield* section.body;
    yield sectionEnd;
  }
  yield pageEnd(page);
}

const sectionEnd = '</section>';

function sectionBegin({ title, lead }: Omit<Section, 'body'>): string {
  return `<section><h2>${escapeHtml(title)}</h2><p class="lead">${escapeHtml(lead)}</p>`;
}

function pageBegin({ title, subtitle }: Pick<Page<unknown>, 'title' | 'subtitle'>): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(title)}</title><style>${style}</style></head><body><main><h1>${escapeHtml(title)}</h1><p class="sub">${escapeHtml(subtitle)}</p>`;
}

function pageEnd({ footer }: Pick<Page<unknown>, 'footer'>): string {
  return `<footer>${escapeHtml(footer)}</footer></main></body></html>`;
}
