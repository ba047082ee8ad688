/**
 * @file Compares ways to make and read emotion vectors on one model: each option changes one thing against
 * the reference. Three outcomes: held-out topics, unseen stories that are read as a user reads (centred by
 * the corpus alone), and implicit scenarios read where the reply begins.
 */
import type { Scenario } from '../capture/probes.ts';
import type { Story, StoryMeans } from '../capture/stories.ts';
import { covariance, meanRow, principalComponents } from '../math/pca.ts';
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, mean, wilson } from '../math/stats.ts';
import { emotionVectors, filterOf } from './extract.ts';
import { neutralFilter, noFilter, readingDirection } from './filter.ts';
import { designOf, heldOutRanks, type Readout, rowOf } from './held-out.ts';
import { defaultReadout } from './pack.ts';
import { shareBelow } from './validate.ts';

export interface RecipeData {
  /** Story means by first pooled position, all at the same layers. */
  readonly byStart: ReadonlyMap<number, StoryMeans>;
  /** The plain set told as a reply in a chat, from the reference position; absent where it was not captured. */
  readonly chat?: StoryMeans;
  /** Neutral texts pooled from the reference position: [texts, width] a layer. */
  readonly neutral: readonly Float32Array[];
  /** Unseen stories pooled from the reference position. */
  readonly unseen: StoryMeans;
  readonly scenarios: readonly Scenario[];
  /** Where replies begin: to the scenarios and to neutral messages, [texts, width] a layer. */
  readonly scenarioRows: readonly Float32Array[];
  readonly replyRows: readonly Float32Array[];
}

export interface Recipe {
  readonly name: string;
  readonly start: number;
  readonly readout: Readout;
  /** Subtract each topic's own mean before a story is read. @default true */
  readonly centres?: boolean;
  /** Use only the stories for which this holds. */
  readonly stories?: (story: Story) => boolean;
  /** Use the stories told in a chat. */
  readonly isChat?: boolean;
}

export interface Rate {
  readonly value: number;
  readonly interval: readonly [number, number];
  readonly n: number;
}

export interface RecipeScore {
  readonly name: string;
  /** Best layer by top-1 on held-out topics. */
  readonly layer: number;
  readonly top1: Rate;
  readonly top5: Rate;
  /** Top-1 minus that of the reference on the same stories, with a 95 % bootstrap interval; null for another set of stories. */
  readonly gain: { readonly value: number; readonly interval: readonly [number, number] } | null;
  readonly unseenTop1: Rate;
  readonly unseenTop5: Rate;
  /** Implicit scenarios: mean rank of the target among the scenarios' emotions (1 is best) and top-1 rate among them. */
  readonly scenarioRank: number;
  readonly scenarioTop1: Rate;
  /** Scenarios with the target or an accepted emotion among the five highest of all. */
  readonly scenarioAccepted: Rate;
}

/** First pooled position of the reference. */
export const referenceStart = 20;

/** The options that are compared; the first is the reference. */
export function recipesFor(starts: readonly number[], topics: readonly string[]): Recipe[] {
  const at = { start: referenceStart };
  const raw = { ...at, readout: { kind: 'raw' } as const };
  const whitened = (shrinkage: number, axes: number): Recipe => ({
    ...at,
    name: `whitened, shrinkage ${shrinkage}, ${axes} axes`,
    readout: { kind: 'whitened', shrinkage, axes },
  });
  const isFirst = (story: Story): boolean => Number(story.topic) <= 12;
  return [
    { ...raw, name: `raw, pooled from ${referenceStart}` },
    ...starts
      .filter((start) => start !== referenceStart)
      .map((start) => ({ ...raw, start, name: `raw, pooled from ${start}` })),
    { ...raw, centres: false, name: 'raw, activations not centred' },
    ...[0.3, 0.5, 0.7].map((share) => ({
      ...at,
      name: `neutral components of ${share * 100} % out`,
      readout: { kind: 'neutral', share } as const,
    })),
    ...[0.1, 0.3, 0.5, 0.7, 0.9].map((shrinkage) => whitened(shrinkage, defaultReadout.axes)),
    ...[16, 96].map((axes) => whitened(defaultReadout.shrinkage, axes)),
    ...(topics.some((topic) => Number(topic) > 12)
      ? [
          {
            ...whitened(defaultReadout.shrinkage, defaultReadout.axes),
            stories: isFirst,
            name: 'whitened, first set of stories only',
          },
          {
            ...whitened(defaultReadout.shrinkage, defaultReadout.axes),
            stories: (story: Story): boolean => !isFirst(story),
            name: 'whitened, plain set of stories only',
          },
          {
            ...whitened(defaultReadout.shrinkage, defaultReadout.axes),
            isChat: true,
            name: 'whitened, plain set told as a reply in a chat',
          },
        ]
      : []),
  ];
}

/** Scores all recipes. `onProgress` is called after each. */
export async function compareRecipes(
  data: RecipeData,
  recipes: readonly Recipe[],
  options: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
): Promise<RecipeScore[]> {
  const scores: RecipeScore[] = [];
  let reference: readonly number[] | null = null;
  for (const recipe of recipes) {
    const { score, hits } = scoreRecipe(data, recipe);
    const gain =
      reference !== null && reference.length === hits.length ? gainOver(reference, hits) : null;
    reference ??= hits;
    scores.push({ ...score, gain });
    options.onProgress?.(scores.length, recipes.length);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    options.signal?.throwIfAborted();
  }
  return scores;
}

function gainOver(
  reference: readonly number[],
  hits: readonly number[],
): { value: number; interval: [number, number] } {
  const differences = hits.map((hit, i) => hit - (reference[i] ?? 0));
  return { value: mean(differences), interval: bootstrapMean(differences, randomFrom(3)) };
}

function scoreRecipe(
  data: RecipeData,
  recipe: Recipe,
): { score: Omit<RecipeScore, 'gain'>; hits: number[] } {
  const captured = selected(recipe.isChat ? data.chat : data.byStart.get(recipe.start), recipe);
  const design = designOf(captured);
  const byLayer = captured.means.map((means, slot) => {
    const neutral =
      recipe.readout.kind === 'neutral' ? { neutral: componentsOf(data, slot, design.width) } : {};
    return heldOutRanks(means, design, {
      readout: recipe.readout,
      ...(recipe.centres === undefined ? {} : { centres: recipe.centres }),
      ...neutral,
    });
  });
  const top1s = byLayer.map((ranks) => shareBelow(ranks, 1));
  const slot = top1s.indexOf(Math.max(...top1s));
  const ranks = byLayer[slot] ?? new Int32Array(0);
  return {
    score: {
      name: recipe.name,
      layer: captured.layers[slot] ?? 0,
      top1: rateOf(ranks, 1),
      top5: rateOf(ranks, 5),
      ...tryElsewhere(data, { captured, slot, readout: recipe.readout }),
    },
    hits: Array.from(ranks, (rank) => (rank === 0 ? 1 : 0)),
  };
}

/** Components of neutral texts are enough to hold the largest share that is compared. */
const neutralAxes = 60;

function componentsOf(
  data: RecipeData,
  slot: number,
  width: number,
): ReturnType<typeof principalComponents> {
  return principalComponents(
    covariance(data.neutral[slot] ?? new Float32Array(width), width),
    width,
    neutralAxes,
  );
}

function selected(captured: StoryMeans | undefined, { stories, start }: Recipe): StoryMeans {
  if (captured === undefined) throw new RangeError(`no story means were captured from ${start}`);
  if (stories === undefined) return captured;
  const kept = captured.stories.flatMap((story, i) => (stories(story) ? [i] : []));
  const { width } = captured;
  const pick = (means: Float32Array): Float32Array => {
    const rows = new Float32Array(kept.length * width);
    for (const [k, i] of kept.entries()) rows.set(rowOf(means, i, width), k * width);
    return rows;
  };
  return {
    ...captured,
    stories: captured.stories.filter(stories),
    means: captured.means.map(pick),
  };
}

/** Readings of the unseen stories and of the scenarios with vectors from all stories. */
function tryElsewhere(
  data: RecipeData,
  { captured, slot, readout }: { captured: StoryMeans; slot: number; readout: Readout },
): Pick<
  RecipeScore,
  'unseenTop1' | 'unseenTop5' | 'scenarioRank' | 'scenarioTop1' | 'scenarioAccepted'
> {
  const { width } = captured;
  const { emotions, labels } = designOf(captured);
  const means = captured.means[slot] ?? new Float32Array(0);
  const { vectors, centre } = emotionVectors(means, labels, emotions.length, width);
  const filter =
    readout.kind === 'neutral'
      ? neutralFilter(componentsOf(data, slot, width), readout.share)
      : readout.kind === 'whitened'
        ? filterOf(means, captured, readout)
        : noFilter;
  const directions = emotions.map((_, e) => readingDirection(filter, rowOf(vectors, e, width)));
  const read = (row: Float32Array, zero: Float32Array): number[] =>
    directions.map((direction) => {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += (direction[k] ?? 0) * ((row[k] ?? 0) - (zero[k] ?? 0));
      return sum;
    });
  const unseen = data.unseen.stories.map(({ emotion }, i) =>
    rankIn(read(rowOf(data.unseen.means[slot] ?? means, i, width), centre), emotions, emotion),
  );
  const zero = meanRow(data.replyRows[slot] ?? new Float32Array(width), width);
  const readings = data.scenarios.map((_, i) =>
    read(rowOf(data.scenarioRows[slot] ?? means, i, width), zero),
  );
  return {
    unseenTop1: rateOf(Int32Array.from(unseen), 1),
    unseenTop5: rateOf(Int32Array.from(unseen), 5),
    ...scoreScenarios(data.scenarios, readings, emotions),
  };
}

/** How scenarios come out by their readings, one value an emotion of `emotions` each. */
function scoreScenarios(
  scenarios: readonly Scenario[],
  readings: readonly (readonly number[])[],
  emotions: readonly string[],
): Pick<RecipeScore, 'scenarioRank' | 'scenarioTop1' | 'scenarioAccepted'> {
  const targets = [...new Set(scenarios.map(({ emotion }) => emotion))];
  const ranks = scenarios.map(({ emotion }, i) => {
    const values = targets.map((target) => readings[i]?.[emotions.indexOf(target)] ?? NaN);
    return rankIn(values, targets, emotion);
  });
  const accepted = scenarios.filter(({ emotion, accepted: others }, i) =>
    [emotion, ...others].some((name) => rankIn(readings[i] ?? [], emotions, name) < 5),
  ).length;
  return {
    scenarioRank: mean(ranks) + 1,
    scenarioTop1: rateOf(Int32Array.from(ranks), 1),
    scenarioAccepted: rate(accepted, scenarios.length),
  };
}

/** How many values are higher than that of `name`; the number of all if it is not among them. */
function rankIn(values: readonly number[], names: readonly string[], name: string): number {
  const own = values[names.indexOf(name)];
  if (own === undefined) return names.length;
  return values.filter((value) => value > own).length;
}

function rateOf(ranks: Int32Array, k: number): Rate {
  return rate(ranks.filter((rank) => rank < k).length, ranks.length);
}

function rate(hits: number, n: number): Rate {
  return { value: hits / n, interval: wilson(hits, n), n };
}
