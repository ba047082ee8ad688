/** @file What is in a pack, and one vector layer by layer: its length, how it turns, what lies near it. */
import { cosine, dot, norm, unit } from '../math/vector.ts';
import { measuredStability } from './add-emotion.ts';
import { intoFilteredSpace, noFilter } from './filter.ts';
import { emotionVector, normAt, type VectorPack } from './pack.ts';

export interface PackSummary {
  readonly model: string;
  readonly architecture: string;
  readonly quantisation: string;
  readonly blocks: number;
  readonly width: number;
  readonly layers: readonly number[];
  readonly bestLayer: number;
  /** Leave-one-topic-out accuracy at the best layer, from 0 to 1; null if the pack has no score there. */
  readonly top1: number | null;
  readonly top5: number | null;
  readonly stories: number;
  readonly topics: number;
  readonly emotions: readonly {
    readonly emotion: string;
    /** Mean cosine with the vector from other draws of the topics; null if not measured. */
    readonly stability: number | null;
  }[];
}

/** What `limbic vectors` lists. */
export function summarisePack(pack: VectorPack): PackSummary {
  const score = pack.scores.find(({ layer }) => layer === pack.bestLayer);
  return {
    model: pack.modelName,
    architecture: pack.architecture,
    quantisation: pack.quantisation,
    blocks: pack.blocks,
    width: pack.width,
    layers: pack.layers,
    bestLayer: pack.bestLayer,
    top1: score?.top1 ?? null,
    top5: score?.top5 ?? null,
    stories: pack.stories,
    topics: pack.topics,
    emotions: pack.emotions.map((emotion, i) => ({
      emotion,
      stability: measuredStability(pack, i),
    })),
  };
}

interface LayerInspection {
  readonly layer: number;
  /** Length in residual units; 0 where there is no vector. */
  readonly norm: number;
  /** The same as a share of the mean residual norm there. */
  readonly share: number;
  /** Cosine with the vector of the layer before in the pack; null at the first, and where either has no length. */
  readonly cosineToPrevious: number | null;
}
interface Neighbour {
  readonly emotion: string;
  /** Through the pack's filter, as readings compare; from -1 to 1. */
  readonly cosine: number;
}
export interface Inspection {
  readonly name: string;
  readonly layers: readonly LayerInspection[];
  readonly bestLayer: number;
  /** Emotions of the pack by cosine at the best layer; empty if the vector has no length there. */
  readonly nearest: readonly Neighbour[];
  readonly farthest: readonly Neighbour[];
}

/** How many neighbours are listed at either end, as in limbic atlas. */
const neighbourCount = 8;

/** Looks at a vector given by layer. @param name left out of the neighbours */
export function inspectVector(
  pack: VectorPack,
  name: string,
  vectorAt: (layer: number) => Float32Array,
): Inspection {
  let previous: Float32Array | undefined;
  const layers = pack.layers.map((layer): LayerInspection => {
    const vector = vectorAt(layer);
    const length = norm(vector);
    const turn = previous === undefined ? NaN : cosine(previous, vector);
    previous = vector;
    return {
      layer,
      norm: length,
      share: length / normAt(pack, layer),
      cosineToPrevious: Number.isFinite(turn) ? turn : null,
    };
  });
  const ranked = rank(pack, name, vectorAt(pack.bestLayer));
  return {
    name,
    layers,
    bestLayer: pack.bestLayer,
    nearest: ranked.slice(0, neighbourCount),
    farthest: ranked.slice(-neighbourCount).toReversed(),
  };
}

/** The pack's emotions by cosine with a vector at the best layer; those without length are left out. */
function rank(pack: VectorPack, name: string, vector: Float32Array): Neighbour[] {
  const filter = pack.filters[pack.layers.indexOf(pack.bestLayer)] ?? noFilter;
  const asRead = (raw: Float32Array): Float32Array => unit(intoFilteredSpace(filter, raw));
  const own = asRead(vector);
  if (norm(own) === 0) return [];
  return pack.emotions
    .filter((emotion) => emotion !== name)
    .map((emotion) => ({ emotion, other: asRead(emotionVector(pack, emotion, pack.bestLayer)) }))
    .filter(({ other }) => norm(other) > 0)
    .map(({ emotion, other }) => ({ emotion, cosine: dot(own, other) }))
    .toSorted((a, b) => b.cosine - a.cosine);
}
