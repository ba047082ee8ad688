import { expect, test } from 'vitest';

import { gaussian, randomDirection, randomFrom } from '../math/random.ts';
import {
  emotionShifts,
  meanCosine,
  randomShifts,
  type RowPair,
  summariseRandom,
} from './shifts.ts';

const width = 64;
const texts = 40;
const names = Array.from({ length: 30 }, (_, k) => `e${k}`);

/** Rows with one loud coordinate, as those of a residual stream have. */
function rowsOf(seed: number): Float32Array[] {
  const random = randomFrom(seed);
  return Array.from({ length: texts }, () =>
    Float32Array.from({ length: width }, (_, i) => gaussian(random) * (i === 0 ? 4 : 1) + 3),
  );
}

function vectorsOf(seed: number): Map<string, Float32Array> {
  const random = randomFrom(seed);
  return new Map(names.map((name) => [name, randomDirection(width, random)]));
}

/** Each text moved by `offset` and a little noise of its own. */
function movedBy(
  rows: readonly Float32Array[],
  offset: Float32Array,
  seed: number,
): Float32Array[] {
  const random = randomFrom(seed);
  return rows.map((row) =>
    row.map((value, i) => value + (offset[i] ?? 0) + 0.05 * gaussian(random)),
  );
}

function analyse(pair: RowPair, vectors: Map<string, Float32Array>, ruler = pair.instruct) {
  const plan = { sets: 40, size: names.length, seed: 5 };
  const random = summariseRandom(randomShifts([pair], ruler, plan)[0]!);
  return {
    random,
    shifts: emotionShifts(vectors, { pair, ruler, largest: random.largest, seed: 7 }),
  };
}

test('emotionShifts is the mean difference along the vector over the deviation on the ruler', () => {
  // Two texts, one axis: differences 1 and 3; the ruler reads 0, 2 and 4, whose deviation is 2.
  const rows = (...values: number[]): Float32Array[] => values.map((x) => Float32Array.of(x, 9));
  const [shift] = emotionShifts(new Map([['a', Float32Array.of(10, 0)]]), {
    pair: { instruct: rows(1, 5), base: rows(0, 2) },
    ruler: rows(0, 2, 4),
    largest: 0.5,
    seed: 1,
  });
  expect(shift!.value).toBeCloseTo(1, 6);
  // Bootstrap of two texts: from the lower difference to the higher one.
  expect(shift!.interval[0]).toBeCloseTo(0.5, 6);
  expect(shift!.interval[1]).toBeCloseTo(1.5, 6);
  expect(shift!.isMoved).toBe(true);
});

test('a shift planted along one vector is found there, with its sign, and not along others', () => {
  const vectors = vectorsOf(11);
  const base = rowsOf(1);
  const target = vectors.get('e4')!;
  const instruct = movedBy(
    base,
    target.map((x) => -6 * x),
    2,
  );
  const moved = analyse({ instruct, base }, vectors).shifts.filter(({ isMoved }) => isMoved);
  expect(moved.map(({ emotion }) => emotion)).toEqual(['e4']);
  expect(moved[0]!.value).toBeLessThan(0);
});

test('models that differ by noise alone, or by less than the smallest shift, move nothing', () => {
  const vectors = vectorsOf(11);
  const base = rowsOf(1);
  const still = analyse({ instruct: movedBy(base, new Float32Array(width), 2), base }, vectors);
  expect(still.shifts.some(({ isMoved }) => isMoved)).toBe(false);
  // Along e4 alone and beyond every random direction, but by about a seventh of a deviation.
  const offset = vectors.get('e4')!.map((x) => 0.15 * x);
  const { shifts, random } = analyse({ instruct: movedBy(base, offset, 2), base }, vectors);
  const { value, interval } = shifts.find(({ emotion }) => emotion === 'e4')!;
  expect(value).toBeGreaterThan(random.largest);
  expect(interval[0]).toBeGreaterThan(0);
  expect(shifts.some(({ isMoved }) => isMoved)).toBe(false);
});

test('an offset that has nothing to do with the vectors rarely makes one of them move', () => {
  // 30 offsets of large size in random directions; 5 % of them may move an emotion, so that more than 5
  // have a chance below 1 %. Each emotion held against the band of single directions would claim 23 of 30.
  let claims = 0;
  for (let seed = 0; seed < 30; seed++) {
    const base = rowsOf(1000 + seed);
    const offset = randomDirection(width, randomFrom(2000 + seed)).map((x) => 8 * x);
    const { shifts } = analyse(
      { instruct: movedBy(base, offset, seed), base },
      vectorsOf(3000 + seed),
    );
    if (shifts.some(({ isMoved }) => isMoved)) claims++;
  }
  expect(claims).toBeLessThanOrEqual(5);
});

test('randomShifts repeats by its seed, and summariseRandom takes the largest of each set', () => {
  const pair = { instruct: rowsOf(3), base: rowsOf(4) };
  const plan = { sets: 3, size: 4, seed: 9 };
  expect(randomShifts([pair], pair.instruct, plan)).toEqual(
    randomShifts([pair], pair.instruct, plan),
  );
  const summary = summariseRandom([
    [1, -3],
    [2, 0.5],
    [-4, 1],
  ]);
  // Largest by size 3, 2, 4: the 99 % quantile lies 0.98 of the way from 3 to 4.
  expect(summary.largest).toBeCloseTo(3.98, 9);
  // Mean sizes 2, 1.25, 2.5.
  expect(summary.meanSize).toBeCloseTo(2.45, 9);
});

test('meanCosine compares the means, with halves of one model as its ceiling', () => {
  const instruct = [Float32Array.of(1, 0), Float32Array.of(1, 2)];
  const base = [Float32Array.of(0, 1), Float32Array.of(2, 1)];
  // Means (1, 1) and (1, 1); halves (1, 0) and (1, 2).
  const result = meanCosine({ instruct, base }, randomFrom(1));
  expect(result.value).toBeCloseTo(1, 6);
  expect(result.halves).toBeCloseTo(1 / Math.sqrt(5), 6);
  expect(result.interval[0]).toBeLessThan(result.interval[1]);
});
