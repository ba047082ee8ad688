/** @file The area under the ROC curve: how well one number tells two groups apart, whatever the threshold. */
import type { Random } from './random.ts';
import { quantile } from './stats.ts';

/**
 * Chance that a positive is larger than a negative, ties counted half: 1 when all are, .5 for no difference, 0
 * when all are smaller (the Mann-Whitney statistic over its maximum). NaN if a list is empty or holds a NaN.
 */
export function auc(positives: readonly number[], negatives: readonly number[]): number {
  const sorted = sortedGroups(positives, negatives);
  return sorted === null ? NaN : areaOf(sorted, () => 1);
}

export interface BootstrapOptions {
  readonly random: Random;
  /** Entry i of both lists belongs together and is drawn together. @default false */
  readonly paired?: boolean;
  /** @default 1000 */
  readonly rounds?: number;
}

/**
 * Percentile bootstrap of the AUC at 95 %, each side drawn on its own or pair by pair. A perfect separation
 * gives [1, 1] however few values there are. NaN where `auc` is NaN.
 */
export function bootstrapAuc(
  positives: readonly number[],
  negatives: readonly number[],
  { random, paired = false, rounds = 1000 }: BootstrapOptions,
): [low: number, high: number] {
  const sorted = sortedGroups(positives, negatives);
  if (sorted === null) return [NaN, NaN];
  const drawnNegatives = paired ? 0 : negatives.length;
  const counts = new Uint32Array(positives.length + negatives.length);
  const values = Array.from({ length: rounds }, () => {
    counts.fill(0);
    for (let i = 0; i < positives.length; i++) {
      const drawn = Math.floor(random() * positives.length);
      counts[drawn] = (counts[drawn] ?? 0) + 1;
      if (paired) counts[positives.length + drawn] = (counts[positives.length + drawn] ?? 0) + 1;
    }
    for (let i = 0; i < drawnNegatives; i++) {
      const drawn = positives.length + Math.floor(random() * negatives.length);
      counts[drawn] = (counts[drawn] ?? 0) + 1;
    }
    return areaOf(sorted, (index) => counts[index] ?? 0);
  });
  return [quantile(values, 0.025), quantile(values, 0.975)];
}

/** Values that are equal stand in one group; `index` counts the positives first. */
type Groups = readonly (readonly { readonly index: number; readonly isPositive: boolean }[])[];

function sortedGroups(positives: readonly number[], negatives: readonly number[]): Groups | null {
  const all = [...positives, ...negatives];
  if (positives.length === 0 || negatives.length === 0 || all.some(Number.isNaN)) return null;
  const order = all.map((_, index) => index).toSorted((a, b) => all[a]! - all[b]!);
  const groups: { index: number; isPositive: boolean }[][] = [];
  for (const [at, index] of order.entries()) {
    const member = { index, isPositive: index < positives.length };
    if (at > 0 && all[index] === all[order[at - 1]!]) groups.at(-1)?.push(member);
    else groups.push([member]);
  }
  return groups;
}

/** Sweeps the values upwards, each counted `weightOf` times. */
function areaOf(groups: Groups, weightOf: (index: number) => number): number {
  let [below, area, total] = [0, 0, 0];
  for (const group of groups) {
    let [up, down] = [0, 0];
    for (const { index, isPositive } of group) {
      if (isPositive) up += weightOf(index);
      else down += weightOf(index);
    }
    area += up * (below + down / 2);
    below += down;
    total += up;
  }
  return area / (total * below);
}
