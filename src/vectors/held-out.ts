/**
 * @file Leave-one-topic-out classification: vectors and filter from all topics but one, each story of the
 * last one is ranked by its readings (protocol sections 1 and 2). Nothing of a story's own topic enters
 * what it is read with.
 */
import type { StoryMeans } from '../capture/stories.ts';
import { addGramInto, type Components, meanRow, principalComponents } from '../math/pca.ts';
import { addInto, scale } from '../math/vector.ts';
import {
  type Filter,
  neutralFilter,
  noFilter,
  readingDirection,
  whiteningFilter,
} from './filter.ts';

/** How directions are read; see filter.ts. */
export type Readout =
  | { readonly kind: 'raw' }
  /** Neutral components that hold `share` of their variance are projected out. */
  | { readonly kind: 'neutral'; readonly share: number }
  | { readonly kind: 'whitened'; readonly shrinkage: number; readonly axes: number };

export interface Design {
  /** Emotion of each story. */
  readonly labels: readonly number[];
  readonly topicOf: readonly number[];
  readonly emotions: readonly string[];
  readonly topics: readonly string[];
  readonly width: number;
}

export function designOf({ stories, width }: Pick<StoryMeans, 'stories' | 'width'>): Design {
  const emotions = [...new Set(stories.map((story) => story.emotion))].toSorted();
  const topics = [...new Set(stories.map((story) => story.topic))];
  return {
    labels: stories.map((story) => emotions.indexOf(story.emotion)),
    topicOf: stories.map((story) => topics.indexOf(story.topic)),
    emotions,
    topics,
    width,
  };
}

/** What does not depend on the labels: made once, used for a layer and all shuffles of its null. */
export interface Prepared {
  /** Story rows minus the mean of their topic, [stories, width]. */
  readonly centred: Float32Array;
  /** Gram matrix [width, width] of the stories of each group of topics; empty without whitening. */
  readonly grams: readonly Float64Array[];
}

export function prepareLayer(means: Float32Array, design: Design, readout: Readout): Prepared {
  const centred = centreByTopic(means, design);
  const groups = readout.kind === 'whitened' ? groupCount(design) : 0;
  const grams = Array.from({ length: groups }, (_, group) => {
    const gram = new Float64Array(design.width ** 2);
    const rows = rowsOf(centred, design, (topic) => topic % groups === group);
    addGramInto(gram, rows, design.width);
    return gram;
  });
  return { centred, grams };
}

export interface HeldOutOptions {
  readonly readout: Readout;
  /** Subtract the topic's own mean from each story before it is read. @default true */
  readonly centres?: boolean;
  /** Components of neutral texts at this layer, for the `neutral` readout. */
  readonly neutral?: Components;
  /** From prepareLayer with the same readout, to save its work. */
  readonly prepared?: Prepared;
  /** Emotion of each story, e.g. shuffled ones for the null. @default the design's */
  readonly labels?: readonly number[];
}

/** Rank of each story's own emotion among all, 0 is the first; in the order of the stories. */
export function heldOutRanks(
  means: Float32Array,
  design: Design,
  options: HeldOutOptions,
): Int32Array {
  const { width, topicOf } = design;
  const labels = options.labels ?? design.labels;
  const prepared = options.prepared ?? prepareLayer(means, design, options.readout);
  const { centred } = prepared;
  const folds = createFolds(prepared, { ...design, labels }, options);
  const ranks = new Int32Array(topicOf.length);
  const read = options.centres === false ? means : centred;
  for (let topic = 0; topic < design.topics.length; topic++) {
    const directions = folds(topic);
    for (const [story, own] of topicOf.entries()) {
      if (own !== topic) continue;
      ranks[story] = rankOf(labels[story] ?? 0, directions, rowOf(read, story, width));
    }
  }
  return ranks;
}

/** Story rows minus the mean of their topic, [stories, width]. */
export function centreByTopic(means: Float32Array, design: Design): Float32Array {
  const { width, topicOf, topics } = design;
  const result = means.slice();
  for (let topic = 0; topic < topics.length; topic++) {
    const members = topicOf.flatMap((own, i) => (own === topic ? [i] : []));
    const centre = new Float32Array(width);
    for (const i of members) addInto(centre, rowOf(means, i, width), 1 / members.length);
    for (const i of members) addInto(rowOf(result, i, width), centre, -1);
  }
  return result;
}

/**
 * Components of what is left of centred stories when their emotion's mean is taken away. The Gram matrix of
 * what is left is that of the stories minus that of the emotion means.
 * @param gram of the stories, [width, width]
 * @param sums of the stories of each emotion, [emotions, width], `perEmotion` stories each
 */
export function withinComponents(
  gram: Float64Array,
  sums: Float32Array,
  { perEmotion, width, axes }: { perEmotion: number; width: number; axes: number },
  start?: readonly Float32Array[],
): Components {
  const count = (sums.length / width) * perEmotion;
  const within = gram.slice();
  addGramInto(within, sums, width, -1 / perEmotion);
  for (let i = 0; i < within.length; i++) within[i] = (within[i] ?? 0) / count;
  // One story an emotion leaves nothing but rounding.
  if (traceOf(within, width) <= 1e-9 * (traceOf(gram, width) / count))
    return { axes: [], variances: [], total: 0 };
  // From the axes of nearly the same matrix, three multiplications settle what eight do from chance.
  return principalComponents(within, width, axes, start === undefined ? {} : { start, passes: 3 });
}

function traceOf(matrix: Float64Array, width: number): number {
  let sum = 0;
  for (let i = 0; i < width; i++) sum += matrix[i * width + i] ?? 0;
  return sum;
}

/** Filters are estimated once for each of so many groups of topics, without the whole group: a quarter of the work. */
const filterGroups = 4;

/** Sums of the rows of each emotion over the topics of `isIn`, [emotions, width]. */
export function emotionSums(
  centred: Float32Array,
  { labels, topicOf, emotions, width }: Design,
  isIn: (topic: number) => boolean,
): Float32Array {
  const sums = new Float32Array(emotions.length * width);
  for (const [story, label] of labels.entries())
    if (isIn(topicOf[story] ?? -1))
      addInto(rowOf(sums, label, width), rowOf(centred, story, width));
  return sums;
}

/** Reading directions of all emotions without one topic. */
function createFolds(
  prepared: Prepared,
  design: Design,
  { readout, neutral }: HeldOutOptions,
): (topic: number) => Float32Array[] {
  const { width, emotions, topics } = design;
  const { centred } = prepared;
  const filters = filterFor(prepared, design, readout, neutral);
  return (topic) => {
    const filter = filters(topic);
    const sums = emotionSums(centred, design, (other) => other !== topic);
    const grand = meanRow(sums, width);
    return emotions.map((_, e) => {
      const vector = rowOf(sums, e, width).map((value, k) => value - (grand[k] ?? 0));
      return readingDirection(filter, scale(vector, 1 / (topics.length - 1)));
    });
  };
}

/** The filter for reading a topic, made without it. */
function filterFor(
  { centred, grams }: Prepared,
  design: Design,
  readout: Readout,
  neutral: Components | undefined,
): (topic: number) => Filter {
  if (readout.kind !== 'whitened') {
    const isNeutral = readout.kind === 'neutral' && neutral !== undefined;
    const filter = isNeutral ? neutralFilter(neutral, readout.share) : noFilter;
    return () => filter;
  }
  const { width, topics } = design;
  const groups = grams.length;
  let start: readonly Float32Array[] | undefined;
  const made = grams.map((_, group) => {
    const isIn = (topic: number): boolean => topic % groups !== group;
    const gram = sumOf(grams.filter((__, other) => other !== group));
    const perEmotion = topics.filter((__, topic) => isIn(topic)).length;
    const sums = emotionSums(centred, design, isIn);
    const within = withinComponents(gram, sums, { perEmotion, width, axes: readout.axes }, start);
    start = within.axes;
    return whiteningFilter(within, width, readout.shrinkage);
  });
  return (topic) => made[topic % groups] ?? noFilter;
}

function groupCount({ topics }: Design): number {
  return Math.min(filterGroups, topics.length);
}

function sumOf(matrices: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(matrices[0]?.length ?? 0);
  for (const matrix of matrices)
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (matrix[i] as number);
  return sum;
}

/** Rows of the stories on the topics of `isIn`. */
function rowsOf(
  centred: Float32Array,
  { topicOf, width }: Design,
  isIn: (topic: number) => boolean,
): Float32Array {
  const members = topicOf.flatMap((own, i) => (isIn(own) ? [i] : []));
  const rows = new Float32Array(members.length * width);
  for (const [k, i] of members.entries()) rows.set(rowOf(centred, i, width), k * width);
  return rows;
}

/** How many emotions read higher than the story's own. */
function rankOf(label: number, directions: readonly Float32Array[], row: Float32Array): number {
  const own = project(directions[label] ?? row, row);
  let rank = 0;
  for (const [e, direction] of directions.entries())
    if (e !== label && project(direction, row) >= own) rank++;
  return rank;
}

function project(direction: Float32Array, row: Float32Array): number {
  // Hot loop: both are [width], so the casts replace a branch a value.
  let sum = 0;
  for (let k = 0; k < row.length; k++) sum += (direction[k] as number) * (row[k] as number);
  return sum;
}

export function rowOf(table: Float32Array, row: number, width: number): Float32Array {
  return table.subarray(row * width, (row + 1) * width);
}
