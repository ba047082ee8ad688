import fc from 'fast-check';
import { expect, test } from 'vitest';

import { farthestPerColumn } from './downsample.ts';

test('farthestPerColumn keeps a peak whatever its sign', () => {
  expect([...farthestPerColumn([0, 1, 0, -3, 2, 0], 2)]).toEqual([1, -3]);
  expect([...farthestPerColumn([1, 2], 5)]).toEqual([1, 2]);
  expect([...farthestPerColumn([Number.NaN, Number.NaN, 1, Number.NaN], 2)]).toEqual([
    Number.NaN,
    1,
  ]);
});

test('farthestPerColumn never loses the value farthest from 0', () => {
  const values = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1 });
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 50 }), (list, columns) => {
      const most = Math.max(...list.map(Math.abs));
      const kept = Math.max(...[...farthestPerColumn(list, columns)].map(Math.abs));
      expect(kept).toBe(most);
    }),
  );
});
