/**
 * @file The numbers of the preference study, from strengths, readings and steered strengths alone: how well a
 * reading of an activity goes with how much it is preferred, and whether steering raises what reads high.
 */
import { fitLine } from '../math/least-squares.ts';
import { type Random, randomFrom, shuffled } from '../math/random.ts';
import { bootstrapPairs, mean, pearson, quantile } from '../math/stats.ts';
import { amongP } from './claims.ts';

/** Shuffles of a permutation test. */
const shuffles = 1000;

export interface Correlation {
  readonly r: number;
  /** Bootstrap over the activities. */
  readonly interval: readonly [low: number, high: number];
}

/** The items with even index for 0, with odd index for 1. */
export function halfOf<T>(items: readonly T[], parity: number): T[] {
  return items.filter((_, i) => i % 2 === parity);
}

export function correlate(a: readonly number[], b: readonly number[], random: Random): Correlation {
  const pairs = a.map((x, i) => [x, b[i] ?? NaN] as const);
  return { r: pearson(a, b), interval: bootstrapPairs(pairs, pearson, random) };
}

/** What the line through `x` leaves of `y`; `y` less its mean where `x` is constant. */
export function residuals(y: readonly number[], x: readonly number[]): number[] {
  const { slope, residuals: left } = fitLine(y.map((value, i) => [x[i] ?? NaN, value]));
  if (!Number.isNaN(slope)) return [...left];
  const centre = mean(y);
  return y.map((value) => value - centre);
}

/** Each value less the mean of its group. */
export function withinGroups(values: readonly number[], groups: readonly string[]): number[] {
  return values.map((value, i) => value - mean(values.filter((_, j) => groups[j] === groups[i])));
}

/** Share of the variance that lies between the groups, from 0 to 1. */
export function betweenShare(values: readonly number[], groups: readonly string[]): number {
  const square = (list: readonly number[]): number => list.reduce((sum, x) => sum + x * x, 0);
  const centre = mean(values);
  return 1 - square(withinGroups(values, groups)) / square(values.map((x) => x - centre));
}

/** A statistic of shuffled copies of the values, ascending. */
export function shuffledStatistics(
  values: readonly number[],
  statistic: (shuffled: readonly number[]) => number,
  random: Random,
): number[] {
  return Array.from({ length: shuffles }, () => statistic(shuffled(values, random))).toSorted(
    (a, b) => a - b,
  );
}

/** Correlations of each row's values with the same values; rows are scaled once. */
function correlator(rows: readonly (readonly number[])[]): (values: readonly number[]) => number[] {
  const scaled = rows.map(standard);
  return (values) => {
    const other = standard(values);
    return scaled.map((row) => {
      let sum = 0;
      for (let i = 0; i < row.length; i++) sum += (row[i] ?? 0) * (other[i] ?? 0);
      return sum;
    });
  };
}

/** Mean 0 and length 1; NaN where all are the same. */
function standard(values: readonly number[]): Float64Array {
  const centre = mean(values);
  const length = Math.hypot(...values.map((value) => value - centre));
  return Float64Array.from(values, (value) => (value - centre) / length);
}

/** Levels of `curveOf`: 0 to 1 by twentieths. */
export const curveLevels = Array.from({ length: 21 }, (_, i) => i / 20);

/** The correlations in ascending order, as quantiles at `curveLevels`, so that sets of any size compare. */
export function curveOf(correlations: readonly number[]): number[] {
  return curveLevels.map((level) => quantile(correlations, level));
}

export interface ReadingEffects {
  /** Correlation with the strengths by emotion, in their order. */
  readonly emotions: readonly number[];
  /** The same of the random directions. */
  readonly random: readonly number[];
  /** 95 % of the random directions have a smaller |r|. */
  readonly limit: number;
  /** Largest |r| of all emotions in each shuffle of the strengths, ascending. */
  readonly largest: readonly number[];
  /** Middle 95 % of the emotions' curves over shuffles, by `curveLevels`. */
  readonly band: { readonly low: readonly number[]; readonly high: readonly number[] };
}

/** @param columns one list of readings a direction: the emotions, then the random directions */
export function readingEffects(
  columns: readonly (readonly number[])[],
  { emotions, strengths, seed }: { emotions: number; strengths: readonly number[]; seed: number },
): ReadingEffects {
  const random = randomFrom(seed);
  const own = correlator(columns.slice(0, emotions));
  const others = correlator(columns.slice(emotions))(strengths);
  const curves: number[][] = [];
  const largest = shuffledStatistics(
    strengths,
    (values) => {
      const all = own(values);
      curves.push(curveOf(all));
      return Math.max(...all.map(Math.abs));
    },
    random,
  );
  const bandAt = (share: number): number[] =>
    curveLevels.map((_, k) =>
      quantile(
        curves.map((curve) => curve[k] ?? NaN),
        share,
      ),
    );
  return {
    emotions: own(strengths),
    random: others,
    limit: quantile(others.map(Math.abs), 0.95),
    largest,
    band: { low: bandAt(0.025), high: bandAt(0.975) },
  };
}

/** What one direction does to the strengths. */
export interface Steered {
  /** `calm`, `random 2` */
  readonly direction: string;
  readonly kind: 'emotion' | 'random';
  /** Strength under the dose less strength under its opposite, one an activity, in log-odds. */
  readonly change: readonly number[];
  /** Mean of both less the unsteered strength: what does not turn with the sign, so damage. */
  readonly even: readonly number[];
  /** Correlation of the changes by two disjoint halves of the pairs. */
  readonly reliability: number;
  /** Mean probability that the reply is a letter, the lower of the two signs. */
  readonly mass: number;
  /** Mean probability of the first place, at the lower dose and at the upper. */
  readonly first: readonly [number, number];
}

export interface SteeringEffect {
  readonly direction: string;
  /** Correlation over the activities of the change with the reading of the emotion. */
  readonly all: Correlation;
  /** Of the activities with even and with odd index. */
  readonly halves: readonly [even: Correlation, odd: Correlation];
  /** With the unsteered strength taken out of both, as steering that sharpens all choices moves all strengths. */
  readonly partial: Correlation;
  /** Largest |r| of the random directions' changes with the same reading. */
  readonly randomMost: number;
  /** 95 % of the random readings have a smaller |r| with the same change. */
  readonly limit: number;
  readonly isBroken: boolean;
  /** Chance of as much by the random readings or by the random directions, as a sample; the larger of the two. */
  readonly p: number;
  /** `all` and `partial` leave 0 to the same side, both halves agree, and both controls are smaller. */
  readonly counts: boolean;
}

/** Letters less than half as likely as without steering: the reply is no choice any more. */
const brokenShare = 0.5;

export interface SteeringInput {
  readonly steered: readonly Steered[];
  /** Unsteered strengths of the same pairs. */
  readonly strengths: readonly number[];
  /** Readings of the emotion by activity. */
  readonly reading: readonly number[];
  /** Readings of the random directions, one list each. */
  readonly randomReadings: readonly (readonly number[])[];
  /** Mean mass without steering. */
  readonly mass: number;
  readonly seed: number;
}

/** The effect of one emotion's direction on preference for what reads high on it. */
export function steeringEffect(direction: string, input: SteeringInput): SteeringEffect {
  const { steered, strengths, reading, randomReadings, mass, seed } = input;
  const random = randomFrom(seed);
  const own = steered.find((one) => one.direction === direction);
  const change = own?.change ?? [];
  const half = (parity: number): Correlation =>
    correlate(halfOf(change, parity), halfOf(reading, parity), random);
  const all = correlate(change, reading, random);
  const halves = [half(0), half(1)] as const;
  const partial = correlate(residuals(change, strengths), residuals(reading, strengths), random);
  const others = steered
    .filter(({ kind }) => kind === 'random')
    .map((one) => Math.abs(pearson(one.change, reading)));
  // A direction that changes nothing has no correlation.
  const randomMost = Math.max(0, ...others.filter((r) => !Number.isNaN(r)));
  const elsewhere = correlator(randomReadings)(change);
  const limit = quantile(elsewhere.map(Math.abs), 0.95);
  const isBroken = (own?.mass ?? 0) < brokenShare * mass;
  const sides = [all, partial].map(sideOf);
  const signs = halves.map(({ r }) => Math.sign(r));
  return {
    direction,
    all,
    halves,
    partial,
    randomMost,
    limit,
    isBroken,
    p: Math.max(
      shareBeyond(all.r, elsewhere),
      amongP(
        Math.atanh(all.r),
        others.filter((r) => !Number.isNaN(r)).map((r) => Math.atanh(r)),
      ),
    ),
    counts:
      !isBroken &&
      sides[0] !== 0 &&
      [...sides, ...signs].every((side) => side === sides[0]) &&
      Math.abs(all.r) > Math.max(randomMost, limit),
  };
}

/** Share of values that are as large by size, the given one among them; 1 of one that is no number. */
export function shareBeyond(value: number, others: readonly number[]): number {
  const asLarge = others.filter((other) => !(Math.abs(other) < Math.abs(value))).length;
  return (1 + asLarge) / (1 + others.length);
}

/** The side of 0 on which the whole interval lies; 0 if it holds 0. */
export function sideOf({ interval: [low, high] }: Correlation): -1 | 0 | 1 {
  return low > 0 ? 1 : high < 0 ? -1 : 0;
}
