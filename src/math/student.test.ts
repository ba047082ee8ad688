import { expect, test } from 'vitest';

import { InvalidInputError } from '../errors.ts';
import { meanP, studentP } from './student.ts';

test.each([
  // Critical values of any printed table of t: two-sided .05 and .01.
  [12.706, 1, 0.05],
  [4.303, 2, 0.05],
  [3.182, 3, 0.05],
  [5.841, 3, 0.01],
  [2.306, 8, 0.05],
  [3.355, 8, 0.01],
  [2.048, 28, 0.05],
  [1.984, 100, 0.05],
])('t %f with %i degrees of freedom has p %f', (t, freedom, p) => {
  expect(studentP(t, freedom)).toBeCloseTo(p, 4);
  expect(studentP(-t, freedom)).toBeCloseTo(p, 4);
});

test('no distance is p 1, an endless one p 0', () => {
  expect([1, 2, 3, 8].map((freedom) => studentP(0, freedom))).toEqual([1, 1, 1, 1]);
  expect([1, 2, 3, 8].map((freedom) => studentP(Infinity, freedom))).toEqual([0, 0, 0, 0]);
  expect(studentP(NaN, 3)).toBeNaN();
  expect(() => studentP(1, 0)).toThrow(InvalidInputError);
});

test('the mean of values is told from 0 by their spread', () => {
  // Mean 2, deviation 1, error 1 / sqrt 3: t 3.4641 with 2 degrees of freedom; 1 - t / sqrt(2 + t^2).
  expect(meanP([1, 2, 3])).toBeCloseTo(1 - Math.sqrt(12 / 14), 12);
  expect([meanP([]), meanP([5]), meanP([0, 0, 0])]).toEqual([1, 1, 1]);
  expect(meanP([2, 2, 2])).toBe(0);
});
