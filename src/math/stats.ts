/** @file The statistics of the studies. */
import { ShapeError } from '../errors.ts';
import type { Random } from './random.ts';

/** Arithmetic mean; NaN of an empty list. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard deviation of a sample (divisor n - 1), 0 or more; NaN below two values. */
export function standardDeviation(values: readonly number[]): number {
  if (values.length < 2) return NaN;
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/** Quantile by linear interpolation between order statistics, share from 0 to 1; NaN of an empty list. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low === high ? low : low + (high - low) * (at - Math.floor(at));
}

/** Ranks from 1, ties share their average rank; all NaN if any value is NaN. */
export function ranks(values: readonly number[]): number[] {
  const result = Array.from<number>({ length: values.length }).fill(NaN);
  if (values.some((value) => Number.isNaN(value))) return result;
  const order = values.map((_, i) => i).toSorted((a, b) => values[a]! - values[b]!);
  for (let start = 0; start < order.length;) {
    const value = values[order[start]!];
    let end = start + 1;
    while (end < order.length && values[order[end]!] === value) end++;
    for (let i = start; i < end; i++) result[order[i]!] = (start + end + 1) / 2;
    start = end;
  }
  return result;
}

/** Product-moment correlation, from -1 to 1; NaN if either list is constant. */
export function pearson(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) throw new ShapeError('correlation', a.length, b.length);
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const [i, value] of a.entries()) {
    const [x, y] = [value - meanA, b[i]! - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return Math.max(-1, Math.min(1, ab / (Math.sqrt(aa) * Math.sqrt(bb))));
}

/** Rank correlation, from -1 to 1; NaN if either list is constant. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  return pearson(ranks(a), ranks(b));
}

/**
 * Probability that a positive scores above a negative, ties counting half: the area under the
 * receiver operating curve, from 0 to 1; NaN if either list is empty.
 */
export function auc(positives: readonly number[], negatives: readonly number[]): number {
  const n = positives.length;
  const rankSum = ranks([...positives, ...negatives])
    .slice(0, n)
    .reduce((sum, rank) => sum + rank, 0);
  return (rankSum - (n * (n + 1)) / 2) / (n * negatives.length);
}

/** 97.5 % point of the standard normal distribution. */
const z95 = 1.959963984540054;

/** Wilson interval of a share at 95 %, each from 0 to 1. */
export function wilson(successes: number, n: number): [low: number, high: number] {
  if (n === 0) return [0, 1];
  const z = z95;
  const p = successes / n;
  const centre = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [
    successes === 0 ? 0 : Math.max(0, centre - half),
    successes === n ? 1 : Math.min(1, centre + half),
  ];
}

/** Percentile bootstrap of the mean at 95 %; NaN of an empty list. */
export function bootstrapMean(
  values: readonly number[],
  random: Random,
  rounds = 1000,
): [low: number, high: number] {
  const n = values.length;
  if (n === 0) return [NaN, NaN];
  const means = Array.from({ length: rounds }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[Math.floor(random() * n)]!;
    return sum / n;
  });
  return [quantile(means, 0.025), quantile(means, 0.975)];
}

/**
 * One-sided p of an observed value against values under shuffled labels: (1 + how many reach it) /
 * (1 + how many there are), above 0 and up to 1 (Phipson and Smyth, 2010).
 */
export function permutationP(observed: number, shuffledValues: readonly number[]): number {
  const reached = shuffledValues.filter((value) => value >= observed).length;
  return (1 + reached) / (1 + shuffledValues.length);
}
