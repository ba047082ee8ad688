/**
 * @file The arms of a steering experiment and what they show (protocol section 5): emotions and random
 * directions of equal norm, each at several doses and both signs, on the same items. What turns with the
 * sign of the dose is the effect of the direction; what does not is damage.
 */
import { z } from 'zod';

import type { Steering } from '../engine/engine.ts';
import { gaussian, type Random, randomDirection, randomFrom } from '../math/random.ts';
import { bootstrapMean, mean } from '../math/stats.ts';
import { meanP } from '../math/student.ts';
import { scale, unit } from '../math/vector.ts';
import { buildSteering, middleLayers } from '../steering/steering.ts';
import { normAt, type VectorPack } from '../vectors/pack.ts';

/** Ascending doses as a study's parameter: a list, or text such as `0.03,0.06`; empty for none. */
export const doseList = z.preprocess(
  (value) =>
    typeof value === 'string' ? value.split(',').filter((part) => part.trim() !== '') : value,
  z
    .array(z.coerce.number().min(0.001).max(1))
    .max(20)
    .refine((doses) => doses.every((dose, i) => dose > (doses[i - 1] ?? 0)), {
      error: 'expected ascending doses, such as 0.03,0.06,0.1',
    }),
);

export interface ArmPlan {
  readonly emotions: readonly string[];
  /** Ascending, above 0; each is tried with both signs. Shares of the residual norm at each layer of the middle third. */
  readonly doses: readonly number[];
  /** Random directions. */
  readonly random: number;
  /** Random mixtures of all emotion vectors, which count as random directions too. */
  readonly mixtures: number;
  readonly seed: number;
}

export interface Arm {
  /** `unsteered`, `calm +0.05`, `random 2 -0.05` */
  readonly key: string;
  readonly kind: 'unsteered' | 'emotion' | 'random';
  /** `unsteered`, `calm`, `random 2`, `mixture 1` */
  readonly direction: string;
  /** 0 without steering. */
  readonly dose: number;
  readonly steering: Steering | null;
}

/**
 * Unsteered first, then each direction from its lowest dose to its highest. The residual stream hardly varies
 * along most directions, so plain random ones push it where later blocks do not look; a mixture of the emotion
 * vectors moves it about as strongly as an emotion and means none.
 */
export function armsOf(
  pack: VectorPack,
  { emotions, doses, random, mixtures, seed }: ArmPlan,
): Arm[] {
  const signed = [...doses.map((dose) => -dose).toReversed(), ...doses];
  const keyOf = (direction: string, dose: number): string =>
    `${direction} ${dose > 0 ? '+' : ''}${dose}`;
  const arms: Arm[] = [
    { key: 'unsteered', kind: 'unsteered', direction: 'unsteered', dose: 0, steering: null },
  ];
  for (const direction of emotions)
    for (const dose of signed)
      arms.push({
        key: keyOf(direction, dose),
        kind: 'emotion',
        direction,
        dose,
        steering: buildSteering(pack, [{ emotion: direction, dose }]),
      });
  const controls = [
    ...Array.from({ length: random }, (_, k) => ({
      direction: `random ${k + 1}`,
      vectors: lineVectors(pack, randomFrom(seed * 1000 + k + 1)),
    })),
    ...Array.from({ length: mixtures }, (_, k) => ({
      direction: `mixture ${k + 1}`,
      vectors: mixtureVectors(pack, randomFrom(seed * 1000 + 500 + k)),
    })),
  ];
  for (const { direction, vectors } of controls)
    for (const dose of signed)
      arms.push({
        key: keyOf(direction, dose),
        kind: 'random',
        direction,
        dose,
        steering: ofNorm(pack, dose, vectors),
      });
  return arms;
}

/** One random direction at all steered layers, so that its pushes add up as those of an emotion do. */
function lineVectors(pack: VectorPack, random: Random): Steering['vectors'] {
  const direction = randomDirection(pack.width, random);
  return new Map(middleLayers(pack).map((layer) => [layer, direction]));
}

/** A mixture of all emotion vectors, of the same random weights at each layer. */
function mixtureVectors(pack: VectorPack, random: Random): Steering['vectors'] {
  const weights = pack.emotions.map((emotion) => ({ emotion, dose: gaussian(random) }));
  return buildSteering(pack, weights).vectors;
}

/** The vectors' directions at the norm that an emotion has at this dose. */
function ofNorm(pack: VectorPack, dose: number, vectors: Steering['vectors']): Steering {
  const scaled = [...vectors].map(
    ([layer, vector]) => [layer, scale(unit(vector), dose * normAt(pack, layer))] as const,
  );
  return { vectors: new Map(scaled) };
}

/** What trends are told for: 0.1 of the residual norm, the largest dose of the paper. They are slopes, not values there. */
export const trendDose = 0.1;

export interface DirectionEffect {
  readonly direction: string;
  readonly kind: 'emotion' | 'random';
  /**
   * Change of the outcome at `trendDose` by the line through the odd parts (f(+d) - f(-d)) / 2 of all
   * doses, mean over the items, with its bootstrap interval over the items.
   */
  readonly trend: number;
  readonly interval: readonly [low: number, high: number];
  /** Two-sided, for the mean trend of the items being 0; 1 with nothing left. */
  readonly p: number;
  /** Largest even part ((f(+d) + f(-d)) / 2 less unsteered) by size: damage, not direction. */
  readonly even: number;
  /** Doses that the line goes through, ascending. */
  readonly doses: readonly number[];
  /** Items with a value in every arm. */
  readonly n: number;
}

/** Outcomes of an arm, one an item in the same order; null where it could not be measured. */
export type Outcomes = ReadonlyMap<string, readonly (number | null)[]>;

/** Which arms hold: a dose that breaks with either sign is out with both. */
export function holding(
  arms: readonly Arm[],
  breaks: (arm: Arm) => boolean,
): (arm: Arm) => boolean {
  const broken = arms.filter((arm) => arm.kind !== 'unsteered' && breaks(arm));
  return ({ direction, dose }) =>
    !broken.some((arm) => arm.direction === direction && Math.abs(arm.dose) === Math.abs(dose));
}

/**
 * The effect of each direction over the arms that `isUsed` lets through; items that lack a value in some
 * of them are left out. A direction with nothing left has n 0 and no trend.
 */
export function effectsOf(
  arms: readonly Arm[],
  outcomes: Outcomes,
  seed: number,
  isUsed: (arm: Arm) => boolean = () => true,
): DirectionEffect[] {
  const steered = arms.filter(({ kind }) => kind !== 'unsteered');
  const directions = [...new Set(steered.map(({ direction }) => direction))];
  return directions.map((direction) => {
    const all = steered.filter((arm) => arm.direction === direction);
    const kind = all[0]?.kind === 'random' ? 'random' : 'emotion';
    const own = all.filter(isUsed);
    const doses = own.map(({ dose }) => dose).filter((dose) => dose > 0);
    const items = doses.length === 0 ? [] : itemsOf(own, doses, outcomes);
    if (items.length === 0) return { direction, kind, doses: [], ...nothing };
    const trends = items.map(trendOf);
    const evens = doses.map((_, k) =>
      mean(items.map(({ before, pairs }) => evenPart(before, pairs[k]))),
    );
    return {
      direction,
      kind,
      doses,
      trend: mean(trends),
      interval: bootstrapMean(trends, randomFrom(seed)),
      p: meanP(trends),
      even: evens.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0),
      n: items.length,
    };
  });
}

const nothing = { trend: NaN, interval: [NaN, NaN], p: 1, even: NaN, n: 0 } as const;

/** One item's outcome without steering, and under both signs of each dose. */
interface Item {
  readonly before: number;
  readonly pairs: readonly (readonly [dose: number, up: number, down: number])[];
}

function itemsOf(own: readonly Arm[], doses: readonly number[], outcomes: Outcomes): Item[] {
  const at = (dose: number, i: number): number | null =>
    outcomes.get(own.find((arm) => arm.dose === dose)?.key ?? '')?.[i] ?? null;
  return (outcomes.get('unsteered') ?? []).flatMap((before, i) => {
    const pairs = doses.flatMap((dose) => {
      const [up, down] = [at(dose, i), at(-dose, i)];
      return up === null || down === null ? [] : [[dose, up, down] as const];
    });
    return before === null || pairs.length < doses.length ? [] : [{ before, pairs }];
  });
}

/** Slope of the line through 0 and the odd parts, at `trendDose`. */
function trendOf({ pairs }: Item): number {
  const square = pairs.reduce((sum, [dose]) => sum + dose * dose, 0);
  const product = pairs.reduce((sum, [dose, up, down]) => sum + (dose * (up - down)) / 2, 0);
  return (trendDose * product) / square;
}

function evenPart(before: number, pair: Item['pairs'][number] | undefined): number {
  return pair === undefined ? NaN : (pair[1] + pair[2]) / 2 - before;
}

/** Largest trend of the random directions by size, either sign; 0 without any. */
export function randomBand(effects: readonly DirectionEffect[]): number {
  return Math.max(
    0,
    ...effects
      .filter(({ kind, n }) => kind === 'random' && n > 0)
      .map(({ trend }) => Math.abs(trend)),
  );
}

/** Whether a trend is one: its interval excludes 0 and no random direction has one as large. Without any, none is. */
export function beatsRandom(effect: DirectionEffect, effects: readonly DirectionEffect[]): boolean {
  const [low, high] = effect.interval;
  return (
    controlsOf(effects).left > 0 &&
    (low > 0 || high < 0) &&
    Math.abs(effect.trend) > randomBand(effects)
  );
}

/** Random directions that are left to compare with, of how many. */
export function controlsOf(effects: readonly DirectionEffect[]): { left: number; of: number } {
  const random = effects.filter(({ kind }) => kind === 'random');
  return { left: random.filter(({ n }) => n > 0).length, of: random.length };
}
