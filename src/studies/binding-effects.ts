/**
 * @file The numbers of the binding study, from its cells alone: distances from the neutral twins, the three
 * contrasts with their controls, and the share that a condition keeps.
 */
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, bootstrapPairs, deviation, mean, quantile } from '../math/stats.ts';
import type { BindingItem } from './stimuli.ts';

export const conditions = ['affirmed', 'negated', 'other', 'neutral'] as const;
export type Condition = (typeof conditions)[number];
export const readouts = ['before the reply', 'over the message'] as const;

/**
 * Emotions that are pleasant and unpleasant to be in. An effect that the others of the same side share is one
 * of valence; a mean over both sides would hide it.
 */
const sides: readonly (readonly string[])[] = [
  ['happy', 'inspired', 'loving', 'proud', 'calm'],
  ['desperate', 'angry', 'guilty', 'sad', 'afraid', 'nervous'],
];

/** One item's readings, [readouts][conditions][layers][emotions, then random directions]. */
export interface BindingCell {
  readonly readings: number[][][][];
}

export interface BindingData {
  readonly items: readonly BindingItem[];
  readonly cells: readonly BindingCell[];
  readonly layers: readonly number[];
  readonly bestLayer: number;
  readonly settings: { readonly random: number; readonly seed: number };
}

/** Distances of one readout at one layer. */
interface Distances {
  readonly emotions: readonly string[];
  /**
   * Reading of item i in a condition less that of its neutral twin, on one direction, in standard deviations of
   * the direction's readings over the neutral twins.
   */
  readonly at: (condition: Condition, i: number, direction: number) => number;
}

/** Distances from the neutral twins in one readout, at the layer of that slot. */
export function distancesOf(
  { items, cells }: BindingData,
  readout: number,
  slot: number,
): Distances {
  const emotions = emotionsOf(items);
  const raw = (i: number, condition: Condition, direction: number): number =>
    cells[i]?.readings[readout]?.[conditions.indexOf(condition)]?.[slot]?.[direction] ?? NaN;
  const count = cells[0]?.readings[readout]?.[0]?.[slot]?.length ?? 0;
  const spreads = Array.from({ length: count }, (_, d) =>
    deviation(items.map((_item, i) => raw(i, 'neutral', d))),
  );
  return {
    emotions,
    at: (condition, i, d) => (raw(i, condition, d) - raw(i, 'neutral', d)) / (spreads[d] ?? NaN),
  };
}

export interface Estimate {
  readonly value: number;
  readonly interval: readonly [low: number, high: number];
  readonly n: number;
}

export interface BindingEffect {
  /** `affirmed less negated` */
  readonly name: string;
  readonly own: Estimate;
  /** 95 % of sets of random directions, one direction an emotion as the vectors are. */
  readonly band: readonly [low: number, high: number];
  /**
   * 95 % of single random directions, each for all items. Wider where the condition moves every text the same way
   * ("not" in each of them), which no set of different directions can follow; shown, not in the rule.
   */
  readonly single: readonly [low: number, high: number];
  /** Mean over the other emotions on the same items. */
  readonly others: number;
  /** Own emotion less the mean of the others, and less that of the others on its side. */
  readonly overOthers: Estimate;
  readonly overSide: Estimate;
  /** Share of the random sets that are as large by size, the effect itself among them. */
  readonly p: number;
  /** 1 or -1 if it counts: beyond 0, the random directions and the other emotions; 0 if not. */
  readonly sign: -1 | 0 | 1;
}

const contrasts: readonly (readonly [Condition, Condition])[] = [
  ['affirmed', 'neutral'],
  ['affirmed', 'negated'],
  ['affirmed', 'other'],
];

/** The three contrasts of one readout at one layer. */
export function bindingEffects(data: BindingData, readout: number, slot: number): BindingEffect[] {
  const { items, settings } = data;
  const { emotions, at } = distancesOf(data, readout, slot);
  return contrasts.map(([a, b]) => {
    const change = (i: number, d: number): number => at(a, i, d) - at(b, i, d);
    const own = items.map(({ emotion }, i) => change(i, emotions.indexOf(emotion)));
    const meanOf = (i: number, names: readonly string[]): number =>
      mean(names.map((name) => change(i, emotions.indexOf(name))));
    const others = items.map(({ emotion }, i) =>
      meanOf(
        i,
        emotions.filter((name) => name !== emotion),
      ),
    );
    const overSide = items.flatMap(({ emotion }, i) => {
      const side = sides.find((names) => names.includes(emotion)) ?? [];
      const fellows = side.filter((name) => name !== emotion && emotions.includes(name));
      return fellows.length === 0 ? [] : [(own[i] ?? NaN) - meanOf(i, fellows)];
    });
    const pool = settings.random;
    const directions = Array.from({ length: pool }, (_, r) =>
      items.map((_item, i) => change(i, emotions.length + r)),
    );
    // As the own emotion has a direction an emotion, so has each random set: far apart in the pool, none twice.
    const step = Math.floor(pool / emotions.length);
    const sets = directions.map((_, r) =>
      mean(
        items.map(({ emotion }, i) => {
          const k = (r + step * emotions.indexOf(emotion)) % pool;
          return directions[k]?.[i] ?? NaN;
        }),
      ),
    );
    const estimate = (values: readonly number[]): Estimate => ({
      value: mean(values),
      interval: bootstrapMean(values, randomFrom(settings.seed + 1)),
      n: values.length,
    });
    const effect = {
      name: `${a} less ${b}`,
      own: estimate(own),
      band: bandOf(sets),
      p: (1 + sets.filter((set) => Math.abs(set) >= Math.abs(mean(own))).length) / (1 + pool),
      single: bandOf(directions.map(mean)),
      others: mean(others),
      overOthers: estimate(own.map((value, i) => value - (others[i] ?? NaN))),
      overSide: estimate(overSide),
    };
    return { ...effect, sign: signOf(effect) };
  });
}

/**
 * The sign of a drop under negation or with a colleague for a verdict. It is asked only where the affirmed situation
 * counts; two drops then share that place's half of 5 %.
 */
export function dropSign({ sign, p }: BindingEffect): -1 | 0 | 1 {
  return p < 0.05 / 4 ? sign : 0;
}

function bandOf(values: readonly number[]): readonly [low: number, high: number] {
  return [quantile(values, 0.025), quantile(values, 0.975)];
}

function signOf({
  own,
  band,
  overOthers,
}: Pick<BindingEffect, 'own' | 'band' | 'overOthers'>): -1 | 0 | 1 {
  if (own.interval[0] > 0 && own.value > band[1] && overOthers.interval[0] > 0) return 1;
  if (own.interval[1] < 0 && own.value < band[0] && overOthers.interval[1] < 0) return -1;
  return 0;
}

/** Share of the affirmed effect that a condition keeps, with its bootstrap interval over the items. */
export function shareKept(
  data: BindingData,
  readout: number,
  slot: number,
  condition: Condition,
): Estimate {
  const { emotions, at } = distancesOf(data, readout, slot);
  const pairs = data.items.map(({ emotion }, i) => {
    const d = emotions.indexOf(emotion);
    return [at(condition, i, d), at('affirmed', i, d)] as const;
  });
  const ratio = (a: readonly number[], b: readonly number[]): number => mean(a) / mean(b);
  return {
    value: ratio(
      pairs.map(([kept]) => kept),
      pairs.map(([, whole]) => whole),
    ),
    interval: bootstrapPairs(pairs, ratio, randomFrom(data.settings.seed + 2)),
    n: pairs.length,
  };
}

/** The emotions of the items, each once, in their order. */
export function emotionsOf(items: readonly BindingItem[]): string[] {
  return [...new Set(items.map(({ emotion }) => emotion))];
}
