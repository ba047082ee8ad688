import { expect, test } from 'vitest';

import { tailFrom } from './tally.ts';

test('the chance of so many hits is that of the binomial distribution', () => {
  // Three coins: 1 / 8 for three heads, 4 / 8 for two or more.
  expect(tailFrom(3, 3, 0.5)).toBeCloseTo(0.125, 12);
  expect(tailFrom(2, 3, 0.5)).toBeCloseTo(0.5, 12);
  expect(tailFrom(0, 400, 0.98)).toBeCloseTo(1, 9);
  // All of 400 at a rate of 0.98.
  expect(tailFrom(400, 400, 0.98)).toBeCloseTo(0.98 ** 400, 12);
});
