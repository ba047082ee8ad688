/**
 * @file How far two raters agree on integer scores, because a judge is only worth what it shares with a second
 * reader: correlation forgives a shift of the scale, kappa takes off what chance would give.
 */
import { InvalidInputError, ShapeError } from '../errors.ts';
import type { Random } from './random.ts';
import { bootstrapPairs, mean, pearson, wilson } from './stats.ts';

export interface KappaOptions {
  /**
   * `none` counts every difference as a whole miss; `quadratic` counts it by its square in points, so that a
   * miss by two weighs four times a miss by one.
   * @default 'none'
   */
  readonly weights?: 'none' | 'quadratic';
}

/**
 * Cohen's kappa: 1 for the same scores, 0 for what chance would give with each rater's own frequencies, negative
 * for less, never below -1. Quadratic weights use the distance in points, so that a score which nobody gave still
 * takes its place on the scale. NaN if both raters give one and the same score throughout, or no scores, where
 * chance alone agrees fully; 0 if one rater is constant and the other is not, or if they are constant at different
 * scores. ShapeError if the lengths differ, InvalidInputError for a score that is no integer.
 */
export function cohenKappa(
  a: readonly number[],
  b: readonly number[],
  { weights = 'none' }: KappaOptions = {},
): number {
  assertScores('cohenKappa', a, b);
  const seen = weights === 'none' ? 1 - shareWithin(a, b, 0) : meanSquare(a, b);
  const chance = weights === 'none' ? chanceMiss(a, b) : chanceSquare(a, b);
  return 1 - seen / chance;
}

/**
 * Share of the pairs whose scores lie at most `points` apart, from 0 to 1; NaN of empty lists. ShapeError if the
 * lengths differ, InvalidInputError for a score that is no integer.
 */
export function shareWithin(a: readonly number[], b: readonly number[], points: number): number {
  assertScores('shareWithin', a, b);
  return a.filter((score, i) => Math.abs(score - b[i]!) <= points).length / a.length;
}

export interface AgreementOptions {
  /** Scores of at least this count as yes in `kappaAtThreshold`. */
  readonly threshold: number;
  /** Draws the pairs of the bootstrap. */
  readonly random: Random;
  /** @default 1000 */
  readonly resamples?: number;
}

/** What is undefined is null and not NaN, so that it reads the same after a trip through JSON. */
export interface Agreement {
  /** Pairs of scores. */
  readonly n: number;
  /** Pearson's r, from -1 to 1; null if a rater is constant or there are no pairs. */
  readonly correlation: number | null;
  /** Percentile bootstrap over pairs at 95 %; draws in which a rater is constant are left out. Null with r. */
  readonly correlationInterval: readonly [low: number, high: number] | null;
  /** Share of the pairs at most one point apart, from 0 to 1; null without pairs. */
  readonly withinOne: number | null;
  /** Wilson interval at 95 %; [0, 1] without pairs. */
  readonly withinOneInterval: readonly [low: number, high: number];
  /** Kappa of the two answers to score >= threshold; null if all of both lie on the same side of it. */
  readonly kappaAtThreshold: number | null;
  /** Kappa with quadratic weights; null if both raters give one and the same score throughout. */
  readonly kappaQuadratic: number | null;
}

/**
 * Every measure of agreement that a report needs. The pairs count as independent: for several turns of one
 * conversation the intervals are too narrow. ShapeError if the lengths differ, InvalidInputError for a score that
 * is no integer or a threshold that is NaN.
 */
export function agreementOf(
  a: readonly number[],
  b: readonly number[],
  { threshold, random, resamples = 1000 }: AgreementOptions,
): Agreement {
  assertScores('agreementOf', a, b);
  if (Number.isNaN(threshold))
    throw new InvalidInputError('agreementOf: expected a number as threshold, got NaN');
  const isAbove = (score: number): number => (score >= threshold ? 1 : 0);
  const correlation = orNull(pearson(a, b));
  const pairs = a.map((score, i) => [score, b[i]!] as const);
  const withinOne = orNull(shareWithin(a, b, 1));
  return {
    n: a.length,
    correlation,
    correlationInterval:
      correlation === null ? null : bootstrapPairs(pairs, pearson, random, resamples),
    withinOne,
    withinOneInterval: wilson(Math.round((withinOne ?? 0) * a.length), a.length),
    kappaAtThreshold: orNull(cohenKappa(a.map(isAbove), b.map(isAbove))),
    kappaQuadratic: orNull(cohenKappa(a, b, { weights: 'quadratic' })),
  };
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** Share of all n x n pairings of a score of `a` with one of `b` that differ. */
function chanceMiss(a: readonly number[], b: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const score of b) counts.set(score, (counts.get(score) ?? 0) + 1);
  const same = a.reduce((sum, score) => sum + (counts.get(score) ?? 0), 0);
  return 1 - same / (a.length * b.length);
}

function meanSquare(a: readonly number[], b: readonly number[]): number {
  return mean(a.map((score, i) => (score - b[i]!) ** 2));
}

/** Mean squared difference over all n x n pairings: both variances and the squared distance of the means. */
function chanceSquare(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  const varianceOf = (scores: readonly number[], centre: number): number =>
    mean(scores.map((score) => (score - centre) ** 2));
  return varianceOf(a, meanA) + varianceOf(b, meanB) + (meanA - meanB) ** 2;
}

function assertScores(where: string, a: readonly number[], b: readonly number[]): void {
  if (a.length !== b.length) throw new ShapeError(where, a.length, b.length);
  for (const score of [...a, ...b])
    if (!Number.isInteger(score))
      throw new InvalidInputError(`${where}: expected integer scores, got ${score}`, {
        hint: 'leave out the pairs that a rater did not score',
      });
}
