/**
 * @file Stories to pooled residuals: the mean over positions from the 20th on, at every layer that the
 * engine reads, in one pass ("Emotion Concepts...", 2026, methods; short stories begin at the 20th).
 */
import { createHash } from 'node:crypto';

import { z } from 'zod';

import type { Captured, Model } from '../engine/engine.ts';
import { InvalidInputError, isShowable } from '../errors.ts';
import { readJsonLines } from '../formats/jsonl.ts';
import { holdMeansFile, type MeansFile, type MeansHead } from './means-file.ts';

/** It gets into messages, packs and reports, so that a terminal must be able to show it. */
const nameSchema = z.string().min(1).refine(isShowable, 'expected a name that a terminal can show');
export const storySchema = z.object({
  emotion: nameSchema,
  topic: z.union([nameSchema, z.number()]).transform(String),
  text: z.string().min(1),
});
/** A story of one emotion on one topic. */
export type Story = z.infer<typeof storySchema>;

/** First position that counts: before it a story has hardly begun (protocol section 1). */
export const defaultFrom = 20;

/** Pooled residuals of stories. */
export interface StoryMeans {
  readonly stories: readonly Story[];
  readonly layers: readonly number[];
  readonly width: number;
  /** One array a layer: [stories, width], row-major. */
  readonly means: readonly Float32Array[];
  /** Mean residual norm per layer over all pooled positions of all stories, [layers]. */
  readonly norms: Float32Array;
  /** Stories that came from an interrupted run. */
  readonly resumed: number;
}

/** Reads stories of one or more files and checks that the design is crossed: each emotion once with each topic. */
export function loadStories(paths: string | readonly string[]): Story[] {
  const list = typeof paths === 'string' ? [paths] : paths;
  const path = list.join(' and ');
  const stories = list.flatMap((one) => readJsonLines(one, storySchema));
  if (stories.length === 0)
    throw new InvalidInputError(`${path}: expected stories, got an empty file`);
  const topics = new Set(stories.map((story) => story.topic));
  const emotions = new Set(stories.map((story) => story.emotion));
  const cells = new Set<string>();
  for (const { emotion, topic } of stories) {
    const cell = JSON.stringify([emotion, topic]);
    if (cells.has(cell))
      throw new InvalidInputError(
        `${path}: expected one story for ${emotion} on topic ${topic}, got two`,
      );
    cells.add(cell);
  }
  if (topics.size < 2 || emotions.size < 2 || cells.size !== topics.size * emotions.size) {
    throw new InvalidInputError(
      `${path}: expected every emotion with every topic, got ${cells.size} stories for ${emotions.size} emotions x ${topics.size} topics`,
      {
        hint: 'each line is {"emotion", "topic", "text"}; add what is missing or remove the incomplete emotions',
      },
    );
  }
  return stories;
}

/** Identifies a corpus by its content, whatever its order. */
export function corpusHash(stories: readonly Story[]): string {
  const lines = stories
    .map((story) => JSON.stringify([story.emotion, story.topic, story.text]))
    .toSorted();
  return createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16);
}

/** The same, but of the order too: records on disk follow it. */
function orderedHash(stories: readonly Story[]): string {
  const text = JSON.stringify(stories.map((story) => [story.emotion, story.topic, story.text]));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

export interface CaptureStoriesOptions {
  /** First pooled position. @default defaultFrom */
  readonly from?: number;
  readonly layers?: readonly number[];
  /** What the model's weights are when they are not the file's own; part of what makes a run resumable. */
  readonly weights?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  /** Tokens that stand before each story, e.g. a chat up to its reply; positions count from the story's own start. */
  readonly prefix?: Int32Array;
  /** File that keeps finished stories, for stories without a prefix: an interrupted run goes on from it, a complete one is read back. */
  readonly meansPath?: string;
}

/** Stories in one call to the engine: enough to fill batches, few enough to lose little. */
const chunkSize = 32;

/** Captures all stories that `meansPath` does not hold yet. */
export async function captureStories(
  model: Model,
  stories: readonly Story[],
  options: CaptureStoriesOptions = {},
): Promise<StoryMeans> {
  const [only] = await captureStoriesFrom(model, stories, [options.from ?? defaultFrom], options);
  if (only === undefined) throw new RangeError('captureStoriesFrom gave nothing for one start');
  return only;
}

/** The same for several first positions in one pass; one result a start, ascending. */
export async function captureStoriesFrom(
  model: Model,
  stories: readonly Story[],
  starts: readonly number[],
  options: Omit<CaptureStoriesOptions, 'from'> = {},
): Promise<StoryMeans[]> {
  const wanted = headOf(model, stories, starts, options);
  const { layers, width } = wanted;
  using held = holdIfNamed(options.meansPath, wanted);
  const { file } = held;
  const head = file?.head ?? wanted;
  const { prefix = new Int32Array(0) } = options;
  const tokens = await tokenizeStories(model, stories, prefix);
  const order = byLength(tokens);
  const collected = createCollection(stories.length, wanted, head);
  const found = file?.read((i, record) => collected.keep(order[i] ?? 0, record)) ?? 0;
  const resumed = Math.min(found, stories.length);
  options.onProgress?.(resumed, stories.length);
  for (let start = resumed; start < order.length; start += chunkSize) {
    const chunk = order.slice(start, start + chunkSize);
    const captured = await model.capture(
      chunk.map((story) => tokens[story] ?? new Int32Array(0)),
      {
        layers: head.layers,
        pooling: 'mean',
        starts: head.starts.map((first) => first + prefix.length),
        ...signalOf(options),
      },
    );
    const records = captured.map(recordOf);
    for (const [i, record] of records.entries()) collected.keep(chunk[i] ?? 0, record);
    file?.append(records);
    options.onProgress?.(start + chunk.length, stories.length);
  }
  return collected.parts.map((part) => ({ stories, layers, width, resumed, ...part }));
}

/** Nothing is kept of a pass whose options name no file. */
function holdIfNamed(
  path: string | undefined,
  wanted: MeansHead,
): Disposable & { readonly file: MeansFile | null } {
  return path === undefined
    ? { file: null, [Symbol.dispose]: () => {} }
    : holdMeansFile(path, wanted);
}

/** What the records of this pass belong to. */
function headOf(
  { info }: Model,
  stories: readonly Story[],
  starts: readonly number[],
  options: CaptureStoriesOptions,
): MeansHead {
  return {
    version: 2,
    fingerprint: info.fingerprint,
    name: info.name,
    weights: options.weights ?? 'file',
    corpus: orderedHash(stories),
    width: info.width,
    layers: [...(options.layers ?? Array.from({ length: info.blocks - 1 }, (_, layer) => layer))],
    starts: [...starts],
  };
}

async function tokenizeStories(
  model: Model,
  stories: readonly Story[],
  prefix: Int32Array,
): Promise<Int32Array[]> {
  return Promise.all(
    stories.map(async ({ text }) => {
      const own = await model.tokenize(text, { addSpecial: prefix.length === 0 });
      return Int32Array.from([...prefix, ...own]);
    }),
  );
}

/** Sorts records [starts, layers, width] then norms [starts, layers] into a table a start and layer. */
function createCollection(
  stories: number,
  wanted: MeansHead,
  head: MeansHead,
): {
  parts: { means: Float32Array[]; norms: Float32Array }[];
  keep: (story: number, record: Float32Array) => void;
} {
  const { width } = wanted;
  const parts = wanted.starts.map(() => ({
    means: wanted.layers.map(() => new Float32Array(stories * width)),
    norms: new Float32Array(wanted.layers.length),
  }));
  const slots = wanted.starts.map((start) =>
    wanted.layers.map(
      (layer) => head.starts.indexOf(start) * head.layers.length + head.layers.indexOf(layer),
    ),
  );
  const normsAt = head.starts.length * head.layers.length * width;
  const keep = (story: number, record: Float32Array): void => {
    for (const [s, { means, norms }] of parts.entries()) {
      for (const [l, slot] of (slots[s] ?? []).entries()) {
        means[l]?.set(record.subarray(slot * width, (slot + 1) * width), story * width);
        norms[l] = (norms[l] ?? 0) + (record[normsAt + slot] ?? 0) / stories;
      }
    }
  };
  return { parts, keep };
}

function signalOf({ signal }: Pick<CaptureStoriesOptions, 'signal'>): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/** Rows of all layers, then the norms. */
function recordOf({ rows, norms }: Captured): Float32Array {
  const record = new Float32Array(rows.length + norms.length);
  record.set(rows);
  record.set(norms, rows.length);
  return record;
}

/** Story indices by length, since similar lengths fill batches best; ties keep the corpus order. */
function byLength(tokens: readonly Int32Array[]): number[] {
  const lengths = tokens.map(({ length }) => length);
  return lengths
    .map((_, i) => i)
    .toSorted((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b);
}
