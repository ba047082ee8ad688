/**
 * @file What is taken out of a direction before it reads: a filter shrinks some axes of the residual
 * stream and leaves the rest. Projecting out neutral components ("Emotion Concepts...", 2026, methods)
 * shrinks them to nothing; whitening shrinks each axis by how much stories of one emotion differ on it,
 * which is linear discriminant analysis with a shrunk covariance, kept to its strongest axes.
 */
import { type Components, countForShare } from '../math/pca.ts';
import { addInto, dot, scale } from '../math/vector.ts';

/** F = identity - sum over k of shrink[k] * axis[k] axis[k]'. */
export interface Filter {
  /** Orthonormal axes, [width] each. */
  readonly axes: readonly Float32Array[];
  /** How much of each axis is taken away: 0 nothing, 1 all. */
  readonly shrink: readonly number[];
}

export const noFilter: Filter = { axes: [], shrink: [] };

/** Projects out the fewest leading components that hold `share` (0 to 1) of the neutral variance. */
export function neutralFilter(neutral: Components, share: number): Filter {
  const axes = neutral.axes.slice(0, countForShare(neutral, share));
  return { axes, shrink: axes.map(() => 1) };
}

/**
 * Whitening by the within-emotion covariance shrunk towards a multiple of the identity:
 * (1 - shrinkage) W + shrinkage * (trace W / width) * identity, up to an overall factor that no reading
 * depends on. Axes beyond the given components count as equal.
 * @param shrinkage from 0 (the covariance as it is) to 1 (no whitening)
 */
export function whiteningFilter(within: Components, width: number, shrinkage: number): Filter {
  const floor = (shrinkage * within.total) / width;
  const held = within.variances.reduce((sum, variance) => sum + variance, 0);
  const others = Math.max(0, within.total - held) / Math.max(1, width - within.axes.length);
  const rest = (1 - shrinkage) * others + floor;
  return {
    axes: within.axes,
    shrink: within.variances.map((variance) =>
      Math.max(0, 1 - rest / ((1 - shrinkage) * variance + floor)),
    ),
  };
}

/** F x, [width]. */
export function applyFilter(filter: Filter, vector: Float32Array): Float32Array {
  const result = vector.slice();
  for (const [k, axis] of filter.axes.entries())
    addInto(result, axis, -(filter.shrink[k] ?? 0) * dot(vector, axis));
  return result;
}

/** F^(1/2) x, [width]: dot products of what it gives are those of the filtered space, x' F y. */
export function intoFilteredSpace(filter: Filter, vector: Float32Array): Float32Array {
  const shrink = filter.shrink.map((share) => 1 - Math.sqrt(Math.max(0, 1 - share)));
  return applyFilter({ axes: filter.axes, shrink }, vector);
}

/**
 * The direction that reads a vector through the filter, [width]: F v / sqrt(v' F v). Its dot product with x
 * is the projection of x on v in the space where the filter's axes are shrunk, so that vectors of
 * different length and noise compare. A vector that the filter takes away wholly stays zero.
 */
export function readingDirection(filter: Filter, vector: Float32Array): Float32Array {
  const filtered = applyFilter(filter, vector);
  const length = Math.sqrt(Math.max(0, dot(filtered, vector)));
  return length === 0 ? filtered : scale(filtered, 1 / length);
}
