import { expect, test } from 'vitest';

import { auc, bootstrapAuc } from './auc.ts';
import { gaussian, randomFrom } from './random.ts';

test('auc is the share of pairs in the right order, ties half, as counted by hand', () => {
  expect(auc([3, 4], [1, 2])).toBe(1);
  expect(auc([1, 2], [3, 4])).toBe(0);
  // 2 beats 1, ties 2, loses to 3: 1.5; 5 beats all three: 3. Of six pairs 4.5 are right.
  expect(auc([2, 5], [1, 2, 3])).toBe(0.75);
  // 1 ties twice: 1; 2 beats both: 2; 0 beats none. Of six pairs 3.
  expect(auc([1, 2, 0], [1, 1])).toBe(0.5);
  expect(auc([7, 7, 7], [7, 7])).toBe(0.5);
});

test('auc of nothing, or of what is no number, is NaN', () => {
  expect(auc([], [1])).toBeNaN();
  expect(auc([1], [])).toBeNaN();
  expect(auc([1, NaN], [0])).toBeNaN();
  expect(bootstrapAuc([], [1], { random: randomFrom(1) })).toEqual([NaN, NaN]);
});

test('auc changes sides when the groups do', () => {
  const random = randomFrom(4);
  const [a, b] = [13, 9].map((n) =>
    Array.from({ length: n }, () => Math.round(5 * gaussian(random))),
  );
  expect(auc(a!, b!) + auc(b!, a!)).toBeCloseTo(1, 12);
});

test('bootstrapAuc is as wide as the normal approximation says', () => {
  const random = randomFrom(5);
  const draw = (shift: number): number[] =>
    Array.from({ length: 60 }, () => shift + gaussian(random));
  const [a, b] = [draw(1), draw(0)];
  const area = auc(a, b);
  const [low, high] = bootstrapAuc(a, b, { random });
  // Hanley and McNeil 1982: the standard error from the area and the sizes.
  const [q1, q2] = [area / (2 - area), (2 * area ** 2) / (1 + area)];
  const error = Math.sqrt(
    (area * (1 - area) + 59 * (q1 - area ** 2) + 59 * (q2 - area ** 2)) / 3600,
  );
  expect(low).toBeLessThan(area);
  expect(high).toBeGreaterThan(area);
  // 1,000 draws place each end to within a tenth or so, and the two methods differ by about as much.
  expect((high - low) / (2 * 1.96 * error)).toBeGreaterThan(0.8);
  expect((high - low) / (2 * 1.96 * error)).toBeLessThan(1.2);
});

test('bootstrapAuc of pairs draws both members together', () => {
  // Pairs that differ by a hair around one common value: any draw of pairs has the same order within
  // values, so that the area stays near .5; of separate draws it varies.
  const base = Array.from({ length: 20 }, (_, i) => 10 * i);
  const [up, down] = [base.map((x) => x + 1), base];
  const width = ([low, high]: [number, number]): number => high - low;
  const paired = width(bootstrapAuc(up, down, { random: randomFrom(1), paired: true }));
  const apart = width(bootstrapAuc(up, down, { random: randomFrom(1) }));
  expect(paired).toBeLessThan(apart / 3);
  expect(bootstrapAuc([2, 3], [0, 1], { random: randomFrom(1), paired: true })).toEqual([1, 1]);
});
