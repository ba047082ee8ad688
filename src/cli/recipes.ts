/** @file `limbic recipes`: which way of making and reading the vectors works best on a model. */
import { loadNeutral, captureNeutral, captureReplyRows } from '../capture/neutral.ts';
import { captureScenarios, loadScenarios } from '../capture/probes.ts';
import {
  captureStories,
  captureStoriesFrom,
  loadStories,
  type Story,
  type StoryMeans,
} from '../capture/stories.ts';
import { signed } from '../charts/terminal.ts';
import { chatTokens } from '../engine/chat-template.ts';
import type { Model } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';
import { readGgufHeader } from '../formats/gguf.ts';
import {
  compareRecipes,
  type Rate,
  type RecipeData,
  type RecipeScore,
  recipesFor,
  referenceStart,
} from '../vectors/recipes.ts';
import { type Command, jsonOption, modelOptions, text } from './command.ts';
import { storiesOption } from './extract.ts';
import { openForExtraction } from './extraction-model.ts';
import { sampleOf } from './make-pack.ts';
import { cachedMeansPath, corpusFile, resolveNamed, storyFiles } from './open-model.ts';
import { createProgress } from './progress.ts';

export const recipesCommand: Command = {
  name: 'recipes',
  summary:
    'compare ways to make and read the vectors: pooling, denoising, whitening, centring, stories',
  usage: '[--model NAME] [--layers A-B] [--json]',
  description:
    'Each row changes one thing against the first. Held-out topics, unseen stories and implicit scenarios, with 95 % intervals. One pass over the stories (as long as limbic extract) keeps what it needs for the next time.',
  options: {
    ...modelOptions,
    ...storiesOption,
    layers: {
      type: 'string',
      value: 'A-B',
      summary: 'layers to choose from (default: from 35 % to 75 % of the depth)',
    },
    starts: {
      type: 'string',
      value: 'a,b',
      summary: `first pooled positions (default 0,10,${referenceStart},50)`,
    },
    ...jsonOption,
  },
  examples: ['limbic recipes', 'limbic recipes --model qwen2.5-coder-0.5b --json > recipes.json'],
  run: async (context) => {
    const { values, signal } = context;
    const stories = loadStories(storyFiles(values));
    const starts = startsOf(text(values, 'starts') ?? `0,10,${referenceStart},50`);
    const meansPath = text(values, 'means') ?? cachedMeansPath(text(values, 'model'));
    const { path } = await resolveNamed(context);
    const layers = layersOf(text(values, 'layers'), readGgufHeader(path).blocks ?? 0);
    await using opened = await openForExtraction(context, { sample: sampleOf(stories), meansPath });
    const { model, weights } = opened;
    const bar = createProgress(`reading ${stories.length} stories`);
    const captured = await captureStoriesFrom(model, stories, starts, {
      layers,
      weights,
      meansPath,
      signal,
      onProgress: (done, total) => bar.update(done / total),
    });
    bar.end();
    const byStart = new Map(starts.map((start, i) => [start, captured[i] as StoryMeans]));
    const data = await captureRest(model, { stories, layers, byStart, signal });
    const topics = [...new Set(stories.map(({ topic }) => topic))];
    const comparing = createProgress('comparing');
    const scores = await compareRecipes(data, recipesFor(starts, topics), {
      signal,
      onProgress: (done, total) => comparing.update(done / total),
    });
    comparing.end();
    const result = { model: model.info.name, weights, layers, stories: stories.length, scores };
    console.log(values['json'] === true ? JSON.stringify(result, null, 2) : tableOf(scores));
  },
};

/** The small sets, and the plain stories told in a chat. */
async function captureRest(
  model: Model,
  given: {
    stories: readonly Story[];
    layers: readonly number[];
    byStart: ReadonlyMap<number, StoryMeans>;
    signal: AbortSignal;
  },
): Promise<RecipeData> {
  const { layers, signal, stories } = given;
  const from = referenceStart;
  const neutral = loadNeutral(corpusFile('neutral.jsonl'));
  const scenarios = loadScenarios(corpusFile('scenarios.jsonl'));
  const plain = stories.filter(({ topic }) => Number(topic) > 12);
  const prefix = await chatTokens(model, [
    { role: 'user', content: 'Tell me something that happened.' },
  ]);
  const bar = createProgress(`reading ${plain.length} stories in a chat`);
  const chat =
    plain.length === 0
      ? {}
      : {
          chat: await captureStories(model, plain, {
            from,
            layers,
            prefix,
            signal,
            onProgress: (done, total) => bar.update(done / total),
          }),
        };
  bar.end();
  const small = createProgress('reading neutral, unseen and scenario texts');
  const step = async <T>(share: number, run: Promise<T>): Promise<T> => {
    const value = await run;
    small.update(share);
    return value;
  };
  small.update(0);
  const unseen = loadStories(corpusFile('held-out.jsonl'));
  const result = {
    byStart: given.byStart,
    ...chat,
    scenarios,
    neutral: await step(0.4, captureNeutral(model, neutral, { layers, signal, from })),
    unseen: await step(0.65, captureStories(model, unseen, { from, layers, signal })),
    scenarioRows: await step(0.8, captureScenarios(model, scenarios, { layers, signal })),
    replyRows: await step(1, captureReplyRows(model, neutral, { layers, signal })),
  };
  small.end();
  return result;
}

function startsOf(value: string): number[] {
  const starts = value.split(',').map(Number);
  const isFine =
    starts.includes(referenceStart) &&
    starts.every(
      (start, i) => Number.isInteger(start) && start >= 0 && start > (starts[i - 1] ?? -1),
    );
  if (!isFine)
    throw new InvalidInputError(
      `--starts: expected ascending whole numbers with ${referenceStart} among them, got "${value}"`,
    );
  return starts;
}

function layersOf(value: string | undefined, blocks: number): number[] {
  const match = /^(\d+)-(\d+)$/.exec(
    value ?? `${Math.round(blocks * 0.35)}-${Math.round(blocks * 0.75)}`,
  );
  const [from, to] = [Number(match?.[1] ?? NaN), Number(match?.[2] ?? NaN)];
  if (!(from <= to && to <= blocks - 2))
    throw new InvalidInputError(
      `--layers: expected a range within 0-${blocks - 2}, got "${value}"`,
    );
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function tableOf(scores: readonly RecipeScore[]): string {
  const share = ({ value, interval: [low, high] }: Rate): string =>
    `${value.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
  const rows = scores.map((score) => [
    score.name,
    String(score.layer),
    share(score.top1),
    score.top5.value.toFixed(3),
    score.gain === null
      ? ''
      : `${signed(score.gain.value)} (${score.gain.interval[0].toFixed(3)} to ${score.gain.interval[1].toFixed(3)})`,
    `${score.unseenTop1.value.toFixed(2)} / ${score.unseenTop5.value.toFixed(2)}`,
    score.scenarioRank.toFixed(2),
    score.scenarioTop1.value.toFixed(2),
    score.scenarioAccepted.value.toFixed(2),
  ]);
  const head = [
    'recipe',
    'layer',
    'held-out top-1 (95 %)',
    'top-5',
    'gain over the first (95 %)',
    'unseen 1/5',
    'scenario rank',
    'top-1',
    'accepted',
  ];
  const widths = head.map((title, k) =>
    Math.max(title.length, ...rows.map((row) => (row[k] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, k) => cell.padEnd(widths[k] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(head), ...rows.map(line)].join('\n');
}
