import { expect, test } from 'vitest';

import { randomFrom } from './random.ts';
import { kaplanMeier, restrictedMean, restrictedMeanDifference, type Run } from './survival.ts';

/** Attempts of each run; 1 gave up after them, 0 was stopped. */
function runsOf(attempts: readonly number[], gaveUp: readonly number[]): Run[] {
  return attempts.map((made, i) => ({ attempts: made, gaveUp: gaveUp[i] === 1 }));
}

const patient = runsOf([1, 2, 2, 3, 3, 4, 5, 5, 6, 8, 8, 8], [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0]);
const hasty = runsOf([1, 1, 2, 2, 3, 3, 4, 4, 5, 7], [1, 1, 1, 1, 1, 1, 1, 0, 1, 1]);

test('kaplanMeier of twelve runs is that of lifelines', () => {
  const steps = kaplanMeier(patient);
  // KaplanMeierFitter().fit(T, E): event_table; at attempt 7 nothing ends.
  expect(steps.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(steps.map(({ atRisk }) => atRisk)).toEqual([12, 11, 9, 7, 6, 4, 3, 3]);
  expect(steps.map(({ gaveUp }) => gaveUp)).toEqual([1, 1, 2, 0, 2, 0, 0, 1]);
  const survival = [0.916667, 0.833333, 0.648148, 0.648148, 0.432099, 0.432099, 0.432099, 0.288066];
  for (const [i, value] of survival.entries()) expect(steps[i]!.survival).toBeCloseTo(value, 6);
  expect(kaplanMeier([])).toEqual([]);
});

test('restrictedMean is that of lifelines', () => {
  // restricted_mean_survival_time(KaplanMeierFitter().fit(T, E), t=horizon).
  expect(restrictedMean(patient, 1)).toBeCloseTo(1, 12);
  expect(restrictedMean(patient, 3)).toBeCloseTo(2.75, 12);
  expect(restrictedMean(patient, 5)).toBeCloseTo(4.046296296296296, 12);
  expect(restrictedMean(patient, 8)).toBeCloseTo(5.342592592592593, 12);
  expect(restrictedMean(hasty, 5)).toBeCloseTo(3.1, 12);
  // The curve is at 0 after attempt 7, so that it reaches any horizon.
  expect(restrictedMean(hasty, 8)).toBeCloseTo(3.4, 12);
  expect(restrictedMean(hasty, 50)).toBeCloseTo(3.4, 12);
});

test('restrictedMean without stops before the horizon is the plain mean up to it', () => {
  // 1, 3, 4 and one that goes on at 5 count (1 + 3 + 4 + 5) / 4.
  expect(restrictedMean(runsOf([1, 3, 4, 5], [1, 1, 1, 0]), 5)).toBeCloseTo(3.25, 12);
  // Up to 3: (1 + 3 + 3 + 3) / 4.
  expect(restrictedMean(runsOf([1, 3, 4, 5], [1, 1, 1, 0]), 3)).toBeCloseTo(2.5, 12);
});

test('restrictedMean beyond what was seen is NaN', () => {
  const stopped = runsOf([2, 3], [1, 0]);
  // By hand: 1 + 1 + 1/2 + 1/2 up to 4; whether anyone would have gone on after attempt 4 nobody saw.
  expect(restrictedMean(stopped, 4)).toBeCloseTo(3, 12);
  expect(restrictedMean(stopped, 5)).toBeNaN();
  expect(restrictedMean([], 5)).toBeNaN();
});

test('restrictedMeanDifference has the interval of a bootstrap with lifelines', () => {
  const result = restrictedMeanDifference(patient, hasty, {
    horizon: 5,
    random: randomFrom(1),
    resamples: 4000,
  });
  expect(result.difference).toBeCloseTo(0.9462962962962962, 12);
  // 3,000 draws of both samples, each fitted with KaplanMeierFitter.
  expect(Math.abs(result.interval[0] - -0.275)).toBeLessThan(0.1);
  expect(Math.abs(result.interval[1] - 2.178)).toBeLessThan(0.1);
});

test('restrictedMeanDifference of runs that do not vary is a point, and of too few has no interval', () => {
  const random = randomFrom(1);
  const options = { horizon: 6, random, resamples: 20 };
  const [two, six] = [runsOf([2, 2, 2], [1, 1, 1]), runsOf([6, 6], [0, 0])];
  expect(restrictedMeanDifference(six, two, options)).toEqual({ difference: 4, interval: [4, 4] });
  expect(restrictedMeanDifference(six.slice(1), two, options)).toEqual({
    difference: 4,
    interval: [NaN, NaN],
  });
  expect(restrictedMeanDifference([], two, options).difference).toBeNaN();
});

test('what is no count of attempts is refused', () => {
  const random = randomFrom(1);
  expect(() => kaplanMeier(runsOf([0], [1]))).toThrow(
    'survival: expected attempts as a whole number from 1, got 0',
  );
  expect(() => restrictedMean(patient, 2.5)).toThrow('expected a horizon');
  const options = { horizon: 5, random };
  expect(() => restrictedMeanDifference(patient, hasty, { ...options, level: 0 })).toThrow('got 0');
  expect(() => restrictedMeanDifference(patient, hasty, { ...options, resamples: 0 })).toThrow(
    'expected resamples',
  );
});
