import { expect, test } from 'vitest';

import { mapEnd, mapGrid, summariseLayers } from './heat-map.tsx';

test('mapEnd is not set by a single token', () => {
  const row = [...Array.from({ length: 99 }, (_, i) => i / 100), 50];
  expect(mapEnd([row])).toBeCloseTo(0.97, 12);
  expect(mapEnd([])).toBe(1);
});

test('summariseLayers gives the mean and the highest with its token', () => {
  const map = { emotion: 'calm', layers: [3], tokens: ['a', 'b'], values: [[0.1, 0.3]] };
  expect(summariseLayers(map)).toEqual([{ layer: 3, mean: 0.2, highest: 0.3, at: 'b' }]);
});

test('mapGrid of any text stays within what a browser draws, and shrinks the cells last', () => {
  expect(mapGrid(900, 20, 1)).toEqual({ ratio: 1, across: 30 });
  expect(mapGrid(900, 50, 2)).toEqual({ ratio: 2, across: 17 });
  for (const count of [1, 1169, 2000, 2338, 2400, 8192, 131_072]) {
    const { ratio, across } = mapGrid(900, count, 2);
    // The largest side of a canvas in Chromium before version 122, and in Firefox.
    const side = Math.trunc((34 + count * across + 6) * ratio);
    expect(side, String(count)).toBeLessThanOrEqual(32_767);
    expect(Math.min(ratio, across)).toBeGreaterThan(0);
  }
  expect(mapGrid(900, 2000, 2).across).toBe(14);
});
