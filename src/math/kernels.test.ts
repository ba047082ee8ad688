import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';
import openWabt from 'wabt';

import { kernelsWasm } from './kernels-wasm.ts';
import { indexOfLargest, logSumExp, peak, Projection } from './kernels.ts';
import { randomFrom } from './random.ts';

const random = randomFrom(1);
const numbers = (count: number, size = 1): Float32Array =>
  Float32Array.from({ length: count }, () => (random() - 0.5) * size);

test('the committed bytes are those of kernels.wat', async () => {
  const wabt = await openWabt();
  const source = readFileSync(new URL('kernels.wat', import.meta.url), 'utf8');
  const module = wabt.parseWat('kernels.wat', source);
  expect(kernelsWasm).toBe(Buffer.from(module.toBinary({}).buffer).toString('base64'));
});

describe('projection', () => {
  test.each([
    [1, 1],
    [3, 5],
    [4, 8],
    [5, 9],
    [171, 576],
    [13, 1152],
  ])('%i directions of %i numbers, against sums in double precision', (count, width) => {
    const directions = numbers(count * width);
    const projection = new Projection(directions, width);
    for (let repeat = 0; repeat < 2; repeat++) {
      const row = numbers(width, 10);
      const got = projection.of(row);
      expect(got).toHaveLength(count);
      for (let k = 0; k < count; k++) {
        let [sum, size] = [0, 0];
        for (let i = 0; i < width; i++) {
          const term = (directions[k * width + i] ?? NaN) * (row[i] ?? NaN);
          sum += term;
          size += Math.abs(term);
        }
        expect(Math.abs((got[k] ?? NaN) - sum)).toBeLessThanOrEqual(size * 2e-6);
      }
    }
  });

  test('many rows at once, the same numbers as one by one', () => {
    for (const [count, width, n] of [
      [5, 9, 3],
      [171, 576, 16],
      [13, 64, 37],
    ] as const) {
      const projection = new Projection(numbers(count * width), width);
      const rows = numbers(n * width);
      const got = projection.of(rows);
      expect(got).toHaveLength(n * count);
      for (let i = 0; i < n; i++)
        expect(projection.of(rows.subarray(i * width, (i + 1) * width))).toEqual(
          got.subarray(i * count, (i + 1) * count),
        );
    }
    expect(() => new Projection(numbers(6), 3).of(numbers(4))).toThrow('expected 6');
  });

  test('many more than there is room for, in turns and again', () => {
    const width = 1024;
    const count = 512;
    const row = numbers(width);
    // 2 MB each, 256 MB in all.
    const made = Array.from({ length: 128 }, (_, k) => {
      const directions = new Float32Array(count * width);
      directions[(k % count) * width] = k + 1;
      return new Projection(directions, width);
    });
    for (let turn = 0; turn < 2; turn++)
      for (const [k, projection] of made.entries()) {
        const got = projection.of(row);
        expect(got[k]).toBe(Math.fround((k + 1) * (row[0] ?? NaN)));
        expect(got.reduce((sum, value) => sum + Math.abs(value), 0)).toBe(Math.abs(got[k] ?? NaN));
      }
  });

  test('refuses directions that are not whole rows', () => {
    expect(() => new Projection(new Float32Array(7), 3)).toThrow('expected 9');
  });
});

describe('logSumExp', () => {
  const reference = (values: Float32Array): number => {
    const top = values.reduce((max, value) => Math.max(max, value));
    return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
  };

  test.each([1, 2, 3, 4, 5, 100, 49_152, 70_001])('of %i logits', (count) => {
    for (const size of [0.01, 1, 30, 1000]) {
      const values = numbers(count, size);
      expect(Math.abs(logSumExp(values) - reference(values))).toBeLessThan(
        1e-6 * Math.max(1, Math.abs(reference(values))),
      );
    }
  });

  test('forbidden logits count for nothing', () => {
    expect(logSumExp(Float32Array.of(-Infinity, 2, -Infinity, 2, -Infinity))).toBeCloseTo(
      2 + Math.LN2,
      6,
    );
    expect(logSumExp(Float32Array.of(-Infinity, -Infinity))).toBe(-Infinity);
    expect(logSumExp(new Float32Array(0))).toBe(-Infinity);
    expect(logSumExp(Float32Array.of(NaN, 1))).toBeNaN();
  });
});

test('the index of the largest value, the first of equals', () => {
  for (const count of [1, 5, 49_153]) {
    const values = numbers(count, 50);
    expect(indexOfLargest(values)).toBe(
      values.indexOf(values.reduce((top, value) => Math.max(top, value))),
    );
  }
  expect(indexOfLargest(Float32Array.of(1, 7, 3, 7))).toBe(1);
  expect(indexOfLargest(Float32Array.of(-Infinity, -Infinity))).toBe(0);
  expect(indexOfLargest(new Float32Array(0))).toBe(-1);
});

test('peak is the largest and the log-sum-exp in one', () => {
  for (const count of [1, 5, 1000]) {
    const values = numbers(count, 20);
    expect(peak(values)).toEqual({ index: indexOfLargest(values), total: logSumExp(values) });
  }
  expect(peak(new Float32Array())).toEqual({ index: -1, total: -Infinity });
  expect(peak(Float32Array.of(-Infinity, -Infinity))).toEqual({ index: 0, total: -Infinity });
});
