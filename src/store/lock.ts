/** @file A lock file with the holder's process id; a dead holder's lock is taken over. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

import { ConflictError } from '../errors.ts';

/** Takes the lock and returns its release; throws ConflictError while a living process holds it. */
export function acquireLock(path: string, what: string): () => void {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
  } catch {
    const holder = Number(readFileSync(path, 'utf8'));
    if (holder > 0 && holder !== process.pid && isAlive(holder)) {
      throw new ConflictError(`${what}: process ${holder} is working on it`, {
        hint: 'wait for it to end',
      });
    }
    writeFileSync(path, String(process.pid));
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
