/** @file A heat table: tokens along x, layers along y, each cell painted by its value. */
import { escapeHtml, renderTable } from './html.ts';
import { cssColour } from './scale.ts';

export interface HeatMap {
  readonly title: string;
  /** What a column is, e.g. `token`. */
  readonly columnLabel: string;
  /** What a row is, e.g. `layer`. */
  readonly rowLabel: string;
  /** Text over each column; may be any text of a model. */
  readonly columns: readonly string[];
  /** From the top down; one value a column, null where there is none. */
  readonly rows: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
  /** Value of the full colour, above 0. */
  readonly max: number;
}

/** Size of a cell in pixels: 40 columns fit a desktop page, and a phone scrolls. */
const cell = { width: 18, height: 18 };

/** The table with its legend, and the numbers as a table below; offline, for light and dark ground. */
export function renderHeatMap(map: HeatMap): string {
  const { title, columns, rows, max, rowLabel, columnLabel } = map;
  const head = columns.map(
    (text) =>
      `<th style="padding:0;border:0;height:7rem;min-width:${cell.width}px;vertical-align:bottom"><span style="writing-mode:vertical-rl;white-space:pre;line-height:${cell.width}px;font-weight:400;font-size:.78rem">${escapeHtml(shown(text))}</span></th>`,
  );
  const body = rows.map(({ name, values }) => {
    const cells = columns.map((text, i) =>
      paint(values[i] ?? null, `${name} · ${shown(text)}`, max),
    );
    return `<tr><th style="${stuck}">${escapeHtml(name)}</th>${cells.join('')}</tr>`;
  });
  const legend = [-1, -0.5, 0, 0.5, 1].map((s) => {
    const value = s * max;
    return `<span style="color:var(--ink);background:${cssColour(value, max)}">${signed(value)}</span>`;
  });
  const label = `${escapeHtml(title)}: the numbers are in the table below`;
  // Numbers with a token a row: a phone shows more of them at once than with a layer a row.
  const numbers = renderTable(
    [columnLabel, ...rows.map(({ name }) => name)],
    columns.map((text, i) => [shown(text), ...rows.map(({ values }) => digits(values[i] ?? null))]),
  );
  return (
    `<figure><div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(title)}">` +
    `<table role="img" aria-label="${label}" style="border-collapse:separate;border-spacing:1px"><thead><tr><th style="${stuck}vertical-align:bottom">${escapeHtml(rowLabel)}</th>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>` +
    `<figcaption>${escapeHtml(title)} <span class="legend">${legend.join('')}</span></figcaption>` +
    `<details><summary>the numbers</summary>${numbers}</details></figure>`
  );
}

/** Row names stay in sight while the tokens scroll. */
const stuck =
  'position:sticky;left:0;background:var(--card);padding:0 6px 0 0;border:0;text-align:right;font-weight:400;white-space:nowrap;';

function paint(value: number | null, where: string, max: number): string {
  const size = `padding:0;border:0;height:${cell.height}px`;
  if (value === null || !Number.isFinite(value)) return `<td style="${size}"></td>`;
  return `<td style="${size};background:${cssColour(value, max)}" title="${escapeHtml(`${where}: ${signed(value)}`)}"></td>`;
}

/** A token as it can be seen: blanks and line ends have signs. */
function shown(text: string): string {
  const seen = text.replaceAll('\n', '⏎').replaceAll('\t', '⇥');
  return seen.trim() === '' ? '·'.repeat(Math.max(1, seen.length)) : seen.trim();
}

function signed(value: number): string {
  return `${value > 0 ? '+' : ''}${Number(value.toPrecision(2))}`;
}

function digits(value: number | null): number | string {
  return value === null || !Number.isFinite(value) ? '' : Number(value.toPrecision(3));
}
