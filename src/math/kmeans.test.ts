import { expect, test } from 'vitest';

import { adjustedRand, kmeans } from './kmeans.ts';
import { gaussian, randomFrom } from './random.ts';

test('kmeans finds three separate clouds, numbered by size', () => {
  const random = randomFrom(2);
  const cloud = (x: number, y: number, n: number): Float32Array[] =>
    Array.from({ length: n }, () =>
      Float32Array.of(x + 0.2 * gaussian(random), y + 0.2 * gaussian(random)),
    );
  const labels = kmeans(
    [...cloud(0, 0, 5), ...cloud(9, 0, 12), ...cloud(0, 9, 8)],
    3,
    randomFrom(1),
  );
  expect(labels).toEqual([
    ...Array.from({ length: 5 }, () => 2),
    ...Array.from({ length: 12 }, () => 0),
    ...Array.from({ length: 8 }, () => 1),
  ]);
  expect(() => kmeans([Float32Array.of(1)], 2, random)).toThrow('expected 1 to 1 clusters, got 2');
});

test('adjustedRand is 1 for the same groups under other names, and as worked out by hand otherwise', () => {
  expect(adjustedRand([0, 0, 1, 1], ['x', 'x', 'y', 'y'])).toBe(1);
  // Six things, groups 3+3 against 2+2+2: together pairs 1+1 = 2, inA 6, inB 3, all 15, expected 1.2:
  // (2 - 1.2) / (4.5 - 1.2) = 0.2424.
  expect(adjustedRand([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2])).toBeCloseTo(0.242424, 6);
  expect(() => adjustedRand([1], [1, 2])).toThrow('adjustedRand: expected 1 values, got 2');
});
