/** @file `limbic atlas`: the geometry of a model's emotion vectors, in the terminal, as JSON, as one page. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { z } from 'zod';

import { loadStories } from '../capture/stories.ts';
import { sparkline } from '../charts/terminal.ts';
import type { LensResult } from '../engine/engine.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { FormatError } from '../errors.ts';
import { writeWholeFile } from '../formats/whole-file.ts';
import { scale } from '../math/vector.ts';
import { type Atlas, buildAtlas } from '../vectors/atlas.ts';
import { loadNorms } from '../vectors/norms.ts';
import { emotionDirection, loadPack, normAt, type VectorPack } from '../vectors/pack.ts';
import { listNeighbours, percent, renderAtlas } from './atlas-page.ts';
import {
  type Command,
  jsonOption,
  modelOptions,
  packOption,
  text,
  wholeNumber,
} from './command.ts';
import { openWithPack } from './make-pack.ts';
import { storyFiles } from './open-model.ts';
import { createProgress } from './progress.ts';

export const atlasCommand: Command = {
  name: 'atlas',
  summary:
    'the geometry of the emotion vectors: map, clusters, words, neighbours, layers, other models',
  usage: '[--model NAME] [--html OUT] [--compare PACK,...] [--emotion E] [--json]',
  options: {
    ...modelOptions,
    ...packOption,
    layer: { type: 'string', value: 'L', summary: "layer (default: the pack's best)" },
    compare: { type: 'string', value: 'PACKS', summary: 'packs of other models, by commas' },
    emotion: { type: 'string', value: 'E', summary: 'print its words and neighbours' },
    norms: {
      type: 'string',
      value: 'FILE',
      summary:
        'TSV with a head: word, then ratings such as valence, arousal (default: shipped valence)',
    },
    raw: {
      type: 'boolean',
      summary: "compare the vectors as they are, not through the pack's filter",
    },
    html: { type: 'string', value: 'OUT', summary: 'write the page that can be explored' },
    ...jsonOption,
  },
  examples: [
    'limbic atlas --html atlas.html',
    'limbic atlas --emotion desperate',
    'limbic atlas --compare data/packs/gemma3-270m-base.safetensors --json',
  ],
  run: async (context) => {
    const { values, signal } = context;
    const norms = loadNorms(text(values, 'norms') ?? dataFile('valence.tsv'));
    const others = (text(values, 'compare')?.split(',') ?? []).map((path) => loadPack(path));
    const { model: opened, pack } = await openWithPack(context);
    await using model = opened;
    const layer = wholeNumber(values, 'layer', {
      min: pack.layers[0] ?? 0,
      max: pack.layers.at(-1) ?? 0,
      fallback: pack.bestLayer,
    });
    const asked = text(values, 'emotion');
    if (asked !== undefined) emotionDirection(pack, asked, layer);
    const space = values['raw'] === true ? 'raw' : 'filtered';
    const lenses = await readLenses(model, pack, { layer, signal });
    const atlas = buildAtlas(pack, {
      layer,
      norms,
      paperClusters: loadPaperClusters(),
      ...lenses,
      others,
      space,
    });
    if (values['json'] === true) console.log(JSON.stringify(atlas));
    else if (asked === undefined) console.log(describe(atlas));
    else console.log(describeEmotion(atlas, asked));
    const out = text(values, 'html');
    if (out !== undefined) {
      writeWholeFile(out, renderAtlas(atlas, loadStories(storyFiles(values))));
      console.error(`wrote ${out}`);
    }
  },
};

/** Neutral beginnings after which the next word is open. */
const lensPrompts = [
  'He said that it was',
  'When she looked at the table, she saw',
  'The two of them walked on and',
  'At that moment everything seemed',
];
/** Strength of a vector in mean residual norms: after the last block, and at its own layer, where more follows. */
const lensDose = { last: 0.5, own: 0.3 };

async function readLenses(
  model: LlamaModel,
  pack: VectorPack,
  { layer, signal }: { layer: number; signal: AbortSignal },
): Promise<{ lens: LensResult[]; steeredLens: LensResult[] }> {
  const prompts = await Promise.all(lensPrompts.map((prompt) => model.tokenize(prompt)));
  const units = pack.emotions.map((emotion) => emotionDirection(pack, emotion, layer));
  const bar = createProgress('next words');
  const run = async (at: number, length: number, from: number): Promise<LensResult[]> =>
    model.lens(
      prompts,
      units.map((direction) => scale(direction, length)),
      {
        count: 12,
        layer: at,
        signal,
        onProgress: (done) => bar.update(from + done / units.length / 2),
      },
    );
  try {
    const last = pack.layers.at(-1) ?? layer;
    return {
      lens: await run(pack.blocks - 1, lensDose.last * normAt(pack, last), 0),
      steeredLens: layer < 1 ? [] : await run(layer, lensDose.own * normAt(pack, layer), 0.5),
    };
  } finally {
    bar.end();
  }
}

function dataFile(name: string): string {
  return fileURLToPath(new URL(`../../data/norms/${name}`, import.meta.url));
}

function loadPaperClusters(): Map<string, string> {
  const path = dataFile('paper-clusters.json');
  const parsed = z
    .record(z.string(), z.array(z.string()))
    .safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (!parsed.success) throw new FormatError(path, 0, 'expected clusters as lists of emotions');
  return new Map(
    Object.entries(parsed.data).flatMap(([name, members]) =>
      members.map((emotion): [string, string] => [emotion, name]),
    ),
  );
}

function describe(atlas: Atlas): string {
  const { emotions, variance, fits, predictions, clusters, layers, models } = atlas;
  const groups = Array.from({ length: clusters.k }, (_, c) => {
    const members = emotions.filter(({ cluster }) => cluster === c).map(({ emotion }) => emotion);
    return `  ${String(c + 1).padStart(2)} (${members.length}) ${members.slice(0, 10).join(', ')}${members.length > 10 ? ', …' : ''}`;
  });
  const best = layers.layers.indexOf(atlas.layer);
  return [
    `${atlas.model}, ${emotions.length} emotion vectors after block ${atlas.layer} of ${atlas.blocks}${atlas.space === 'raw' ? '' : ', through the filter of the pack'}`,
    `components of the unit vectors: ${variance.map(percent).join(', ')} of the variance (the paper: 26 %, 15 %)`,
    ...fits.map(
      ({ norm, component, r, interval: [low, high], n }) =>
        `  component ${component} with human ${norm}: r = ${r.toFixed(2)} (95 % ${low.toFixed(2)} to ${high.toFixed(2)}, n ${n})`,
    ),
    ...predictions.map(
      ({ norm, r, interval: [low, high], n, shuffled }) =>
        `  human ${norm} predicted from the vector (ridge, leave one out): r = ${r.toFixed(2)} (95 % ${low.toFixed(2)} to ${high.toFixed(2)}, n ${n}; shuffled ratings below ${shuffled.toFixed(2)})`,
    ),
    ...(clusters.sharedNeighbours === null
      ? []
      : [
          `nearest neighbour in the same cluster of the paper: ${percent(clusters.sharedNeighbours.value)} of the emotions (chance ${percent(clusters.sharedNeighbours.chance)})`,
        ]),
    `k-means, ${clusters.k} clusters; adjusted Rand index with the paper's ${clusters.adjustedRand === null ? 'not known' : clusters.adjustedRand.toFixed(2)} (0 is chance)`,
    ...groups,
    ...(best < 0
      ? []
      : [
          `likeness of the geometry to that of layer ${atlas.layer}, layers ${layers.layers.join(', ')}: ${(layers.similarity[best] ?? []).map((r) => r.toFixed(2)).join(' ')} ${sparkline(layers.similarity[best] ?? [])}`,
        ]),
    ...models.map(
      ({ model, layer, r, n }) =>
        `likeness to ${model} (layer ${layer}): r = ${r.toFixed(2)} over all pairs of ${n} emotions`,
    ),
    'limbic atlas --emotion E shows the words and neighbours of one; --html writes the page to explore.',
  ].join('\n');
}

function quoted(words: readonly string[]): string {
  return words.map((word) => JSON.stringify(word)).join(' ');
}

function describeEmotion(atlas: Atlas, name: string): string {
  const found = atlas.emotions.find(({ emotion }) => emotion === name);
  if (found === undefined) return '';
  return [
    `${name}: cluster ${found.cluster + 1}${found.paperCluster === null ? '' : `, in the paper ${found.paperCluster}`}; stable to ${found.stability?.toFixed(2) ?? 'what was not measured'} (mean cosine over draws of the topics)`,
    `nearest   ${listNeighbours(found.nearest)}`,
    `farthest  ${listNeighbours(found.farthest)}`,
    `added at layer ${atlas.layer} it raises  ${quoted(found.steeredWords.raised)}`,
    `                    and lowers  ${quoted(found.steeredWords.lowered)}`,
    `logit lens: raises ${quoted(found.lensWords.raised)}`,
    `            lowers ${quoted(found.lensWords.lowered)}`,
  ].join('\n');
}
