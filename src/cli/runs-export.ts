/** @file `limbic runs report` and `limbic runs export`: what other programs show of a run. */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { z } from 'zod';

import { InvalidInputError, LimbicError } from '../errors.ts';
import { inspectLog, inspectLogName, isInspectLogName, surveyCells } from '../store/inspect-log.ts';
import { readRun, runsFolder, type StoredRun } from '../store/runs.ts';
import { chatStudies, studies } from '../studies/index.ts';
import { outFile, writeWhole } from './out-file.ts';

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
  const isScore = kind === 'score';
  if (!isScore && ![...studies, ...chatStudies].some(({ name }) => name === kind))
    return `only studies have one, and this is ${kind}`;
  if (status === 'running') return 'the study writes it at its end; wait for that';
  // Killed between its last number and its report: a run that is done can't be taken up again.
  if (status === 'done') return `make it anew with: limbic ${isScore ? 'score' : `run ${kind}`}`;
  return `make it with: limbic ${isScore ? 'score FILE' : 'run'} --resume ${id}`;
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
