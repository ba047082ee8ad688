import { expect, test } from 'vitest';

import { InvalidInputError, ShapeError } from '../errors.ts';
import { agreementOf, cohenKappa, shareWithin } from './agreement.ts';
import { randomFrom } from './random.ts';

const first = [1, 2, 3, 4, 5, 3, 2, 4, 7, 6, 2, 3];
const second = [1, 3, 3, 5, 4, 3, 2, 4, 6, 4, 1, 5];

test('kappa of two by two is as worked out by hand', () => {
  // Of 10 pairs 4 are both 1 and 3 both 0: seen .7. Rater one says 1 six times, rater two five times: chance
  // .6 * .5 + .4 * .5 = .5. Kappa (.7 - .5) / .5 = .4.
  const a = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0];
  const b = [1, 1, 1, 1, 0, 0, 1, 0, 0, 0];
  expect(cohenKappa(a, b)).toBeCloseTo(0.4, 12);
  // Of two categories every miss has the same weight.
  expect(cohenKappa(a, b, { weights: 'quadratic' })).toBeCloseTo(0.4, 12);
  expect(cohenKappa([0, 1, 0, 1], [1, 0, 1, 0])).toBeCloseTo(-1, 12);
});

test('kappa on a scale of 1 to 7 is that of scikit-learn', () => {
  // sklearn.metrics.cohen_kappa_score(first, second), and with weights='quadratic', labels=range(1, 8).
  expect(cohenKappa(first, second)).toBeCloseTo(0.305785123966942, 12);
  expect(cohenKappa(first, second, { weights: 'quadratic' })).toBeCloseTo(0.7903225806451613, 12);
});

test('quadratic weights count points, also across scores that nobody gave', () => {
  const a = [1, 1, 2, 5, 9, 9, 2, 1];
  const b = [1, 2, 2, 9, 9, 5, 1, 1];
  // cohen_kappa_score with labels=range(1, 10); without labels, which closes the gaps, it gives .826.
  expect(cohenKappa(a, b, { weights: 'quadratic' })).toBeCloseTo(0.8011695906432749, 12);
  expect(cohenKappa(a, b)).toBeCloseTo(0.30434782608695654, 12);
});

test('kappa of constant raters: NaN at one score, 0 otherwise', () => {
  for (const weights of ['none', 'quadratic'] as const) {
    expect(cohenKappa([3, 3], [3, 3], { weights })).toBeNaN();
    expect(cohenKappa([], [], { weights })).toBeNaN();
    // cohen_kappa_score gives 0 for both.
    expect(cohenKappa([1, 1], [2, 2], { weights })).toBeCloseTo(0, 12);
    expect(cohenKappa([1, 1, 1, 1], [1, 2, 1, 1], { weights })).toBeCloseTo(0, 12);
  }
});

test('shareWithin counts pairs up to the distance', () => {
  // Distances 0 1 2 3.
  expect([0, 1, 2, 3].map((points) => shareWithin([1, 1, 5, 5], [1, 2, 3, 8], points))).toEqual([
    0.25, 0.5, 0.75, 1,
  ]);
  expect(shareWithin([], [], 1)).toBeNaN();
});

test('agreementOf gives what scipy, scikit-learn and statsmodels give', () => {
  const agreement = agreementOf(first, second, { threshold: 4, random: randomFrom(1) });
  expect(agreement.n).toBe(12);
  // scipy.stats.pearsonr(first, second).
  expect(agreement.correlation).toBeCloseTo(0.7982178291584183, 12);
  // scipy.stats.bootstrap(paired=True, method='percentile', n_resamples=20000); 1,000 draws place an end to .03.
  expect(Math.abs(agreement.correlationInterval![0] - 0.5003)).toBeLessThan(0.06);
  expect(Math.abs(agreement.correlationInterval![1] - 0.9524)).toBeLessThan(0.03);
  // Ten of twelve by count; proportion_confint(10, 12, method='wilson').
  expect(agreement.withinOne).toBeCloseTo(10 / 12, 12);
  expect(agreement.withinOneInterval[0]).toBeCloseTo(0.551969, 5);
  expect(agreement.withinOneInterval[1]).toBeCloseTo(0.953035, 5);
  // cohen_kappa_score of both lists >= 4.
  expect(agreement.kappaAtThreshold).toBeCloseTo(0.8333333333333334, 12);
  expect(agreement.kappaQuadratic).toBeCloseTo(0.7903225806451613, 12);
});

test('a score at the threshold counts as yes', () => {
  // At 3: no no yes yes against no yes yes yes; seen 3/4, chance (2 * 3 + 2 * 1) / 16 = 1/2.
  const scores: [number[], number[]] = [
    [1, 2, 3, 4],
    [1, 3, 3, 4],
  ];
  const { kappaAtThreshold } = agreementOf(...scores, { threshold: 3, random: randomFrom(1) });
  expect(kappaAtThreshold).toBeCloseTo(0.5, 12);
});

test('agreementOf says null for what is undefined', () => {
  const random = randomFrom(1);
  const same = agreementOf([2, 2, 2], [2, 2, 2], { threshold: 2, random });
  expect(same).toMatchObject({
    correlation: null,
    correlationInterval: null,
    withinOne: 1,
    kappaAtThreshold: null,
    kappaQuadratic: null,
  });
  // One constant rater: no correlation, and kappa is chance.
  const half = agreementOf([2, 2, 2], [1, 2, 5], { threshold: 2, random });
  expect(half.correlation).toBeNull();
  expect(half.kappaAtThreshold).toBeCloseTo(0, 12);
  const none = agreementOf([], [], { threshold: 2, random });
  expect(none).toEqual({
    n: 0,
    correlation: null,
    correlationInterval: null,
    withinOne: null,
    withinOneInterval: [0, 1],
    kappaAtThreshold: null,
    kappaQuadratic: null,
  });
});

test('unequal lengths and scores that are no integers are refused', () => {
  const options = { threshold: 1, random: randomFrom(1) };
  expect(() => agreementOf([1], [1, 2], options)).toThrow(ShapeError);
  expect(() => cohenKappa([1, 2], [1])).toThrow('cohenKappa: expected 2 values, got 1');
  expect(() => shareWithin([1, 2], [1], 1)).toThrow('shareWithin: expected 2 values, got 1');
  expect(() => cohenKappa([1, NaN], [1, 2])).toThrow(InvalidInputError);
  expect(() => agreementOf([1], [1.5], options)).toThrow('expected integer scores, got 1.5');
  expect(() => agreementOf([1], [1], { ...options, threshold: NaN })).toThrow('got NaN');
});
