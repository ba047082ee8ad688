/** @file Vectors as Float32Array; sums in float64. */
import { ShapeError } from '../errors.ts';

/** Sum of products; throws ShapeError if the lengths differ. */
export function dot(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new ShapeError('dot', a.length, b.length);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** Euclidean length, 0 or more. */
export function norm(a: Float32Array): number {
  return Math.sqrt(dot(a, a));
}

/** Cosine of the angle between two vectors, from -1 to 1; NaN if either has no length. */
export function cosine(a: Float32Array, b: Float32Array): number {
  return dot(a, b) / (norm(a) * norm(b));
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
  if (a.length !== target.length) throw new ShapeError('addInto', target.length, a.length);
  for (let i = 0; i < a.length; i++) target[i] = (target[i] ?? 0) + (a[i] ?? 0) * factor;
}
