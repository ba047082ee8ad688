/** @file Story means to emotion vectors: the emotion's mean minus the mean over emotions ("Emotion Concepts...", 2026, methods). */
import { corpusHash, type StoryMeans } from '../capture/stories.ts';
import type { ModelInfo } from '../engine/engine.ts';
import { addGramInto, meanRow } from '../math/pca.ts';
import { deviation } from '../math/stats.ts';
import { addInto, dot } from '../math/vector.ts';
import { type Filter, noFilter, readingDirection, whiteningFilter } from './filter.ts';
import {
  centreByTopic,
  designOf,
  emotionSums,
  type Readout,
  rowOf,
  withinComponents,
} from './held-out.ts';
import { type LayerScore, packVersion, type VectorPack } from './pack.ts';
import { directionStability } from './stability.ts';

/** Emotion vectors of one layer: `vectors` [emotions, width] and their `centre` [width]. */
export function emotionVectors(
  means: Float32Array,
  labels: readonly number[],
  emotions: number,
  width: number,
): { vectors: Float32Array; centre: Float32Array } {
  const vectors = new Float32Array(emotions * width);
  const counts = Array.from<number>({ length: emotions }).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  for (const [story, label] of labels.entries())
    addInto(rowOf(vectors, label, width), rowOf(means, story, width), 1 / (counts[label] ?? 1));
  const centre = new Float32Array(width);
  for (let e = 0; e < emotions; e++) addInto(centre, rowOf(vectors, e, width), 1 / emotions);
  for (let e = 0; e < emotions; e++) addInto(rowOf(vectors, e, width), centre, -1);
  return { vectors, centre };
}

/** The filter that a readout asks for, from all stories of a layer; a neutral one is made by its caller. */
export function filterOf(means: Float32Array, captured: StoryMeans, readout: Readout): Filter {
  if (readout.kind !== 'whitened') return noFilter;
  const design = designOf(captured);
  const { width, topics } = design;
  const centred = centreByTopic(means, design);
  const gram = new Float64Array(width * width);
  addGramInto(gram, centred, width);
  const sums = emotionSums(centred, design, () => true);
  const shape = { perEmotion: topics.length, width, axes: readout.axes };
  return whiteningFilter(withinComponents(gram, sums, shape), width, readout.shrinkage);
}

export interface PackParts {
  readonly captured: StoryMeans;
  /** From validate.ts; they decide the best layer. */
  readonly scores: readonly LayerScore[];
  /** First pooled position. */
  readonly from: number;
  readonly readout: Readout;
  /** What the stories ran on: the file itself or a copy. */
  readonly weights: string;
  /** Of the model's own file. */
  readonly quantisation: string;
  /** Residuals where a reply begins, after neutral messages: [messages, width] for each layer of `captured`. */
  readonly replyRows: readonly Float32Array[];
}

/** Puts a pack together. */
export function buildPack(info: ModelInfo, parts: PackParts): VectorPack {
  const { captured, scores, from, readout, weights, replyRows } = parts;
  const design = designOf(captured);
  const { labels, emotions, topics } = design;
  const layers = captured.means.map((means) =>
    emotionVectors(means, labels, emotions.length, info.width),
  );
  const best = scores.toSorted((a, b) => b.top1 - a.top1)[0];
  const bestLayer = best?.layer ?? captured.layers[0] ?? 0;
  const bestSlot = captured.layers.indexOf(bestLayer);
  const filters = captured.means.map((means) => filterOf(means, captured, readout));
  const spreads = replyRows.map((rows, slot) => {
    const norm = captured.norms[slot] ?? NaN;
    const vectors = layers[slot]?.vectors ?? new Float32Array(0);
    return Float32Array.from(emotions, (_, e) => {
      const vector = rowOf(vectors, e, info.width);
      return spreadOf(rows, readingDirection(filters[slot] ?? noFilter, vector)) / norm;
    });
  });
  return {
    version: packVersion,
    fingerprint: info.fingerprint,
    modelName: info.name,
    quantisation: parts.quantisation,
    architecture: info.architecture,
    blocks: info.blocks,
    width: info.width,
    layers: [...captured.layers],
    emotions: [...emotions],
    bestLayer,
    scores: [...scores],
    stories: captured.stories.length,
    topics: topics.length,
    corpusHash: corpusHash(captured.stories),
    recipe: { from, centring: 'grand-mean', readout, weights },
    vectors: layers.map((layer) => layer.vectors),
    centres: layers.map((layer) => layer.centre),
    replyCentres: replyRows.map((rows) => meanRow(rows, info.width)),
    replySpreads: spreads,
    filters,
    norms: captured.norms,
    stability: directionStability(captured.means[bestSlot] ?? new Float32Array(0), design),
    quantiles: new Float32Array(0),
  };
}

/** Standard deviation of the rows' projections. */
function spreadOf(rows: Float32Array, direction: Float32Array): number {
  const width = direction.length;
  const count = rows.length / width;
  return deviation(Array.from({ length: count }, (_, i) => dot(rowOf(rows, i, width), direction)));
}
