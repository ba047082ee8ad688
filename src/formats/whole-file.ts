/** @file Files that a reader finds old or new and never half, and what a disk refuses in one sentence. */
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { LimbicError, UnavailableError } from '../errors.ts';

const elsewhere = 'name a place on another one (LIMBIC_HOME for what limbic keeps)';
const denied = `let this user write there, or ${elsewhere.replace('on another one', 'elsewhere')}`;
const full = `make room on that disk, or ${elsewhere}`;

/** What the codes of a system say of a disk that takes nothing, and what to do about it. */
const refusals: Readonly<Record<string, { readonly words: string; readonly hint: string }>> = {
  ENOSPC: { words: 'the disk is full', hint: full },
  EDQUOT: { words: 'the quota is used up', hint: full },
  EFBIG: { words: 'no file may be so large here', hint: full },
  EROFS: { words: 'the disk is read-only', hint: denied },
  EACCES: { words: 'no permission', hint: denied },
  EPERM: { words: 'no permission', hint: denied },
  // Node says so too where folders within folders can't be made on a read-only disk.
  ENOENT: { words: 'no such folder', hint: 'make it first, or name a place elsewhere' },
  EIO: { words: 'the disk failed', hint: `look after that disk, or ${elsewhere}` },
};

/**
 * The error to throw for one that a write gave: an UnavailableError that names the path, the system's code and what to
 * do where a system refused, else the error itself.
 * @param path what was to be written; left out, the one that the system names
 */
export function writeError(error: unknown, path?: string, hint?: string): unknown {
  if (error instanceof LimbicError || !(error instanceof Error)) return error;
  const { code, path: named, syscall } = error as NodeJS.ErrnoException;
  const where = path ?? named;
  if (code === undefined || syscall === undefined || where === undefined) return error;
  const known = refusals[code];
  const words = known === undefined ? code : `${code} (${known.words})`;
  return new UnavailableError(`${where}: expected to write it, got ${words}`, {
    cause: error,
    hint: hint ?? known?.hint ?? 'look at that folder, or name another one',
  });
}

/** Whether an error says that a disk takes no writing, full disks and other faults aside. */
export function isReadOnly(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/**
 * Writes the pieces so that a reader finds the old file or the whole new one, whoever else writes the same file.
 * What is no file, such as /dev/null, is written to as it is. Throws UnavailableError if the disk refuses them.
 */
export function writeWholeFile(path: string, ...pieces: readonly (string | Uint8Array)[]): void {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && !found.isFile())
      writeFileSync(path, Buffer.concat(pieces.map((piece) => Buffer.from(piece))));
    else replace(found === undefined ? path : realpathSync(path), pieces);
  } catch (error) {
    throw writeError(error, path);
  }
}

function replace(path: string, pieces: readonly (string | Uint8Array)[]): void {
  using part = beginWhole(path);
  for (const piece of pieces) part.append(Buffer.from(piece));
  part.end();
}

/** A file that is being written beside the one that it is to replace. */
interface WholeFile extends Disposable {
  append(bytes: Uint8Array): void;
  /** Puts it in its place; without that, disposing leaves what was there. */
  end(): void;
}

/** Begins a plain file at `path`; whoever reads there finds what was until it ends. Errors are the system's own. */
export function beginWhole(path: string): WholeFile {
  removeDead(path);
  const part = partOf(path);
  const file = openSync(part, 'w');
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(file);
    isOpen = false;
  };
  return {
    append: (bytes) => writeAll(file, bytes),
    end: () => {
      fsyncSync(file);
      close();
      renameSync(part, path);
    },
    [Symbol.dispose]: () => {
      close();
      rmSync(part, { force: true });
    },
  };
}

/** Where this process collects the bytes of a file until they are whole. */
export function partOf(path: string): string {
  return `${path}.${process.pid}.part`;
}

/** Removes what killed processes had begun of a file. */
export function removeDead(path: string): void {
  const folder = dirname(path);
  for (const name of readdirSync(folder)) {
    const rest = name.startsWith(`${basename(path)}.`) ? name.slice(basename(path).length + 1) : '';
    const [, pid] = /^(\d+)\.part$/.exec(rest) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(folder, name), { force: true });
  }
}

/** Writes all the bytes; one write of the system may take less than it is given. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
}

/** Whether a process with that id runs, be it another user's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
