/** @file k-means, and how far two ways of grouping the same things agree. */
import { ShapeError } from '../errors.ts';
import { type Random } from './random.ts';

/** Runs from different starts; the tightest grouping is kept. */
const restarts = 20;
/** Assignments settle within a few dozen rounds on a few hundred points. */
const roundLimit = 200;

/**
 * Groups rows [n, width] into k clusters by Euclidean distance (Lloyd's rounds from k-means++ starts, the
 * best of 20). Returns the cluster of each row, from 0 to k - 1; clusters are numbered by size, largest first.
 */
export function kmeans(rows: readonly Float32Array[], k: number, random: Random): number[] {
  if (k < 1 || k > rows.length)
    throw new RangeError(`kmeans: expected 1 to ${rows.length} clusters, got ${k}`);
  let best: { labels: number[]; cost: number } = { labels: [], cost: Infinity };
  for (let run = 0; run < restarts; run++) {
    const result = lloyd(rows, spreadStarts(rows, k, random));
    if (result.cost < best.cost) best = result;
  }
  return bySize(best.labels, k);
}

/** k-means++: each further centre is drawn with probability in proportion to its squared distance. */
function spreadStarts(rows: readonly Float32Array[], k: number, random: Random): Float32Array[] {
  const centres = [rows[Math.floor(random() * rows.length)] ?? new Float32Array(0)];
  while (centres.length < k) {
    const weights = rows.map((row) => Math.min(...centres.map((centre) => distance(row, centre))));
    let rest = random() * weights.reduce((sum, weight) => sum + weight, 0);
    const at = weights.findIndex((weight) => (rest -= weight) <= 0 && weight > 0);
    centres.push(rows[Math.max(0, at)] ?? new Float32Array(0));
  }
  return centres;
}

function lloyd(
  rows: readonly Float32Array[],
  starts: readonly Float32Array[],
): { labels: number[]; cost: number } {
  let centres = [...starts];
  let labels: number[] = [];
  for (let round = 0; round < roundLimit; round++) {
    const next = rows.map((row) => nearest(row, centres));
    if (next.every((label, i) => label === labels[i])) break;
    labels = next;
    centres = centres.map((centre, c) => {
      const members = rows.filter((_, i) => labels[i] === c);
      if (members.length === 0) return centre;
      return centre.map(
        (_, j) => members.reduce((sum, row) => sum + (row[j] ?? 0), 0) / members.length,
      );
    });
  }
  const cost = rows.reduce((sum, row, i) => sum + distance(row, centres[labels[i] ?? 0] ?? row), 0);
  return { labels, cost };
}

function nearest(row: Float32Array, centres: readonly Float32Array[]): number {
  const distances = centres.map((centre) => distance(row, centre));
  return distances.indexOf(Math.min(...distances));
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] ?? 0) - (b[i] ?? 0)) ** 2;
  return sum;
}

function bySize(labels: readonly number[], k: number): number[] {
  const sizes = Array.from({ length: k }, (_, c) => labels.filter((label) => label === c).length);
  const order = sizes.map((_, c) => c).toSorted((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
  return labels.map((label) => order.indexOf(label));
}

/**
 * Adjusted Rand index of two groupings of the same things (Hubert and Arabie, 1985): 1 for the same groups,
 * about 0 for chance, negative for less than chance; NaN if both put everything in one group.
 */
export function adjustedRand(
  a: readonly (string | number)[],
  b: readonly (string | number)[],
): number {
  if (a.length !== b.length) throw new ShapeError('adjustedRand', a.length, b.length);
  const pairs = (counts: Iterable<number>): number =>
    [...counts].reduce((sum, count) => sum + (count * (count - 1)) / 2, 0);
  const together = pairs(tally(a.map((label, i) => `${label}\n${b[i]}`)).values());
  const [inA, inB] = [pairs(tally(a).values()), pairs(tally(b).values())];
  const all = (a.length * (a.length - 1)) / 2;
  const expected = (inA * inB) / all;
  return (together - expected) / ((inA + inB) / 2 - expected);
}

function tally(labels: readonly (string | number)[]): Map<string | number, number> {
  const counts = new Map<string | number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}
