/** @file `limbic extract` and `limbic validate`. */
import { existsSync, statSync } from 'node:fs';

import { loadScenarios } from '../capture/probes.ts';
import { defaultFrom, loadStories } from '../capture/stories.ts';
import { sparkline } from '../charts/terminal.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { InvalidInputError } from '../errors.ts';
import { type RankResult, type Rate, runTrials, type TrialResult } from '../studies/trials.ts';
import { assertPackFits, loadPack, type VectorPack } from '../vectors/pack.ts';
import type { Validation } from '../vectors/validate.ts';
import { type Command, jsonOption, modelOptions, text } from './command.ts';
import { openForExtraction, weightsOption } from './extraction-model.ts';
import { captureWithProgress, makePack, sampleOf, validateWithProgress } from './make-pack.ts';
import { cachedPackPath, corpusFile, resolveNamed, storyFiles } from './open-model.ts';
import { createProgress } from './progress.ts';

export const storiesOption = {
  stories: {
    type: 'string',
    value: 'FILES',
    summary:
      'JSONL of {emotion, topic, text}, crossed; several by commas (default: the shipped corpus)',
  },
  means: {
    type: 'string',
    value: 'FILE',
    summary: 'where finished stories are kept, to go on or read again (default: PACK.means)',
  },
  ...weightsOption,
} as const;

export const extractCommand: Command = {
  name: 'extract',
  summary: 'make the emotion vectors of a model from stories',
  usage: '[--model NAME] [--stories FILES] [--out PACK]',
  description:
    'One pass over the stories reads all layers; Ctrl-C stops, the same command goes on where it stopped.',
  options: {
    ...modelOptions,
    ...storiesOption,
    out: {
      type: 'string',
      value: 'PACK',
      summary: 'file to write (default: the cache, where other commands find it)',
    },
    from: { type: 'string', value: 'N', summary: `first pooled position (default ${defaultFrom})` },
    rounds: { type: 'string', value: 'N', summary: 'shuffles of the null (default 20)' },
    ...jsonOption,
  },
  examples: [
    'limbic extract --model qwen2.5-coder-0.5b',
    'limbic extract --model my.gguf --stories mine.jsonl --out mine.safetensors',
  ],
  run: async (context) => {
    const { values } = context;
    const out = text(values, 'out') ?? cachedPackPath((await resolveNamed(context)).name);
    const validation = await makePack(context, out);
    if (values['json'] === true) console.log(JSON.stringify({ pack: out, ...validation }));
    else
      console.log(`${describe(validation)}\n${out} (${(statSync(out).size / 1e6).toFixed(1)} MB)`);
  },
};

export const validateCommand: Command = {
  name: 'validate',
  summary: 'held-out accuracy of the vectors at every layer, with a permutation null',
  usage: 'PACK [--layers 10-16] [--json]',
  description:
    'Leave-one-topic-out: vectors from all topics but one, each story of the last one is classified. Then the pack is tried on unseen stories, implicit scenarios and steering. Story means are read from PACK.means if extract left them there, else captured anew.',
  options: {
    ...modelOptions,
    ...storiesOption,
    layers: {
      type: 'string',
      value: 'A-B',
      summary: 'only these layers: faster, since a pass ends after the deepest',
    },
    rounds: { type: 'string', value: 'N', summary: 'shuffles of the null (default 20)' },
    seed: { type: 'string', value: 'N', summary: 'seed of the null (default 1)' },
    ...jsonOption,
  },
  takesArguments: true,
  examples: [
    'limbic validate data/packs/smollm2-135m.safetensors',
    'limbic validate my.safetensors --model my.gguf --layers 10-16 --json',
  ],
  run: async (context) => {
    const { values, positionals } = context;
    const [path] = positionals;
    if (path === undefined || positionals.length > 1)
      throw new InvalidInputError(
        `validate: expected a pack file, got ${positionals.join(', ') || 'none'}`,
      );
    const pack = loadPack(path);
    const stories = loadStories(storyFiles(values));
    const layers = parseLayers(text(values, 'layers'), pack.layers);
    const meansPath = text(values, 'means') ?? `${path}.means`;
    await using opened = await openForExtraction(
      { ...context, values: { model: pack.modelName, ...values } },
      { sample: sampleOf(stories), meansPath },
    );
    const { model, weights } = opened;
    assertPackFits(pack, model.info);
    // A part of the layers is not worth keeping, and must not take the place of all of them.
    const keeps = existsSync(meansPath) || layers.length === pack.layers.length;
    const captured = await captureWithProgress(model, context.signal, {
      stories,
      from: pack.recipe.from,
      layers,
      weights,
      ...(keeps ? { meansPath } : {}),
    });
    const validation = await validateWithProgress(captured, context, pack.recipe.readout);
    const trials = await tryWithProgress(model, pack, context.signal);
    console.log(
      values['json'] === true
        ? JSON.stringify({ ...validation, trials }, null, 2)
        : `${describe(validation)}\n${trials === null ? '' : describeTrials(trials)}`,
    );
  },
};

/** Unseen stories, scenarios and steering; null for a pack that lacks their emotions. */
async function tryWithProgress(
  model: LlamaModel,
  pack: VectorPack,
  signal: AbortSignal,
): Promise<TrialResult | null> {
  const unseen = loadStories(corpusFile('held-out.jsonl'));
  const scenarios = loadScenarios(corpusFile('scenarios.jsonl'));
  const needed = new Set([...unseen, ...scenarios].map(({ emotion }) => emotion));
  if ([...needed].some((emotion) => !pack.emotions.includes(emotion))) return null;
  const bar = createProgress('unseen stories, scenarios, steering');
  try {
    return await runTrials(model, pack, {
      unseen,
      scenarios,
      signal,
      onProgress: (share) => bar.update(share),
    });
  } finally {
    bar.end();
  }
}

function describeTrials({
  layer,
  unseen,
  overMessage,
  beforeReply,
  steering,
}: TrialResult): string {
  const rank = ({ meanRank, top1, p, emotions }: RankResult): string =>
    `mean rank ${meanRank.toFixed(2)} of ${emotions} (chance ${((emotions + 1) / 2).toFixed(1)}), first ${rate(top1)}, permutation p = ${p.toFixed(4)}`;
  const rate = ({ hits, n, interval: [low, high] }: Rate): string =>
    `${hits} of ${n} (95 % ${low.toFixed(2)} to ${high.toFixed(2)})`;
  const weak = steering.emotions.filter(({ own, bestRandom }) => own <= bestRandom);
  return [
    `at layer ${layer}, on texts that no vector was made from:`,
    `  unseen stories:                  ${rank(unseen)}`,
    `  scenarios, over the message:     ${rank(overMessage)}`,
    `  scenarios, before the reply:     ${rank(beforeReply)}`,
    `  steering by ${steering.dose} norms, the emotion's word after "He feels" against 10 random directions:`,
    `    rises most under its own vector:          ${rate(steering.beatsRandom)}${weak.length === 0 ? '' : `; not ${weak.map(({ emotion }) => emotion).join(', ')}`}`,
    `    rises most against the other words:       ${rate(steering.beatsRandomRelative)}`,
    `    rises more than by the other 11 vectors:  ${rate(steering.beatsOthers)}`,
  ].join('\n');
}

/** `10-16` or `14` as layers of the pack. */
function parseLayers(value: string | undefined, known: readonly number[]): number[] {
  if (value === undefined) return [...known];
  const match = /^(\d+)(?:-(\d+))?$/.exec(value);
  const [from, to] = [Number(match?.[1] ?? NaN), Number(match?.[2] ?? match?.[1] ?? NaN)];
  const layers = known.filter((layer) => layer >= from && layer <= to);
  if (layers.length === 0) {
    throw new InvalidInputError(
      `--layers: expected a range within ${known[0]}-${known.at(-1)}, got "${value}"`,
    );
  }
  return layers;
}

function describe(validation: Validation): string {
  const { top1, top5, permutation, layers } = validation;
  const range = ([low, high]: readonly [number, number]): string =>
    `${low.toFixed(3)} to ${high.toFixed(3)}`;
  return [
    `best layer ${validation.bestLayer}, leave-one-topic-out over ${validation.n} stories (${validation.emotions} emotions x ${validation.topics} topics)`,
    `  top-1 ${top1.value.toFixed(3)} (95 % ${range(top1.interval)}; chance ${top1.chance.toFixed(3)})`,
    `  top-5 ${top5.value.toFixed(3)} (95 % ${range(top5.interval)}; chance ${top5.chance.toFixed(3)})`,
    `  shuffled labels: top-1 mean ${permutation.mean.toFixed(3)}, highest ${permutation.max.toFixed(3)} of ${permutation.rounds}; p = ${permutation.p.toFixed(3)}`,
    `  best recognised: ${namesOf(validation.perEmotion.slice(0, 6))}; worst: ${namesOf(validation.perEmotion.slice(-6))} (share in the top 5)`,
    `  top-1 by layer ${layers[0]?.layer} to ${layers.at(-1)?.layer}: ${sparkline(layers.map((layer) => layer.top1))}`,
  ].join('\n');
}

function namesOf(list: Validation['perEmotion']): string {
  return list.map(({ emotion, top5 }) => `${emotion} ${top5.toFixed(2)}`).join(', ');
}
