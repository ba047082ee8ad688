/**
 * @file Runs on disk. A run is a folder: manifest.json (what ran), events.jsonl (one record a line, only
 * ever appended to), summary.json (written at the end) and perhaps report.html. A line reaches the system
 * before `append` returns, so a killed process loses at most the line that it was writing; the disk is
 * forced only at the end, so a power cut may lose the last seconds.
 */
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

import type { RunSummary } from '../api/lab.ts';
import {
  ConflictError,
  DisposedError,
  FormatError,
  InvalidInputError,
  LimbicError,
  NotFoundError,
} from '../errors.ts';
import { jsonRoom, parsePlainJson } from '../formats/stranger-json.ts';
import { writeError, writeWholeFile } from '../formats/whole-file.ts';
import { limbicHome } from './cache.ts';
import { acquireLock, holderOf } from './lock.ts';
import { countLines, eventsOf, linesOf, recordsAt, type RunLine } from './run-lines.ts';

/** Version of the manifest and of the files beside it; a change of their meaning raises it. */
const version = 1;
const idPattern = /^[0-9]{8}-[0-9]{6}-[a-z0-9-]{1,40}-[0-9a-f]{4}$/;
const kindPattern = /^[a-z0-9-]{1,40}$/;
/** Bytes of manifest.json and of summary.json, which holds the tables of a study. */
const jsonLimit = 100e6;
/** Values in them, at most. */
const valueLimit = 1_000_000;

const runManifestSchema = z.object({
  version: z.literal(version),
  id: z.string().regex(idPattern),
  /** What made it: `watch`, `serve` or the name of a study. */
  kind: z.string().regex(kindPattern),
  title: z.string(),
  model: z.string(),
  fingerprint: z.string(),
  packHash: z.string().nullable(),
  limbicVersion: z.string(),
  /** ISO 8601, UTC. */
  started: z.iso.datetime(),
  /** Process that made the run; one that went on with it later is not noted here. */
  pid: z.number().int(),
  parameters: z.record(z.string(), z.unknown()),
});
export type RunManifest = z.infer<typeof runManifestSchema>;

const endingSchema = z.object({
  status: z.enum(['done', 'stopped']),
  ended: z.iso.datetime(),
  records: z.number().int().min(0),
  summary: z.record(z.string(), z.unknown()),
});

export type NewRun = Omit<RunManifest, 'version' | 'id' | 'started' | 'pid'>;

export interface StoredRun {
  readonly manifest: RunManifest;
  /** What `finish` was given; null while the run has not ended. */
  readonly summary: Readonly<Record<string, unknown>> | null;
  readonly status: RunSummary['status'];
  /** Complete lines; a line that is being written now, or was torn by a kill, is not one. */
  readonly records: number;
  readonly hasReport: boolean;
  /** The records in order, one line in memory at a time. Throws FormatError at a line that is not JSON. */
  events(): AsyncGenerator;
  /** The same with their places, from a byte on at which a line begins. */
  lines(from: number): AsyncGenerator<RunLine>;
  /** The records at such places, all of them in memory. */
  recordsAt(places: readonly Omit<RunLine, 'record'>[]): unknown[];
}

/** The folder of all runs; it may not be there yet. */
export function runsFolder(): string {
  return join(limbicHome(), 'runs');
}

/** A run that this process writes. Disposing it without `finish` leaves it interrupted, to go on with later. */
export class Run implements Disposable {
  readonly id: string;
  /** The run's folder. */
  readonly path: string;
  readonly manifest: RunManifest;
  /** Bytes of a torn last line that opening removed; 0 for a new run. */
  readonly droppedBytes: number;
  #records: number;
  #bytes: number;
  #file: number | null;
  readonly #release: () => void;

  /** Use createRun or openRun. `release` gives the lock back; the run owns it from here on. */
  constructor(path: string, manifest: RunManifest, release: () => void) {
    const events = join(path, 'events.jsonl');
    this.id = manifest.id;
    this.path = path;
    this.manifest = manifest;
    this.#release = release;
    this.#file = openSync(events, 'a');
    const { records, completeBytes, bytes } = countLines(events);
    ftruncateSync(this.#file, completeBytes);
    this.droppedBytes = bytes - completeBytes;
    this.#records = records;
    this.#bytes = completeBytes;
  }

  /** Records written so far, those before a reopening included. */
  get records(): number {
    return this.#records;
  }

  /** Writes one line; it survives a kill of this process. Throws UnavailableError if the disk refuses it. */
  append(record: object): void {
    const file = this.#open();
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    try {
      appendFileSync(file, line);
    } catch (cause) {
      this.#undo(file);
      throw writeError(cause, join(this.path, 'events.jsonl'));
    }
    this.#bytes += line.length;
    this.#records += 1;
  }

  /** Writes the summary, forces all to the disk and gives the lock back. DisposedError if it was closed. */
  finish(status: 'done' | 'stopped', summary: object): void {
    fsyncSync(this.#open());
    const ended = new Date().toISOString();
    writeJson(join(this.path, 'summary.json'), { status, ended, records: this.#records, summary });
    this[Symbol.dispose]();
  }

  /** Writes report.html, before or after `finish`; a report that is there is replaced. */
  writeReport(html: string): void {
    writeWholeFile(join(this.path, 'report.html'), html);
  }

  [Symbol.dispose](): void {
    if (this.#file === null) return;
    closeSync(this.#file);
    this.#file = null;
    this.#release();
  }

  #open(): number {
    if (this.#file === null) throw new DisposedError(`run ${this.id}`);
    return this.#file;
  }

  /** Takes back what a failed write left, so that the next line does not begin inside a torn one. */
  #undo(file: number): void {
    try {
      ftruncateSync(file, this.#bytes);
    } catch {
      // The torn line stays, so nothing may follow it; the next opening drops it.
      this[Symbol.dispose]();
    }
  }
}

/**
 * Makes a run's folder and takes its lock. The id is `<yyyymmdd-hhmmss>-<kind>-<4 hex digits>`, in UTC.
 * @param folder @default runsFolder()
 */
export function createRun(about: NewRun, folder: string = runsFolder()): Run {
  if (!kindPattern.test(about.kind)) {
    throw new InvalidInputError(
      `run: expected a kind of 1 to 40 of a-z, 0-9 and "-", got "${about.kind.slice(0, 80)}"`,
    );
  }
  const started = new Date().toISOString();
  mkdirSync(folder, { recursive: true });
  const id = makeFolder(folder, `${stampOf(started)}-${about.kind}`);
  const path = join(folder, id);
  let release = (): void => {};
  try {
    release = acquireLock(join(path, 'lock'), `run ${id}`);
    const { kind, title, model, fingerprint, packHash, limbicVersion, parameters } = about;
    const head = { version, id, kind, title, model, fingerprint, packHash, limbicVersion } as const;
    const manifest: RunManifest = { ...head, started, pid: process.pid, parameters };
    writeJson(join(path, 'manifest.json'), manifest);
    return new Run(path, manifest, release);
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    throw error;
  }
}

/** `2026-01-31T09:05:00.000Z` as `20260131-090500`. */
function stampOf(iso: string): string {
  return iso.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}

/** Makes the first folder `<stem>-<4 hex digits>` that is not there and returns its name. */
function makeFolder(folder: string, stem: string): string {
  for (;;) {
    const id = `${stem}-${randomBytes(2).toString('hex')}`;
    try {
      mkdirSync(join(folder, id));
      return id;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/**
 * Takes up a run again that was killed or stopped; its torn last line, if any, is cut off. Throws
 * NotFoundError, FormatError, and ConflictError if a living process holds the run or it is done.
 * @param folder @default runsFolder()
 */
export function openRun(id: string, folder: string = runsFolder()): Run {
  const path = pathOf(id, folder);
  const manifest = readManifest(id, path);
  const release = acquireLock(join(path, 'lock'), `run ${id}`);
  try {
    if (readEnding(path)?.status === 'done') {
      throw new ConflictError(`run ${id}: expected one that is not done, got one that is`, {
        hint: 'start a new run',
      });
    }
    rmSync(join(path, 'summary.json'), { force: true });
    return new Run(path, manifest, release);
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * What is stored of a run, whether it has ended or not. Throws NotFoundError; FormatError if a file of it
 * is damaged.
 * @param folder @default runsFolder()
 */
export function readRun(id: string, folder: string = runsFolder()): StoredRun {
  const path = pathOf(id, folder);
  const manifest = readManifest(id, path);
  // Before the summary: a run that ends in between is then running, and not interrupted.
  const isHeld = holderOf(join(path, 'lock')) !== null;
  const ending = readEnding(path);
  const events = join(path, 'events.jsonl');
  return {
    manifest,
    summary: ending?.summary ?? null,
    status: isHeld ? 'running' : (ending?.status ?? 'interrupted'),
    records: ending?.records ?? countLines(events).records,
    hasReport: existsSync(join(path, 'report.html')),
    events: () => eventsOf(events),
    lines: (from) => linesOf(events, from),
    recordsAt: (places) => recordsAt(events, places),
  };
}

/** All runs, newest first; folders that hold no readable run are left out. @param folder @default runsFolder() */
export function listRuns(folder: string = runsFolder()): RunSummary[] {
  return idsIn(folder)
    .flatMap((id) => summaryOf(id, folder) ?? [])
    .toSorted((a, b) => (a.started + a.id < b.started + b.id ? 1 : -1));
}

/** What a list of runs tells of one. */
export function summariseRun({ manifest, status, records, hasReport }: StoredRun): RunSummary {
  const { id, kind, title, model, started } = manifest;
  return { id, kind, title, model, started, status, records, hasReport };
}

function summaryOf(id: string, folder: string): RunSummary | null {
  try {
    return summariseRun(readRun(id, folder));
  } catch {
    // One damaged run must not hide the others; readRun of its id says what is wrong.
    return null;
  }
}

function idsIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).filter((name) => idPattern.test(name)) : [];
}

/** The folder of a run. What is not an id by its form never becomes part of a path. */
function pathOf(id: string, folder: string): string {
  if (!idPattern.test(id)) throw new NotFoundError('run', id.slice(0, 80));
  const path = join(folder, id);
  if (!existsSync(join(path, 'manifest.json'))) throw new NotFoundError('run', id, idsIn(folder));
  return path;
}

function readManifest(id: string, path: string): RunManifest {
  const file = join(path, 'manifest.json');
  const manifest = readJson(file, z.looseObject({ version: z.number() }));
  if (manifest.version > version) {
    throw new LimbicError(
      'record-version',
      `run ${id}: expected version ${version}, got ${manifest.version}`,
      { hint: 'a newer limbic wrote it; update limbic' },
    );
  }
  const whole = readJson(file, runManifestSchema);
  if (whole.id !== id) throw new FormatError(file, 0, `id: expected ${id}, got ${whole.id}`);
  return whole;
}

function readEnding(path: string): z.infer<typeof endingSchema> | null {
  const file = join(path, 'summary.json');
  return existsSync(file) ? readJson(file, endingSchema) : null;
}

function readJson<T>(file: string, schema: z.ZodType<T>): T {
  const value = parsePlainJson(readWhole(file), { path: file, offset: 0 }, jsonRoom(valueLimit));
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const why = `${issue?.path.join('.') || 'value'}: ${issue?.message ?? 'does not fit'}`;
  throw new FormatError(file, 0, why, { cause: parsed.error });
}

function readWhole(file: string): string {
  let size = 0;
  try {
    size = statSync(file).size;
    if (size <= jsonLimit) return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new FormatError(file, 0, `expected readable JSON, got ${code}`, { cause });
  }
  throw new FormatError(file, 0, `expected at most ${jsonLimit} bytes, got ${size}`);
}

function writeJson(file: string, value: object): void {
  writeWholeFile(file, `${JSON.stringify(value, null, 2)}\n`);
}
