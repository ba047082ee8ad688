/**
 * @file Tests of two conditions on the same items, because the items differ more than the conditions do; and
 * Holm's correction for asking several such questions at once.
 */
import { InvalidInputError, ShapeError } from '../errors.ts';
import type { Random } from './random.ts';

/** 2^14 = 16,384 sign patterns are listed at once; each further pair would double them. */
const exactLimit = 14;

/** What McNemar's test says of paired answers. */
export interface McNemar {
  /** Items that are true in the first list only. */
  readonly onlyFirst: number;
  /** Items that are true in the second list only. */
  readonly onlySecond: number;
  /** Two-sided p value up to 1, which it is if no item differs. */
  readonly p: number;
}

/**
 * Exact McNemar test: of the items whose two answers differ, is either direction more common than a fair coin
 * allows? Twice the smaller binomial tail, at most 1. ShapeError if the lengths differ.
 */
export function mcNemar(first: readonly boolean[], second: readonly boolean[]): McNemar {
  if (first.length !== second.length) throw new ShapeError('mcNemar', first.length, second.length);
  const onlyFirst = first.filter((answer, i) => answer && !second[i]!).length;
  const onlySecond = first.filter((answer, i) => !answer && second[i]!).length;
  const n = onlyFirst + onlySecond;
  // In logarithms: 2^-n itself leaves the range of a double beyond a thousand items.
  let [logTerm, tail] = [-n * Math.LN2, 0];
  for (let k = 0; k <= Math.min(onlyFirst, onlySecond); k++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - k) / (k + 1));
  }
  return { onlyFirst, onlySecond, p: Math.min(1, 2 * tail) };
}

export interface SignFlipOptions {
  /** Draws the signs where there are too many patterns to list. */
  readonly random: Random;
  /** Patterns drawn then. @default 10000 */
  readonly resamples?: number;
}

/**
 * Two-sided p value for the mean difference of pairs being 0: the share of sign patterns under which the mean is
 * at least as far from 0. Pairs without a difference change nothing under any pattern; up to 14 others all
 * patterns are counted, and beyond that some are drawn and the observed one added, so that p is never 0. 1 if no
 * pair differs. Takes differences as symmetric around 0 if nothing is there. ShapeError if the lengths differ,
 * InvalidInputError for a difference that is not finite or a number of resamples below 1.
 */
export function signFlipTest(
  first: readonly number[],
  second: readonly number[],
  { random, resamples = 10_000 }: SignFlipOptions,
): number {
  if (first.length !== second.length)
    throw new ShapeError('signFlipTest', first.length, second.length);
  if (!(Number.isInteger(resamples) && resamples > 0))
    throw new InvalidInputError(`signFlipTest: expected one resample or more, got ${resamples}`);
  const all = first.map((value, i) => value - second[i]!);
  const odd = all.find((value) => !Number.isFinite(value));
  if (odd !== undefined)
    throw new InvalidInputError(`signFlipTest: expected finite differences, got ${odd}`);
  const differences = all.filter((value) => value !== 0);
  const scale = differences.reduce((sum, value) => sum + Math.abs(value), 0);
  // Patterns with the same sum but for rounding count as equal, and so as at least as far.
  const limit = Math.abs(differences.reduce((sum, value) => sum + value, 0)) - 1e-12 * scale;
  let far = 0;
  // Plain loops: a function a sign takes several times as long, which shows where a verdict asks 39 questions.
  if (differences.length > exactLimit) {
    for (let i = 0; i < resamples; i++) {
      let sum = 0;
      for (const value of differences) sum += random() < 0.5 ? -value : value;
      if (Math.abs(sum) >= limit) far++;
    }
    return (far + 1) / (resamples + 1);
  }
  const patterns = 2 ** differences.length;
  for (let bits = 0; bits < patterns; bits++) {
    let sum = 0;
    for (let i = 0; i < differences.length; i++)
      sum += ((bits >> i) & 1) === 1 ? -differences[i]! : differences[i]!;
    if (Math.abs(sum) >= limit) far++;
  }
  return far / patterns;
}

/**
 * Holm's step-down correction: p values in the order given, raised so that those below a level keep the chance of
 * any false alarm below it; each from its own p to 1. InvalidInputError for a p value that is not from 0 to 1.
 */
export function holm(pValues: readonly number[]): number[] {
  const odd = pValues.find((p) => !(p >= 0 && p <= 1));
  if (odd !== undefined)
    throw new InvalidInputError(`holm: expected p values from 0 to 1, got ${odd}`);
  const order = pValues.map((_, index) => index).toSorted((a, b) => pValues[a]! - pValues[b]!);
  const corrected = pValues.map(() => 0);
  let largest = 0;
  for (const [rank, index] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * pValues[index]!));
    corrected[index] = largest;
  }
  return corrected;
}
