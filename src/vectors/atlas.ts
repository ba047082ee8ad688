/**
 * @file The geometry of a pack's emotion vectors ("Emotion Concepts...", 2026, the section on geometry):
 * cosines, principal components against human norms, k-means against the paper's clusters, neighbours, and
 * how alike the geometry is between layers and models. Pure: everything is computed from packs.
 */
import type { LensResult } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';
import { adjustedRand, kmeans } from '../math/kmeans.ts';
import { covariance, principalComponents } from '../math/pca.ts';
import { randomFrom, shuffled } from '../math/random.ts';
import { leaveOneOutRidge } from '../math/ridge.ts';
import { bootstrapPairs, pearson, quantile } from '../math/stats.ts';
import { dot, unit } from '../math/vector.ts';
import { measuredStability } from './add-emotion.ts';
import { intoFilteredSpace, noFilter } from './filter.ts';
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
  /** The same for the vectors added at their own layer. */
  readonly steeredLens?: readonly LensResult[];
  readonly others?: readonly VectorPack[];
  /** @default 10, as in the paper */
  readonly clusters?: number;
  /** Compare the vectors as readings see them, through the pack's filter, or as they are. @default 'filtered' */
  readonly space?: Space;
}

type Space = 'filtered' | 'raw';

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
  /** Mean cosine of the vector with bootstrap draws of the topics, at the pack's best layer; null if not measured. */
  readonly stability: number | null;
  readonly nearest: readonly Neighbour[];
  readonly farthest: readonly Neighbour[];
  /** Next words that adding the vector at its own layer raises and lowers most. */
  readonly steeredWords: Words;
  /** Those that it raises and lowers through the final norm and unembedding alone. */
  readonly lensWords: Words;
}

interface Words {
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

/** How well a rating is predicted from the vector by a linear map that never saw the emotion. */
interface NormPrediction {
  readonly norm: string;
  /** Correlation of the prediction with the rating. */
  readonly r: number;
  readonly interval: readonly [number, number];
  readonly n: number;
  /** 95th percentile of the same over shuffled ratings. */
  readonly shuffled: number;
}

export interface Atlas {
  readonly model: string;
  readonly layer: number;
  readonly blocks: number;
  readonly space: Space;
  readonly scores: readonly LayerScore[];
  /** Emotions in the order of the matrix: by cluster, then along the first component. */
  readonly emotions: readonly AtlasEmotion[];
  /** Cosines, [emotions][emotions], in the same order. */
  readonly cosines: readonly (readonly number[])[];
  /** Share of the variance of the unit vectors that each of the first components holds. */
  readonly variance: readonly number[];
  readonly fits: readonly NormFit[];
  readonly predictions: readonly NormPrediction[];
  readonly clusters: {
    readonly k: number;
    /** Agreement of the k-means clusters with the paper's: 1 is the same, 0 is chance. */
    readonly adjustedRand: number | null;
    /** Share of the emotions whose nearest neighbour is of the same cluster in the paper, and what chance gives. */
    readonly sharedNeighbours: { readonly value: number; readonly chance: number } | null;
  };
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
  const space = options.space ?? 'filtered';
  if (emotions.length < 4)
    throw new InvalidInputError(
      `atlas: expected a pack of at least 4 emotions, got ${emotions.length}`,
    );
  const units = unitsAt(pack, layer, { space, emotions });
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
      stability: measuredStability(pack, index),
      ...neighboursOf(cosines[row] ?? [], row, names),
      steeredWords: wordsOf(options.steeredLens?.[index]),
      lensWords: wordsOf(options.lens?.[index]),
    };
  });
  return {
    model: pack.modelName,
    layer,
    blocks: pack.blocks,
    space,
    scores: pack.scores,
    emotions: described,
    cosines,
    variance,
    fits: norms.flatMap((norm) =>
      variance.map((_, component) => fit(norm, emotions, points, component)),
    ),
    predictions: norms.map((norm) => predict(norm, emotions, units)),
    clusters: {
      k,
      adjustedRand: agreement(emotions, clusters, options.paperClusters),
      sharedNeighbours: sharedNeighbours(described),
    },
    layers: layerSimilarity(pack, space),
    models: (options.others ?? []).map((other) => compareModels(pack, other, { layer, space })),
  };
}

/** Unit vectors of the emotions at a layer, in the space asked for. */
function unitsAt(
  pack: VectorPack,
  layer: number,
  { space, emotions }: { space: Space; emotions: readonly string[] },
): Float32Array[] {
  const filter =
    (space === 'raw' ? undefined : pack.filters[pack.layers.indexOf(layer)]) ?? noFilter;
  return emotions.map((emotion) =>
    unit(intoFilteredSpace(filter, emotionVector(pack, emotion, layer))),
  );
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

/** Penalty of the ridge against unit vectors; set once, not tuned. */
const ridgePenalty = 0.3;
const ridgeShuffles = 200;

function predict(
  { name, ratings }: Norms,
  emotions: readonly string[],
  units: readonly Float32Array[],
): NormPrediction {
  const known = emotions.flatMap((emotion, i) => {
    const rating = ratings.get(emotion);
    const unitVector = units[i];
    return rating === undefined || unitVector === undefined ? [] : [{ rating, unitVector }];
  });
  const values = known.map(({ rating }) => rating);
  const predictor = leaveOneOutRidge(
    known.map(({ unitVector }) => unitVector),
    ridgePenalty,
  );
  const predicted = predictor(values);
  const pairs = predicted.map((value, i): [number, number] => [value, values[i] ?? NaN]);
  const random = randomFrom(17);
  const nulls = Array.from({ length: ridgeShuffles }, () => {
    const mixed = shuffled(values, random);
    return pearson(predictor(mixed), mixed);
  });
  return {
    norm: name,
    r: pearson(predicted, values),
    interval: bootstrapPairs(pairs, pearson, randomFrom(5)),
    n: values.length,
    shuffled: quantile(nulls, 0.95),
  };
}

function ratingsOf(norms: readonly Norms[], emotion: string): Record<string, number> {
  return Object.fromEntries(
    norms.flatMap(({ name, ratings }) => {
      const rating = ratings.get(emotion);
      return rating === undefined ? [] : [[name, rating]];
    }),
  );
}

function wordsOf(lens: LensResult | undefined): Words {
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

function sharedNeighbours(
  emotions: readonly AtlasEmotion[],
): { value: number; chance: number } | null {
  const known = emotions.filter(({ paperCluster }) => paperCluster !== null);
  if (known.length < 2) return null;
  const clusterOf = new Map(known.map(({ emotion, paperCluster }) => [emotion, paperCluster]));
  const hits = known.filter(
    ({ paperCluster, nearest }) => clusterOf.get(nearest[0]?.emotion ?? '') === paperCluster,
  );
  const sizes = known.map(
    ({ paperCluster }) => known.filter((other) => other.paperCluster === paperCluster).length - 1,
  );
  const chance = sizes.reduce((sum, size) => sum + size, 0) / known.length / (known.length - 1);
  return { value: hits.length / known.length, chance };
}

/** Cosines of all pairs, each pair once. */
function pairCosines(units: readonly Float32Array[]): number[] {
  return units.flatMap((a, i) => units.slice(i + 1).map((b) => dot(a, b)));
}

function layerSimilarity(pack: VectorPack, space: Space): Atlas['layers'] {
  const layers = pack.layers.filter((layer) => layer % 4 === 0 || layer === pack.bestLayer);
  const cosines = layers.map((layer) =>
    pairCosines(unitsAt(pack, layer, { space, emotions: pack.emotions })),
  );
  return { layers, similarity: cosines.map((a) => cosines.map((b) => pearson(a, b))) };
}

/** Correlation of the cosines of all pairs of the emotions that both packs have. */
function compareModels(
  pack: VectorPack,
  other: VectorPack,
  { layer, space }: { layer: number; space: Space },
): Atlas['models'][number] {
  const emotions = pack.emotions.filter((emotion) => other.emotions.includes(emotion));
  if (emotions.length < 4)
    throw new InvalidInputError(
      `compare: expected packs with at least 4 emotions in common, got ${emotions.length} in ${other.modelName}`,
    );
  const own = pairCosines(unitsAt(pack, layer, { space, emotions }));
  const theirs = pairCosines(unitsAt(other, other.bestLayer, { space, emotions }));
  return {
    model: other.modelName,
    layer: other.bestLayer,
    r: pearson(own, theirs),
    n: emotions.length,
  };
}
