import { expect, test } from 'vitest';

import { bootstrapClusters, wilsonClustered } from './clusters.ts';
import { gaussian, randomFrom } from './random.ts';
import { bootstrapMean, mean, wilson } from './stats.ts';

test('bootstrapClusters of three groups has the ends of the 27 possible draws', () => {
  const groups = [[0, 1], [4], [5, 6, 10], []];
  const ends = (level: number) =>
    bootstrapClusters(groups, mean, { random: randomFrom(1), resamples: 4000, level });
  // Listed with itertools.product: means .5 (once), 1.2 (three times), ..., 46/7 (three times), 7 (once), so that
  // 1/27 lies at either end, which holds the outer 2.5 %, and 4/27 up to the next value, which holds the outer 10 %.
  expect(ends(0.95)[0]).toBeCloseTo(0.5, 12);
  expect(ends(0.95)[1]).toBeCloseTo(7, 12);
  expect(ends(0.8)[0]).toBeCloseTo(1.2, 12);
  expect(ends(0.8)[1]).toBeCloseTo(46 / 7, 12);
});

test('bootstrapClusters leaves out NaN draws, and one group gives no interval', () => {
  const random = randomFrom(1);
  const positives = (values: number[]): number => mean(values.filter((value) => value > 0));
  expect(bootstrapClusters([[-1], [3]], positives, { random })).toEqual([3, 3]);
  expect(bootstrapClusters([[1, 2, 3], []], mean, { random })).toEqual([NaN, NaN]);
  expect(bootstrapClusters([], mean, { random })).toEqual([NaN, NaN]);
  expect(() => bootstrapClusters([[1], [2]], mean, { random, level: 1 })).toThrow('got 1');
  expect(() => bootstrapClusters([[1], [2]], mean, { random, resamples: 0 })).toThrow('got 0');
});

test('wilsonClustered of groups of one is the plain Wilson interval', () => {
  const groups = Array.from({ length: 10 }, (_, i) => [i < 8]);
  const result = wilsonClustered(groups);
  expect(result).toMatchObject({ n: 10, groups: 10, share: 0.8, designEffect: 1 });
  expect(result.effectiveSize).toBe(10);
  // Newcombe 1998, as in the test of wilson.
  expect(result.interval[0]).toBeCloseTo(0.4902, 4);
  expect(result.interval[1]).toBeCloseTo(0.9433, 4);
});

test('wilsonClustered of groups that agree within counts the groups', () => {
  const full = (size: number, value: boolean): boolean[] =>
    Array.from({ length: size }, () => value);
  const equal = Array.from({ length: 10 }, (_, i) => full(6, i < 8));
  const result = wilsonClustered(equal);
  expect(result.n).toBe(60);
  expect(result.intraclassCorrelation).toBeCloseTo(1, 12);
  expect(result.effectiveSize).toBeCloseTo(10, 12);
  expect(result.interval[0]).toBeCloseTo(0.4902, 4);
  expect(result.interval[1]).toBeCloseTo(0.9433, 4);
  // Sizes 4, 1, 1: by hand 6^2 / (16 + 1 + 1) = 2, as the large group is two thirds of the share.
  const unequal = wilsonClustered([full(4, true), full(1, false), full(1, true)]);
  expect(unequal.effectiveSize).toBeCloseTo(2, 12);
});

test('wilsonClustered between these has the numbers of statsmodels', () => {
  const groups = [
    [true, true, true, false],
    [false, false],
    [true, true, false],
    [false, false, false, false, true],
    [true],
    [],
  ];
  const result = wilsonClustered(groups);
  // anova_lm(ols('v ~ C(g)')): mean squares .379167 and .221667. Sizes 4 2 3 5 1: squares 55, typical size
  // (15 - 55/15) / 4 = 2.8333, so rho = .1575 / (.379167 + 1.8333 * .221667); proportion_confint(7 / 1.534653,
  // 15 / 1.534653, method='wilson').
  expect(result).toMatchObject({ n: 15, groups: 5, share: 7 / 15 });
  expect(result.intraclassCorrelation).toBeCloseTo(0.2004950495049505, 12);
  expect(result.designEffect).toBeCloseTo(1.5346534653465347, 12);
  expect(result.effectiveSize).toBeCloseTo(9.774193548387096, 12);
  expect(result.interval[0]).toBeCloseTo(0.210913, 5);
  expect(result.interval[1]).toBeCloseTo(0.741229, 5);
});

test('wilsonClustered of groups that differ less than chance is never narrower than plain', () => {
  const result = wilsonClustered(Array.from({ length: 10 }, () => [true, false]));
  expect(result.intraclassCorrelation).toBe(0);
  expect(result.designEffect).toBe(1);
  expect(result.interval).toEqual(wilson(10, 20));
});

test('wilsonClustered takes the widest where likeness can not be estimated', () => {
  const none = Array.from({ length: 5 }, () => [false, false, false]);
  expect(wilsonClustered(none).effectiveSize).toBeCloseTo(5, 12);
  expect(wilsonClustered(none).interval).toEqual(wilson(0, 5));
  expect(wilsonClustered([[true, false, true, true]]).effectiveSize).toBeCloseTo(1, 12);
  expect(wilsonClustered([[], []])).toMatchObject({ n: 0, groups: 0, interval: [0, 1] });
  expect(wilsonClustered([]).share).toBeNaN();
});

test('of turns in conversations the clustered intervals cover near 95 %, the plain ones do not', () => {
  const random = randomFrom(11);
  const [runs, truth] = [1000, 1 / 3];
  let [clustered, plain] = [0, 0];
  for (let run = 0; run < runs; run++) {
    // Each conversation has a chance of its own, the square of a uniform number: mean 1/3, variance 4/45, hence
    // an intraclass correlation of (4/45) / (1/3 * 2/3) = .4. Ten turns each: design effect 1 + 9 * .4 = 4.6, and
    // the plain interval should cover 2 * Phi(1.96 / sqrt(4.6)) - 1 = 64 %.
    const groups = Array.from({ length: 60 }, () => {
      const chance = random() ** 2;
      return Array.from({ length: 10 }, () => random() < chance);
    });
    const holds = ([low, high]: readonly [number, number]): boolean => low < truth && truth < high;
    if (holds(wilsonClustered(groups).interval)) clustered++;
    if (holds(wilson(groups.flat().filter(Boolean).length, 600))) plain++;
  }
  // The standard error of a coverage of 95 % over 1,000 runs is .7 points, of 64 % it is 1.5.
  expect(clustered / runs).toBeGreaterThan(0.93);
  expect(clustered / runs).toBeLessThan(0.97);
  expect(Math.abs(plain / runs - 0.64)).toBeLessThan(0.05);
});

test('of means in conversations only the bootstrap of whole groups covers near 95 %', () => {
  const random = randomFrom(12);
  const runs = 200;
  let [clustered, plain] = [0, 0];
  for (let run = 0; run < runs; run++) {
    // Half of the variance is between conversations: design effect 1 + 5 * .5 = 3.5, plain coverage 70 %.
    const groups = Array.from({ length: 40 }, () => {
      const level = gaussian(random);
      return Array.from({ length: 6 }, () => level + gaussian(random));
    });
    const holds = ([low, high]: [number, number]): boolean => low < 0 && 0 < high;
    if (holds(bootstrapClusters(groups, mean, { random, resamples: 200 }))) clustered++;
    if (holds(bootstrapMean(groups.flat(), random, 200))) plain++;
  }
  // Standard error 1.6 points; the percentile bootstrap of 40 groups is known to fall short by a point or two.
  expect(clustered / runs).toBeGreaterThan(0.89);
  expect(clustered / runs).toBeLessThan(0.98);
  expect(plain / runs).toBeLessThan(0.8);
});
