/** @file Sums of emotions as text, `calm - 0.5*desperate`: parsing, and the vector that they stand for. */
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { addInto, norm, scale, unit } from '../math/vector.ts';
import { emotionVector, type VectorPack } from './pack.ts';

export interface Term {
  readonly emotion: string;
  /** Factor of the emotion's unit vector; negative takes it away, never 0. */
  readonly weight: number;
}

/** Far beyond any use; keeps a typing error out of a file. */
const weightLimit = 1000;
const lengthLimit = 2000;

/**
 * Parses a sum such as `calm - 0.5*desperate + 2 'at ease'`. Names may hold spaces and hyphens, bare or in quotes: the
 * longest known name at a place wins, so `grief-stricken` is one emotion and `calm-desperate` a difference. Terms of
 * one emotion add up. Throws NotFoundError with near names, InvalidInputError for anything else.
 */
export function parseCombination(text: string, emotions: readonly string[]): Term[] {
  if (text.length > lengthLimit)
    throw new InvalidInputError(
      `combine: expected at most ${lengthLimit} characters, got ${text.length}`,
    );
  const parser = new Parser(text.replaceAll(/\s+/g, ' ').trim(), emotions);
  const weights = new Map<string, number>();
  for (let isFirst = true; isFirst || !parser.isAtEnd(); isFirst = false) {
    const { emotion, weight } = parser.term(isFirst);
    weights.set(emotion, (weights.get(emotion) ?? 0) + weight);
  }
  const terms = [...weights]
    .map(([emotion, weight]): Term => ({ emotion, weight }))
    .filter(({ weight }) => weight !== 0);
  if (terms.length === 0)
    throw new InvalidInputError(`combine: expected a sum that is not 0, got "${text}"`);
  return terms;
}

/** The sum as text that parseCombination reads. */
export function formatCombination(terms: readonly Term[]): string {
  return terms
    .map(({ emotion, weight }, i) => {
      const size = Math.abs(weight) === 1 ? '' : `${Math.abs(weight)}*`;
      const sign = weight < 0 ? (i === 0 ? '-' : ' - ') : i === 0 ? '' : ' + ';
      return `${sign}${size}${emotion}`;
    })
    .join('');
}

/**
 * The sum of the emotions' unit vectors at a layer, times their mean length there weighted by |weight|, so that one
 * emotion with weight 1 gives its own vector, [width], in residual units. Zero if all are zero there.
 */
export function combineVectors(
  pack: VectorPack,
  terms: readonly Term[],
  layer: number,
): Float32Array {
  const sum = new Float32Array(pack.width);
  let [length, total] = [0, 0];
  for (const { emotion, weight } of terms) {
    const vector = emotionVector(pack, emotion, layer);
    addInto(sum, unit(vector), weight);
    length += Math.abs(weight) * norm(vector);
    total += Math.abs(weight);
  }
  return total === 0 ? sum : scale(sum, length / total);
}

const numberPattern = /(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?/iy;
const quotePattern = /(['"])(.*?)\1/y;
/** A name that nothing is called: up to the next operator; a hyphen within a word belongs to it. */
const wordPattern = /(?:[^\s+*\d'"-]|(?<=\S)-(?=\S))(?:[^+*'"-]|(?<=\S)-(?=\S))*/y;

class Parser {
  readonly #text: string;
  readonly #emotions: readonly string[];
  /** Longest first, so that no name hides behind its own beginning. */
  readonly #names: readonly string[];
  #at = 0;

  constructor(text: string, emotions: readonly string[]) {
    this.#text = text;
    this.#emotions = emotions;
    this.#names = emotions.toSorted((a, b) => b.length - a.length);
  }

  isAtEnd(): boolean {
    this.#take(/ */y);
    return this.#at >= this.#text.length;
  }

  term(isFirst: boolean): Term {
    const operator = this.#take(/ *([+-]) */y)?.[1];
    if (operator === undefined && !isFirst) this.#fail('+ or -');
    const sign = this.#take(/([+-]) */y)?.[1];
    let weight = (operator === '-' ? -1 : 1) * (sign === '-' ? -1 : 1);
    const before = this.#take(numberPattern)?.[0];
    if (before !== undefined) this.#take(/ *\*? */y);
    const emotion = this.#name();
    const after = before === undefined ? this.#factorAfter() : undefined;
    weight *= Number(before ?? after ?? 1);
    if (!(Math.abs(weight) <= weightLimit))
      throw new InvalidInputError(
        `combine: expected weights up to ${weightLimit}, got ${before ?? after} for ${emotion}`,
      );
    return { emotion, weight };
  }

  #factorAfter(): string | undefined {
    if (this.#take(/ *\* */y) === null) return undefined;
    const sign = this.#take(/- */y) === null ? '' : '-';
    const factor = this.#take(numberPattern)?.[0];
    return factor === undefined ? this.#fail('a number') : `${sign}${factor}`;
  }

  #name(): string {
    const quoted = this.#take(quotePattern)?.[2];
    if (quoted !== undefined) return this.#known(quoted.trim());
    const found = this.#names.find((name) => this.#startsWith(name));
    if (found !== undefined) {
      this.#at += found.length;
      return found;
    }
    const start = this.#at;
    const word = this.#take(wordPattern)?.[0].trim();
    this.#at = word === undefined ? start : this.#at;
    return word === undefined || word === '' ? this.#fail('an emotion') : this.#known(word);
  }

  /** Whether the name stands here and no letter goes on after it. */
  #startsWith(name: string): boolean {
    const end = this.#at + name.length;
    return (
      this.#text.slice(this.#at, end).toLowerCase() === name.toLowerCase() &&
      !/[\p{L}\p{N}]/u.test(this.#text[end] ?? '')
    );
  }

  #known(name: string): string {
    const found = this.#emotions.find((emotion) => emotion.toLowerCase() === name.toLowerCase());
    if (found === undefined) throw new NotFoundError('emotion', name, this.#emotions);
    return found;
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  #fail(expected: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 20).trim();
    throw new InvalidInputError(
      `combine: expected ${expected} at character ${this.#at + 1} of "${this.#text}", got ${rest === '' ? 'the end' : `"${rest}"`}`,
      { hint: 'for example: calm - 0.5*desperate' },
    );
  }
}
