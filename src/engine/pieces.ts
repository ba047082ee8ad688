/** @file Text of tokens, with characters that span tokens put together. */
import type { Backend } from './backend.ts';

/** Text of each token; a character that several tokens share belongs to the one that completes it. */
export function piecesOf(backend: Backend, tokens: Int32Array): string[] {
  const decoder = new TextDecoder();
  return Array.from(tokens, (token) => decoder.decode(backend.piece(token), { stream: true }));
}
