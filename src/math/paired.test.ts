import { expect, test } from 'vitest';

import { ShapeError } from '../errors.ts';
import { holm, mcNemar, signFlipTest } from './paired.ts';
import { gaussian, randomFrom } from './random.ts';

/** Paired answers with so many that differ either way, and seven that agree each way. */
function answers(onlyFirst: number, onlySecond: number): [boolean[], boolean[]] {
  const pairs = [
    ...Array.from({ length: onlyFirst }, () => [true, false]),
    ...Array.from({ length: onlySecond }, () => [false, true]),
    ...Array.from({ length: 7 }, () => [true, true]),
    ...Array.from({ length: 7 }, () => [false, false]),
  ];
  return [pairs.map((pair) => pair[0]!), pairs.map((pair) => pair[1]!)];
}

test.each([
  // 0 of 6: by hand 2 / 2^6. The others: statsmodels mcnemar(table, exact=True).pvalue.
  [0, 6, 0.03125],
  [3, 12, 0.03515625],
  [9, 1, 0.021484375],
  [10, 3, 0.09228515625],
  [5, 5, 1],
  [0, 0, 1],
  // Beyond 1,074 the power 2^-n is 0 in a double.
  [700, 800, 0.010559255466711506],
])('mcNemar of %i against %i is %f', (onlyFirst, onlySecond, p) => {
  const result = mcNemar(...answers(onlyFirst, onlySecond));
  expect(result).toMatchObject({ onlyFirst, onlySecond });
  expect(result.p).toBeCloseTo(p, 10);
});

test('mcNemar does not care which condition comes first, and refuses unequal lengths', () => {
  const [first, second] = answers(3, 12);
  expect(mcNemar(second, first).p).toBe(mcNemar(first, second).p);
  expect(() => mcNemar([true], [])).toThrow(ShapeError);
});

const zeros = (values: readonly number[]): number[] => values.map(() => 0);
/** Fails when drawn from: exact p values need no chance. */
const unused = (): number => {
  throw new Error('drawn');
};

test('signFlipTest up to 14 pairs is exact and draws nothing', () => {
  const p = (differences: number[]) =>
    signFlipTest(differences, zeros(differences), { random: unused });
  // By hand: of eight patterns only +++ and --- reach a sum of 6.
  expect(p([1, 2, 3])).toBe(0.25);
  // scipy.stats.permutation_test((d,), mean, permutation_type='samples', n_resamples=inf).
  expect(p([1.2, -0.4, 2.3, 0.7, 0.1, -1.1, 3.0, 0.9])).toBeCloseTo(0.1328125, 12);
  expect(p([1, 2, 0, -1, 3, 1, 1, 0, 2, -2, 1, 1])).toBeCloseTo(0.125, 12);
  // Sums that are equal but for rounding count as ties.
  expect(p([0.1, 0.2, -0.3, 0.3, 0.6, -0.1])).toBeCloseTo(0.4375, 12);
  // Pairs without a difference do not use up the limit.
  expect(p([1, 2, 3, ...Array.from({ length: 40 }, () => 0)])).toBe(0.25);
  expect(p([])).toBe(1);
  expect(p([0, 0])).toBe(1);
});

test('signFlipTest takes the difference of the lists', () => {
  expect(signFlipTest([11, 22, 33], [10, 20, 30], { random: unused })).toBe(0.25);
});

test('signFlipTest beyond 14 pairs comes near the exact value and repeats with the seed', () => {
  const differences = [
    0.5, 1.1, -0.3, 0.8, -0.9, 1.4, 0.2, -0.6, 0.7, 0.1, 1.3, -1.0, 0.4, 0.9, -0.2, 0.6, -0.5, 0.3,
  ];
  const p = (seed: number) =>
    signFlipTest(differences, zeros(differences), { random: randomFrom(seed) });
  // All 2^18 patterns in scipy.stats.permutation_test; the standard error of 10,000 draws is .0035.
  expect(Math.abs(p(1) - 0.14566802978515625)).toBeLessThan(0.012);
  expect(p(1)).toBe(p(1));
  expect(p(1)).not.toBe(p(2));
});

test('signFlipTest by drawing is never 0', () => {
  const clear = Array.from({ length: 40 }, (_, i) => 5 + (i % 3));
  // None of 99 draws comes near: (0 + 1) / (99 + 1).
  expect(signFlipTest(clear, zeros(clear), { random: randomFrom(1), resamples: 99 })).toBe(0.01);
});

test('signFlipTest calls nothing about as often as it says', () => {
  const random = randomFrom(3);
  const runs = 1000;
  let calls = 0;
  for (let run = 0; run < runs; run++) {
    const [first, second] = [0, 1].map(() => Array.from({ length: 8 }, () => gaussian(random)));
    if (signFlipTest(first!, second!, { random }) <= 0.05) calls++;
  }
  // 256 patterns allow 12/256 = 4.7 %; the standard error over 1,000 runs is .7 points.
  expect(calls / runs).toBeGreaterThan(0.025);
  expect(calls / runs).toBeLessThan(0.07);
});

test('signFlipTest refuses what has no mean', () => {
  const random = randomFrom(1);
  expect(() => signFlipTest([1], [], { random })).toThrow('signFlipTest: expected 1 values, got 0');
  expect(() => signFlipTest([NaN], [1], { random })).toThrow('finite differences, got NaN');
  expect(() => signFlipTest([1], [2], { random, resamples: 0 })).toThrow('got 0');
});

test('holm corrects in the order given', () => {
  // By hand: .005 * 6, .01 * 5, .03 * 4, then .04 * 3 and .04 * 2 raised to .12, then .6 * 1; the same as
  // statsmodels multipletests(method='holm').
  const corrected = holm([0.01, 0.04, 0.03, 0.005, 0.6, 0.04]);
  for (const [i, p] of [0.05, 0.12, 0.12, 0.03, 0.6, 0.12].entries())
    expect(corrected[i]).toBeCloseTo(p, 12);
  expect(holm([0.7, 0.9])).toEqual([1, 1]);
  expect(holm([])).toEqual([]);
  expect(() => holm([0.5, NaN])).toThrow('holm: expected p values from 0 to 1, got NaN');
  expect(() => holm([1.2])).toThrow('got 1.2');
});
