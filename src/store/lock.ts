/** @file A lock file with the holder's process id; a dead holder's lock is taken over. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

import { ConflictError } from '../errors.ts';

/** Takes the lock and returns its release; throws ConflictError while living work holds it. */
export function acquireLock(path: string, what: string): () => void {
  const own = mark();
  try {
    writeFileSync(path, own, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const holder = holderOf(path);
    if (holder !== null) {
      throw new ConflictError(`${what}: process ${holder} is working on it`, {
        hint: 'wait for it to end',
      });
    }
    writeFileSync(path, own);
  }
  return () => rmSync(path, { force: true });
}

/** Process id of the living work that holds the lock; null if it is free or its holder is dead. */
export function holderOf(path: string): number | null {
  const content = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const holder = Number.parseInt(content, 10);
  if (content === mark()) return holder;
  // Our process id with another start time is a dead process whose id we were given.
  return holder > 0 && holder !== process.pid && isAlive(holder) ? holder : null;
}

/** What this process writes into its locks. */
function mark(): string {
  return `${process.pid} ${performance.timeOrigin}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
