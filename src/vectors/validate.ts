/**
 * @file Held-out accuracy at every layer, with a null that shuffles the emotion labels within each topic
 * (protocol section 2); picks the layer. The classification itself is in held-out.ts.
 */
import type { StoryMeans } from '../capture/stories.ts';
import { type Random, randomFrom, shuffled } from '../math/random.ts';
import { mean, quantile, wilson } from '../math/stats.ts';
import {
  type Design,
  designOf,
  heldOutRanks,
  type Prepared,
  prepareLayer,
  type Readout,
} from './held-out.ts';
import { defaultReadout, type LayerScore } from './pack.ts';

/** A share with its 95 % Wilson interval and what chance gives. */
interface Share {
  readonly value: number;
  readonly interval: readonly [low: number, high: number];
  readonly chance: number;
}

/** How well held-out stories are recognised. */
export interface Validation {
  readonly n: number;
  readonly emotions: number;
  readonly topics: number;
  readonly readout: Readout;
  readonly layers: readonly LayerScore[];
  readonly bestLayer: number;
  readonly top1: Share;
  readonly top5: Share;
  /** Top-1 at the best layer with labels shuffled within topics. */
  readonly permutation: {
    readonly rounds: number;
    readonly mean: number;
    readonly max: number;
    readonly p95: number;
    readonly p: number;
  };
  /** Emotions that are recognised best and worst at the best layer: share of their stories in the top five. */
  readonly perEmotion: readonly { readonly emotion: string; readonly top5: number }[];
}

export interface ValidateOptions {
  /** @default defaultReadout */
  readonly readout?: Readout;
  /** Shuffles of the null. @default 20 */
  readonly rounds?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Scores every layer, picks the best by top-1, and compares it with the null. */
export async function validateStories(
  captured: StoryMeans,
  options: ValidateOptions = {},
): Promise<Validation> {
  const design = designOf(captured);
  const { readout = defaultReadout, rounds = 20 } = options;
  const total = captured.layers.length + rounds;
  const step = async (done: number): Promise<void> => {
    options.onProgress?.(done, total);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    options.signal?.throwIfAborted();
  };
  const meansAt = (slot: number): Float32Array => captured.means[slot] ?? new Float32Array(0);
  const layers: LayerScore[] = [];
  let best: { top1: number; slot: number; ranks: Int32Array; prepared: Prepared } = {
    top1: -1,
    slot: 0,
    ranks: new Int32Array(0),
    prepared: { centred: new Float32Array(0), grams: [] },
  };
  for (const [slot, layer] of captured.layers.entries()) {
    const prepared = prepareLayer(meansAt(slot), design, readout);
    const ranks = heldOutRanks(meansAt(slot), design, { readout, prepared });
    const score = { layer, top1: shareBelow(ranks, 1), top5: shareBelow(ranks, 5) };
    layers.push(score);
    if (score.top1 > best.top1) best = { top1: score.top1, slot, ranks, prepared };
    await step(slot + 1);
  }
  const random = randomFrom(options.seed ?? 1);
  const { prepared } = best;
  const nulls: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const labels = shuffledLabels(design, random);
    const ranks = heldOutRanks(meansAt(best.slot), design, { readout, labels, prepared });
    nulls.push(shareBelow(ranks, 1));
    await step(captured.layers.length + round + 1);
  }
  const n = design.labels.length;
  return {
    n,
    emotions: design.emotions.length,
    topics: design.topics.length,
    readout,
    layers,
    bestLayer: captured.layers[best.slot] ?? 0,
    top1: shareOf(best.ranks, 1, design),
    top5: shareOf(best.ranks, 5, design),
    permutation: {
      rounds,
      mean: mean(nulls),
      max: Math.max(...nulls),
      p95: quantile(nulls, 0.95),
      p: (1 + nulls.filter((value) => value >= best.top1).length) / (1 + rounds),
    },
    perEmotion: perEmotion(best.ranks, design),
  };
}

/** Share of ranks below `k`; NaN of none. */
export function shareBelow(ranks: Int32Array, k: number): number {
  return ranks.filter((rank) => rank < k).length / ranks.length;
}

function shareOf(ranks: Int32Array, k: number, design: Design): Share {
  const value = shareBelow(ranks, k);
  return {
    value,
    interval: wilson(Math.round(value * ranks.length), ranks.length),
    chance: Math.min(1, k / design.emotions.length),
  };
}

function perEmotion(ranks: Int32Array, design: Design): { emotion: string; top5: number }[] {
  return design.emotions
    .map((emotion, e) => ({
      emotion,
      top5: shareBelow(
        ranks.filter((_, story) => design.labels[story] === e),
        5,
      ),
    }))
    .toSorted((a, b) => b.top5 - a.top5);
}

function shuffledLabels(design: Design, random: Random): number[] {
  const result = [...design.labels];
  for (let topic = 0; topic < design.topics.length; topic++) {
    const members = design.topicOf.flatMap((own, i) => (own === topic ? [i] : []));
    const mixed = shuffled(
      members.map((i) => design.labels[i] ?? 0),
      random,
    );
    for (const [k, i] of members.entries()) result[i] = mixed[k] ?? 0;
  }
  return result;
}
