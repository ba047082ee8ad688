import { expect, test } from 'vitest';

import { addGramInto, principalComponents } from '../math/pca.ts';
import { type Random, gaussian, randomDirection, randomFrom } from '../math/random.ts';
import { addInto, cosine, dot } from '../math/vector.ts';
import {
  type ConceptValidation,
  conceptWarnings,
  type ContrastRows,
  validateConcept,
} from './concept.ts';
import {
  conceptVector,
  contrastFilter,
  heldOutReadings,
  innerProducts,
  stratifiedFolds,
} from './contrast.ts';
import { readingDirection, whiteningFilter } from './filter.ts';

const width = 40;

/** Noise, with `strength` along a direction on the positives at the layers that say so. */
function planted(
  sizes: readonly [positives: number, negatives: number],
  strengths: readonly number[],
  random: Random,
): { contrast: ContrastRows; direction: Float32Array } {
  const direction = randomDirection(width, random);
  const [positives, negatives] = sizes;
  const means = strengths.map((strength) => {
    const table = new Float32Array((positives + negatives) * width);
    for (let i = 0; i < table.length; i++) table[i] = gaussian(random);
    for (let i = 0; i < positives; i++)
      addInto(table.subarray(i * width, (i + 1) * width), direction, strength);
    return table;
  });
  const tokenCounts = Array.from({ length: positives + negatives }, () =>
    Math.round(30 + 5 * gaussian(random)),
  );
  const layers = strengths.map((_, layer) => layer + 3);
  return {
    contrast: { width, layers, means, positives, paired: false, tokenCounts },
    direction,
  };
}

test('validateConcept finds the planted layer with an AUC near 1 and its direction', async () => {
  const { contrast, direction } = planted([30, 24], [0, 1, 6, 2], randomFrom(1));
  const result = await validateConcept(contrast, { rounds: 30 });
  expect(result.best.layer).toBe(5);
  expect(result.best.auc).toBeGreaterThan(0.97);
  expect(result.best.accuracy).toBeGreaterThan(0.9);
  expect(result.nested.auc).toBeGreaterThan(0.95);
  expect(result.best.interval[0]).toBeGreaterThan(0.9);
  expect(result.permutation.p).toBeCloseTo(1 / 31, 12);
  expect(result.permutation.mean).toBeGreaterThan(0.35);
  expect(result.permutation.mean).toBeLessThan(0.65);
  expect(result.folds).toBe(10);
  expect(conceptWarnings(result)).toEqual([]);
  const labels = contrast.tokenCounts.map((_, i) => i < 30);
  const { vector } = conceptVector(contrast.means[2]!, labels, width);
  // The noise of the mean is sqrt(1/30 + 1/24) in each of 40 dimensions: 1.73 against 6 along the direction.
  expect(cosine(vector, direction)).toBeGreaterThan(0.93);
});

test('validateConcept of pure noise covers .5, has a large p, and warns', async () => {
  const { contrast } = planted([30, 30], [0], randomFrom(2));
  const result = await validateConcept(contrast, { rounds: 60 });
  expect(result.best.interval[0]).toBeLessThan(0.5);
  expect(result.best.interval[1]).toBeGreaterThan(0.5);
  expect(result.permutation.p).toBeGreaterThan(0.1);
  expect(conceptWarnings(result).join()).toContain('not told apart better than by chance');
});

test('held-out AUCs of noise lie around .5 and their p is below .2 about one time in five', async () => {
  const results: ConceptValidation[] = [];
  for (let seed = 0; seed < 24; seed++)
    results.push(
      await validateConcept(planted([12, 12], [0], randomFrom(100 + seed)).contrast, {
        rounds: 9,
      }),
    );
  const areas = results.map(({ best }) => best.auc);
  // The standard deviation of one AUC of 12 and 12 is .12, of the mean of 24 .025; folds that are left out
  // push it down a little.
  const middle = areas.reduce((sum, value) => sum + value, 0) / areas.length;
  expect(Math.abs(middle - 0.5)).toBeLessThan(0.1);
  // Five expected, standard deviation 2.
  expect(results.filter(({ permutation }) => permutation.p <= 0.2).length).toBeLessThan(12);
});

test('the nested AUC of noise stays at chance where the best of many layers does not', async () => {
  const results: ConceptValidation[] = [];
  const layers = Array.from({ length: 12 }, () => 0);
  for (let seed = 0; seed < 12; seed++)
    results.push(
      await validateConcept(planted([12, 12], layers, randomFrom(300 + seed)).contrast, {
        rounds: 1,
      }),
    );
  const average = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  // Best of 12 independent areas with a standard deviation of .12: about .5 + 1.6 x .12.
  expect(average(results.map(({ best }) => best.auc))).toBeGreaterThan(0.62);
  // The standard error of the mean of 12 is .035.
  expect(Math.abs(average(results.map(({ nested }) => nested.auc)) - 0.5)).toBeLessThan(0.11);
});

test('validateConcept of pairs leaves both members out, and finds what differs within pairs', async () => {
  const random = randomFrom(3);
  const pairs = 20;
  const { contrast, direction } = planted([pairs, pairs], [0], random);
  const table = contrast.means[0]!;
  for (let i = 0; i < pairs; i++) {
    // What a pair shares is three times as large as what differs.
    const common = randomDirection(width, random);
    for (const row of [i, pairs + i])
      addInto(table.subarray(row * width, (row + 1) * width), common, 15);
    addInto(table.subarray(i * width, (i + 1) * width), direction, 5);
  }
  const result = await validateConcept({ ...contrast, paired: true }, { rounds: 30 });
  expect(result.folds).toBe(pairs);
  expect(result.best.auc).toBeGreaterThan(0.85);
  expect(result.permutation.p).toBeLessThan(0.05);
  expect(result.permutation.mean).toBeLessThan(0.65);
});

test('a pair that shares everything reads at chance when it is left out', async () => {
  // Twins: positive i equals negative i. Nothing is to be found, and nothing is.
  const { contrast } = planted([16, 16], [0], randomFrom(4));
  const [table] = contrast.means;
  table!.copyWithin(16 * width, 0, 16 * width);
  const { best } = await validateConcept({ ...contrast, paired: true }, { rounds: 5 });
  expect(best.auc).toBeCloseTo(0.5, 6);
});

test('validateConcept sees that length alone tells the sides apart', async () => {
  const { contrast } = planted([12, 12], [6], randomFrom(5));
  const tokenCounts = contrast.tokenCounts.map((_, i) => (i < 12 ? 20 : 30 + i));
  const result = await validateConcept({ ...contrast, tokenCounts }, { rounds: 20 });
  expect(result.lengthAuc).toBe(0);
  expect(conceptWarnings(result)).toEqual([
    'text length alone tells the sides apart with an AUC of 1.00 (positives are shorter): the vector may read length; use texts of equal length',
  ]);
});

test('validateConcept stops when it is told to', async () => {
  const { contrast } = planted([8, 8], [0, 0], randomFrom(6));
  const stop = new AbortController();
  const running = validateConcept(contrast, {
    signal: stop.signal,
    onProgress: (done) => done === 2 && stop.abort(),
  });
  await expect(running).rejects.toThrow('aborted');
});

test('heldOutReadings agree with doing each fold in the residual stream', () => {
  const random = randomFrom(7);
  const { contrast } = planted([14, 11], [3], random);
  const rows = contrast.means[0]!;
  // A constant as large as real residuals have, and directions that vary more than others.
  for (let i = 0; i < 25; i++) {
    const row = rows.subarray(i * width, (i + 1) * width);
    for (let k = 0; k < 4; k++) row[k]! *= 6 - k;
    row[7]! += 100;
  }
  const labels = contrast.tokenCounts.map((_, i) => i < 14);
  const folds = stratifiedFolds(labels, 5, random);
  const whitening = { width, shrinkage: 0.7, axes: 6 };
  const readings = heldOutReadings(innerProducts(rows, width), labels, folds, whitening);
  for (let fold = 0; fold < 5; fold++) {
    const train = labels.flatMap((_, i) => (folds.foldOf[i] === fold ? [] : [i]));
    const read = primalReader(rows, labels, train);
    for (const [i, own] of folds.foldOf.entries())
      // Readings are of the order of 1; components are good to a few parts in a thousand.
      if (own === fold) expect(readings[i]).toBeCloseTo(read(i), 2);
  }

  function primalReader(
    table: Float32Array,
    sides: readonly boolean[],
    train: readonly number[],
  ): (i: number) => number {
    const rowAt = (i: number): Float32Array => table.slice(i * width, (i + 1) * width);
    const part = Float32Array.from(train.flatMap((i) => [...rowAt(i)]));
    const own = train.map((i) => sides[i]!);
    const { vector, centre } = conceptVector(part, own, width);
    const within = new Float64Array(width * width);
    const left = part.slice();
    for (const [t, label] of own.entries()) {
      const row = left.subarray(t * width, (t + 1) * width);
      addInto(row, centre, -1);
      addInto(row, vector, label ? -0.5 : 0.5);
    }
    addGramInto(within, left, width, 1 / train.length);
    const filter = whiteningFilter(principalComponents(within, width, 6), width, 0.7);
    const direction = readingDirection(filter, vector);
    return (i) => dot(direction, rowAt(i)) - dot(direction, centre);
  }
});

test('contrastFilter has orthonormal axes, the strongest where texts of one side differ most', () => {
  const { contrast } = planted([40, 40], [5], randomFrom(8));
  const rows = contrast.means[0]!;
  for (let i = 0; i < 80; i++) rows[i * width + 2]! *= 8;
  const labels = contrast.tokenCounts.map((_, i) => i < 40);
  const { axes, shrink } = contrastFilter(rows, labels, { width, shrinkage: 0.7, axes: 5 });
  for (const [i, a] of axes.entries())
    for (const [j, b] of axes.entries()) expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 4);
  expect(Math.abs(axes[0]![2]!)).toBeGreaterThan(0.98);
  expect(shrink[0]).toBeGreaterThan(0.8);
});
