/** @file Files that `--out` names: refused before long work where they can't be written, and never half written. */
import { closeSync, existsSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';

import { InvalidInputError } from '../errors.ts';
import { beginWhole, writeAll, writeError } from '../formats/whole-file.ts';
import { runsFolder } from '../store/runs.ts';

/**
 * The path to write to, if a plain file may be there. Runs are kept as they are, so none is written over. Throws
 * InvalidInputError.
 */
export function outFile(out: string): string {
  const path = resolve(out);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true || /[\\/]$/.test(out))
    throw new InvalidInputError(`--out: expected a file, got the folder ${out || '.'}`, {
      hint: 'name a file in it',
    });
  if (found !== undefined && !found.isFile())
    throw new InvalidInputError(`--out: expected a file, got the device or pipe ${out}`);
  if (statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new InvalidInputError(`--out: expected a folder at ${dirname(path)}, got none`, {
      hint: 'make it first',
    });
  const real =
    found === undefined ? join(realpathSync(dirname(path)), basename(path)) : realpathSync(path);
  if (existsSync(runsFolder()) && isInside(realpathSync(runsFolder()), real))
    throw new InvalidInputError(`--out: expected a file outside the folder of runs, got ${out}`);
  return real;
}

function isInside(folder: string, path: string): boolean {
  // From another drive of Windows the way is an absolute path.
  const way = relative(folder, path);
  return !way.startsWith('..') && !isAbsolute(way);
}

/**
 * Writes the pieces so that a reader finds the old file or the whole new one; returns its bytes. Throws
 * UnavailableError if the disk refuses them, or the signal's reason.
 */
export async function writeWhole(
  path: string,
  pieces: Iterable<string> | AsyncIterable<string>,
  signal?: AbortSignal,
): Promise<number> {
  let bytes = 0;
  try {
    using part = beginWhole(path);
    for await (const piece of pieces) {
      signal?.throwIfAborted();
      const given = Buffer.from(piece);
      part.append(given);
      bytes += given.length;
    }
    part.end();
  } catch (error) {
    throw writeError(error, path, 'name another file');
  }
  return bytes;
}

/** Writes the pieces to a file, as `writeWhole` does, or to a device as they come. */
export async function writePieces(path: string, pieces: AsyncIterable<string>): Promise<void> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isFile()) {
    await writeWhole(found === undefined ? path : realpathSync(path), pieces);
    return;
  }
  const device = openSync(path, 'w');
  try {
    for await (const piece of pieces) writeAll(device, Buffer.from(piece));
  } finally {
    closeSync(device);
  }
}
