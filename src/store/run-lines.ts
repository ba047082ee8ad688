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

/**
 * The records, one line in memory at a time; a last line without its end is left out. Throws FormatError at a line
 * that is not JSON, deeper than 100 levels or larger than 100 MB.
 * @yields each record
 */
export async function* eventsOf(path: string): AsyncGenerator {
  if (!isThere(path)) return;
  let [number, offset, held] = [1, 0, 0];
  let pieces: Buffer[] = [];
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let to = chunk.indexOf(newline); to !== -1; to = chunk.indexOf(newline, from)) {
      const line = Buffer.concat([...pieces, chunk.subarray(from, to)]);
      yield parsePlainJson(line.toString(), { path, offset, where: `line ${number}: ` });
      pieces = [];
      from = to + 1;
      held = 0;
      number += 1;
      offset += line.length + 1;
    }
    pieces.push(chunk.subarray(from));
    held += chunk.length - from;
    if (held > lineLimit)
      throw new FormatError(path, offset, `line ${number}: expected at most ${lineLimit} bytes`);
  }
}

/** Whether there is a file. A folder or a pipe in its place is a FormatError, as a pipe would be waited for. */
function isThere(path: string): boolean {
  const about = statSync(path, { throwIfNoEntry: false });
  if (about === undefined || about.isFile()) return about !== undefined;
  throw new FormatError(path, 0, 'expected a file, got something else');
}
