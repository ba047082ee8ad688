/** @file Makes the vector pack of a model: for `limbic extract`, and on first use of a model that has none. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import { captureReplyRows, loadNeutral, type NeutralText } from '../capture/neutral.ts';
import {
  captureStories,
  defaultFrom,
  loadStories,
  type Story,
  type StoryMeans,
} from '../capture/stories.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { calibrate } from '../vectors/calibration.ts';
import { buildPack } from '../vectors/extract.ts';
import type { Readout } from '../vectors/held-out.ts';
import {
  assertPackFits,
  defaultReadout,
  loadPack,
  quantisationWarning,
  type VectorPack,
  writePack,
} from '../vectors/pack.ts';
import { validateStories, type Validation } from '../vectors/validate.ts';
import { type Context, text, wholeNumber } from './command.ts';
import { openForExtraction } from './extraction-model.ts';
import {
  cachedPackPath,
  corpusFile,
  openNamedModel,
  resolveNamed,
  shippedPackPath,
  storyFiles,
} from './open-model.ts';
import { createProgress } from './progress.ts';

/** Reads the stories, scores the layers and writes the pack. */
export async function makePack(
  context: Pick<Context, 'values' | 'signal'>,
  out: string,
): Promise<Validation> {
  const { values, signal } = context;
  const stories = loadStories(storyFiles(values));
  const neutral = loadNeutral(corpusFile('neutral.jsonl'));
  const from = wholeNumber(values, 'from', { min: 0, max: 1000, fallback: defaultFrom });
  const meansPath = text(values, 'means') ?? `${out}.means`;
  await using opened = await openForExtraction(context, { sample: sampleOf(stories), meansPath });
  const { model, weights, quantisation } = opened;
  mkdirSync(dirname(out), { recursive: true });
  const captured = await captureWithProgress(model, signal, { stories, from, weights, meansPath });
  const { layers } = captured;
  const bar = createProgress('reading neutral messages');
  const replyRows = await captureReplyRows(model, neutral, {
    layers,
    signal,
    onProgress: (done, total) => bar.update(done / total),
  });
  bar.end();
  const validation = await validateWithProgress(captured, context);
  const { layers: scores, readout } = validation;
  const parts = { captured, scores, from, readout, weights, quantisation, replyRows };
  const pack = await calibrateWithProgress(model, buildPack(model.info, parts), {
    texts: neutral,
    signal,
  });
  writePack(out, pack);
  return validation;
}

/** Reads the calibration texts with a bar. */
export async function calibrateWithProgress(
  model: LlamaModel,
  pack: VectorPack,
  { texts, signal }: { texts: readonly NeutralText[]; signal: AbortSignal },
): Promise<VectorPack> {
  const bar = createProgress(`calibrating on ${texts.length} texts`);
  try {
    return await calibrate(model, pack, texts, {
      signal,
      onProgress: (done) => bar.update(done / texts.length),
    });
  } finally {
    bar.end();
  }
}

/** Eight texts spread over the corpus, to compare weights on. */
export function sampleOf(stories: readonly Story[]): string[] {
  const step = Math.max(1, Math.floor(stories.length / 8));
  return stories
    .filter((_, i) => i % step === 0)
    .slice(0, 8)
    .map((story) => story.text);
}

/** Reads the stories with a bar. */
export async function captureWithProgress(
  model: LlamaModel,
  signal: AbortSignal,
  options: Parameters<typeof captureStories>[2] & { stories: readonly Story[] },
): Promise<StoryMeans> {
  const { stories, ...rest } = options;
  const bar = createProgress(`reading ${stories.length} stories`);
  try {
    return await captureStories(model, stories, {
      ...rest,
      signal,
      onProgress: (done, total) => bar.update(done / total),
    });
  } finally {
    bar.end();
  }
}

/** Scores the layers with a bar. */
export async function validateWithProgress(
  captured: StoryMeans,
  { values, signal }: Pick<Context, 'values' | 'signal'>,
  readout: Readout = defaultReadout,
): Promise<Validation> {
  const bar = createProgress('held-out accuracy');
  try {
    return await validateStories(captured, {
      readout,
      rounds: wholeNumber(values, 'rounds', { min: 1, max: 10_000, fallback: 20 }),
      seed: wholeNumber(values, 'seed', { min: 0, max: 2 ** 31, fallback: 1 }),
      signal,
      onProgress: (done, total) => bar.update(done / total),
    });
  } finally {
    bar.end();
  }
}

/** Where the vectors of a model are: `--pack FILE`, else in the cache, else shipped; undefined where they are not yet. */
export function packPathOf(name: string, values: Context['values']): string | undefined {
  const candidates = [cachedPackPath(name), shippedPackPath(name)];
  return text(values, 'pack') ?? candidates.find((candidate) => existsSync(candidate));
}

/**
 * Opens the model and its vectors: `--pack FILE`, those in the cache, those shipped, or new ones, which are
 * made now and kept.
 */
export async function openWithPack(
  context: Pick<Context, 'values' | 'signal'>,
): Promise<{ model: LlamaModel; pack: VectorPack }> {
  const { name } = await resolveNamed(context);
  let path = packPathOf(name, context.values);
  if (path === undefined) {
    path = cachedPackPath(name);
    console.error(
      `there are no emotion vectors of ${name} yet: making them now, once. The bar says how long; Ctrl-C stops, and the next command goes on.`,
    );
    await makePack(context, path);
  }
  const pack = loadPack(path);
  const model = await openNamedModel(context);
  try {
    assertPackFits(pack, model.info);
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
  const warning = quantisationWarning(pack, model.info);
  if (warning !== null) console.error(`note: ${warning}`);
  return { model, pack };
}
