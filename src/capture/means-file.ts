/**
 * @file Pooled rows of finished stories on disk, so that an interrupted pass goes on where it stopped and
 * a complete one is read back. First line: what the records belong to; then float32 records in a row.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

import { z } from 'zod';

import { InvalidInputError } from '../errors.ts';

const headSchema = z.object({
  version: z.literal(2),
  fingerprint: z.string(),
  name: z.string(),
  weights: z.string(),
  corpus: z.string(),
  width: z.number().int().positive(),
  layers: z.array(z.number().int()),
  starts: z.array(z.number().int()),
});
/** What the records belong to; a file with more layers or starts serves a pass that wants fewer. */
export type MeansHead = z.infer<typeof headSchema>;

export interface MeansFile {
  /** The head in force: the file's own if it serves, else the one asked for. */
  readonly head: MeansHead;
  /** Calls `visit` for each whole record, [starts, layers, width] then [starts, layers]; returns how many. */
  read(visit: (index: number, record: Float32Array) => void): number;
  append(records: readonly Float32Array[]): void;
}

/** Longest first line that is read: a few hundred layers and starts fit many times over. */
const headLimit = 64 * 1024;

/**
 * Opens the file at `path` or makes it. A means file of something else is begun anew; a file that is no
 * means file is refused with InvalidInputError.
 */
export function openMeansFile(path: string, wanted: MeansHead): MeansFile {
  const found = readMeansHead(path);
  const head = found !== null && serves(found, wanted) ? found : wanted;
  const text = `${JSON.stringify(head)}\n`;
  if (head === wanted) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  const offset = Buffer.byteLength(text);
  const size = head.starts.length * head.layers.length * (head.width + 1) * 4;
  return {
    head,
    read: (visit) => readRecords(path, { offset, size }, visit),
    append: (records) =>
      appendFileSync(path, Buffer.concat(records.map((record) => Buffer.from(record.buffer)))),
  };
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
  if (!existsSync(path)) return null;
  const bytes = Buffer.alloc(headLimit);
  const file = openSync(path, 'r');
  const length = readSync(file, bytes, 0, headLimit, 0);
  closeSync(file);
  if (length === 0) return null;
  const end = bytes.indexOf('\n');
  const text = bytes.subarray(0, Math.max(0, end)).toString();
  if (!text.startsWith('{"version":'))
    throw new InvalidInputError(
      `means: expected a file of story means at ${path}, got another file`,
      {
        hint: 'give another path, or remove it',
      },
    );
  const parsed = headSchema.safeParse(JSON.parse(text));
  return parsed.data ?? null;
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
      visit(i, record);
    }
  } finally {
    closeSync(file);
  }
  // A torn last record is cut off, so that the next one begins at its place.
  if (bytes !== offset + whole * size) truncateSync(path, offset + whole * size);
  return whole;
}
