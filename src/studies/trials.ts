/**
 * @file Tries a pack on texts that no vector was made from (protocol section 2): unseen stories, implicit
 * scenarios over the message and right before the reply, and steering against random directions.
 */
import { captureScenarios, captureScenarioMeans, type Scenario } from '../capture/probes.ts';
import { captureStories, type Story } from '../capture/stories.ts';
import type { Model, Steering } from '../engine/engine.ts';
import { meanRow } from '../math/pca.ts';
import { type Random, randomFrom, shuffled } from '../math/random.ts';
import { mean, wilson } from '../math/stats.ts';
import { addInto, dot } from '../math/vector.ts';
import { buildSteering, randomSteering } from '../steering/steering.ts';
import { makeProbe, type VectorPack } from '../vectors/pack.ts';

export interface Rate {
  readonly hits: number;
  readonly n: number;
  readonly interval: readonly [low: number, high: number];
}

/** How the targets rank among the emotions of a set, 1 is best. */
export interface RankResult {
  readonly meanRank: number;
  readonly top1: Rate;
  /** Share of shuffles of the targets, of 10,000, with a mean rank as low. */
  readonly p: number;
  readonly emotions: number;
}

export interface TrialResult {
  readonly layer: number;
  /** Unseen stories among their own emotions, read as a user reads: centred by the corpus. */
  readonly unseen: RankResult;
  /** Scenarios by the mean over the message, centred over the set. */
  readonly overMessage: RankResult;
  /** Scenarios right before the reply, centred over the set. */
  readonly beforeReply: RankResult;
  readonly steering: SteeringResult;
}

export interface SteeringResult {
  readonly dose: number;
  readonly emotions: readonly {
    readonly emotion: string;
    /** Change of the word's log-probability after "He feels" under its own vector, in nats. */
    readonly own: number;
    /** The same under the best of the random directions, and of the other emotions' vectors. */
    readonly bestRandom: number;
    readonly bestOther: number;
    /** Change under its own vector less the mean change of all the words, and the best of the same at random. */
    readonly ownRelative: number;
    readonly bestRandomRelative: number;
  }[];
  /** Emotions whose word rises more under its own vector than under each random direction. */
  readonly beatsRandom: Rate;
  /** The same for the rise against the other words: steering that moves all words alike does not count. */
  readonly beatsRandomRelative: Rate;
  /** Emotions whose word rises more than under each other emotion's vector. */
  readonly beatsOthers: Rate;
}

export interface TrialInput {
  readonly unseen: readonly Story[];
  readonly scenarios: readonly Scenario[];
  readonly signal?: AbortSignal;
  /** @param share from 0 to 1 */
  readonly onProgress?: (share: number) => void;
}

/** Runs all trials at the pack's best layer. */
export async function runTrials(
  model: Model,
  pack: VectorPack,
  input: TrialInput,
): Promise<TrialResult> {
  const { unseen, scenarios, signal, onProgress } = input;
  const layer = pack.bestLayer;
  const call = { layers: [layer], ...(signal === undefined ? {} : { signal }) };
  const names = [...new Set(scenarios.map(({ emotion }) => emotion))];
  const targets = scenarios.map(({ emotion }) => emotion);
  onProgress?.(0);
  const stories = await captureStories(model, unseen, { ...call, from: pack.recipe.from });
  onProgress?.(0.3);
  const means = await captureScenarioMeans(model, scenarios, call);
  onProgress?.(0.55);
  const ends = await captureScenarios(model, scenarios, call);
  onProgress?.(0.75);
  const steering = await checkSteering(model, pack, names, signal);
  onProgress?.(1);
  const unseenNames = [...new Set(unseen.map(({ emotion }) => emotion))];
  return {
    layer,
    unseen: rankTargets(
      readRows(pack, unseenNames, stories.means[0], { layer, centresSet: false }),
      unseenNames,
      unseen.map(({ emotion }) => emotion),
    ),
    overMessage: rankTargets(centredReadings(pack, names, means[0]), names, targets),
    beforeReply: rankTargets(centredReadings(pack, names, ends[0]), names, targets),
    steering,
  };
}

/** Readings of rows [n, width] on the named emotions, [n][emotions], centred by the rows' own mean. */
export function centredReadings(
  pack: VectorPack,
  names: readonly string[],
  rows: Float32Array | undefined,
  layer: number = pack.bestLayer,
): number[][] {
  return readRows(pack, names, rows, { layer, centresSet: true });
}

/** Readings of rows [n, width] on the named emotions; centred by the rows' own mean, or by the corpus. */
function readRows(
  pack: VectorPack,
  names: readonly string[],
  rows: Float32Array | undefined,
  { layer, centresSet }: { layer: number; centresSet: boolean },
): number[][] {
  if (rows === undefined) return [];
  const { width } = pack;
  const probe = makeProbe(pack, names, layer);
  const zero = meanRow(rows, width);
  return Array.from({ length: rows.length / width }, (_, i) => {
    const row = rows.slice(i * width, (i + 1) * width);
    if (centresSet) addInto(row, zero, -1);
    return names.map((_name, k) => {
      const direction = probe.directions.subarray(k * width, (k + 1) * width);
      return (dot(row, direction) - (centresSet ? 0 : (probe.bias[k] ?? 0))) * probe.scale;
    });
  });
}

/** Shuffles of the permutation test. */
const shuffles = 10_000;

/** Ranks of the targets among all names by their readings, with a permutation test. */
export function rankTargets(
  readings: readonly (readonly number[])[],
  names: readonly string[],
  targets: readonly string[],
): RankResult {
  const ranks = readings.map((values) =>
    values.map((value) => 1 + values.filter((other) => other > value).length),
  );
  const rankOf = (list: readonly string[]): number[] =>
    list.map((target, i) => ranks[i]?.[names.indexOf(target)] ?? NaN);
  const own = rankOf(targets);
  const random: Random = randomFrom(23);
  let asLow = 0;
  for (let round = 0; round < shuffles; round++)
    if (mean(rankOf(shuffled(targets, random))) <= mean(own)) asLow++;
  return {
    meanRank: mean(own),
    top1: rateOf(own.filter((rank) => rank === 1).length, own.length),
    p: (1 + asLow) / (1 + shuffles),
    emotions: names.length,
  };
}

function rateOf(hits: number, n: number): Rate {
  return { hits, n, interval: wilson(hits, n) };
}

/**
 * Dose of the steering check, in mean residual norms at one layer. At 0.5 random directions move every word by
 * nats on a small model, and at 1 the text is gone; see docs/measurements.md.
 */
const steeringDose = 0.2;
const randomDirections = 10;

/** Log-probability of each emotion's word after "He feels" under every vector, against none. */
async function checkSteering(
  model: Model,
  pack: VectorPack,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<SteeringResult> {
  const prompt = await model.tokenize('He feels');
  const continuations = await Promise.all(
    names.map((name) => model.tokenize(` ${name}`, { addSpecial: false })),
  );
  const words = async (steering: Steering | null): Promise<number[]> => {
    const scored = await model.score(
      continuations.map((continuation) => ({ prompt, continuation })),
      { steering, ...(signal === undefined ? {} : { signal }) },
    );
    return scored.map((values) => values.reduce((sum, value) => sum + value, 0));
  };
  const layers = [pack.bestLayer];
  const base = await words(null);
  const change = (values: readonly number[]): number[] =>
    values.map((value, k) => value - (base[k] ?? NaN));
  const byVector: number[][] = [];
  for (const emotion of names)
    byVector.push(
      change(await words(buildSteering(pack, [{ emotion, dose: steeringDose }], layers))),
    );
  const byRandom: number[][] = [];
  for (let i = 0; i < randomDirections; i++) {
    const steering = randomSteering(pack, steeringDose, randomFrom(500 + i), layers);
    byRandom.push(change(await words(steering)));
  }
  return summariseSteering(names, byVector, byRandom);
}

/** Changes [vectors][words] of the emotions' own vectors and of random ones, as counts. */
export function summariseSteering(
  names: readonly string[],
  byVector: readonly (readonly number[])[],
  byRandom: readonly (readonly number[])[],
): SteeringResult {
  const relative = (values: readonly number[] = [], k = 0): number =>
    (values[k] ?? NaN) - mean(values);
  const emotions = names.map((emotion, k) => ({
    emotion,
    own: byVector[k]?.[k] ?? NaN,
    bestRandom: Math.max(...byRandom.map((values) => values[k] ?? NaN)),
    bestOther: Math.max(...byVector.filter((_, v) => v !== k).map((values) => values[k] ?? NaN)),
    ownRelative: relative(byVector[k], k),
    bestRandomRelative: Math.max(...byRandom.map((values) => relative(values, k))),
  }));
  const count = (isHit: (entry: (typeof emotions)[number]) => boolean): Rate =>
    rateOf(emotions.filter(isHit).length, emotions.length);
  return {
    dose: steeringDose,
    emotions,
    beatsRandom: count(({ own, bestRandom }) => own > bestRandom),
    beatsRandomRelative: count(
      ({ ownRelative, bestRandomRelative }) => ownRelative > bestRandomRelative,
    ),
    beatsOthers: count(({ own, bestOther }) => own > bestOther),
  };
}
