/**
 * @file What goes over the queue between coordinator and workers, and the names of its keys: one place, so that
 * both sides agree, and a schema for all that is read, because anybody with the password can write it. No key
 * of a provider is in any of it: a worker uses its own.
 */
import { createHash } from 'node:crypto';

import { z } from 'zod';

import { InvalidInputError } from '../errors.ts';
import { assertPlainJson } from '../formats/stranger-json.ts';

/** Of a run: goes into key names. */
const runPattern = /^[a-z0-9-]{1,80}$/;
const versionSchema = z.string().regex(/^[\w.+-]{1,40}$/);
/** A name that `--model` takes. */
const modelSchema = z.string().regex(/^\P{C}{1,500}$/u);

const namesSchema = z.strictObject({
  model: modelSchema,
  judge: modelSchema.exactOptional(),
  secondJudge: modelSchema.exactOptional(),
});
/** The models that a study talks to, by the names that the command line takes. */
export type ModelNames = z.infer<typeof namesSchema>;

/** What a run says of itself, for workers that look for work. */
export const noticeSchema = z.strictObject({
  version: versionSchema,
  study: z.string().regex(/^[a-z0-9-]{1,40}$/),
  models: namesSchema,
});
export type RunNotice = z.infer<typeof noticeSchema>;

/**
 * Bytes of a cell's JSON with its key, at most; those of our studies stay below 1 MB. Written anew each byte takes at
 * most six, so that it stays below what a record of a run may have.
 */
const cellLimit = 10e6;
/** Levels of a cell, at most: one less than a record of a run may have, as it stands in one. */
const depthLimit = 99;

const plainly = `expected finite numbers, at most ${depthLimit} levels deep`;
const cellSchema = z.looseObject({}).refine((value) => isPlain(value), plainly);

/** One conversation to play. `known` are the cells of it that the run holds already. */
export const jobSchema = noticeSchema.extend({
  run: z.string().regex(runPattern),
  params: z.record(z.string(), z.unknown()).refine((value) => isPlain(value), plainly),
  conversation: z.string().min(1).max(500),
  known: z.array(z.tuple([z.string(), cellSchema])),
});
export type ConversationJob = z.infer<typeof jobSchema>;

/** Milliseconds. */
export interface QueueTiming {
  /** Between two looks of the coordinator at what is new. */
  readonly poll: number;
  /** Between two looks of a worker for runs, and between its heartbeats. */
  readonly look: number;
  /** A worker that was silent for so long counts as gone. */
  readonly alive: number;
  /** A run whose coordinator was silent for so long gets no more work, as nobody watches what it costs. */
  readonly patience: number;
  /** A conversation belongs to its worker for so long after the last sign of it. */
  readonly lock: number;
  /** Between two searches for conversations whose worker is gone. */
  readonly stalled: number;
  /** Before the second try of a conversation that failed; twice as long before each further one. */
  readonly retry: number;
}

/** A killed worker's conversations go back after at most `lock` and `stalled`: 8 s. */
export const usualTiming: QueueTiming = {
  poll: 250,
  look: 1000,
  alive: 5000,
  patience: 30_000,
  lock: 6000,
  stalled: 2000,
  retry: 1000,
};

/** Before the names of all keys that BullMQ makes. */
export const queuePrefix = 'limbic:queue';
/** Sorted set of the runs that want workers; the score is the coordinator's last sign, in the server's ms. */
export const runsKey = 'limbic:runs';

/** Is this the id of a run by its form? What is not never becomes part of a key. */
export function isRunId(id: string): boolean {
  return runPattern.test(id);
}

export interface RunKeys {
  /** String: the run's notice. While it is there, cells are taken. */
  readonly notice: string;
  /** Hash from the key of a cell to its JSON. */
  readonly cells: string;
  /** List of the cells' keys in the order in which they came. */
  readonly news: string;
  /** Sorted set of workers by their last sign in the server's milliseconds; those that refuse it included. */
  readonly workers: string;
  /** Hash from a worker to why it does not play this run. */
  readonly refusals: string;
  /** How often a conversation was begun again: after a failure, a dead worker, or one that gave it back. */
  readonly again: string;
}

/** The keys of a run beside BullMQ's. */
export function keysOf(run: string): RunKeys {
  const key = (name: string): string => `limbic:run:${run}:${name}`;
  return {
    notice: key('notice'),
    cells: key('cells'),
    news: key('news'),
    workers: key('workers'),
    refusals: key('refusals'),
    again: key('again'),
  };
}

/** The job of a conversation: the same at every start, and without the characters that BullMQ gives a meaning. */
export function jobIdOf(conversation: string): string {
  return `c${createHash('sha256').update(conversation).digest('hex').slice(0, 32)}`;
}

/**
 * A cell as the hash holds it. Throws InvalidInputError for what the run could not be read with again: no object, more
 * than 10 MB, 99 levels or 10 million values, or numbers that are none.
 */
export function checkedCell(key: string, json: string): object {
  const refuse = (got: string): InvalidInputError =>
    new InvalidInputError(
      `queue: expected the JSON of a plain object as cell "${printable(key)}", got ${got}`,
      { hint: 'only limbic writes cells; see who else has the password of the queue' },
    );
  const bytes = Buffer.byteLength(key) + Buffer.byteLength(json);
  if (bytes > cellLimit) throw refuse(`${bytes} bytes with its key`);
  const data = parseWith(cellSchema, json);
  if (data === null) throw refuse('other text');
  return data;
}

/** A run's notice; null if it is none. */
export function parseNotice(json: string): RunNotice | null {
  return parseWith(noticeSchema, json);
}

/** Text from outside without what a terminal would act on, at most 300 characters. */
export function printable(text: string): string {
  return text.slice(0, 300).replaceAll(/\p{C}/gu, ' ');
}

function parseWith<T>(schema: z.ZodType<T>, json: string): T | null {
  try {
    assertPlainJson(json, { path: 'queue', offset: 0 });
    return schema.safeParse(JSON.parse(json)).data ?? null;
  } catch {
    return null;
  }
}

/** Whether all numbers of a value are finite and it is not too deep to be written and read again. */
function isPlain(value: unknown, depth = 1): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return depth <= depthLimit && Object.values(value).every((inner) => isPlain(inner, depth + 1));
}
