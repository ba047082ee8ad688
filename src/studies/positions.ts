/**
 * @file Which positions of a text are averaged: not those that all texts share (the template), and no
 * attention sinks, whose residual is huge and says nothing.
 */
import { quantile } from '../math/stats.ts';

/** Neighbouring columns of readings [positions, columns]: the directions of one layer. */
export interface Readings {
  readonly values: Float32Array;
  readonly columns: number;
  /** First column. */
  readonly at: number;
  readonly count: number;
}

/** Sizes so many times the usual one are those of an attention sink, whose residual is huge and says nothing. */
export const sinkFactor = 10;

/** True for the first position, and for any whose readings together are ten times the median size. */
export function sinksOf({ values, columns, at, count }: Readings): boolean[] {
  const sizes = Array.from({ length: values.length / columns }, (_, position) =>
    Math.hypot(...values.subarray(position * columns + at, position * columns + at + count)),
  );
  const usual = quantile(sizes, 0.5);
  return sizes.map((size, position) => position === 0 || size > sinkFactor * usual);
}

/** Mean of each column over the positions [from, to) without sinks; NaN if nothing is left. */
export function meanOver(
  { values, columns, at, count }: Readings,
  [from, to]: readonly [from: number, to: number],
  sinks: readonly boolean[],
): number[] {
  const sums = Array.from<number>({ length: count }).fill(0);
  let counted = 0;
  for (let position = from; position < to; position++) {
    if (sinks[position] === true) continue;
    counted++;
    const row = position * columns + at;
    for (let k = 0; k < count; k++) sums[k] = (sums[k] ?? 0) + (values[row + k] ?? NaN);
  }
  return sums.map((sum) => sum / counted);
}

/** Length of the beginning that two lists have in common. */
export function sharedLength<T>(a: ArrayLike<T>, b: ArrayLike<T>): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}

/** How many tokens all sequences begin with and end with in common; the two never overlap. */
export function sharedEnds(sequences: readonly Int32Array[]): { prefix: number; suffix: number } {
  const [first = new Int32Array(0)] = sequences;
  const shortest = Math.min(...sequences.map(({ length }) => length));
  const isShared = (at: (sequence: Int32Array) => number | undefined): boolean =>
    sequences.every((sequence) => at(sequence) === at(first));
  let prefix = 0;
  while (prefix < shortest && isShared((sequence) => sequence[prefix])) prefix++;
  let suffix = 0;
  while (suffix < shortest - prefix && isShared((sequence) => sequence.at(-1 - suffix))) suffix++;
  return { prefix, suffix };
}
