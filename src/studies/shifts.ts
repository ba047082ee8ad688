/**
 * @file How far readings lie apart in two models that read the same texts, direction by direction, in
 * standard deviations over neutral messages, and what random directions give by the same procedure. What
 * is called moved must go beyond the largest shift of as many random directions as there are emotions.
 */
import { meanRow } from '../math/pca.ts';
import { type Random, randomDirection, randomFrom } from '../math/random.ts';
import { bootstrapMean, deviation, mean, quantile } from '../math/stats.ts';
import { cosine, dot } from '../math/vector.ts';

/** Residuals [width] of the same texts in two models, one row a text. */
export interface RowPair {
  readonly instruct: readonly Float32Array[];
  readonly base: readonly Float32Array[];
}

/** Smallest shift that is called one: Cohen's small effect, in standard deviations over neutral messages. */
export const smallestShift = 0.2;

export interface Shift {
  readonly emotion: string;
  /** Instruct less base of each text, in standard deviations over neutral messages. */
  readonly texts: readonly number[];
  /** Their mean. */
  readonly value: number;
  /** Bootstrap over the texts. */
  readonly interval: readonly [low: number, high: number];
  /** Its interval leaves out 0, it is beyond the random directions, and at least `smallestShift`. */
  readonly isMoved: boolean;
}

export interface RandomShifts {
  /** 95 % of all random directions. */
  readonly band: readonly [low: number, high: number];
  /** In 99 % of the sets of random directions the largest shift by size is below this. */
  readonly largest: number;
  /** In 95 % of the sets the mean size is below this. */
  readonly meanSize: number;
  /** At each place from the largest down, what 95 % of the sets have there: [directions a set]. */
  readonly sorted: { readonly low: readonly number[]; readonly high: readonly number[] };
}

/** Mean row of instruct less that of base, [width]. */
function meanDifference({ instruct, base }: RowPair): Float32Array {
  const mine = meanOf(instruct);
  const other = meanOf(base);
  return mine.map((value, i) => value - (other[i] ?? NaN));
}

function meanOf(rows: readonly Float32Array[]): Float32Array {
  const width = rows[0]?.length ?? 1;
  const flat = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) flat.set(row, i * width);
  return meanRow(flat, width);
}

export interface RandomPlan {
  /** Sets of random directions. */
  readonly sets: number;
  /** Directions a set: as many as there are emotions. */
  readonly size: number;
  readonly seed: number;
}

/**
 * Shifts of each pair along the same directions, uniform on the sphere: [pairs][sets][size].
 * @param ruler rows of the neutral messages in the instruct model, whose deviation along a direction is 1
 */
export function randomShifts(
  pairs: readonly RowPair[],
  ruler: readonly Float32Array[],
  { sets, size, seed }: RandomPlan,
): number[][][] {
  const random = randomFrom(seed);
  const differences = pairs.map(meanDifference);
  const width = differences[0]?.length ?? 0;
  const result = pairs.map(() => Array.from({ length: sets }, (): number[] => []));
  for (let set = 0; set < sets; set++)
    for (let i = 0; i < size; i++) {
      const direction = randomDirection(width, random);
      const spread = deviation(ruler.map((row) => dot(direction, row)));
      for (const [p, difference] of differences.entries())
        result[p]?.[set]?.push(dot(direction, difference) / spread);
    }
  return result;
}

/** What the random directions give, in numbers that emotions are held against. */
export function summariseRandom(sets: readonly (readonly number[])[]): RandomShifts {
  const all = sets.flat();
  const sizes = sets.map((values) => values.map(Math.abs).toSorted((a, b) => b - a));
  const at = (place: number, share: number): number =>
    quantile(
      sizes.map((values) => values[place] ?? NaN),
      share,
    );
  const places = [...(sizes[0] ?? []).keys()];
  return {
    band: [quantile(all, 0.025), quantile(all, 0.975)],
    // A verdict asks five questions, and each gets a fifth of 5 %.
    largest: at(0, 0.99),
    meanSize: quantile(sets.map(meanSize), 0.95),
    sorted: {
      low: places.map((place) => at(place, 0.025)),
      high: places.map((place) => at(place, 0.975)),
    },
  };
}

/** Shift along each emotion's vector [width], with whether it counts. */
export function emotionShifts(
  vectors: ReadonlyMap<string, Float32Array>,
  {
    pair,
    ruler,
    largest,
    seed,
  }: {
    readonly pair: RowPair;
    readonly ruler: readonly Float32Array[];
    readonly largest: number;
    readonly seed: number;
  },
): Shift[] {
  const random = randomFrom(seed);
  return Array.from(vectors, ([emotion, vector]) => {
    const spread = deviation(ruler.map((row) => dot(vector, row)));
    const own = pair.instruct.map(
      (row, i) => (dot(vector, row) - dot(vector, pair.base[i] ?? row)) / spread,
    );
    const value = mean(own);
    const interval = bootstrapMean(own, random);
    const leavesZero = interval[0] > 0 || interval[1] < 0;
    const size = Math.abs(value);
    return {
      emotion,
      texts: own,
      value,
      interval,
      isMoved: leavesZero && size > largest && size >= smallestShift,
    };
  });
}

/** Mean of the shifts by size. */
export function meanSize(shifts: readonly number[]): number {
  return mean(shifts.map(Math.abs));
}

/** Bootstrap over the texts of the mean size over the emotions. */
export function sizeInterval(
  shifts: readonly Shift[],
  random: Random,
  rounds = 500,
): [low: number, high: number] {
  const n = shifts[0]?.texts.length ?? 0;
  const sizes = Array.from({ length: rounds }, () => {
    const drawn = Array.from({ length: n }, () => Math.floor(random() * n));
    return meanSize(shifts.map(({ texts }) => mean(drawn.map((i) => texts[i] ?? NaN))));
  });
  return [quantile(sizes, 0.025), quantile(sizes, 0.975)];
}

export interface MeanCosine {
  readonly value: number;
  readonly interval: readonly [low: number, high: number];
  /** The same between two halves of the texts within the instruct model. */
  readonly halves: number;
}

/** Cosine of the mean residuals of two models, with its bootstrap over texts. */
export function meanCosine({ instruct, base }: RowPair, random: Random, rounds = 500): MeanCosine {
  const draws = Array.from({ length: rounds }, () => {
    const drawn = instruct.map(() => Math.floor(random() * instruct.length));
    const of = (rows: readonly Float32Array[]): Float32Array =>
      meanOf(drawn.map((i) => rows[i] ?? new Float32Array(0)));
    return cosine(of(instruct), of(base));
  });
  const half = (rest: number): Float32Array => meanOf(instruct.filter((_, i) => i % 2 === rest));
  return {
    value: cosine(meanOf(instruct), meanOf(base)),
    interval: [quantile(draws, 0.025), quantile(draws, 0.975)],
    halves: cosine(half(0), half(1)),
  };
}
