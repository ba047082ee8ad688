/** @file Ridge regression that predicts each value from all the others: is a rating linear in the vectors? */
import { ShapeError } from '../errors.ts';
import { mean } from './stats.ts';
import { dot } from './vector.ts';

/**
 * Leave-one-out predictions for any values over the same rows, by the closed form
 * y - (y - H y) / (1 - diag H) with H = K (K + lambda)^-1 (Hastie et al., 2009, 7.10). Rows are centred first.
 * @param lambda penalty in the units of the rows' squared length
 */
export function leaveOneOutRidge(
  rows: readonly Float32Array[],
  lambda: number,
): (values: readonly number[]) => number[] {
  const n = rows.length;
  const width = rows[0]?.length ?? 0;
  const centre = Float32Array.from({ length: width }, (_, k) =>
    mean(rows.map((row) => row[k] ?? 0)),
  );
  const centred = rows.map((row) => row.map((value, k) => value - (centre[k] ?? 0)));
  const kernel = centred.map((a) => centred.map((b) => dot(a, b)));
  const inverse = invert(
    kernel.map((row, i) => row.map((value, j) => value + (i === j ? lambda : 0))),
  );
  // The intercept is estimated too: 1/n of each row's leverage is its own.
  const hat = inverse.map((row, i) =>
    row.map((value, j) => (i === j ? 1 : 0) - lambda * value + 1 / n),
  );
  return (values) => {
    if (values.length !== n) throw new ShapeError('leaveOneOutRidge', n, values.length);
    const level = mean(values);
    return values.map((value, i) => {
      const fitted = (hat[i] ?? []).reduce(
        (sum, weight, j) => sum + (weight - 1 / n) * ((values[j] ?? 0) - level),
        level,
      );
      const leverage = hat[i]?.[i] ?? 0;
      return value - (value - fitted) / (1 - leverage);
    });
  };
}

/** Inverse of a symmetric positive definite matrix by Gauss-Jordan elimination. */
function invert(matrix: readonly (readonly number[])[]): number[][] {
  const n = matrix.length;
  const a = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let p = 0; p < n; p++) {
    const pivot = a[p]![p]!;
    for (let k = 0; k < 2 * n; k++) a[p]![k]! /= pivot;
    for (let i = 0; i < n; i++) {
      const factor = a[i]![p]!;
      if (i === p || factor === 0) continue;
      for (let k = p; k < 2 * n; k++) a[i]![k]! -= factor * a[p]![k]!;
    }
  }
  return a.map((row) => row.slice(n));
}
