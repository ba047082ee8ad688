/** @file Choosing the next token from logits without sorting the vocabulary. */
import { indexOfLargest, logSumExp } from '../math/kernels.ts';
import type { Random } from '../math/random.ts';
import type { Sampling, TokenChoice } from './engine.ts';

/** Indices of the `count` largest values, largest first; ties keep the lower index. */
export function largest(values: Float32Array, count: number): number[] {
  const best: number[] = [];
  let floor = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? -Infinity;
    if (best.length === count && value <= floor) continue;
    let at = best.length;
    while (at > 0 && (values[best[at - 1] ?? 0] ?? 0) < value) at--;
    best.splice(at, 0, i);
    if (best.length > count) best.pop();
    floor = values[best.at(-1) ?? 0] ?? -Infinity;
  }
  return best;
}

/** Candidates that top-p can need in practice; the tail beyond holds a negligible share. */
const candidateLimit = 1024;

/** Picks a token id; greedy at temperature 0. -Infinity marks forbidden tokens. */
export function pick(logits: Float32Array, sampling: Sampling, random: Random): number {
  const temperature = sampling.temperature ?? 0;
  if (temperature <= 0) return Math.max(0, indexOfLargest(logits));
  const { topK = 0, topP = 1, minP = 0 } = sampling;
  if (topK <= 0 && topP >= 1 && minP <= 0) return pickFromAll(logits, temperature, random);
  const ids = largest(logits, Math.min(topK || candidateLimit, candidateLimit));
  const top = logits[ids[0] ?? 0] ?? 0;
  const weights = ids.map((id) => Math.exp(((logits[id] ?? -Infinity) - top) / temperature));
  const kept = nucleus(weights, topP, minP);
  return ids[draw(weights.slice(0, kept), random)] ?? 0;
}

/** How many of the weights (falling, the first is 1) top-p and min-p keep; at least one. */
function nucleus(weights: readonly number[], topP: number, minP: number): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let mass = 0;
  const end = weights.findIndex((weight, i) => {
    if (i > 0 && (mass >= topP * total || weight < minP)) return true;
    mass += weight;
    return false;
  });
  return end < 0 ? weights.length : end;
}

/** An index with probability in proportion to its weight. */
function draw(weights: readonly number[], random: Random): number {
  let rest = random() * weights.reduce((sum, weight) => sum + weight, 0);
  const index = weights.findIndex((weight) => (rest -= weight) <= 0);
  return Math.max(0, index);
}

function pickFromAll(logits: Float32Array, temperature: number, random: Random): number {
  const top = logits.reduce((max, value) => Math.max(max, value), -Infinity);
  let total = 0;
  for (const value of logits) total += Math.exp((value - top) / temperature);
  let rest = random() * total;
  for (let i = 0; i < logits.length; i++) {
    rest -= Math.exp(((logits[i] ?? -Infinity) - top) / temperature);
    if (rest <= 0 && logits[i] !== -Infinity) return i;
  }
  return largest(logits, 1)[0] ?? 0;
}

/** The most probable tokens with their log-probabilities at temperature 1. */
export function alternatives(
  logits: Float32Array,
  count: number,
  textOf: (token: number) => string,
): TokenChoice[] {
  if (count <= 0) return [];
  const total = logSumExp(logits);
  return largest(logits, count).map((token) => ({
    token,
    text: textOf(token),
    logprob: (logits[token] ?? -Infinity) - total,
  }));
}
