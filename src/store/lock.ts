/**
 * @file A lock file with the holder's process id; a dead holder's lock is taken over, by one process however many try.
 * A lock appears with its content, so that nobody sees one whose holder is not named yet.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

import { ConflictError } from '../errors.ts';
import { isAlive, partOf, removeDead, writeError } from '../formats/whole-file.ts';

/** Takes the lock and returns its release; throws ConflictError while living work holds it, UnavailableError if the disk refuses it. */
export function acquireLock(path: string, what: string): () => void {
  const part = partOf(path);
  try {
    removeDead(path);
    writeFileSync(part, mark());
    while (!appears(part, path) && !takesOver(part, path, what));
  } catch (error) {
    throw writeError(error, path);
  } finally {
    rmSync(part, { force: true });
  }
  return () => {
    if (contentOf(path) === mark()) rmSync(path, { force: true });
  };
}

/** Gives the part its name at once and whole; false if there is a file of that name. */
function appears(part: string, path: string): boolean {
  try {
    linkSync(part, path);
    return true;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code)) throw error;
  }
  // A disk without hard links: then its holder is named a moment after the lock is there.
  try {
    writeFileSync(path, mark(), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Puts the part in the place of a lock whose holder is dead; false if the lock is gone. One process at a time, as two
 * that see it dead would both take it.
 */
function takesOver(part: string, path: string, what: string): boolean {
  if (!isLeft(path, what)) return false;
  const release = acquireLock(`${path}.over`, what);
  try {
    if (!isLeft(path, what)) return false;
    // Nobody else touches it now: its holder is dead, and who takes over comes by here.
    renameSync(part, path);
    return true;
  } finally {
    release();
  }
}

/** Whether there is a lock, and its holder is dead; throws ConflictError if it lives. */
function isLeft(path: string, what: string): boolean {
  const content = contentOf(path);
  if (content === null) return false;
  const holder = holderIn(content);
  if (holder === null) return true;
  throw new ConflictError(`${what}: process ${holder} is working on it`, {
    hint: 'wait for it to end',
  });
}

/** Process id of the living work that holds the lock; null if it is free or its holder is dead. */
export function holderOf(path: string): number | null {
  return holderIn(contentOf(path) ?? '');
}

function holderIn(content: string): number | null {
  const holder = Number.parseInt(content, 10);
  if (content === mark()) return holder;
  // Our process id with another start time is a dead process whose id we were given.
  if (!(holder > 0) || holder === process.pid || !isAlive(holder)) return null;
  const noted = content.split(' ')[2] ?? '';
  const now = startOf(holder);
  // And so with any other process that came to a dead one's id.
  return noted !== '' && now !== '' && noted !== now ? null : holder;
}

/** The content of a lock; null if there is none. */
function contentOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** What this process writes into its locks. */
function mark(): string {
  return `${process.pid} ${performance.timeOrigin} ${startOf(process.pid)}`.trim();
}

/** When a process started, in ticks since the system did; empty where the system does not say. */
function startOf(pid: number): string {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before stands in brackets and may hold anything; the 20th field after it is the start.
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
