/**
 * @file Leave-one-topic-out accuracy: vectors from all topics but one, each story of the last one is
 * classified by its projections on the unit vectors; both sides are centred by their own mean
 * (protocol sections 1 and 2). The null shuffles the emotion labels within each topic.
 */
import type { StoryMeans } from '../capture/stories.ts';
import { type Random, randomFrom, shuffled } from '../math/random.ts';
import { quantile, wilson } from '../math/stats.ts';
import { addInto } from '../math/vector.ts';
import type { LayerScore } from './pack.ts';

export interface Validation {
  readonly n: number;
  readonly emotions: number;
  readonly topics: number;
  readonly layers: readonly LayerScore[];
  readonly bestLayer: number;
  readonly top1: {
    readonly value: number;
    readonly interval: readonly [number, number];
    readonly chance: number;
  };
  readonly top5: {
    readonly value: number;
    readonly interval: readonly [number, number];
    readonly chance: number;
  };
  /** Top-1 at the best layer with labels shuffled within topics. */
  readonly permutation: {
    readonly rounds: number;
    readonly mean: number;
    readonly max: number;
    readonly p95: number;
    readonly p: number;
  };
}

export interface ValidateOptions {
  /** Shuffles of the null. @default 20 */
  readonly rounds?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

interface Design {
  readonly labels: readonly number[];
  readonly topicOf: readonly number[];
  readonly emotions: number;
  readonly topics: number;
  readonly width: number;
}

function designOf(captured: StoryMeans): Design {
  const emotions = [...new Set(captured.stories.map((story) => story.emotion))].toSorted();
  const topics = [...new Set(captured.stories.map((story) => story.topic))];
  return {
    labels: captured.stories.map((story) => emotions.indexOf(story.emotion)),
    topicOf: captured.stories.map((story) => topics.indexOf(story.topic)),
    emotions: emotions.length,
    topics: topics.length,
    width: captured.width,
  };
}

/** Scores every layer, picks the best by top-1, and compares it with the null. */
export async function validateStories(
  captured: StoryMeans,
  options: ValidateOptions = {},
): Promise<Validation> {
  const design = designOf(captured);
  const rounds = options.rounds ?? 20;
  const total = captured.layers.length + rounds;
  const layers: LayerScore[] = [];
  const tick = async (): Promise<void> => {
    options.signal?.throwIfAborted();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  };
  for (const [slot, layer] of captured.layers.entries()) {
    const hits = accuracy(captured.means[slot] ?? new Float32Array(0), design, design.labels);
    layers.push({ layer, top1: hits.top1 / hits.n, top5: hits.top5 / hits.n });
    options.onProgress?.(slot + 1, total);
    await tick();
  }
  const best = layers.toSorted((a, b) => b.top1 - a.top1)[0] ?? { layer: 0, top1: 0, top5: 0 };
  const means = captured.means[captured.layers.indexOf(best.layer)] ?? new Float32Array(0);
  const random = randomFrom(options.seed ?? 1);
  const nulls: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const hits = accuracy(means, design, shuffledLabels(design, random));
    nulls.push(hits.top1 / hits.n);
    options.onProgress?.(captured.layers.length + round + 1, total);
    await tick();
  }
  return summarise(design, layers, best, nulls);
}

function summarise(
  design: Design,
  layers: readonly LayerScore[],
  best: LayerScore,
  nulls: readonly number[],
): Validation {
  const n = design.labels.length;
  const chance = (k: number): number => Math.min(1, k / design.emotions);
  return {
    n,
    emotions: design.emotions,
    topics: design.topics,
    layers,
    bestLayer: best.layer,
    top1: { value: best.top1, interval: wilson(Math.round(best.top1 * n), n), chance: chance(1) },
    top5: { value: best.top5, interval: wilson(Math.round(best.top5 * n), n), chance: chance(5) },
    permutation: {
      rounds: nulls.length,
      mean: nulls.reduce((sum, value) => sum + value, 0) / nulls.length,
      max: Math.max(...nulls),
      p95: quantile(nulls, 0.95),
      p: (1 + nulls.filter((value) => value >= best.top1).length) / (1 + nulls.length),
    },
  };
}

function shuffledLabels(design: Design, random: Random): number[] {
  const result = [...design.labels];
  for (let topic = 0; topic < design.topics; topic++) {
    const members = design.topicOf.flatMap((own, i) => (own === topic ? [i] : []));
    const mixed = shuffled(
      members.map((i) => design.labels[i] ?? 0),
      random,
    );
    for (const [k, i] of members.entries()) result[i] = mixed[k] ?? 0;
  }
  return result;
}

/** Counts of stories whose own emotion has the highest projection, or one of the five highest. */
function accuracy(
  means: Float32Array,
  design: Design,
  labels: readonly number[],
): { top1: number; top5: number; n: number } {
  const { emotions, topics, width } = design;
  // Sums per emotion and per topic make each fold a subtraction instead of another pass.
  const sums = new Float32Array(emotions * width);
  const counts = new Int32Array(emotions);
  for (const [story, label] of labels.entries()) {
    addInto(sums.subarray(label * width, (label + 1) * width), rowOf(means, story, width));
    counts[label] = (counts[label] ?? 0) + 1;
  }
  const hits = { top1: 0, top5: 0, n: 0 };
  for (let topic = 0; topic < topics; topic++) {
    const members = design.topicOf.flatMap((own, i) => (own === topic ? [i] : []));
    const vectors = sums.slice();
    const left = counts.slice();
    const centre = new Float32Array(width);
    for (const i of members) {
      const label = labels[i] ?? 0;
      addInto(vectors.subarray(label * width, (label + 1) * width), rowOf(means, i, width), -1);
      left[label] = (left[label] ?? 0) - 1;
      addInto(centre, rowOf(means, i, width), 1 / members.length);
    }
    toUnitVectors(vectors, left, width);
    for (const i of members) {
      const residual = rowOf(means, i, width).map((value, k) => value - (centre[k] ?? 0));
      const rank = rankOf(labels[i] ?? 0, vectors, residual);
      if (rank === 0) hits.top1++;
      if (rank < 5) hits.top5++;
      hits.n++;
    }
  }
  return hits;
}

function rowOf(means: Float32Array, row: number, width: number): Float32Array {
  return means.subarray(row * width, (row + 1) * width);
}

/** Sums to unit vectors of mean minus grand mean, in place. */
function toUnitVectors(sums: Float32Array, counts: Int32Array, width: number): void {
  const emotions = counts.length;
  const grand = new Float32Array(width);
  for (let e = 0; e < emotions; e++) {
    const row = rowOf(sums, e, width);
    for (let k = 0; k < width; k++) row[k] = (row[k] ?? 0) / Math.max(1, counts[e] ?? 1);
    addInto(grand, row, 1 / emotions);
  }
  for (let e = 0; e < emotions; e++) {
    const row = rowOf(sums, e, width);
    addInto(row, grand, -1);
    let square = 0;
    for (const value of row) square += value * value;
    const length = Math.sqrt(square) || 1;
    for (let k = 0; k < width; k++) row[k] = (row[k] ?? 0) / length;
  }
}

/** How many emotions project higher than the story's own. */
function rankOf(label: number, vectors: Float32Array, residual: Float32Array): number {
  const width = residual.length;
  const own = projection(vectors, label * width, residual);
  let rank = 0;
  for (let at = 0, e = 0; at < vectors.length; at += width, e++) {
    if (e !== label && projection(vectors, at, residual) >= own) rank++;
  }
  return rank;
}

function projection(vectors: Float32Array, at: number, residual: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < residual.length; k++) sum += (vectors[at + k] ?? 0) * (residual[k] ?? 0);
  return sum;
}
