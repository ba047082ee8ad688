/** @file A vector from elsewhere, or a sum of vectors, as one more emotion of a pack. */
import { InvalidInputError } from '../errors.ts';
import { deviation, quantile } from '../math/stats.ts';
import { dot, norm, scale } from '../math/vector.ts';
import { noFilter, readingDirection } from './filter.ts';
import { rowOf } from './held-out.ts';
import type { VectorPack } from './pack.ts';

/** What `--steer`, `--emotions` and `combine` can tell from their own signs. */
const namePattern = /^\p{L}[\p{L}\p{M}\p{N} '-]{0,59}$/u;

/** Refuses a name that the pack has already, or that no option could take. */
export function assertNewName(pack: VectorPack, name: string): void {
  if (!namePattern.test(name)) {
    throw new InvalidInputError(
      `name: expected at most 60 letters, digits, spaces or hyphens with a letter first, got "${name}"`,
    );
  }
  if (pack.emotions.some((emotion) => emotion.toLowerCase() === name.toLowerCase())) {
    throw new InvalidInputError(
      `name: expected one that the pack does not have, got "${name}", which is there`,
    );
  }
}

/**
 * The pack with one more emotion. Its stability is written as 0, which no measured one is: nothing was measured.
 * @param vectors one a layer of the pack, [width], in residual units; zeros read as 0 and steer nothing
 * @param replyRows one a layer: residuals [messages, width] where a reply begins, after neutral messages; may be
 *   empty where the vector is zero
 */
export function addEmotion(
  pack: VectorPack,
  name: string,
  vectors: readonly Float32Array[],
  replyRows: readonly Float32Array[],
): VectorPack {
  assertNewName(pack, name);
  return {
    ...pack,
    emotions: [...pack.emotions, name],
    vectors: pack.vectors.map((table, slot) =>
      appended(table, vectors[slot] ?? new Float32Array(pack.width)),
    ),
    replySpreads: pack.replySpreads.map((spreads, slot) => {
      const direction = readingDirection(
        pack.filters[slot] ?? noFilter,
        vectors[slot] ?? new Float32Array(pack.width),
      );
      const rows = replyRows[slot] ?? new Float32Array(0);
      const readings = Array.from({ length: rows.length / pack.width }, (_, i) =>
        dot(rowOf(rows, i, pack.width), direction),
      );
      const spread = deviation(readings) / (pack.norms[slot] ?? NaN);
      // A zero vector reads 0 everywhere; 1 keeps 0 / spread from being no number.
      return appended(spreads, Float32Array.of(spread > 0 ? spread : 1));
    }),
    stability: appended(pack.stability, Float32Array.of(0)),
    // Of the emotions before; the new one has none yet.
    calibration: undefined,
    quantiles: new Float32Array(0),
  };
}

/** How stable an emotion's vector is under draws of the topics; null if that was not measured. */
export function measuredStability(pack: VectorPack, index: number): number | null {
  const value = pack.stability[index] ?? 0;
  return value === 0 ? null : value;
}

interface Placed {
  /** One a layer of the pack, [width]; zeros where the file has none. */
  readonly vectors: Float32Array[];
  /** Layers of the file that the pack lacks. */
  readonly left: number[];
}

/**
 * Directions by layer as vectors of the pack, each as long as the pack's median vector of its layer: a pack steers and
 * reads with directions alone, and half precision holds that length well. Throws InvalidInputError if the width differs,
 * or if no layer is shared.
 */
export function placeDirections(
  pack: VectorPack,
  directions: ReadonlyMap<number, Float32Array>,
): Placed {
  const vectors = pack.layers.map((layer, slot) => {
    const direction = directions.get(layer);
    if (direction === undefined) return new Float32Array(pack.width);
    if (direction.length !== pack.width) {
      throw new InvalidInputError(
        `import: expected directions of ${pack.width} values for ${pack.modelName}, got ${direction.length}`,
      );
    }
    const size = norm(direction);
    return size === 0 ? direction.slice() : scale(direction, medianLength(pack, slot) / size);
  });
  if (vectors.every((vector) => norm(vector) === 0)) {
    throw new InvalidInputError(
      `import: expected directions at layers from ${pack.layers[0]} to ${pack.layers.at(-1)}, got none but zeros there`,
    );
  }
  return { vectors, left: [...directions.keys()].filter((l) => !pack.layers.includes(l)) };
}

function medianLength(pack: VectorPack, slot: number): number {
  const table = pack.vectors[slot] ?? new Float32Array(0);
  const lengths = pack.emotions.map((_, e) => norm(rowOf(table, e, pack.width)));
  return quantile(lengths, 0.5);
}

function appended(values: Float32Array, more: Float32Array): Float32Array {
  const result = new Float32Array(values.length + more.length);
  result.set(values);
  result.set(more, values.length);
  return result;
}
