/** @file Remembers how many threads served a model best on this machine, so that it is measured once and runs repeat. */
import { mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { basename, join } from 'node:path';

import { z } from 'zod';

import { writeWholeFile } from '../formats/whole-file.ts';
import { limbicHome, sizeOf } from './cache.ts';

const keptSchema = z.record(z.string(), z.number().int().min(1).max(512));

function keptFile(home: string): string {
  return join(home, 'threads.json');
}

/** Another processor, number of cores or model is measured by itself. */
function keyOf(modelPath: string): string {
  return `${cpus()[0]?.model.trim() ?? 'unknown'} x ${availableParallelism()}: ${basename(modelPath)}, ${sizeOf(modelPath) ?? 0} bytes`;
}

function readAll(home: string): Record<string, number> {
  try {
    return keptSchema.parse(JSON.parse(readFileSync(keptFile(home), 'utf8')));
  } catch {
    // Not there, or damaged: it is measured again.
    return {};
  }
}

/** What was kept for a model file; undefined if it was not measured here. */
export function keptThreads(modelPath: string, home: string = limbicHome()): number | undefined {
  return readAll(home)[keyOf(modelPath)];
}

/** Keeps it; where nothing can be written, nothing is kept. */
export function keepThreads(modelPath: string, threads: number, home: string = limbicHome()): void {
  const text = JSON.stringify({ ...readAll(home), [keyOf(modelPath)]: threads }, null, 2);
  try {
    mkdirSync(home, { recursive: true });
    writeWholeFile(keptFile(home), `${text}\n`);
  } catch {
    // A cache that cannot be written costs a second at each start.
  }
}
