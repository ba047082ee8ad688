/**
 * @file A vector from any contrast: mean residual of the texts that have something minus that of those
 * that lack it, checked on texts that it was not made from, as strictly as the emotions are.
 */
import { corpusHash } from '../capture/stories.ts';
import type { Contrast, PooledTexts } from '../capture/texts.ts';
import type { ModelInfo } from '../engine/engine.ts';
import { auc, bootstrapAuc } from '../math/auc.ts';
import { meanRow } from '../math/pca.ts';
import { type Random, randomDirection, randomFrom, shuffled } from '../math/random.ts';
import { deviation, mean, quantile, wilson } from '../math/stats.ts';
import { dot } from '../math/vector.ts';
import {
  conceptStability,
  conceptVector,
  contrastFilter,
  type Folds,
  heldOutReadings,
  innerProducts,
  nestedReadings,
  pairFolds,
  stratifiedFolds,
  type Whitening,
} from './contrast.ts';
import { type Filter, noFilter, readingDirection } from './filter.ts';
import { rowOf } from './held-out.ts';
import { type ConceptScore, defaultReadout, packVersion, type VectorPack } from './pack.ts';

/** Pooled residuals of both sides. */
export interface ContrastRows {
  readonly width: number;
  readonly layers: readonly number[];
  /** One table a layer: [texts, width], row-major, the positives first. */
  readonly means: readonly Float32Array[];
  /** How many of the texts are positives. */
  readonly positives: number;
  /** Positive i and negative i are a pair. */
  readonly paired: boolean;
  /** Tokens of each text, for the length control. */
  readonly tokenCounts: readonly number[];
}

/** How well held-out texts are told apart at a layer. */
interface ConceptLayer {
  readonly layer: number;
  /** Chance that a positive reads higher than a negative, from 0 to 1; .5 is chance. */
  readonly auc: number;
  /** Bootstrap over texts or pairs, 95 %; a perfect separation gives [1, 1]. */
  readonly interval: readonly [low: number, high: number];
  /** Share of texts on their own side of the middle between both means. */
  readonly accuracy: number;
  /** Wilson, 95 %. */
  readonly accuracyInterval: readonly [low: number, high: number];
  /** Difference of the sides' mean readings in pooled standard deviations; settles layers of equal AUC. */
  readonly separation: number;
}

export interface ConceptValidation {
  readonly positives: number;
  readonly negatives: number;
  readonly paired: boolean;
  readonly folds: number;
  readonly layers: readonly ConceptLayer[];
  /** The layer with the best held-out AUC. */
  readonly best: ConceptLayer;
  /** AUC when the layer, too, is chosen without the text that is read: takes away about half of what picking the best adds. */
  readonly nested: {
    readonly auc: number;
    readonly interval: readonly [low: number, high: number];
  };
  /** AUC at the best layer with labels shuffled, or changed within pairs by chance. */
  readonly permutation: {
    readonly rounds: number;
    readonly mean: number;
    readonly max: number;
    readonly p: number;
  };
  /** AUC of the number of tokens alone: 1 when all positives are longer, 0 when all are shorter. */
  readonly lengthAuc: number;
  /** AUC of random directions through the same filter, each with the sign that suits it, so .5 or more. */
  readonly random: { readonly count: number; readonly median: number; readonly max: number };
}

export interface ValidateConceptOptions {
  /** Rounds of the null. @default defaultRounds */
  readonly rounds?: number;
  /** @default 1 */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Rounds of the null: p is at least 1/101. */
export const defaultRounds = 100;
/** AUC of the length, towards either side, above which a contrast is suspicious. */
const suspiciousLength = 0.7;
const foldCount = 10;
/** Each pair is left out on its own up to so many; beyond, folds of pairs differ little from that. */
const mostSinglePairs = 50;
const randomDirections = 20;

/** The reading filter for `texts` texts: the default shrinkage, and fewer axes than texts that they come from. */
function conceptReadout(texts: number): {
  kind: 'whitened';
  shrinkage: number;
  axes: number;
} {
  return { ...defaultReadout, axes: Math.min(defaultReadout.axes, Math.floor(texts / 4)) };
}

/** Scores every layer by cross-validation, picks the best by AUC, and compares it with its controls. */
export async function validateConcept(
  contrast: ContrastRows,
  options: ValidateConceptOptions = {},
): Promise<ConceptValidation> {
  const { rounds = defaultRounds, seed = 1 } = options;
  const labels = labelsOf(contrast);
  const whitening = whiteningOf(contrast);
  const random = randomFrom(seed);
  const folds = foldsOf(contrast, labels, random);
  const total = contrast.layers.length + rounds;
  const step = async (done: number): Promise<void> => {
    options.onProgress?.(done, total);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    options.signal?.throwIfAborted();
  };
  const layers: ConceptLayer[] = [];
  const byLayer: Float64Array[] = [];
  for (const [slot, layer] of contrast.layers.entries()) {
    const products = innerProducts(tableAt(contrast, slot), contrast.width);
    const readings = heldOutReadings(products, labels, folds, whitening);
    byLayer.push(readings);
    layers.push(scoreOf(layer, [...readings], contrast, random));
    await step(slot + 1);
  }
  const best = layers.toSorted((a, b) => b.auc - a.auc || b.separation - a.separation)[0];
  if (best === undefined) throw new RangeError('validateConcept: expected layers, got none');
  const rows = tableAt(contrast, contrast.layers.indexOf(best.layer));
  const products = innerProducts(rows, contrast.width);
  const nulls: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const mixed = contrast.paired ? swappedPairs(labels, random) : shuffled(labels, random);
    const mixedFolds = contrast.paired ? folds : foldsOf(contrast, mixed, random);
    nulls.push(areaOf([...heldOutReadings(products, mixed, mixedFolds, whitening)], mixed));
    await step(contrast.layers.length + round + 1);
  }
  return {
    positives: contrast.positives,
    negatives: labels.length - contrast.positives,
    paired: contrast.paired,
    folds: folds.count,
    layers,
    best,
    nested: nestedArea(nestedReadings(byLayer, labels, folds), contrast, random),
    permutation: {
      rounds,
      mean: mean(nulls),
      max: Math.max(...nulls),
      p: (1 + nulls.filter((value) => value >= best.auc).length) / (1 + rounds),
    },
    lengthAuc: areaOf(contrast.tokenCounts, labels),
    random: randomControl(rows, labels, { whitening, random }),
  };
}

/** What a reader should doubt, one sentence each; empty when there is nothing. */
export function conceptWarnings({
  lengthAuc,
  best,
  nested,
  permutation,
}: ConceptValidation): string[] {
  const either = Math.max(lengthAuc, 1 - lengthAuc);
  const side = lengthAuc > 0.5 ? 'longer' : 'shorter';
  return [
    ...(either > suspiciousLength
      ? [
          `text length alone tells the sides apart with an AUC of ${either.toFixed(2)} (positives are ${side}): the vector may read length; use texts of equal length`,
        ]
      : []),
    ...(nested.interval[0] <= 0.5 || isWithinNull(best.auc, permutation)
      ? [
          `held-out texts are not told apart better than by chance (AUC ${nested.auc.toFixed(2)} with the layer chosen without them, p = ${permutation.p.toFixed(2)}): do not use this vector; more or clearer texts may help`,
        ]
      : []),
  ];
}

/** With few rounds p is never below .05: then none of them may reach the AUC. */
function isWithinNull(area: number, { p, max }: ConceptValidation['permutation']): boolean {
  return p > 0.05 && max >= area;
}

export interface ConceptParts {
  readonly name: string;
  readonly contrast: Contrast;
  readonly pooled: PooledTexts;
  readonly validation: ConceptValidation;
  /** Residuals where a reply begins, after neutral messages: [messages, width] a layer. */
  readonly replyRows: readonly Float32Array[];
}

/** A pack whose only emotion is the concept; `read` and `chat` take it with `--pack`. */
export function buildConceptPack(info: ModelInfo, parts: ConceptParts): VectorPack {
  const { name, contrast, pooled, validation, replyRows } = parts;
  const rows = rowsOf(contrast, pooled);
  const labels = labelsOf(rows);
  const whitening = whiteningOf(rows);
  const layers = rows.means.map((table) => conceptVector(table, labels, info.width));
  const filters = rows.means.map((table) => contrastFilter(table, labels, whitening));
  const bestSlot = rows.layers.indexOf(validation.best.layer);
  return {
    version: packVersion,
    fingerprint: info.fingerprint,
    modelName: info.name,
    quantisation: info.quantisation,
    architecture: info.architecture,
    blocks: info.blocks,
    width: info.width,
    layers: [...rows.layers],
    emotions: [name],
    bestLayer: validation.best.layer,
    scores: [],
    stories: labels.length,
    topics: contrast.paired ? contrast.positives.length : 0,
    corpusHash: corpusHash(asStories(contrast)),
    recipe: {
      from: pooled.from,
      centring: 'grand-mean',
      readout: conceptReadout(labels.length),
      weights: 'file',
    },
    concept: summaryOf(validation),
    vectors: layers.map(({ vector }) => vector),
    centres: layers.map(({ centre }) => centre),
    replyCentres: replyRows.map((table) => meanRow(table, info.width)),
    replySpreads: replyRows.map((table, slot) => {
      const direction = readingDirection(
        filters[slot] ?? noFilter,
        layers[slot]?.vector ?? new Float32Array(info.width),
      );
      const norm = pooled.norms[slot] ?? NaN;
      return Float32Array.of(deviation(readingsOf(table, direction)) / norm);
    }),
    filters,
    norms: pooled.norms,
    stability: Float32Array.of(conceptStability(tableAt(rows, bestSlot), labels, rows)),
    quantiles: new Float32Array(0),
  };
}

/** Both sides as one table a layer. */
export function rowsOf(contrast: Contrast, pooled: PooledTexts): ContrastRows {
  const { width, layers, means, tokenCounts } = pooled;
  const { paired, positives } = contrast;
  return { width, layers, means, tokenCounts, paired, positives: positives.length };
}

function summaryOf({
  positives,
  negatives,
  best,
  permutation,
  lengthAuc,
}: ConceptValidation): ConceptScore {
  const { auc: area, interval, accuracy } = best;
  return {
    positives,
    negatives,
    auc: area,
    interval: [...interval],
    accuracy,
    p: permutation.p,
    lengthAuc,
  };
}

/** The corpus hash takes stories; sides and pairs stand in for emotions and topics. */
function asStories({
  positives,
  negatives,
}: Contrast): { emotion: string; topic: string; text: string }[] {
  const side = (emotion: string, texts: Contrast['positives']): ReturnType<typeof asStories> =>
    texts.map(({ text, pair }) => ({ emotion, topic: pair ?? '', text }));
  return [...side('positive', positives), ...side('negative', negatives)];
}

function labelsOf({ tokenCounts, positives }: ContrastRows): boolean[] {
  return tokenCounts.map((_, i) => i < positives);
}

function whiteningOf({ width, tokenCounts }: ContrastRows): Whitening {
  return { width, ...conceptReadout(tokenCounts.length) };
}

function tableAt({ means }: ContrastRows, slot: number): Float32Array {
  return means[slot] ?? new Float32Array(0);
}

function foldsOf(contrast: ContrastRows, labels: readonly boolean[], random: Random): Folds {
  return contrast.paired
    ? pairFolds(contrast.positives, { most: mostSinglePairs, count: foldCount }, random)
    : stratifiedFolds(labels, foldCount, random);
}

/** Changes the sides of each pair with probability one half; the second half of the texts pairs the first. */
function swappedPairs(labels: readonly boolean[], random: Random): boolean[] {
  const half = labels.length / 2;
  const first = Array.from({ length: half }, () => random() < 0.5);
  return [...first, ...first.map((label) => !label)];
}

function areaOf(values: readonly number[], labels: readonly boolean[]): number {
  return auc(
    values.filter((_, i) => labels[i] === true),
    values.filter((_, i) => labels[i] !== true),
  );
}

function scoreOf(
  layer: number,
  readings: readonly number[],
  { positives, paired }: ContrastRows,
  random: Random,
): ConceptLayer {
  const [up, down] = [readings.slice(0, positives), readings.slice(positives)];
  const right = up.filter((value) => value > 0).length + down.filter((value) => value < 0).length;
  return {
    layer,
    auc: auc(up, down),
    interval: bootstrapAuc(up, down, { random, paired }),
    accuracy: right / readings.length,
    accuracyInterval: wilson(right, readings.length),
    separation:
      (mean(up) - mean(down)) / Math.sqrt((deviation(up) ** 2 + deviation(down) ** 2) / 2),
  };
}

function nestedArea(
  readings: readonly number[],
  { positives, paired }: ContrastRows,
  random: Random,
): ConceptValidation['nested'] {
  const [up, down] = [readings.slice(0, positives), readings.slice(positives)];
  return { auc: auc(up, down), interval: bootstrapAuc(up, down, { random, paired }) };
}

function randomControl(
  rows: Float32Array,
  labels: readonly boolean[],
  { whitening, random }: { whitening: Whitening; random: Random },
): ConceptValidation['random'] {
  const filter: Filter = contrastFilter(rows, labels, whitening);
  const areas = Array.from({ length: randomDirections }, () => {
    const direction = readingDirection(filter, randomDirection(whitening.width, random));
    const area = areaOf(readingsOf(rows, direction), labels);
    return Math.max(area, 1 - area);
  });
  return { count: randomDirections, median: quantile(areas, 0.5), max: Math.max(...areas) };
}

/** Projection of each row of [n, width] on the direction. */
function readingsOf(rows: Float32Array, direction: Float32Array): number[] {
  const width = direction.length;
  return Array.from({ length: rows.length / width }, (_, i) =>
    dot(rowOf(rows, i, width), direction),
  );
}
