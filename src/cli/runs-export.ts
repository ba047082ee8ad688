/** @file `limbic runs report` and `limbic runs export`: what other programs show of a run. */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';

import { z } from 'zod';

import { InvalidInputError, LimbicError, UnavailableError } from '../errors.ts';
import { inspectLog, inspectLogName, isInspectLogName, surveyCells } from '../store/inspect-log.ts';
import { readRun, runsFolder, type StoredRun } from '../store/runs.ts';
import { studies } from '../studies/index.ts';

const endedSchema = z.object({ ended: z.iso.datetime() });

export interface ShownReport {
  readonly run: string;
  /** Of report.html in the run folder. */
  readonly path: string;
  /** Where it was copied to. */
  readonly copy?: string;
}

/** The path of a run's report, copied to `out` if that is given. Never opens a browser. */
export async function findReport(id: string, out: string | undefined): Promise<ShownReport> {
  const run = readRun(id);
  if (!run.hasReport)
    throw new LimbicError('not-found', `run ${id}: expected a report, got none`, {
      hint: wayToReport(run),
    });
  const path = join(runsFolder(), id, 'report.html');
  if (out === undefined) return { run: id, path };
  const copy = outFile(out);
  await writeWhole(copy, [readFileSync(path, 'utf8')]);
  return { run: id, path, copy };
}

function wayToReport({ manifest, status }: StoredRun): string {
  const { id, kind } = manifest;
  if (!studies.some(({ name }) => name === kind))
    return `only studies have one, and this is ${kind}`;
  if (status === 'running') return 'the study writes it at its end; wait for that';
  // Killed between its last number and its report: a run that is done can't be taken up again.
  if (status === 'done') return `make it anew with: limbic run ${kind}`;
  return `make it with: limbic run --resume ${id}`;
}

export interface ExportedLog {
  readonly run: string;
  readonly path: string;
  readonly format: 'inspect';
  readonly samples: number;
  readonly bytes: number;
  /** What the user should know of the file, in sentences. */
  readonly notes: readonly string[];
}

/** Writes a run as an Inspect log, by default into the working folder under a name that Inspect lists. */
export async function exportRun(
  id: string,
  options: { out: string | undefined; format: string; signal: AbortSignal },
): Promise<ExportedLog> {
  const { out, format, signal } = options;
  if (format !== 'inspect')
    throw new InvalidInputError(`--format: expected inspect, got "${format}"`);
  const run = readRun(id);
  const path = outFile(out ?? inspectLogName(run.manifest));
  const survey = await surveyCells(run, signal);
  const bytes = await writeWhole(path, inspectLog(run, survey, endOf(run)), signal);
  const samples = survey.last.size;
  return { run: id, path, format, samples, bytes, notes: notesOn(path, samples) };
}

function notesOn(path: string, samples: number): string[] {
  const name = basename(path);
  return [
    ...(samples === 0 ? ['the run holds no cells of a study, so the log has no samples'] : []),
    isInspectLogName(name)
      ? `look at it with: inspect view --log-dir ${dirname(path)}`
      : `inspect view leaves out ${name}; it lists .json files whose names begin with a time, like the name without --out`,
  ];
}

/** When a run ended, from its summary; null while it has none. */
function endOf({ manifest, summary }: StoredRun): string | null {
  if (summary === null) return null;
  const json = readFileSync(join(runsFolder(), manifest.id, 'summary.json'), 'utf8');
  return endedSchema.parse(JSON.parse(json)).ended;
}

/** The path to write to, if a plain file may be there. Runs are kept as they are, so none is written over. */
function outFile(out: string): string {
  const path = resolve(out);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true || /[\\/]$/.test(out))
    throw new InvalidInputError(`--out: expected a file, got the folder ${out || '.'}`, {
      hint: 'name a file in it',
    });
  if (found !== undefined && !found.isFile())
    throw new InvalidInputError(`--out: expected a file, got the device or pipe ${out}`);
  if (statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new InvalidInputError(`--out: expected a folder at ${dirname(path)}, got none`, {
      hint: 'make it first',
    });
  const real =
    found === undefined ? join(realpathSync(dirname(path)), basename(path)) : realpathSync(path);
  // From another drive of Windows the way is an absolute path.
  const way = relative(realpathSync(runsFolder()), real);
  if (!way.startsWith('..') && !isAbsolute(way))
    throw new InvalidInputError(`--out: expected a file outside the folder of runs, got ${out}`);
  return real;
}

/** Writes the pieces so that a reader finds the old file or the whole new one; returns its bytes. */
async function writeWhole(
  path: string,
  pieces: Iterable<string> | AsyncIterable<string>,
  signal?: AbortSignal,
): Promise<number> {
  const part = `${path}.${process.pid}.part`;
  let bytes = 0;
  try {
    const file = openSync(part, 'w');
    try {
      for await (const piece of pieces) {
        signal?.throwIfAborted();
        bytes += writeAll(file, Buffer.from(piece));
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    const code = (error as NodeJS.ErrnoException).code;
    if (error instanceof LimbicError || typeof code !== 'string' || !code.startsWith('E'))
      throw error;
    throw new UnavailableError(`${path}: expected to write it, got ${code}`, {
      cause: error,
      hint: 'name another file with --out',
    });
  }
  return bytes;
}

/** A write may take less than it is given. */
function writeAll(file: number, bytes: Buffer): number {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
  return bytes.length;
}
