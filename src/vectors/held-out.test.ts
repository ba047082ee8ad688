import { expect, test } from 'vitest';

import { covariance, principalComponents } from '../math/pca.ts';
import { gaussian, randomDirection, randomFrom } from '../math/random.ts';
import { addInto, cosine, dot } from '../math/vector.ts';
import {
  applyFilter,
  neutralFilter,
  noFilter,
  readingDirection,
  whiteningFilter,
} from './filter.ts';
import { type Design, designOf, heldOutRanks, withinComponents } from './held-out.ts';
import { shareBelow } from './validate.ts';

const width = 24;

/** x with a x = b, by plain Gaussian elimination: what a whitened direction must be, computed another way. */
function solve(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i]!]);
  for (let p = 0; p < rows.length; p++) {
    for (let i = p + 1; i < rows.length; i++) {
      const factor = rows[i]![p]! / rows[p]![p]!;
      for (let k = p; k <= rows.length; k++) rows[i]![k]! -= factor * rows[p]![k]!;
    }
  }
  const x = rows.map(() => 0);
  for (let p = rows.length - 1; p >= 0; p--) {
    const rest = x.reduce((sum, value, k) => sum + (k > p ? rows[p]![k]! * value : 0), 0);
    x[p] = (rows[p]![rows.length]! - rest) / rows[p]![p]!;
  }
  return x;
}

/** Emotions along planted directions, and noise that is strong along a few axes only. */
function noisyStories(emotions: number, topics: number): { means: Float32Array; design: Design } {
  const random = randomFrom(3);
  const directions = Array.from({ length: emotions }, () => randomDirection(width, random));
  const nuisances = Array.from({ length: 3 }, () => randomDirection(width, random));
  const stories = Array.from({ length: emotions * topics }, (_, i) => ({
    emotion: `e${String(Math.floor(i / topics)).padStart(2, '0')}`,
    topic: String(i % topics),
    text: 'x',
  }));
  const means = new Float32Array(stories.length * width);
  for (const [i] of stories.entries()) {
    const row = means.subarray(i * width, (i + 1) * width);
    for (let k = 0; k < width; k++) row[k] = 0.2 * gaussian(random);
    addInto(row, directions[Math.floor(i / topics)]!, 1);
    for (const nuisance of nuisances) addInto(row, nuisance, 3 * gaussian(random));
  }
  return { means, design: designOf({ stories, width }) };
}

test('whiteningFilter with all axes reads along the shrunk covariance solved for the vector', () => {
  const random = randomFrom(8);
  const rows = Float32Array.from(
    { length: 80 * width },
    (_, i) => gaussian(random) * (1 + (i % 5)),
  );
  const matrix = covariance(rows, width);
  const within = principalComponents(matrix, width, width);
  const vector = randomDirection(width, random);
  const filter = whiteningFilter(within, width, 0.3);
  const mu = within.total / width;
  const shrunk = Array.from({ length: width }, (_, i) =>
    Array.from(
      { length: width },
      (__, j) => 0.7 * matrix[i * width + j]! + (i === j ? 0.3 * mu : 0),
    ),
  );
  const expected = Float32Array.from(solve(shrunk, [...vector]));
  expect(cosine(readingDirection(filter, vector), expected)).toBeGreaterThan(0.9999);
  // With shrinkage 1 nothing is whitened.
  expect(cosine(readingDirection(whiteningFilter(within, width, 1), vector), vector)).toBeCloseTo(
    1,
    6,
  );
});

test('neutralFilter leaves nothing along the components that hold the share', () => {
  const random = randomFrom(9);
  const rows = Float32Array.from({ length: 50 * width }, () => gaussian(random));
  const neutral = principalComponents(covariance(rows, width), width, width);
  const filter = neutralFilter(neutral, 0.5);
  expect(filter.axes.length).toBeGreaterThan(2);
  expect(filter.axes.length).toBeLessThan(width / 2);
  const left = applyFilter(filter, randomDirection(width, random));
  for (const axis of filter.axes) expect(Math.abs(dot(left, axis))).toBeLessThan(1e-5);
});

test('readingDirection without a filter is the unit vector, and of nothing is nothing', () => {
  expect([...readingDirection(noFilter, Float32Array.of(0, 3, 4))]).toEqual(
    [0, 0.6, 0.8].map(Math.fround),
  );
  expect([...readingDirection(noFilter, new Float32Array(2))]).toEqual([0, 0]);
});

test('heldOutRanks with whitening recognises emotions that loud nuisances hide from the raw reading', () => {
  const { means, design } = noisyStories(12, 8);
  const raw = shareBelow(heldOutRanks(means, design, { readout: { kind: 'raw' } }), 1);
  const readout = { kind: 'whitened', shrinkage: 0.05, axes: 6 } as const;
  const whitened = shareBelow(heldOutRanks(means, design, { readout }), 1);
  // Chance is 1/12. Without the three nuisance axes the planted vectors are clear of the noise.
  expect(raw).toBeLessThan(0.6);
  expect(whitened).toBeGreaterThan(0.9);
});

test('heldOutRanks never lets a story help to recognise itself: pure noise stays at chance', () => {
  const random = randomFrom(4);
  const { design } = noisyStories(10, 6);
  const noise = Float32Array.from({ length: 60 * width }, () => gaussian(random));
  for (const readout of [{ kind: 'raw' }, { kind: 'whitened', shrinkage: 0.2, axes: 8 }] as const) {
    const share = shareBelow(heldOutRanks(noise, design, { readout }), 1);
    // Chance 0.1 over 60 stories: three standard deviations are 0.12.
    expect(share).toBeLessThan(0.22);
  }
});

test('withinComponents of one story an emotion is empty, since nothing but rounding is left', () => {
  const { means } = noisyStories(5, 1);
  const gram = new Float64Array(width * width);
  for (let i = 0; i < 5; i++)
    for (let a = 0; a < width; a++)
      for (let b = 0; b < width; b++)
        gram[a * width + b]! += means[i * width + a]! * means[i * width + b]!;
  const shape = { perEmotion: 1, width, axes: 4 };
  expect(withinComponents(gram, means, shape).axes).toHaveLength(0);
});
