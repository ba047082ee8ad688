import { expect, test } from 'vitest';

import { firstDifference, mean } from './compare.ts';

test('firstDifference is the index where two replies part, or null', () => {
  expect(firstDifference(['a', 'b'], ['a', 'c'])).toBe(1);
  expect(firstDifference(['a'], ['a', 'c'])).toBeNull();
  expect(firstDifference([], [])).toBeNull();
});

test('mean leaves out what is missing', () => {
  expect(mean([1, Number.NaN, 3])).toBe(2);
  expect(mean([])).toBeNaN();
});
