/** @file `limbic concept`: a vector from any contrast. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { captureReplyRows, loadNeutral } from '../capture/neutral.ts';
import {
  captureTexts,
  type Contrast,
  fewestTexts,
  loadContrast,
  type PooledTexts,
} from '../capture/texts.ts';
import { sparkline } from '../charts/terminal.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { InvalidInputError, LimbicError, shown } from '../errors.ts';
import {
  buildConceptPack,
  conceptWarnings,
  type ConceptValidation,
  defaultRounds,
  rowsOf,
  validateConcept,
} from '../vectors/concept.ts';
import { loadPack, writePack } from '../vectors/pack.ts';
import {
  type Command,
  type Context,
  jsonOption,
  modelOptions,
  text,
  type Values,
  wholeNumber,
} from './command.ts';
import { cachedPackPath, corpusFile, openNamedModel, resolveNamed } from './open-model.ts';
import { createProgress } from './progress.ts';

export const conceptCommand: Command = {
  name: 'concept',
  summary: 'make a vector from any contrast between two sets of texts, and check it',
  usage: 'NAME --positive FILE --negative FILE [--paired] [--out PACK]',
  description: `A file has a text a line, or is JSONL of {"text", "pair"}; at least ${fewestTexts} texts a side, lines with the same pair belong together. The vector is the difference of the means at every layer. Each text is read by vectors made without it (ten folds, or without its pair); the layer is the one that tells them apart best. Read and steer with it by --pack.`,
  options: {
    ...modelOptions,
    positive: { type: 'string', value: 'FILE', summary: 'texts that have what NAME says' },
    negative: { type: 'string', value: 'FILE', summary: 'texts that lack it, else alike' },
    paired: { type: 'boolean', summary: 'line N of one file belongs to line N of the other' },
    out: {
      type: 'string',
      value: 'PACK',
      summary: 'file to write (default: packs/MODEL.NAME.safetensors in the cache)',
    },
    from: {
      type: 'string',
      value: 'N',
      summary: 'first pooled position (default 20; 1 when most texts have fewer than 30 tokens)',
    },
    rounds: {
      type: 'string',
      value: 'N',
      summary: `shuffles of the null (default ${defaultRounds})`,
    },
    seed: { type: 'string', value: 'N', summary: 'seed of folds, intervals and null (default 1)' },
    ...jsonOption,
  },
  takesArguments: true,
  examples: [
    'limbic concept formal --positive data/examples/formal-positive.txt --negative data/examples/formal-negative.txt --paired',
    'limbic read --pack PACK --emotions formal --text "We regret to inform you of the delay."',
    'limbic chat --pack PACK --emotions formal --steer formal=0.05',
  ],
  run: async (context) => {
    const { values, signal } = context;
    const name = nameOf(context);
    const contrast = loadContrast(
      required(values, 'positive'),
      required(values, 'negative'),
      values['paired'] === true,
    );
    const { name: modelName } = await resolveNamed(context);
    const out = text(values, 'out') ?? cachedPackPath(`${modelName}.${name}`);
    refuseOther(out, modelName);
    const settings = numbersOf(values);
    await using model = await openNamedModel(context);
    const pooled = await poolWithProgress(model, contrast, { from: settings.from, signal });
    if (values['json'] !== true) console.error(poolingNote(pooled));
    const replyRows = await replyRowsWithProgress(model, pooled.layers, signal);
    const validation = await validateWithProgress(contrast, pooled, { ...settings, signal });
    mkdirSync(dirname(out), { recursive: true });
    const parts = { name, contrast, pooled, validation, replyRows };
    writePack(out, buildConceptPack(model.info, parts));
    const warnings = [...conceptWarnings(validation), ...sinkWarnings(contrast, pooled)];
    if (values['json'] === true)
      console.log(
        JSON.stringify({
          pack: out,
          name,
          model: model.info.name,
          from: pooled.from,
          ...validation,
          warnings,
        }),
      );
    else {
      console.log(describe(name, validation));
      for (const warning of warnings) console.log(`warning: ${warning}`);
      console.log(`${out} (${(statSync(out).size / 1e6).toFixed(1)} MB)`);
    }
  },
};

/** What can be written as `--steer NAME=0.05,...` and as part of a file's name. */
const namePattern = /^[\p{L}\p{N}][\p{L}\p{N}_.-]{0,63}$/u;

function nameOf({ positionals }: Context): string {
  const [name] = positionals;
  if (name === undefined || positionals.length > 1)
    throw new InvalidInputError(`concept: expected one name, got ${positionals.length}`, {
      hint: 'limbic concept NAME --positive FILE --negative FILE',
    });
  if (!namePattern.test(name))
    throw new InvalidInputError(
      `concept: expected a name of letters, digits, "-", "_" and ".", at most 64, got "${name}"`,
    );
  return name;
}

function required(values: Values, option: string): string {
  const path = text(values, option);
  if (path === undefined)
    throw new InvalidInputError(`concept: expected --${option} FILE, got none`, {
      hint: 'a text a line, or JSONL of {"text", "pair"}',
    });
  return path;
}

function numbersOf(values: Values): { from: number | undefined; rounds: number; seed: number } {
  const from = wholeNumber(values, 'from', { min: 0, max: 1000, fallback: -1 });
  return {
    from: from < 0 ? undefined : from,
    rounds: wholeNumber(values, 'rounds', { min: 1, max: 10_000, fallback: defaultRounds }),
    seed: wholeNumber(values, 'seed', { min: 0, max: 2 ** 31, fallback: 1 }),
  };
}

/** Only a new file, or one that an earlier `limbic concept` made, may be written. */
function refuseOther(out: string, modelName: string): void {
  const hint = 'name another file with --out';
  if (resolve(out) === resolve(cachedPackPath(modelName)))
    throw new InvalidInputError(
      `--out: expected another file than the model's own emotion pack, got ${out}`,
      { hint },
    );
  if (!existsSync(out) || isConceptPack(out)) return;
  throw new InvalidInputError(
    `--out: expected a new file or a pack of limbic concept, got ${out}, which holds something else`,
    { hint },
  );
}

function isConceptPack(path: string): boolean {
  try {
    return loadPack(path).concept !== undefined;
  } catch (error) {
    if (error instanceof LimbicError || (error instanceof Error && 'code' in error)) return false;
    throw error;
  }
}

async function poolWithProgress(
  model: LlamaModel,
  { positives, negatives }: Contrast,
  { from, signal }: { from: number | undefined; signal: AbortSignal },
): Promise<PooledTexts> {
  const texts = [...positives, ...negatives].map((one) => one.text);
  const bar = createProgress(`reading ${texts.length} texts`);
  try {
    return await captureTexts(model, texts, {
      ...(from === undefined ? {} : { from }),
      signal,
      onProgress: (done, total) => bar.update(done / total),
    });
  } finally {
    bar.end();
  }
}

async function replyRowsWithProgress(
  model: LlamaModel,
  layers: readonly number[],
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const bar = createProgress('reading neutral messages');
  try {
    return await captureReplyRows(model, loadNeutral(corpusFile('neutral.jsonl')), {
      layers,
      signal,
      onProgress: (done, total) => bar.update(done / total),
    });
  } finally {
    bar.end();
  }
}

async function validateWithProgress(
  contrast: Contrast,
  pooled: PooledTexts,
  options: { rounds: number; seed: number; signal: AbortSignal },
): Promise<ConceptValidation> {
  const bar = createProgress('held-out readings');
  try {
    return await validateConcept(rowsOf(contrast, pooled), {
      ...options,
      onProgress: (done, total) => bar.update(done / total),
    });
  } finally {
    bar.end();
  }
}

function poolingNote({ from, tokenCounts }: PooledTexts): string {
  const [low, high] = [Math.min(...tokenCounts), Math.max(...tokenCounts)];
  const short = tokenCounts.filter((count) => count <= from).length;
  const lengths = `texts of ${low} to ${high} tokens are pooled from position ${from} on`;
  return short === 0 ? lengths : `${lengths}; ${short} are shorter and read at their last token`;
}

function sinkWarnings({ positives, negatives }: Contrast, { sinks }: PooledTexts): string[] {
  const first = [...positives, ...negatives].find((_, i) => sinks.includes(i));
  if (first === undefined) return [];
  return [
    `${sinks.length} of the texts have a residual after the first token that is far larger than all others and spoils the mean, such as "${shown(first.text.slice(0, 40))}": reword or remove them, or pool from a later position with --from`,
  ];
}

function describe(name: string, validation: ConceptValidation): string {
  const { best, nested, layers, permutation, random, lengthAuc, folds, paired } = validation;
  const range = ([low, high]: readonly [number, number]): string =>
    `${low.toFixed(3)} to ${high.toFixed(3)}`;
  const how =
    paired && folds === validation.positives
      ? 'leave-one-pair-out'
      : `${folds} folds${paired ? ' of pairs' : ''}`;
  return [
    `${name}: best layer ${best.layer} of ${layers[0]?.layer} to ${layers.at(-1)?.layer}, ${how} over ${validation.positives} positive and ${validation.negatives} negative texts`,
    `  AUC ${best.auc.toFixed(3)} (95 % ${range(best.interval)}; chance .5)${
      best.auc === 1 ? ', all in order: the bootstrap cannot say how sure that is' : ''
    }`,
    `  AUC ${nested.auc.toFixed(3)} (95 % ${range(nested.interval)}) when the layer, too, is chosen without the text`,
    `  accuracy ${best.accuracy.toFixed(3)} (95 % ${range(best.accuracyInterval)}; the threshold lies between both means)`,
    `  separation ${best.separation.toFixed(1)} standard deviations`,
    `  ${paired ? 'sides changed within pairs' : 'shuffled labels'}: AUC mean ${permutation.mean.toFixed(3)}, highest ${permutation.max.toFixed(3)} of ${permutation.rounds}; p = ${permutation.p.toFixed(3)}, at this layer only`,
    `  ${random.count} random directions: AUC median ${random.median.toFixed(3)}, highest ${random.max.toFixed(3)}, each with the better sign`,
    `  number of tokens alone: AUC ${lengthAuc.toFixed(3)}`,
    `  AUC by layer ${layers[0]?.layer} to ${layers.at(-1)?.layer}: ${sparkline(layers.map((layer) => layer.auc))} (${Math.min(...layers.map((layer) => layer.auc)).toFixed(3)} to ${best.auc.toFixed(3)})`,
  ].join('\n');
}
