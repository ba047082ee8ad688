/** @file Small pieces of HTML: escaping, tables, coloured tokens, horizontal bars. */
import { cssColour, share } from './scale.ts';

/** Text that is safe inside an element or a quoted attribute. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** A table; numbers are aligned right. */
export function renderTable(
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const cell = (value: string | number): string =>
    typeof value === 'number' ? `<td class="n">${value}</td>` : `<td>${escapeHtml(value)}</td>`;
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('');
  return `<div class="scroll" tabindex="0"><table><thead><tr>${columns.map((name) => `<th>${escapeHtml(name)}</th>`).join('')}</tr></thead><tbody>${body}</tbody></table></div>`;
}

export interface ShownToken {
  readonly text: string;
  readonly value: number;
  /** What the hover says. */
  readonly detail: string;
}

/** A passage, each token coloured by its value; `max` is the value of the full colour. */
export function renderTokens(tokens: readonly ShownToken[], label: string, max: number): string {
  return tokensBegin + tokenSpans(tokens, max) + tokensEnd(label, max);
}

/**
 * The same of a passage that comes in parts and is too long for memory.
 * @yields HTML, which makes a whole only together
 */
export async function* tokenPieces(
  parts: AsyncIterable<readonly ShownToken[]>,
  label: string,
  max: number,
): AsyncGenerator<string> {
  yield tokensBegin;
  for await (const tokens of parts) yield tokenSpans(tokens, max);
  yield tokensEnd(label, max);
}

const tokensBegin = '<figure><div class="tokens">';

function tokenSpans(tokens: readonly ShownToken[], max: number): string {
  const spans = tokens.map(
    ({ text, value, detail }) =>
      `<span class="t" style="background:${cssColour(value, max)}" title="${escapeHtml(detail)}">${escapeHtml(text)}</span>`,
  );
  return spans.join('');
}

function tokensEnd(label: string, max: number): string {
  const legend = [-1, -0.5, 0, 0.5, 1]
    .map(
      (s) => `<span style="background:${cssColour(s * max, max)}">${(s * max).toFixed(2)}</span>`,
    )
    .join('');
  return `</div><figcaption>${escapeHtml(label)} <span class="legend">${legend}</span></figcaption></figure>`;
}

export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly note?: string;
}

/** Horizontal bars around a zero line. */
export function renderBars(bars: readonly Bar[], label: string): string {
  const max = Math.max(...bars.map(({ value }) => Math.abs(value)), 1e-9);
  const rows = bars.map(({ name, value, note }) => {
    const width = Math.abs(share(value, max)) * 50;
    const left = value < 0 ? 50 - width : 50;
    return `<div class="bar"><span class="name">${escapeHtml(name)}</span><span class="track"><i style="left:${left.toFixed(2)}%;width:${width.toFixed(2)}%;background:${cssColour(value, max)}"></i></span><span class="n">${value.toFixed(3)}</span>${note === undefined ? '' : `<span class="note">${escapeHtml(note)}</span>`}</div>`;
  });
  return `<figure>${rows.join('')}<figcaption>${escapeHtml(label)}</figcaption></figure>`;
}
