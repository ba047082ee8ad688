import { expect, test } from 'vitest';

import { fitLine } from './least-squares.ts';

test('fitLine gives the line worked out by hand', () => {
  // Means 2 and 3; products of deviations (-1)(-2) + 0 (-1) + 1 * 3 = 5, squares of x 2: y = 2.5 x - 2.
  const { slope, intercept, residuals, error } = fitLine([
    [1, 1],
    [2, 2],
    [3, 6],
  ]);
  expect(slope).toBeCloseTo(2.5, 12);
  expect(intercept).toBeCloseTo(-2, 12);
  // 1 - 0.5, 2 - 3, 6 - 5.5; their squares sum to 1.5, over 3 - 2 degrees of freedom and 2 for x.
  expect(residuals.map((value) => Number(value.toFixed(12)))).toEqual([0.5, -1, 0.5]);
  expect(error).toBeCloseTo(Math.sqrt(1.5 / 1 / 2), 12);
});

test('fitLine fits the first quartet of Anscombe (1973) as published', () => {
  const x = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5];
  const y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
  const { slope, intercept, error } = fitLine(x.map((value, i) => [value, y[i]!]));
  // y = 3 + 0.5 x, estimated standard error of the slope 0.118.
  expect(slope).toBeCloseTo(0.5, 3);
  expect(intercept).toBeCloseTo(3, 3);
  expect(error).toBeCloseTo(0.118, 3);
});

test('fitLine through equal x, one point or none has no slope, and through two points no error', () => {
  const equal = fitLine([
    [1, 1],
    [1, 2],
  ]);
  expect([equal.slope, equal.intercept, equal.error]).toEqual([NaN, NaN, NaN]);
  expect(fitLine([[1, 1]]).slope).toBeNaN();
  expect(fitLine([])).toEqual({ slope: NaN, intercept: NaN, residuals: [], error: NaN });
  const two = fitLine([
    [0, 1],
    [2, 5],
  ]);
  expect([two.slope, two.intercept, two.error]).toEqual([2, 1, NaN]);
});
