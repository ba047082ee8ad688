/** @file Files that `--out` names: refused before long work where they can't be written, and never half written. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';

import { InvalidInputError, LimbicError, UnavailableError } from '../errors.ts';
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
  const part = `${path}.${process.pid}.part`;
  let bytes = 0;
  try {
    const file = openSync(part, 'w');
    try {
      for await (const piece of pieces) {
        signal?.throwIfAborted();
        bytes += writeAll(file, Buffer.from(piece));
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    const code = (error as NodeJS.ErrnoException).code;
    if (error instanceof LimbicError || typeof code !== 'string' || !code.startsWith('E'))
      throw error;
    throw new UnavailableError(`${path}: expected to write it, got ${code}`, {
      cause: error,
      hint: 'name another file with --out',
    });
  }
  return bytes;
}

/** Writes the pieces to a file or a device, over what is there. */
export async function writePieces(path: string, pieces: AsyncIterable<string>): Promise<void> {
  const file = openSync(path, 'w');
  try {
    for await (const piece of pieces) writeAll(file, Buffer.from(piece));
  } finally {
    closeSync(file);
  }
}

/** A write may take less than it is given. */
function writeAll(file: number, bytes: Buffer): number {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
  return bytes.length;
}
