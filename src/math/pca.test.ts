import { expect, test } from 'vitest';

import { symmetricEigen } from './eigen.ts';
import { addGramInto, countForShare, covariance, meanRow, principalComponents } from './pca.ts';
import { gaussian, randomDirection, randomFrom } from './random.ts';
import { addInto, dot, norm } from './vector.ts';

test('symmetricEigen agrees with NumPy eigh', () => {
  const { values, vectors } = symmetricEigen([
    [4, 1, -2],
    [1, 3, 0.5],
    [-2, 0.5, 2],
  ]);
  // numpy.linalg.eigh, 1.26
  const close = (a: readonly number[], b: readonly number[]): void => {
    for (const [i, value] of b.entries()) expect(a[i]).toBeCloseTo(value, 7);
  };
  close(values, [5.39326141, 3.20130522, 0.40543336]);
  const sign = Math.sign(vectors[0]![0]!);
  close(
    vectors[0]!.map((value) => -sign * value),
    [-0.8484812, -0.25799101, 0.46208255],
  );
});

test('covariance and principalComponents of five rows agree with NumPy cov and eigh', () => {
  const rows = Float32Array.of(1, 2, 0, 2, 1, 1, 3, 5, -1, 0, 1, 2, 4, 4, 0);
  const matrix = covariance(rows, 3);
  for (const [i, value] of [2, 1.8, -1, 1.8, 2.64, -1.44, -1, -1.44, 1.04].entries())
    // The centre is float32.
    expect(matrix[i]).toBeCloseTo(value, 5);
  const { axes, variances, total } = principalComponents(matrix, 3, 3);
  for (const [i, value] of [4.9325339, 0.55968542, 0.18778069].entries())
    expect(variances[i]).toBeCloseTo(value, 5);
  expect(total).toBeCloseTo(5.68, 5);
  const first = Float32Array.of(-0.57459457, -0.70850081, 0.40971659);
  expect(Math.abs(dot(axes[0]!, first))).toBeCloseTo(1, 5);
});

test('principalComponents finds planted axes and their variances among noise', () => {
  const random = randomFrom(5);
  const width = 60;
  const planted = [randomDirection(width, random), randomDirection(width, random)];
  const rows = new Float32Array(2000 * width);
  for (let i = 0; i < 2000; i++) {
    const row = rows.subarray(i * width, (i + 1) * width);
    for (let k = 0; k < width; k++) row[k] = 0.1 * gaussian(random);
    addInto(row, planted[0]!, 3 * gaussian(random));
    addInto(row, planted[1]!, 2 * gaussian(random));
  }
  const { axes, variances, total } = principalComponents(covariance(rows, width), width, 5);
  expect(axes).toHaveLength(5);
  for (const [i, a] of axes.entries())
    for (const [j, b] of axes.entries()) expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 4);
  // Both planted directions lie in the span of the first two axes.
  for (const direction of planted)
    expect(Math.hypot(dot(direction, axes[0]!), dot(direction, axes[1]!))).toBeGreaterThan(0.999);
  // Variances 9 and 4, noise 0.01 each; of 2,000 samples the sum has a standard deviation of 0.31.
  expect(Math.abs(variances[0]! + variances[1]! - 13)).toBeLessThan(1);
  expect(Math.abs(total - 13 - 0.01 * width)).toBeLessThan(1);
  expect(countForShare({ axes, variances, total }, 0.5)).toBe(1);
  expect(countForShare({ axes, variances, total }, 0.9)).toBe(2);
});

test('principalComponents of a matrix of low rank gives no more axes than that', () => {
  const matrix = new Float64Array(36);
  addGramInto(matrix, Float32Array.of(1, 2, 3, 0, 0, 0, 0, 1, 0, 1, 0, 0), 6);
  expect(principalComponents(matrix, 6, 5).axes).toHaveLength(2);
  expect(() => principalComponents(matrix, 5, 2)).toThrow('expected 25 values, got 36');
});

test('meanRow is the mean of the rows, and refuses a ragged table', () => {
  expect([...meanRow(Float32Array.of(1, 2, 3, 6), 2)]).toEqual([2, 4]);
  expect(() => meanRow(new Float32Array(5), 2)).toThrow('meanRow: expected 6 values, got 5');
  expect(norm(meanRow(Float32Array.of(1, -1, -1, 1), 2))).toBe(0);
});
