/**
 * @file The geometry of a pack's emotion vectors ("Emotion Concepts...", 2026, the section on geometry):
 * cosines, principal components against human norms, k-means against the paper's clusters, neighbours, and
 * how alike the geometry is between layers and models. Pure: everything is computed from packs.
 */
import type { LensResult } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';
import { adjustedRand, kmeans } from '../math/kmeans.ts';
import { covariance, principalComponents } from '../math/pca.ts';
import { randomFrom } from '../math/random.ts';
import { bootstrapPairs, pearson } from '../math/stats.ts';
import { dot, unit } from '../math/vector.ts';
import { emotionVector, type LayerScore, type VectorPack } from './pack.ts';

/** Human ratings of words. */
export interface Norms {
  readonly name: string;
  /** Emotion to rating; emotions without one are left out. */
  readonly ratings: ReadonlyMap<string, number>;
}

export interface AtlasOptions {
  /** @default pack.bestLayer */
  readonly layer?: number;
  readonly norms?: readonly Norms[];
  /** The paper's cluster of each emotion. */
  readonly paperClusters?: ReadonlyMap<string, string>;
  /** Logit lens of each emotion of the pack, in its order. */
  readonly lens?: readonly LensResult[];
  readonly others?: readonly VectorPack[];
  /** @default 10, as in the paper */
  readonly clusters?: number;
}

interface Neighbour {
  readonly emotion: string;
  /** Cosine of the two vectors, from -1 to 1. */
  readonly cosine: number;
}

export interface AtlasEmotion {
  readonly emotion: string;
  readonly cluster: number;
  readonly paperCluster: string | null;
  /** Coordinates on the first two principal components of the unit vectors. */
  readonly x: number;
  readonly y: number;
  readonly ratings: Readonly<Record<string, number>>;
  /** Mean cosine of the vector with bootstrap draws of the topics, at the pack's best layer. */
  readonly stability: number;
  readonly nearest: readonly Neighbour[];
  readonly farthest: readonly Neighbour[];
  readonly raised: readonly string[];
  readonly lowered: readonly string[];
}

interface NormFit {
  readonly norm: string;
  /** Number of the component, from 1. */
  readonly component: number;
  readonly r: number;
  readonly interval: readonly [number, number];
  readonly n: number;
}

export interface Atlas {
  readonly model: string;
  readonly layer: number;
  readonly blocks: number;
  readonly scores: readonly LayerScore[];
  /** Emotions in the order of the matrix: by cluster, then along the first component. */
  readonly emotions: readonly AtlasEmotion[];
  /** Cosines, [emotions][emotions], in the same order. */
  readonly cosines: readonly (readonly number[])[];
  /** Share of the variance of the unit vectors that each of the first components holds. */
  readonly variance: readonly number[];
  readonly fits: readonly NormFit[];
  readonly clusters: { readonly k: number; readonly adjustedRand: number | null };
  /** Correlation of the cosines between pairs of layers of this model, every fourth layer. */
  readonly layers: {
    readonly layers: readonly number[];
    readonly similarity: readonly (readonly number[])[];
  };
  readonly models: readonly {
    readonly model: string;
    readonly layer: number;
    readonly r: number;
    readonly n: number;
  }[];
}

/** Everything about a pack's geometry; throws InvalidInputError for a layer that it lacks. */
export function buildAtlas(pack: VectorPack, options: AtlasOptions = {}): Atlas {
  const layer = options.layer ?? pack.bestLayer;
  const { emotions } = pack;
  const k = Math.min(options.clusters ?? 10, emotions.length);
  const units = unitsAt(pack, layer);
  const { points, variance } = project(pack, units);
  const norms = options.norms ?? [];
  const [first] = norms;
  // A component's sign means nothing: the first is turned so that pleasant emotions lie to the right.
  const sign = first === undefined ? 1 : Math.sign(fit(first, emotions, points, 0).r || 1);
  for (const point of points) point[0] = (point[0] ?? 0) * sign;
  const clusters = kmeans(units, k, randomFrom(7));
  const order = emotions
    .map((_, i) => i)
    .toSorted(
      (a, b) =>
        (clusters[a] ?? 0) - (clusters[b] ?? 0) || (points[a]?.[0] ?? 0) - (points[b]?.[0] ?? 0),
    );
  const sorted = order.map((i) => units[i] ?? new Float32Array(pack.width));
  const cosines = sorted.map((a) => sorted.map((b) => dot(a, b)));
  const names = order.map((index) => emotions[index] ?? '');
  const described = order.map((index, row): AtlasEmotion => {
    const emotion = names[row] ?? '';
    const [x = NaN, y = NaN] = points[index] ?? [];
    return {
      emotion,
      cluster: clusters[index] ?? 0,
      paperCluster: options.paperClusters?.get(emotion) ?? null,
      x,
      y,
      ratings: ratingsOf(norms, emotion),
      stability: pack.stability[index] ?? NaN,
      ...neighboursOf(cosines[row] ?? [], row, names),
      ...wordsOf(options.lens?.[index]),
    };
  });
  return {
    model: pack.modelName,
    layer,
    blocks: pack.blocks,
    scores: pack.scores,
    emotions: described,
    cosines,
    variance,
    fits: norms.flatMap((norm) =>
      [0, 1].map((component) => fit(norm, emotions, points, component)),
    ),
    clusters: { k, adjustedRand: agreement(emotions, clusters, options.paperClusters) },
    layers: layerSimilarity(pack),
    models: (options.others ?? []).map((other) => compareModels(pack, layer, other)),
  };
}

function unitsAt(pack: VectorPack, layer: number): Float32Array[] {
  return pack.emotions.map((emotion) => unit(emotionVector(pack, emotion, layer)));
}

/** Components that are reported: the paper shows two. */
const componentCount = 5;

function project(
  pack: VectorPack,
  units: readonly Float32Array[],
): { points: number[][]; variance: number[] } {
  const table = new Float32Array(units.length * pack.width);
  for (const [i, row] of units.entries()) table.set(row, i * pack.width);
  const { axes, variances, total } = principalComponents(
    covariance(table, pack.width),
    pack.width,
    componentCount,
    { passes: 30 },
  );
  return {
    points: units.map((row) => axes.map((axis) => dot(row, axis))),
    variance: variances.map((variance) => variance / total),
  };
}

function fit(
  norm: Norms,
  emotions: readonly string[],
  points: readonly (readonly number[])[],
  component: number,
): NormFit {
  const pairs = emotions.flatMap((emotion, i): [number, number][] => {
    const rating = norm.ratings.get(emotion);
    return rating === undefined ? [] : [[points[i]?.[component] ?? NaN, rating]];
  });
  const r = pearson(
    pairs.map(([x]) => x),
    pairs.map(([, y]) => y),
  );
  const interval = bootstrapPairs(pairs, pearson, randomFrom(5));
  return { norm: norm.name, component: component + 1, r, interval, n: pairs.length };
}

function ratingsOf(norms: readonly Norms[], emotion: string): Record<string, number> {
  return Object.fromEntries(
    norms.flatMap(({ name, ratings }) => {
      const rating = ratings.get(emotion);
      return rating === undefined ? [] : [[name, rating]];
    }),
  );
}

function wordsOf(lens: LensResult | undefined): Pick<AtlasEmotion, 'raised' | 'lowered'> {
  return {
    raised: lens?.raised.map(({ text }) => text) ?? [],
    lowered: lens?.lowered.map(({ text }) => text) ?? [],
  };
}

/** How many neighbours are listed at either end. */
const neighbourCount = 8;

function neighboursOf(
  cosines: readonly number[],
  own: number,
  names: readonly string[],
): Pick<AtlasEmotion, 'nearest' | 'farthest'> {
  const ranked = names
    .map((emotion, i) => ({ emotion, cosine: cosines[i] ?? NaN, i }))
    .filter(({ i }) => i !== own)
    .toSorted((a, b) => b.cosine - a.cosine)
    .map(({ emotion, cosine }) => ({ emotion, cosine }));
  return {
    nearest: ranked.slice(0, neighbourCount),
    farthest: ranked.slice(-neighbourCount).toReversed(),
  };
}

function agreement(
  emotions: readonly string[],
  clusters: readonly number[],
  paper: ReadonlyMap<string, string> | undefined,
): number | null {
  const known = emotions.flatMap((emotion, i) => {
    const theirs = paper?.get(emotion);
    return theirs === undefined ? [] : [{ own: clusters[i] ?? 0, theirs }];
  });
  if (known.length < 2) return null;
  return adjustedRand(
    known.map(({ own }) => own),
    known.map(({ theirs }) => theirs),
  );
}

/** Cosines of all pairs of the given emotions, each pair once. */
function pairCosines(pack: VectorPack, layer: number, emotions: readonly string[]): number[] {
  const units = emotions.map((emotion) => unit(emotionVector(pack, emotion, layer)));
  return units.flatMap((a, i) => units.slice(i + 1).map((b) => dot(a, b)));
}

function layerSimilarity(pack: VectorPack): Atlas['layers'] {
  const layers = pack.layers.filter((layer) => layer % 4 === 0 || layer === pack.bestLayer);
  const cosines = layers.map((layer) => pairCosines(pack, layer, pack.emotions));
  return {
    layers,
    similarity: cosines.map((a) => cosines.map((b) => pearson(a, b))),
  };
}

/** Correlation of the cosines of all pairs of the emotions that both packs have, at their best layers. */
function compareModels(
  pack: VectorPack,
  layer: number,
  other: VectorPack,
): Atlas['models'][number] {
  const shared = pack.emotions.filter((emotion) => other.emotions.includes(emotion));
  if (shared.length < 4)
    throw new InvalidInputError(
      `compare: expected packs with at least 4 emotions in common, got ${shared.length} in ${other.modelName}`,
    );
  return {
    model: other.modelName,
    layer: other.bestLayer,
    r: pearson(pairCosines(pack, layer, shared), pairCosines(other, other.bestLayer, shared)),
    n: shared.length,
  };
}
