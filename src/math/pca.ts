/**
 * @file The strongest principal components, by block power iteration with Rayleigh-Ritz (randomised range
 * finding: Halko, Martinsson and Tropp, 2011). Good to a few parts in a thousand where variances fall off.
 */
import { ShapeError } from '../errors.ts';
import { symmetricEigen } from './eigen.ts';
import { randomDirection, randomFrom } from './random.ts';
import { addInto, dot, norm } from './vector.ts';

export interface Components {
  /** Orthonormal, strongest first; [width] each. */
  readonly axes: readonly Float32Array[];
  /** Variance along each axis, in the units of the covariance. */
  readonly variances: readonly number[];
  /** Variance over all directions: the trace of the covariance. */
  readonly total: number;
}

export interface ComponentOptions {
  /** Where the iteration begins, e.g. the axes of nearly the same matrix. @default seeded random directions */
  readonly start?: readonly Float32Array[];
  /** Multiplications with the matrix. @default defaultPasses */
  readonly passes?: number;
}

/** Enough from a random start that the last wanted component settles to a few per cent. */
const defaultPasses = 8;
/** Extra directions carried along so that the wanted ones converge faster. */
const spare = 10;

/** Mean of the rows of a table [n, width]: [width]. */
export function meanRow(rows: Float32Array, width: number): Float32Array {
  if (rows.length % width !== 0)
    throw new ShapeError('meanRow', Math.ceil(rows.length / width) * width, rows.length);
  const n = rows.length / width;
  const centre = new Float32Array(width);
  for (let i = 0; i < n; i++) addInto(centre, rows.subarray(i * width, (i + 1) * width), 1 / n);
  return centre;
}

/** target += weight x rows' rows, [width, width], both triangles; rows are [n, width]. */
export function addGramInto(
  target: Float64Array,
  rows: Float32Array,
  width: number,
  weight = 1,
): void {
  for (let at = 0; at < rows.length; at += width) {
    const row = rows.subarray(at, at + width);
    for (let i = 0; i < width; i++) {
      const factor = (row[i] as number) * weight;
      const base = i * width;
      for (let j = 0; j <= i; j++)
        target[base + j] = (target[base + j] as number) + factor * (row[j] as number);
    }
  }
  for (let i = 0; i < width; i++)
    for (let j = 0; j < i; j++) target[j * width + i] = target[i * width + j] as number;
}

/** Covariance of rows [n, width] about their mean, [width, width]. */
export function covariance(rows: Float32Array, width: number): Float64Array {
  const n = rows.length / width;
  const centre = meanRow(rows, width);
  const result = new Float64Array(width * width);
  addGramInto(result, rows, width, 1 / n);
  addGramInto(result, centre, width, -1);
  return result;
}

/** Up to `count` components of a covariance [width, width]; fewer when its rank is lower. Deterministic. */
export function principalComponents(
  matrix: Float64Array,
  width: number,
  count: number,
  options: ComponentOptions = {},
): Components {
  if (matrix.length !== width * width)
    throw new ShapeError('principalComponents', width * width, matrix.length);
  const carried = Math.min(count + spare, width);
  const random = randomFrom(11);
  const start = [...(options.start ?? [])].slice(0, carried);
  while (start.length < carried) start.push(randomDirection(width, random));
  let basis = orthonormal(start);
  const passes = options.passes ?? defaultPasses;
  for (let pass = 0; pass < passes; pass++) basis = orthonormal(multiply(matrix, width, basis));
  const { vectors, values } = rotate(basis, multiply(matrix, width, basis));
  let total = 0;
  for (let i = 0; i < width; i++) total += matrix[i * width + i] ?? 0;
  const kept = values.slice(0, count).filter((value) => value > total * 1e-9);
  return { axes: vectors.slice(0, kept.length), variances: kept, total };
}

/** How many leading components reach a share of the total variance; all of them if they don't. */
export function countForShare({ variances, total }: Components, share: number): number {
  let sum = 0;
  const at = variances.findIndex((variance) => (sum += variance) >= share * total);
  return at < 0 ? variances.length : at + 1;
}

/** matrix x each direction. */
function multiply(
  matrix: Float64Array,
  width: number,
  basis: readonly Float32Array[],
): Float32Array[] {
  return basis.map((direction) => {
    const out = new Float32Array(width);
    // Hot loop: indices stay in range, so the casts replace a branch a value.
    for (let i = 0, at = 0; i < width; i++, at += width) {
      let [a, b] = [0, 0];
      let j = 0;
      for (; j + 1 < width; j += 2) {
        a += (matrix[at + j] as number) * (direction[j] as number);
        b += (matrix[at + j + 1] as number) * (direction[j + 1] as number);
      }
      if (j < width) a += (matrix[at + j] as number) * (direction[j] as number);
      out[i] = a + b;
    }
    return out;
  });
}

/** Gram-Schmidt, twice for float32; directions that vanish are dropped. */
function orthonormal(vectors: readonly Float32Array[]): Float32Array[] {
  const basis: Float32Array[] = [];
  for (const vector of vectors) {
    const rest = vector.slice();
    const before = norm(rest);
    for (let round = 0; round < 2; round++)
      for (const direction of basis) addInto(rest, direction, -dot(rest, direction));
    const length = norm(rest);
    if (length > before * 1e-6 && length > 0) basis.push(rest.map((value) => value / length));
  }
  return basis;
}

/** Rayleigh-Ritz: turns the basis to the eigenvectors of the matrix within its span. */
function rotate(
  basis: readonly Float32Array[],
  images: readonly Float32Array[],
): { vectors: Float32Array[]; values: number[] } {
  const small = basis.map((row) => images.map((image) => dot(row, image)));
  const { values, vectors } = symmetricEigen(small);
  return {
    values,
    vectors: vectors.map((weights) => {
      const sum = new Float32Array(basis[0]?.length ?? 0);
      for (const [k, direction] of basis.entries()) addInto(sum, direction, weights[k] ?? 0);
      return sum;
    }),
  };
}
