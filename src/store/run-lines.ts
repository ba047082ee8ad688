/** @file The records of a run as lines of a file that another process may be writing, or a stranger wrote. */
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';

import { FormatError } from '../errors.ts';
import { parsePlainJson } from '../formats/stranger-json.ts';

/** Bytes read at a time where lines are counted. */
const chunkSize = 1 << 20;
/** Bytes of a record, at most; those of our studies stay below 1 MB. */
const lineLimit = 100e6;
const newline = 10;

/**
 * Counts the complete lines of a file without parsing them; all zero if it is not there. FormatError if it is no file.
 */
export function countLines(path: string): Record<'records' | 'completeBytes' | 'bytes', number> {
  if (!isThere(path)) return { records: 0, completeBytes: 0, bytes: 0 };
  const file = openSync(path, 'r');
  const chunk = Buffer.allocUnsafe(chunkSize);
  let [records, completeBytes, bytes] = [0, 0, 0];
  try {
    for (let length = 1; length > 0; bytes += length) {
      length = readSync(file, chunk, 0, chunkSize, bytes);
      const part = chunk.subarray(0, length);
      for (let at = part.indexOf(newline); at !== -1; at = part.indexOf(newline, at + 1)) {
        records += 1;
        completeBytes = bytes + at + 1;
      }
    }
  } finally {
    closeSync(file);
  }
  return { records, completeBytes, bytes };
}

/** A complete line and where it is. */
export interface RunLine {
  /** Byte at which it begins. */
  readonly at: number;
  /** Without its end. */
  readonly bytes: number;
  readonly record: unknown;
}

/**
 * The records, one line in memory at a time; a last line without its end is left out. Throws FormatError at a line
 * that is not JSON, deeper than 100 levels or larger than 100 MB.
 * @param from byte at which a line begins; an error counts lines from there
 * @yields each record with its place
 */
export async function* linesOf(path: string, from = 0): AsyncGenerator<RunLine> {
  if (!isThere(path)) return;
  let [number, offset, held] = [1, from, 0];
  let pieces: Buffer[] = [];
  for await (const chunk of createReadStream(path, { start: from }) as AsyncIterable<Buffer>) {
    let begin = 0;
    for (let to = chunk.indexOf(newline); to !== -1; to = chunk.indexOf(newline, begin)) {
      const line = Buffer.concat([...pieces, chunk.subarray(begin, to)]);
      const record = parsePlainJson(line.toString(), { path, offset, where: `line ${number}: ` });
      yield { at: offset, bytes: line.length, record };
      pieces = [];
      begin = to + 1;
      held = 0;
      number += 1;
      offset += line.length + 1;
    }
    pieces.push(chunk.subarray(begin));
    held += chunk.length - begin;
    if (held > lineLimit)
      throw new FormatError(path, offset, `line ${number}: expected at most ${lineLimit} bytes`);
  }
}

/**
 * The records without their places; see linesOf.
 * @yields each record
 */
export async function* eventsOf(path: string): AsyncGenerator {
  for await (const { record } of linesOf(path)) yield record;
}

/** The records at places that linesOf told, in the order given. Throws FormatError where the file has others now. */
export function recordsAt(path: string, places: readonly Omit<RunLine, 'record'>[]): unknown[] {
  if (places.length === 0 || !isThere(path)) return [];
  const file = openSync(path, 'r');
  try {
    return places.map(({ at, bytes }) => {
      const line = Buffer.alloc(bytes);
      for (let done = 0; done < bytes;) {
        const read = readSync(file, line, done, bytes - done, at + done);
        if (read === 0) throw new FormatError(path, at, `expected ${bytes} bytes, got ${done}`);
        done += read;
      }
      return parsePlainJson(line.toString(), { path, offset: at });
    });
  } finally {
    closeSync(file);
  }
}

/** Whether there is a file. A folder or a pipe in its place is a FormatError, as a pipe would be waited for. */
function isThere(path: string): boolean {
  const about = statSync(path, { throwIfNoEntry: false });
  if (about === undefined || about.isFile()) return about !== undefined;
  throw new FormatError(path, 0, 'expected a file, got something else');
}
