/**
 * @file Held-out readings of a contrast between two groups of texts. Few texts span few directions, so
 * that all of it (vector, within-class covariance, readings) is worked out from the texts' inner products
 * [n, n]; a fold costs the same in every model, and the result is that of doing it in the residual stream.
 */
import { auc } from '../math/auc.ts';
import { meanRow, principalComponents } from '../math/pca.ts';
import { type Random, randomFrom, shuffled } from '../math/random.ts';
import { deviation, mean } from '../math/stats.ts';
import { addInto, cosine, dot, scale } from '../math/vector.ts';
import { type Filter, whiteningFilter } from './filter.ts';
import { rowOf } from './held-out.ts';

/** How readings are whitened; see filter.ts. `width` is that of the residual stream. */
export interface Whitening {
  readonly width: number;
  readonly shrinkage: number;
  readonly axes: number;
}

/** Which texts are read by what the others give. */
export interface Folds {
  /** Fold of each text. */
  readonly foldOf: readonly number[];
  readonly count: number;
}

/** Inner products of the rows [n, width] about their mean: [n, n]. */
export function innerProducts(rows: Float32Array, width: number): Float64Array {
  const n = rows.length / width;
  const centre = meanRow(rows, width);
  const centred = Array.from({ length: n }, (_, i) => {
    const row = rowOf(rows, i, width).slice();
    addInto(row, centre, -1);
    return row;
  });
  const products = new Float64Array(n * n);
  for (const [i, a] of centred.entries())
    for (let j = 0; j <= i; j++)
      products[i * n + j] = products[j * n + i] = dot(a, centred[j] ?? a);
  return products;
}

/** Up to `count` folds with as many of each class as the others, by chance. */
export function stratifiedFolds(labels: readonly boolean[], count: number, random: Random): Folds {
  const foldOf = labels.map(() => 0);
  const members = (label: boolean): number[] =>
    shuffled(
      labels.flatMap((own, i) => (own === label ? [i] : [])),
      random,
    );
  const [positives, negatives] = [members(true), members(false)];
  const used = Math.min(count, positives.length, negatives.length);
  for (const [k, i] of positives.entries()) foldOf[i] = k % used;
  for (const [k, i] of negatives.entries()) foldOf[i] = used - 1 - (k % used);
  return { foldOf, count: used };
}

/** Folds of whole pairs: text i and text i + pairs stay together. One pair a fold, or `count` folds if there are more than `most` pairs. */
export function pairFolds(
  pairs: number,
  { most, count }: { most: number; count: number },
  random: Random,
): Folds {
  const order = shuffled(
    Array.from({ length: pairs }, (_, i) => i),
    random,
  );
  const used = pairs <= most ? pairs : count;
  const foldOf = order.map((place) => place % used);
  return { foldOf: [...foldOf, ...foldOf], count: used };
}

/**
 * Reading of each text by the vector, centre and filter of the texts in other folds: above 0 is nearer to
 * the positives. In residual units; what is read has no part in what it is read with.
 * @param products from innerProducts, [n, n]
 * @param labels true for positives
 */
export function heldOutReadings(
  products: Float64Array,
  labels: readonly boolean[],
  folds: Folds,
  whitening: Whitening,
): Float64Array {
  const readings = new Float64Array(labels.length);
  let start: Float32Array[] | undefined;
  for (let fold = 0; fold < folds.count; fold++) {
    const train = labels.flatMap((_, i) => (folds.foldOf[i] === fold ? [] : [i]));
    const { read, axes } = readerOf({ products, labels, train }, whitening, start);
    for (const [i, own] of folds.foldOf.entries()) if (own === fold) readings[i] = read(i);
    start = axes;
  }
  return readings;
}

/**
 * Readings whose layer, too, is chosen without the text: each fold is read at the layer that tells the other
 * folds' texts apart best, in standard deviations of their readings there. Takes away about half of what
 * picking the best layer adds: the others' readings come from vectors that the text had a part in.
 * @param byLayer held-out readings of each layer
 */
export function nestedReadings(
  byLayer: readonly Float64Array[],
  labels: readonly boolean[],
  folds: Folds,
): number[] {
  const nested = labels.map(() => 0);
  for (let fold = 0; fold < folds.count; fold++) {
    let best = { area: -1, separation: -Infinity, spread: 1 };
    let chosen: Float64Array | undefined;
    for (const readings of byLayer) {
      const side = (label: boolean): number[] =>
        labels.flatMap((own, i) =>
          own === label && folds.foldOf[i] !== fold ? [readings[i] ?? NaN] : [],
        );
      const [up, down] = [side(true), side(false)];
      const area = auc(up, down);
      const spread = Math.sqrt((deviation(up) ** 2 + deviation(down) ** 2) / 2);
      const separation = (mean(up) - mean(down)) / spread;
      if (area > best.area || (area === best.area && separation > best.separation)) {
        best = { area, separation, spread };
        chosen = readings;
      }
    }
    for (const [i, own] of folds.foldOf.entries())
      if (own === fold) nested[i] = (chosen?.[i] ?? 0) / (best.spread || 1);
  }
  return nested;
}

/** Inner products of all texts, and those of them that a vector is made from. */
interface Training {
  readonly products: Float64Array;
  readonly labels: readonly boolean[];
  readonly train: readonly number[];
}

/** What reads text i with the vector of the training texts, and the axes of its filter [n] to begin the next one from. */
function readerOf(
  training: Training,
  whitening: Whitening,
  start?: readonly Float32Array[],
): { read: (text: number) => number; axes: Float32Array[] } {
  const { labels, train } = training;
  const within = withinOf(training);
  const { filter, scales } = dualFilter(within.matrix, whitening, start?.map(restrict));
  // v . z_i for every text i, where v is the difference of the class means and c their middle.
  const onVector = within.toPositive.map((value, i) => value - (within.toNegative[i] ?? 0));
  const meansOf = (values: Float64Array): [number, number] => [
    classMean(values, training, true),
    classMean(values, training, false),
  ];
  const axes = filter.axes.map((axis, k) => {
    const along = alongAxis(training, within, axis).map((value) => value * (scales[k] ?? 0));
    const [up, down] = meansOf(along);
    const onAxis = up - down;
    return { along, onAxis, weight: (filter.shrink[k] ?? 0) * onAxis, centre: (up + down) / 2 };
  });
  const [up, down] = meansOf(onVector);
  const squared = up - down - axes.reduce((sum, axis) => sum + axis.weight * axis.onAxis, 0);
  const length = Math.sqrt(Math.max(0, squared));
  const read = (text: number): number => {
    let sum = (onVector[text] ?? 0) - (up + down) / 2;
    for (const axis of axes) sum -= axis.weight * ((axis.along[text] ?? 0) - axis.centre);
    return length === 0 ? 0 : sum / length;
  };
  return { read, axes: filter.axes.map(spread) };

  function restrict(axis: Float32Array): Float32Array {
    return Float32Array.from(train, (i) => axis[i] ?? 0);
  }
  function spread(axis: Float32Array): Float32Array {
    const whole = new Float32Array(labels.length);
    for (const [t, i] of train.entries()) whole[i] = axis[t] ?? 0;
    return whole;
  }
}

/** Inner product of every text with the sum of the training texts about their class means, weighted by `axis` [train]: [n]. */
function alongAxis(
  { products, labels, train }: Training,
  { toPositive, toNegative }: Within,
  axis: Float32Array,
): Float64Array {
  const n = labels.length;
  const result = new Float64Array(n);
  let [positive, negative] = [0, 0];
  for (const [t, j] of train.entries()) {
    const weight = axis[t] ?? 0;
    if (labels[j] === true) positive += weight;
    else negative += weight;
    // Hot loop: indices stay in range, so the casts replace a branch a value.
    for (let i = 0, at = j * n; i < n; i++, at++)
      result[i] = (result[i] as number) + weight * (products[at] as number);
  }
  return result.map(
    (value, i) => value - positive * (toPositive[i] ?? 0) - negative * (toNegative[i] ?? 0),
  );
}

interface Within {
  /** Inner products of the training texts about their class means, [train, train]. */
  readonly matrix: Float64Array;
  /** Inner products of every text with the mean of each class of the training texts, [n]. */
  readonly toPositive: Float64Array;
  readonly toNegative: Float64Array;
}

function withinOf(training: Training): Within {
  const { products, labels, train } = training;
  const n = labels.length;
  const toMean = (label: boolean): Float64Array =>
    Float64Array.from({ length: n }, (_, i) =>
      classMean(products.subarray(i * n, (i + 1) * n), training, label),
    );
  const [toPositive, toNegative] = [toMean(true), toMean(false)];
  const size = train.length;
  const matrix = new Float64Array(size * size);
  for (const label of [true, false]) {
    // Texts s of this class against all texts t: (z_s - own mean) . (z_t - its mean).
    const toOwn = label ? toPositive : toNegative;
    const ownToPositive = classMean(toPositive, training, label);
    const ownToNegative = classMean(toNegative, training, label);
    for (const [s, i] of train.entries()) {
      if (labels[i] !== label) continue;
      for (const [t, j] of train.entries()) {
        const isPositive = labels[j] === true;
        const toOther = (isPositive ? toPositive[i] : toNegative[i]) ?? 0;
        const between = isPositive ? ownToPositive : ownToNegative;
        matrix[s * size + t] =
          (products[i * n + j] as number) - toOther - (toOwn[j] ?? 0) + between;
      }
    }
  }
  return { matrix, toPositive, toNegative };
}

/** Mean of the values [n] over the training texts of a class. */
function classMean(values: Float64Array, { labels, train }: Training, label: boolean): number {
  let [sum, count] = [0, 0];
  for (const i of train) {
    if (labels[i] !== label) continue;
    sum += values[i] ?? 0;
    count++;
  }
  return sum / count;
}

/**
 * The whitening filter in the space of the texts: axis k is scales[k] times the sum of the texts about
 * their class means, weighted by `filter.axes[k]` [train]. Covariances of n texts are sums over n.
 */
function dualFilter(
  matrix: Float64Array,
  { width, shrinkage, axes }: Whitening,
  start?: readonly Float32Array[],
): { filter: Filter; scales: number[] } {
  const n = Math.sqrt(matrix.length);
  const covariance = matrix.map((value) => value / n);
  // From the axes of nearly the same texts, three multiplications settle what eight do from chance.
  const begin = start === undefined ? {} : { start, passes: 3 };
  const components = principalComponents(covariance, n, axes, begin);
  return {
    filter: whiteningFilter(components, width, shrinkage),
    scales: components.variances.map((variance) => 1 / Math.sqrt(variance * n)),
  };
}

/** The whitening filter of all texts in the residual stream; rows are [n, width]. */
export function contrastFilter(
  rows: Float32Array,
  labels: readonly boolean[],
  whitening: Whitening,
): Filter {
  const { width } = whitening;
  const train = labels.map((_, i) => i);
  const { matrix } = withinOf({ products: innerProducts(rows, width), labels, train });
  const { filter, scales } = dualFilter(matrix, whitening);
  const means = classMeans(rows, labels, width);
  const axes = filter.axes.map((weights, k) => {
    const axis = new Float32Array(width);
    for (const [i, label] of labels.entries()) {
      const weight = (weights[i] ?? 0) * (scales[k] ?? 0);
      addInto(axis, rowOf(rows, i, width), weight);
      addInto(axis, label ? means.positive : means.negative, -weight);
    }
    return axis;
  });
  return { axes, shrink: filter.shrink };
}

/** Mean row [width] of each class; rows are [n, width]. */
function classMeans(
  rows: Float32Array,
  labels: readonly boolean[],
  width: number,
): { positive: Float32Array; negative: Float32Array } {
  const positive = new Float32Array(width);
  const negative = new Float32Array(width);
  const count = labels.filter(Boolean).length;
  for (const [i, label] of labels.entries())
    addInto(
      label ? positive : negative,
      rowOf(rows, i, width),
      1 / (label ? count : labels.length - count),
    );
  return { positive, negative };
}

/**
 * Mean of the positives minus mean of the negatives, which is the mean difference within complete pairs,
 * and the middle between both means; [width] each, in residual units.
 * @param rows [texts, width]
 */
export function conceptVector(
  rows: Float32Array,
  labels: readonly boolean[],
  width: number,
): { vector: Float32Array; centre: Float32Array } {
  const { positive, negative } = classMeans(rows, labels, width);
  const vector = positive.slice();
  addInto(vector, negative, -1);
  addInto(positive, negative);
  return { vector, centre: scale(positive, 0.5) };
}

/** Draws for the stability; the mean cosine settles to about 0.01. */
const stabilityDraws = 60;

/** Mean cosine of the vector with those of bootstrap draws of the texts, or of the pairs; from -1 to 1. The positives stand first. */
export function conceptStability(
  rows: Float32Array,
  labels: readonly boolean[],
  { width, paired }: { width: number; paired: boolean },
): number {
  const random = randomFrom(13);
  const positives = labels.filter(Boolean).length;
  const negatives = labels.length - positives;
  const drawnNegatives = paired ? 0 : negatives;
  const whole = conceptVector(rows, labels, width).vector;
  const cosines = Array.from({ length: stabilityDraws }, () => {
    const drawn = new Float32Array(width);
    for (let i = 0; i < positives; i++) {
      const k = Math.floor(random() * positives);
      addInto(drawn, rowOf(rows, k, width), 1 / positives);
      if (paired) addInto(drawn, rowOf(rows, positives + k, width), -1 / negatives);
    }
    for (let i = 0; i < drawnNegatives; i++) {
      const k = positives + Math.floor(random() * negatives);
      addInto(drawn, rowOf(rows, k, width), -1 / negatives);
    }
    return cosine(drawn, whole);
  });
  return mean(cosines);
}
