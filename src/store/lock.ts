/** @file A lock file with the holder's process id; a dead holder's lock is taken over. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

import { ConflictError } from '../errors.ts';

/** Takes the lock and returns its release; throws ConflictError while living work holds it. */
export function acquireLock(path: string, what: string): () => void {
  const own = `${process.pid} ${performance.timeOrigin}`;
  try {
    writeFileSync(path, own, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const content = readFileSync(path, 'utf8');
    const holder = Number.parseInt(content, 10);
    if (content === own || (holder > 0 && holder !== process.pid && isAlive(holder))) {
      throw new ConflictError(`${what}: process ${holder} is working on it`, {
        hint: 'wait for it to end',
      });
    }
    // Our process id with another start time is a dead process whose id we were given.
    writeFileSync(path, own);
  }
  return () => rmSync(path, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
