/** @file Eigenvalues and eigenvectors of a small symmetric matrix by cyclic Jacobi rotations. */

export interface Eigen {
  /** Largest first. */
  readonly values: number[];
  /** Orthonormal, in the order of the values; `vectors[k]` is [n]. */
  readonly vectors: number[][];
}

/** Sweeps after which it stops; matrices of a hundred rows need about ten. */
const sweepLimit = 60;

/** Eigenvalues and eigenvectors of a symmetric matrix [n, n]; only its symmetric part counts. */
export function symmetricEigen(matrix: readonly (readonly number[])[]): Eigen {
  const n = matrix.length;
  const a = matrix.map((row, i) =>
    Float64Array.from(row, (value, j) => (value + matrix[j]![i]!) / 2),
  );
  const v = matrix.map((_, i) => Float64Array.from({ length: n }, (__, j) => (i === j ? 1 : 0)));
  const size = Math.sqrt(a.reduce((sum, row) => sum + row.reduce((s, x) => s + x * x, 0), 0));
  for (let sweep = 0; sweep < sweepLimit && offDiagonal(a) > 1e-12 * size; sweep++)
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) annul(a, v, p, q);
  const order = a.map((_, i) => i).toSorted((i, j) => a[j]![j]! - a[i]![i]!);
  return {
    values: order.map((i) => a[i]![i]!),
    vectors: order.map((i) => v.map((row) => row[i]!)),
  };
}

/** Size of what is not on the diagonal. */
function offDiagonal(a: readonly Float64Array[]): number {
  let sum = 0;
  for (const [i, row] of a.entries()) for (let j = 0; j < i; j++) sum += row[j]! ** 2;
  return Math.sqrt(2 * sum);
}

/** One rotation that makes a[p][q] zero and keeps the columns of v as the product of all rotations. */
function annul(a: Float64Array[], v: Float64Array[], p: number, q: number): void {
  const apq = a[p]![q]!;
  if (apq === 0) return;
  const theta = (a[q]![q]! - a[p]![p]!) / (2 * apq);
  const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (const row of a) turn(row, { p, q, c, s });
  const [rowP, rowQ] = [a[p]!, a[q]!];
  for (let k = 0; k < rowP.length; k++) {
    const [x, y] = [rowP[k]!, rowQ[k]!];
    rowP[k] = c * x - s * y;
    rowQ[k] = s * x + c * y;
  }
  for (const row of v) turn(row, { p, q, c, s });
}

function turn(
  row: Float64Array,
  { p, q, c, s }: { p: number; q: number; c: number; s: number },
): void {
  const [x, y] = [row[p]!, row[q]!];
  row[p] = c * x - s * y;
  row[q] = s * x + c * y;
}
