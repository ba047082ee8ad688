/** @file Where models are kept. */
import { mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `LIMBIC_HOME`, or the platform's cache folder. */
export function limbicHome(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment['LIMBIC_HOME'];
  if (own !== undefined && own !== '') return own;
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'limbic');
  if (process.platform === 'win32') {
    return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'limbic');
  }
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'limbic');
}

/** The folder of model files, made if it is not there. */
export function modelsFolder(home: string = limbicHome()): string {
  const folder = join(home, 'models');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Size of a file in bytes, or null if there is none. */
export function sizeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.size ?? null;
}
