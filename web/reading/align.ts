/** @file Which tokens belong to which message: a prompt is read with the chat template's tokens around them. */
import type { Token } from './token.ts';

interface Span {
  readonly token: Token;
  readonly start: number;
  readonly end: number;
}

function spansOf(tokens: readonly Token[]): Span[] {
  let start = 0;
  return tokens.map((token) => {
    const span = { token, start, end: start + token.text.length };
    start = span.end;
    return span;
  });
}

/** What a template puts before and after a content: a line end, a tag, a colon, a space. */
const opens = /(?:^|[\s>\]:|])$/u;
const closes = /^(?:$|[\s<[|])/u;

/** Where a content stands in a prompt: the first place with a template around it, else the first of all; -1 for none. */
function findContent(text: string, content: string, from: number): number {
  const first = text.indexOf(content, from);
  for (let at = first; at >= 0; at = text.indexOf(content, at + 1)) {
    const end = at + content.length;
    if (opens.test(text.slice(at - 1, at)) && closes.test(text.slice(end, end + 1))) return at;
  }
  return first;
}

/**
 * The tokens of each content within a prompt, in order; none for a content that the prompt doesn't hold (a
 * template may trim or change it). A token that reaches beyond the content is cut to it.
 */
export function splitPrompt(tokens: readonly Token[], contents: readonly string[]): Token[][] {
  const spans = spansOf(tokens);
  const text = tokens.map((token) => token.text).join('');
  let from = 0;
  return contents.map((content) => {
    const wanted = content.trim();
    const start = wanted === '' ? -1 : findContent(text, wanted, from);
    if (start < 0) return [];
    const end = start + wanted.length;
    from = end;
    return spans
      .filter((span) => span.end > start && span.start < end)
      .map(({ token, ...span }) =>
        span.start >= start && span.end <= end
          ? token
          : { ...token, text: text.slice(Math.max(start, span.start), Math.min(end, span.end)) },
      );
  });
}

/** The tokens of each message of a reading, without those of the template. */
export function splitReading(reading: {
  readonly tokens: readonly Token[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}): Token[][] {
  return reading.starts.map((start, i) => reading.tokens.slice(start, reading.ends[i]));
}

/**
 * `tokens` with the readings of `read` added, for the same text cut differently: each takes those of the read
 * token in which it ends. Readings that it has already stay.
 */
export function addReadings(tokens: readonly Token[], read: readonly Token[]): Token[] {
  const spans = spansOf(read);
  let at = 0;
  return spansOf(tokens).map(({ token, end }) => {
    while (at < spans.length - 1 && (spans[at]?.end ?? 0) < end) at += 1;
    const found = spans[at]?.token;
    return found ? { ...token, readouts: { ...found.readouts, ...token.readouts } } : token;
  });
}
