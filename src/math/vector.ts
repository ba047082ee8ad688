/** @file Vectors as Float32Array; sums in float64. */
import { ShapeError } from '../errors.ts';

function assertSameLength(where: string, a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length !== b.length) throw new ShapeError(where, a.length, b.length);
}

/** Sum of products; throws ShapeError if the lengths differ. Four sums, so that the processor can overlap them. */
export function dot(a: Float32Array, b: Float32Array): number {
  assertSameLength('dot', a, b);
  const n = a.length;
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 3 < n; i += 4) {
    s0 += a[i]! * b[i]!;
    s1 += a[i + 1]! * b[i + 1]!;
    s2 += a[i + 2]! * b[i + 2]!;
    s3 += a[i + 3]! * b[i + 3]!;
  }
  for (; i < n; i++) s0 += a[i]! * b[i]!;
  return s0 + s1 + (s2 + s3);
}

/** Euclidean length, 0 or more. */
export function norm(a: Float32Array): number {
  return Math.sqrt(dot(a, a));
}

/** Cosine of the angle between two vectors, from -1 to 1; NaN if either has no length. */
export function cosine(a: Float32Array, b: Float32Array): number {
  const value = dot(a, b) / (norm(a) * norm(b));
  return Math.max(-1, Math.min(1, value));
}

/** a + b; throws ShapeError if the lengths differ. */
export function add(a: Float32Array, b: Float32Array): Float32Array {
  assertSameLength('add', a, b);
  return a.map((value, i) => value + b[i]!);
}

/** a - b; throws ShapeError if the lengths differ. */
export function subtract(a: Float32Array, b: Float32Array): Float32Array {
  assertSameLength('subtract', a, b);
  return a.map((value, i) => value - b[i]!);
}

/** The vector times a number. */
export function scale(a: Float32Array, factor: number): Float32Array {
  return a.map((value) => value * factor);
}

/** The vector with length 1; a zero vector stays zero. */
export function unit(a: Float32Array): Float32Array {
  const length = norm(a);
  return length === 0 ? a.slice() : scale(a, 1 / length);
}

/** target += factor * a, in place. */
export function addInto(target: Float32Array, a: Float32Array, factor = 1): void {
  assertSameLength('addInto', target, a);
  for (let i = 0; i < a.length; i++) target[i] = target[i]! + a[i]! * factor;
}

/** Mean [width] of the rows of a matrix [count, width]; NaN in every place if there are no rows. */
export function meanOfRows(rows: Float32Array, width: number): Float32Array {
  const count = countRows('meanOfRows', rows, width);
  const sums = new Float64Array(width);
  for (let at = 0; at < rows.length; at += width) {
    for (let k = 0; k < width; k++) sums[k] = sums[k]! + rows[at + k]!;
  }
  return Float32Array.from(sums, (sum) => sum / count);
}

/** Number of rows of a matrix [count, width]; throws ShapeError if the last one is not whole. */
export function countRows(where: string, rows: Float32Array, width: number): number {
  const count = Math.floor(rows.length / width);
  if (count * width !== rows.length) {
    throw new ShapeError(where, Math.ceil(rows.length / width) * width, rows.length);
  }
  return count;
}

/**
 * Share of a vector's length below which what a projection leaves counts as rounding. Float32 keeps
 * about 6e-8, so dependent directions leave some 1e-7 and independent ones far more.
 */
const roundingShare = 1e-6;

/**
 * Directions of length 1, at right angles to each other, that span the same space (Gram and Schmidt,
 * each direction twice). Directions that depend on earlier ones, and zero vectors, are left out.
 */
export function orthonormalize(directions: readonly Float32Array[]): Float32Array[] {
  const basis: Float32Array[] = [];
  for (const direction of directions) {
    const rest = unit(removeAlong(unit(direction), basis, roundingShare));
    const again = unit(removeAlong(rest, basis, roundingShare));
    if (norm(again) > 0) basis.push(again);
  }
  return basis;
}

/** The part of a vector at right angles to all directions, which need not be so to each other. */
export function projectOut(a: Float32Array, directions: readonly Float32Array[]): Float32Array {
  const basis = orthonormalize(directions);
  return removeAlong(removeAlong(a, basis, 0), basis, 0);
}

/** Removes the components along an orthonormal basis; a rest at or below `floor` norms becomes zero. */
function removeAlong(a: Float32Array, basis: readonly Float32Array[], floor: number): Float32Array {
  const rest = a.slice();
  for (const direction of basis) addInto(rest, direction, -dot(rest, direction));
  return floor > 0 && norm(rest) <= floor * norm(a) ? new Float32Array(a.length) : rest;
}
