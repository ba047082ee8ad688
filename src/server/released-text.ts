/**
 * @file Text of a reply that may be shown already. What could be the beginning of a stop text waits, with
 * its tokens, until the following tokens decide, because nothing that was sent can be taken back.
 */
import type { GeneratedToken } from '../engine/engine.ts';

export interface Released {
  readonly text: string;
  readonly tokens: readonly GeneratedToken[];
}

export class ReleasedText {
  readonly #stops: readonly string[];
  #text = '';
  /** Characters that are out. */
  #released = 0;
  #held: { readonly token: GeneratedToken; readonly from: number }[] = [];

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** All text so far, released or not. */
  get text(): string {
    return this.#text;
  }

  /** Takes a token and returns what is certain now. */
  add(token: GeneratedToken): Released {
    this.#held.push({ token, from: this.#text.length });
    this.#text += token.text;
    const safe = this.#text.length - beginningLength(this.#text, this.#stops);
    return this.#release(safe, (held) => held.from + held.token.text.length <= safe);
  }

  /** The rest, once the whole text is known. Tokens behind a cut at a stop text are left out. */
  end(text: string, isCut: boolean): Released {
    this.#text = text;
    return this.#release(text.length, ({ from }) => !isCut || from < text.length);
  }

  #release(
    to: number,
    isOut: (held: { readonly token: GeneratedToken; readonly from: number }) => boolean,
  ): Released {
    const text = this.#text.slice(this.#released, to);
    const kept = this.#held.findIndex((held) => !isOut(held));
    const tokens = this.#held.splice(0, kept < 0 ? this.#held.length : kept);
    this.#released = Math.max(this.#released, to);
    return { text, tokens: tokens.map(({ token }) => token) };
  }
}

/** Length of the longest end of the text that begins one of the stop texts. */
function beginningLength(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops)
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--)
      if (text.endsWith(stop.slice(0, length))) longest = length;
  return longest;
}
