/**
 * @file Pooled rows of finished stories on disk, so that an interrupted pass goes on where it stopped and
 * a complete one is read back. First line: what the records belong to; then float32 records in a row.
 */
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { dirname } from 'node:path';

import { z } from 'zod';

import { FormatError, InvalidInputError } from '../errors.ts';
import { parsePlainJson } from '../formats/stranger-json.ts';
import { isReadOnly, writeError, writeWholeFile } from '../formats/whole-file.ts';
import { acquireLock } from '../store/lock.ts';

/** A means file that no other process works on until it is disposed. */
export interface HeldMeansFile extends Disposable {
  /** As openMeansFile. */
  readonly open: (wanted: MeansHead) => MeansFile;
}

/** Layers or first positions, each once. */
const placesSchema = z
  .array(z.number().int().nonnegative())
  .min(1)
  .refine((list) => new Set(list).size === list.length, 'expected each once');
const headSchema = z.object({
  version: z.literal(2),
  fingerprint: z.string(),
  name: z.string(),
  weights: z.string(),
  corpus: z.string(),
  width: z.number().int().positive(),
  layers: placesSchema,
  starts: placesSchema,
});
/** What the records belong to; a file with more layers or starts serves a pass that wants fewer. */
export type MeansHead = z.infer<typeof headSchema>;

export interface MeansFile {
  /** The head in force: the file's own if it serves, else the one asked for. */
  readonly head: MeansHead;
  /** Calls `visit` for each whole record, [starts, layers, width] then [starts, layers]; returns how many. */
  read(visit: (index: number, record: Float32Array) => void): number;
  /** Throws UnavailableError if the disk refuses them; whole ones that were written stay. */
  append(records: readonly Float32Array[]): void;
}

const versionSchema = headSchema.pick({ version: true });
const hint = 'give another path, or remove it';

/** Longest first line that is read: a few hundred layers and starts fit many times over. */
const headLimit = 64 * 1024;

/**
 * Opens the file at `path` or makes it. A means file of something else is begun anew; what is no means file is refused
 * with FormatError, as is one with a damaged head.
 */
export function openMeansFile(path: string, wanted: MeansHead): MeansFile {
  const found = readHead(path);
  const serving = found !== null && serves(found.head, wanted) ? found : null;
  const { head, offset } = serving ?? begin(path, wanted);
  const size = head.starts.length * head.layers.length * (head.width + 1) * 4;
  return {
    head,
    read: (visit) => readRecords(path, { offset, size }, visit),
    append: (records) => {
      try {
        appendFileSync(path, Buffer.concat(records.map((record) => Buffer.from(record.buffer))));
      } catch (error) {
        throw writeError(error, path);
      }
    },
  };
}

/**
 * Keeps other processes from a means file while this one uses it: records have their meaning by their place. Throws
 * ConflictError while another works on it. Where nothing can be written there is nothing to keep them from.
 */
export function holdMeansFile(path: string): HeldMeansFile {
  return { open: (wanted) => openMeansFile(path, wanted), [Symbol.dispose]: hold(path) };
}

/** Takes the lock and returns its release. */
function hold(path: string): () => void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return acquireLock(`${path}.lock`, path);
  } catch (error) {
    const { cause = error } = error as Error;
    if (isReadOnly(cause)) return () => {};
    throw writeError(error);
  }
}

/** Writes a file without records, whatever was there. */
function begin(path: string, head: MeansHead): Head {
  const text = `${JSON.stringify(head)}\n`;
  mkdirSync(dirname(path), { recursive: true });
  writeWholeFile(path, text);
  return { head, offset: Buffer.byteLength(text) };
}

function serves(own: MeansHead, wanted: MeansHead): boolean {
  const { layers, starts, ...rest } = wanted;
  const { layers: ownLayers, starts: ownStarts, ...ownRest } = own;
  return (
    Object.entries(rest).every(([key, value]) => ownRest[key as keyof typeof rest] === value) &&
    layers.every((layer) => ownLayers.includes(layer)) &&
    starts.every((start) => ownStarts.includes(start))
  );
}

/** What the records of a means file belong to; null if there is no file or it is of another version. */
export function readMeansHead(path: string): MeansHead | null {
  return readHead(path)?.head ?? null;
}

interface Head {
  readonly head: MeansHead;
  /** Where the records begin. */
  readonly offset: number;
}

function readHead(path: string): Head | null {
  const about = statSync(path, { throwIfNoEntry: false });
  if (about === undefined) return null;
  if (!about.isFile())
    throw new InvalidInputError(`means: expected a file at ${path}, got something else`);
  const bytes = Buffer.alloc(Math.min(headLimit, about.size));
  const file = openSync(path, 'r');
  const length = readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  if (length === 0) return null;
  const end = bytes.indexOf('\n');
  const text = bytes.subarray(0, Math.max(0, end)).toString();
  if (!text.startsWith('{"version":'))
    throw new FormatError(path, 0, 'expected a file of story means, got another file', { hint });
  const value = parsePlainJson(text, { path, offset: 0, where: 'first line: ' });
  if (!versionSchema.safeParse(value).success) return null;
  const parsed = headSchema.safeParse(value);
  if (parsed.success) return { head: parsed.data, offset: end + 1 };
  const [issue] = parsed.error.issues;
  const why = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
  throw new FormatError(path, 0, `first line: ${why}`, { hint });
}

function readRecords(
  path: string,
  { offset, size }: { offset: number; size: number },
  visit: (index: number, record: Float32Array) => void,
): number {
  const bytes = statSync(path).size;
  const whole = Math.floor((bytes - offset) / size);
  const file = openSync(path, 'r');
  try {
    for (let i = 0; i < whole; i++) {
      const record = new Float32Array(size / 4);
      readSync(file, new Uint8Array(record.buffer), 0, size, offset + i * size);
      const bad = record.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0)
        throw new FormatError(
          path,
          offset + i * size + bad * 4,
          `story ${i + 1}: expected finite means, got ${record[bad]}`,
          { hint },
        );
      visit(i, record);
    }
  } finally {
    closeSync(file);
  }
  // A torn last record is cut off, so that the next one begins at its place.
  if (bytes !== offset + whole * size) truncateSync(path, offset + whole * size);
  return whole;
}
