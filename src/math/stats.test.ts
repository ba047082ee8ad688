import fc from 'fast-check';
import { expect, test } from 'vitest';

import { randomDirection, randomFrom, shuffled } from './random.ts';
import { bootstrapMean, pearson, quantile, ranks, spearman, wilson } from './stats.ts';
import { cosine, dot, norm, unit } from './vector.ts';

test('ranks of ties share their average', () => {
  expect(ranks([10, 20, 20, 5])).toEqual([2, 3.5, 3.5, 1]);
});

test('spearman and pearson give the values worked out by hand', () => {
  // Ranks 1 2 3 4 against 1 3 2 4: d = 0 1 1 0, rho = 1 - 6*2/(4*15) = 0.8.
  expect(spearman([1, 2, 3, 4], [1, 9, 4, 16])).toBeCloseTo(0.8, 12);
  // Deviations -1 0 1 against -1 1 0: sum of products 1, both squares 2.
  expect(pearson([1, 2, 3], [1, 3, 2])).toBeCloseTo(0.5, 12);
  expect(pearson([1, 1, 1], [1, 2, 3])).toBeNaN();
});

test('spearman with a NaN is NaN and returns', () => {
  expect(ranks([1, NaN, 2])).toEqual([NaN, NaN, NaN]);
  expect(spearman([1, 2, 3], [1, NaN, 2])).toBeNaN();
});

test('pearson of lists of different lengths is refused', () => {
  expect(() => pearson([1, 2], [1, 5, 9])).toThrow('pearson: expected 2 values, got 3');
});

test('wilson of 8 of 10 is 0.4902 to 0.9433', () => {
  // Newcombe 1998, the score interval without correction.
  const [low, high] = wilson(8, 10);
  expect(low).toBeCloseTo(0.4902, 4);
  expect(high).toBeCloseTo(0.9433, 4);
  expect(wilson(0, 0)).toEqual([0, 1]);
});

test('quantile interpolates between order statistics', () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([1, 2, 3, 4, 5], 0.9)).toBeCloseTo(4.6, 12);
});

test('bootstrapMean holds the mean of a constant list and spreads with the data', () => {
  expect(bootstrapMean([2, 2, 2], randomFrom(1))).toEqual([2, 2]);
  const [low, high] = bootstrapMean([0, 0, 0, 1, 1, 1], randomFrom(1));
  expect(low).toBeLessThan(0.3);
  expect(high).toBeGreaterThan(0.7);
});

test('spearman does not change under a rising map', () => {
  const lists = fc.array(
    fc.tuple(fc.integer({ min: -99, max: 99 }), fc.integer({ min: -99, max: 99 })),
    { minLength: 3, maxLength: 20 },
  );
  fc.assert(
    fc.property(lists, (pairs) => {
      const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
      const plain = spearman(a, b);
      const mapped = spearman(
        a.map((x) => x ** 3),
        b,
      );
      return Number.isNaN(plain) ? Number.isNaN(mapped) : Math.abs(plain - mapped) < 1e-9;
    }),
  );
});

test('unit vectors have length 1 and random directions in 500 dimensions hardly agree', () => {
  const random = randomFrom(3);
  const [a, b] = [randomDirection(500, random), randomDirection(500, random)];
  expect(norm(a)).toBeCloseTo(1, 5);
  // The standard deviation of the cosine is 1/sqrt(500) = 0.045.
  expect(Math.abs(cosine(a, b))).toBeLessThan(0.18);
  expect([...unit(Float32Array.of(3, 4))].map((x) => x.toFixed(6))).toEqual([
    '0.600000',
    '0.800000',
  ]);
  expect(() => dot(a, new Float32Array(3))).toThrow('dot: expected 500 values, got 3');
});

test('shuffled keeps the members and the argument', () => {
  const items = [1, 2, 3, 4, 5, 6];
  const mixed = shuffled(items, randomFrom(2));
  expect(mixed.toSorted((a, b) => a - b)).toEqual(items);
  expect(mixed).not.toEqual(items);
});
