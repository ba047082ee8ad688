/** @file Markdown to HTML: headings get the anchors that GitHub gives them, links go through the caller. */
import { Marked } from 'marked';

/** Text for HTML, in content and in attributes. */
export function escapeHtml(text) {
  const names = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replaceAll(/[&<>"]/g, (sign) => names[sign]);
}

/** The words of inline tokens without their marks. */
function plain(tokens) {
  return tokens
    .map((token) => (token.tokens === undefined ? (token.text ?? '') : plain(token.tokens)))
    .join('')
    .replaceAll(
      /&(amp|lt|gt|quot|#39);/g,
      (_, name) => ({ amp: '&', lt: '<', gt: '>', quot: '"' })[name] ?? "'",
    );
}

/** Anchors of the headings of one page, each different. */
function createAnchors() {
  const used = new Map();
  return (text) => {
    const base = text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    const count = used.get(base) ?? 0;
    used.set(base, count + 1);
    return count === 0 ? base : `${base}-${count}`;
  };
}

/**
 * The page as `html`, its `title` (the first heading), and all `headings` as {depth, text, id}. `rewrite` gives
 * the address for each link and picture as it stands in the text.
 */
export function renderMarkdown(text, rewrite) {
  const headings = [];
  const anchorOf = createAnchors();
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const words = plain(tokens);
        const id = anchorOf(words);
        headings.push({ depth, text: words, id });
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      // What may be wider than the page scrolls by itself, and the keyboard has to reach it.
      code: ({ text: code }) => `<pre tabindex="0"><code>${escapeHtml(code)}\n</code></pre>\n`,
    },
    walkTokens: (token) => {
      if (token.type === 'link' || token.type === 'image') token.href = rewrite(token.href);
    },
  });
  const html = marked
    .parse(text)
    .replaceAll('<table>', '<div class="wide" tabindex="0"><table>')
    .replaceAll('</table>', '</table></div>');
  return { html, headings, title: headings[0]?.text ?? 'limbic' };
}
