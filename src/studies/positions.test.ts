import { expect, test } from 'vitest';

import { meanOver, sharedEnds, sinksOf } from './positions.ts';

test('sinksOf marks the first position and readings of ten times the median size, in its own columns', () => {
  // Two columns to read behind one that is huge everywhere; sizes 5, 5, 51, 5, 50.
  const values = Float32Array.of(900, 3, 4, 900, 3, 4, 900, 51, 0, 900, 0, -5, 900, 0, 50);
  const block = { values, columns: 3, at: 1, count: 2 };
  expect(sinksOf(block)).toEqual([true, false, true, false, false]);
  // Positions 1 and 3 are left: (3, 4) and (0, -5).
  expect(meanOver(block, [0, 4], sinksOf(block))).toEqual([1.5, -0.5]);
  expect(meanOver(block, [2, 3], sinksOf(block))).toEqual([NaN, NaN]);
});

test('sharedEnds counts what all sequences begin and end with, and no token twice', () => {
  const of = (...tokens: number[]): Int32Array => Int32Array.from(tokens);
  expect(sharedEnds([of(1, 2, 3, 9, 8), of(1, 2, 4, 5, 9, 8)])).toEqual({ prefix: 2, suffix: 2 });
  expect(sharedEnds([of(1, 1, 1), of(1, 1, 1, 1)])).toEqual({ prefix: 3, suffix: 0 });
  expect(sharedEnds([of(1, 2), of(3, 4)])).toEqual({ prefix: 0, suffix: 0 });
});
