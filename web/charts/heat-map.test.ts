import { expect, test } from 'vitest';

import { mapEnd, summariseLayers } from './heat-map.tsx';

test('mapEnd is not set by a single token', () => {
  const row = [...Array.from({ length: 99 }, (_, i) => i / 100), 50];
  expect(mapEnd([row])).toBeCloseTo(0.97, 12);
  expect(mapEnd([])).toBe(1);
});

test('summariseLayers gives the mean and the highest with its token', () => {
  const map = { emotion: 'calm', layers: [3], tokens: ['a', 'b'], values: [[0.1, 0.3]] };
  expect(summariseLayers(map)).toEqual([{ layer: 3, mean: 0.2, highest: 0.3, at: 'b' }]);
});
