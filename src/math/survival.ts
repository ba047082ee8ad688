/**
 * @file How many attempts are made before giving up, because a run that is stopped at its last attempt says only
 * that it would have gone at least so far: the Kaplan-Meier estimate and the mean up to a horizon.
 */
import { InvalidInputError } from '../errors.ts';
import type { Random } from './random.ts';
import { quantile } from './stats.ts';

/** One run of attempts. */
export interface Run {
  /** Attempts made, a whole number from 1. */
  readonly attempts: number;
  /** True if it gave up after them, false if it was stopped there while still trying. */
  readonly gaveUp: boolean;
}

/** The estimate at one attempt. */
export interface SurvivalStep {
  /** From 1. */
  readonly attempt: number;
  /** Runs that made this attempt. */
  readonly atRisk: number;
  /** Runs that gave up right after it. */
  readonly gaveUp: number;
  /** Estimated chance to go on after this attempt, from 0 to 1. */
  readonly survival: number;
}

/**
 * Kaplan-Meier estimate at every attempt from 1 to the last that any run made. A run stopped at an attempt still
 * counts as at risk there. Empty without runs. InvalidInputError for attempts that are no whole number from 1.
 */
export function kaplanMeier(runs: readonly Run[]): SurvivalStep[] {
  const last = runs.reduce((most, { attempts }) => Math.max(most, checked(attempts)), 0);
  const [ends, givenUp] = [new Uint32Array(last + 1), new Uint32Array(last + 1)];
  for (const { attempts, gaveUp } of runs) {
    ends[attempts]! += 1;
    if (gaveUp) givenUp[attempts]! += 1;
  }
  let [atRisk, survival] = [runs.length, 1];
  return Array.from({ length: last }, (_, i) => {
    const attempt = i + 1;
    const gaveUp = givenUp[attempt]!;
    survival *= 1 - gaveUp / atRisk;
    const step = { attempt, atRisk, gaveUp, survival };
    atRisk -= ends[attempt]!;
    return step;
  });
}

/**
 * Mean number of attempts before giving up, counting none beyond `horizon`: the area under the Kaplan-Meier curve
 * up to it, from 1 to `horizon`. NaN without runs, and where all that go on are stopped so early that the curve
 * does not reach the horizon. InvalidInputError for a horizon or attempts that are no whole number from 1.
 */
export function restrictedMean(runs: readonly Run[], horizon: number): number {
  checked(horizon, 'a horizon');
  const steps = kaplanMeier(runs);
  if (steps.length === 0) return NaN;
  // The first attempt is always made; attempt t + 1 by those that go on after t.
  let area = 1;
  for (let attempt = 1; attempt < horizon; attempt++) {
    const survival = steps[attempt - 1]?.survival;
    if (survival === undefined) return steps.at(-1)!.survival === 0 ? area : NaN;
    area += survival;
  }
  return area;
}

export interface RestrictedMeanOptions {
  /** Attempts beyond this one count for neither side; usually the most that a run may make. From 1. */
  readonly horizon: number;
  readonly random: Random;
  /** @default 1000 */
  readonly resamples?: number;
  /** Share of such intervals that should hold the true value, between 0 and 1. @default 0.95 */
  readonly level?: number;
}

/** A difference of two restricted means, in attempts. */
export interface RestrictedMeanDifference {
  /** Mean of `a` less that of `b`; NaN where either is. */
  readonly difference: number;
  /** Percentile bootstrap, each side drawn on its own; draws that do not reach the horizon are left out. */
  readonly interval: readonly [low: number, high: number];
}

/**
 * How many more attempts the runs of `a` make before giving up than those of `b`. The runs count as independent.
 * The interval is [NaN, NaN] where the difference is NaN or a side has fewer than two runs, and a single point
 * where neither side varies, however few runs that is. InvalidInputError as for `restrictedMean`, and for a level
 * or a number of resamples out of range.
 */
export function restrictedMeanDifference(
  a: readonly Run[],
  b: readonly Run[],
  { horizon, random, resamples = 1000, level = 0.95 }: RestrictedMeanOptions,
): RestrictedMeanDifference {
  checked(resamples, 'resamples');
  if (!(level > 0 && level < 1))
    throw new InvalidInputError(`survival: expected a level from 0 to 1, got ${level}`);
  const difference = restrictedMean(a, horizon) - restrictedMean(b, horizon);
  if (Number.isNaN(difference) || Math.min(a.length, b.length) < 2)
    return { difference, interval: [NaN, NaN] };
  const draw = (runs: readonly Run[]): Run[] =>
    runs.map(() => runs[Math.floor(random() * runs.length)]!);
  const drawn = Array.from(
    { length: resamples },
    () => restrictedMean(draw(a), horizon) - restrictedMean(draw(b), horizon),
  ).filter((value) => !Number.isNaN(value));
  return {
    difference,
    interval: [quantile(drawn, (1 - level) / 2), quantile(drawn, (1 + level) / 2)],
  };
}

function checked(count: number, what = 'attempts'): number {
  if (!(Number.isSafeInteger(count) && count >= 1))
    throw new InvalidInputError(
      `survival: expected ${what} as a whole number from 1, got ${count}`,
    );
  return count;
}
