/** @file The statistics of the studies. */
import { ShapeError } from '../errors.ts';
import type { Random } from './random.ts';

/** Arithmetic mean; NaN of an empty list. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard deviation with n - 1; NaN of fewer than two values. */
export function deviation(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return values.length < 2 ? NaN : Math.sqrt(squares / (values.length - 1));
}

/** Quantile by linear interpolation between order statistics, share from 0 to 1; NaN of an empty list. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** Ranks from 1, ties share their average rank; all NaN if any value is NaN, which has no place in an order. */
export function ranks(values: readonly number[]): number[] {
  if (values.some(Number.isNaN)) return values.map(() => NaN);
  const order = values
    .map((value, index) => ({ value, index }))
    .toSorted((a, b) => a.value - b.value);
  const result = Array.from<number>({ length: values.length }).fill(0);
  for (let start = 0; start < order.length;) {
    let end = start;
    while (end < order.length && order[end]?.value === order[start]?.value) end++;
    for (let i = start; i < end; i++) result[order[i]?.index ?? 0] = (start + end + 1) / 2;
    start = end;
  }
  return result;
}

/** Product-moment correlation, from -1 to 1; NaN if either list is constant. ShapeError if the lengths differ. */
export function pearson(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) throw new ShapeError('pearson', a.length, b.length);
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const [i, value] of a.entries()) {
    const [x, y] = [value - meanA, (b[i] ?? NaN) - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Rank correlation, from -1 to 1; NaN if either list is constant. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  return pearson(ranks(a), ranks(b));
}

/** Wilson interval of a share at 95 %, each from 0 to 1. */
export function wilson(successes: number, n: number): [low: number, high: number] {
  if (n === 0) return [0, 1];
  const z = 1.959964;
  const p = successes / n;
  const centre = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

/** Percentile bootstrap of the mean at 95 %. */
export function bootstrapMean(
  values: readonly number[],
  random: Random,
  rounds = 1000,
): [low: number, high: number] {
  const means = Array.from({ length: rounds }, () => {
    let sum = 0;
    for (let i = 0; i < values.length; i++)
      sum += values[Math.floor(random() * values.length)] ?? 0;
    return sum / values.length;
  });
  return [quantile(means, 0.025), quantile(means, 0.975)];
}

/** Percentile bootstrap at 95 % of a statistic of pairs, which are drawn together; NaN draws are left out. */
export function bootstrapPairs(
  pairs: readonly (readonly [number, number])[],
  statistic: (a: readonly number[], b: readonly number[]) => number,
  random: Random,
  rounds = 1000,
): [low: number, high: number] {
  const values = Array.from({ length: rounds }, () => {
    const drawn = pairs.map(
      () => pairs[Math.floor(random() * pairs.length)] ?? ([NaN, NaN] as const),
    );
    return statistic(
      drawn.map(([x]) => x),
      drawn.map(([, y]) => y),
    );
  }).filter((value) => !Number.isNaN(value));
  return [quantile(values, 0.025), quantile(values, 0.975)];
}
