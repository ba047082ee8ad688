/** @file Where the emotions of a pack lie: a flat map of their vectors, and the nearest ones of each. */
import { principalComponents } from '../math/pca.ts';
import { dot, unit } from '../math/vector.ts';
import { intoFilteredSpace, noFilter } from '../vectors/filter.ts';
import { emotionVector, type VectorPack } from '../vectors/pack.ts';

interface PlacedEmotion {
  readonly name: string;
  /** On the first two principal components, each within -1 to 1. */
  readonly x: number;
  readonly y: number;
  /** Nearest first, with their cosines. */
  readonly near: [string, number][];
}

const neighbourCount = 6;
/** What lies right and up, where the pack has both: pleasant and excited, as in drawings of affect. */
const poles = [
  ['happy', 'sad'],
  ['excited', 'calm'],
] as const;

/** Places all emotions by their vectors at the best layer, as readings see them. */
export function placeEmotions(pack: VectorPack): PlacedEmotion[] {
  const filter = pack.filters[pack.layers.indexOf(pack.bestLayer)] ?? noFilter;
  const units = pack.emotions.map((name) =>
    unit(intoFilteredSpace(filter, emotionVector(pack, name, pack.bestLayer))),
  );
  const cosines = units.map((a) => units.map((b) => dot(a, b)));
  const [xs, ys] = flatten(cosines);
  for (const [k, axis] of [xs, ys].entries()) turn(axis, pack.emotions, poles[k] ?? poles[0]);
  return pack.emotions.map((name, i) => ({
    name,
    x: rounded(xs[i] ?? 0),
    y: rounded(ys[i] ?? 0),
    near: pack.emotions
      .map((other, j): [string, number] => [other, rounded(cosines[i]?.[j] ?? 0)])
      .filter(([other]) => other !== name)
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, neighbourCount),
  }));
}

/**
 * Coordinates on the first two components, scaled to -1 to 1. From the dot products, centred, which are far
 * fewer than the covariances of the residual stream and have the same components.
 */
function flatten(cosines: readonly (readonly number[])[]): [number[], number[]] {
  const n = cosines.length;
  const means = cosines.map((row) => row.reduce((sum, value) => sum + value, 0) / n);
  const grand = means.reduce((sum, value) => sum + value, 0) / n;
  const gram = Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return (cosines[i]?.[j] ?? 0) - (means[i] ?? 0) - (means[j] ?? 0) + grand;
  });
  const { axes } = principalComponents(gram, n, 2, { passes: 30 });
  const scaled = (axis: Float32Array | undefined): number[] => {
    const values = axis === undefined ? Array.from({ length: n }, () => 0) : [...axis];
    const most = Math.max(...values.map(Math.abs), 1e-9);
    return values.map((value) => value / most);
  };
  return [scaled(axes[0]), scaled(axes[1])];
}

/** Turns an axis so that the first pole lies above the second; a component's sign means nothing. */
function turn(
  axis: number[],
  names: readonly string[],
  [high, low]: readonly [string, string],
): void {
  const [a, b] = [axis[names.indexOf(high)], axis[names.indexOf(low)]];
  if (a === undefined || b === undefined || a >= b) return;
  for (const [i, value] of axis.entries()) axis[i] = -value;
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
