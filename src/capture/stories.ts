/**
 * @file Stories to pooled residuals: the mean over positions from the 20th on, at every layer that the
 * engine reads, in one pass ("Emotion Concepts...", 2026, methods; short stories begin at the 20th).
 */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

import { z } from 'zod';

import type { Captured, Model } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';
import { readJsonLines } from '../formats/jsonl.ts';

const storySchema = z.object({
  emotion: z.string().min(1),
  topic: z.union([z.string().min(1), z.number()]).transform(String),
  text: z.string().min(1),
});
export type Story = z.infer<typeof storySchema>;

/** First position that counts: before it a story has hardly begun (protocol section 1). */
export const defaultFrom = 20;

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

/** Reads stories and checks that the design is crossed: each emotion once with each topic. */
export function loadStories(path: string): Story[] {
  const stories = readJsonLines(path, storySchema);
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

export interface CaptureStoriesOptions {
  /** First pooled position. @default defaultFrom */
  readonly from?: number;
  readonly layers?: readonly number[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  /** File that keeps finished stories: an interrupted run goes on from it, a complete one is read back. */
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
  const { from = defaultFrom } = options;
  const { blocks, width, fingerprint, name } = model.info;
  const layers = options.layers ?? Array.from({ length: blocks - 1 }, (_, layer) => layer);
  const key = JSON.stringify({
    version: 1,
    fingerprint,
    name,
    corpus: corpusHash(stories),
    layers,
    from,
  });
  const recordLength = layers.length * (width + 1);
  const partial =
    options.meansPath === undefined ? null : openPartial(options.meansPath, key, recordLength);
  const tokens = await Promise.all(stories.map((story) => model.tokenize(story.text)));
  const order = byLength(tokens);
  const means = layers.map(() => new Float32Array(stories.length * width));
  const norms = new Float32Array(layers.length);
  const keep = (story: number, record: Float32Array): void => {
    for (let l = 0; l < layers.length; l++) {
      means[l]?.set(record.subarray(l * width, (l + 1) * width), story * width);
      norms[l] = (norms[l] ?? 0) + (record[layers.length * width + l] ?? 0) / stories.length;
    }
  };
  const finished = partial?.records.slice(0, stories.length) ?? [];
  const resumed = finished.length;
  for (const [i, record] of finished.entries()) keep(order[i] ?? 0, record);
  for (let start = resumed; start < order.length; start += chunkSize) {
    const chunk = order.slice(start, start + chunkSize);
    const captured = await model.capture(
      chunk.map((story) => tokens[story] ?? new Int32Array(0)),
      { layers, pooling: 'mean', from, ...signalOf(options) },
    );
    const records = captured.map(recordOf);
    for (const [i, record] of records.entries()) keep(chunk[i] ?? 0, record);
    partial?.append(records);
    options.onProgress?.(start + chunk.length, stories.length);
  }
  return { stories, layers, width, means, norms, resumed };
}

function signalOf({ signal }: CaptureStoriesOptions): { signal?: AbortSignal } {
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

interface Partial {
  readonly records: Float32Array[];
  append(records: readonly Float32Array[]): void;
}

/** First line: what the records belong to. Then records of float32; a torn last one is cut off. */
function openPartial(path: string, key: string, recordLength: number): Partial {
  const head = Buffer.from(`${key}\n`);
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  const records: Float32Array[] = [];
  if (bytes.subarray(0, head.length).equals(head)) {
    const size = recordLength * 4;
    const whole = Math.floor((bytes.length - head.length) / size);
    for (let i = 0; i < whole; i++) {
      const at = head.length + i * size;
      records.push(new Float32Array(new Uint8Array(bytes.subarray(at, at + size)).buffer));
    }
    if (statSync(path).size !== head.length + whole * size)
      truncateSync(path, head.length + whole * size);
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, head);
  }
  return {
    records,
    append(more: readonly Float32Array[]): void {
      appendFileSync(path, Buffer.concat(more.map((record) => Buffer.from(record.buffer))));
    },
  };
}
