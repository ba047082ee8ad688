/** @file A text or a conversation that a request gives, and where its messages lie among the tokens. */
import { type ChatMessage, chatTokens, formatChat } from '../engine/chat-template.ts';
import type { Model, ModelInfo } from '../engine/engine.ts';
import { Refusal } from './refusal.ts';

interface PassageRequest {
  readonly text?: string | undefined;
  readonly messages?: readonly ChatMessage[] | undefined;
}
export type Passage =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] };

/** Throws a Refusal unless exactly one of the two is there. */
export function passageOf({ text, messages }: PassageRequest): Passage {
  if ((text === undefined) === (messages === undefined))
    throw new Refusal('invalid_value', 'body: expected one of text and messages', {
      param: 'text',
    });
  return text === undefined ? { kind: 'chat', messages: messages ?? [] } : { kind: 'text', text };
}

export async function passageTokens(model: Model, passage: Passage): Promise<Int32Array> {
  const tokens =
    passage.kind === 'text'
      ? await model.tokenize(passage.text)
      : await chatTokens(model, passage.messages);
  checkLength(model.info, tokens.length);
  return tokens;
}

/** Throws a Refusal for a passage that the context cannot hold. */
function checkLength({ contextLength }: ModelInfo, length: number): void {
  if (length <= contextLength) return;
  throw new Refusal(
    'context_length_exceeded',
    `passage: expected at most ${contextLength} tokens, got ${length}`,
  );
}

/** A stretch, the end not included. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** Tokens of each message's own text; `pieces` are the texts of the tokens of the whole conversation. */
export function messageSpans(
  info: ModelInfo,
  messages: readonly ChatMessage[],
  pieces: readonly string[],
): Span[] {
  const text = formatChat(info, messages);
  const ends = pieceEnds(text, pieces);
  const tokenAt = (offset: number): number => {
    const index = ends.findIndex((end) => end > offset);
    return index < 0 ? pieces.length : index;
  };
  return contentSpans(info, messages, text).map(({ start, end }) => {
    const first = tokenAt(start);
    return { start: first, end: end > start ? tokenAt(end - 1) + 1 : first };
  });
}

/**
 * Characters of each message's content in the text of a template. The same conversation with marks in place
 * of its contents shows what the template puts between them, which tells apart messages with the same
 * words, and texts that the template adds by itself.
 */
function contentSpans(info: ModelInfo, messages: readonly ChatMessage[], text: string): Span[] {
  const mark = (i: number): string => `\uE000${i}\uE001`;
  const marked = formatChat(
    info,
    messages.map(({ role }, i) => ({ role, content: mark(i) })),
  );
  let markedAt = 0;
  let at = 0;
  return messages.map(({ content }, i) => {
    const found = marked.indexOf(mark(i), markedAt);
    // A template may leave a message out.
    if (found < 0) return { start: at, end: at };
    const start = at + found - markedAt;
    markedAt = found + mark(i).length;
    const following = marked.indexOf('\uE000', markedAt);
    const between = marked.slice(markedAt, following < 0 ? undefined : following);
    at = contentEnd(text, { start, content, between });
    return { start, end: at };
  });
}

/** Where a content ends that begins at `start`; templates trim contents, and some cut more out of them. */
function contentEnd(
  text: string,
  { start, content, between }: { start: number; content: string; between: string },
): number {
  const exact = [content, content.trim()].find(
    (form) => text.startsWith(form, start) && text.startsWith(between, start + form.length),
  );
  if (exact !== undefined) return start + exact.length;
  const next = text.indexOf(between, start);
  return next < 0 ? text.length : next;
}

/** How far ahead a token is looked for that is not where it should be; longer than any token of text. */
const lookAhead = 64;

/**
 * Offset in the text after each token. Tokens that the text lacks (a begin-of-sequence token that the
 * tokenizer adds, the space before the first word) take no room.
 */
function pieceEnds(text: string, pieces: readonly string[]): number[] {
  let at = 0;
  return pieces.map((piece) => {
    const found = piece === '' ? -1 : text.slice(at, at + lookAhead).indexOf(piece);
    if (text.startsWith(piece, at)) at += piece.length;
    else if (piece.startsWith(' ') && text.startsWith(piece.slice(1), at)) at += piece.length - 1;
    else if (found >= 0) at += found + piece.length;
    return at;
  });
}
