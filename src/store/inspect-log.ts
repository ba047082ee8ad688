/**
 * @file A run as a log of Inspect AI (UK AI Security Institute; log version 2, as in the package's
 * inspect_ai/log/_log.py), for `inspect view` and `read_eval_log`. A cell becomes a sample, the measures become
 * metrics. The text comes in pieces, so that a long run is never in memory; the head comes first, because
 * Inspect reads it alone, up to `samples`. An absent field is left out, as null in its place stops that reader.
 */
import { createHash } from 'node:crypto';

import { z } from 'zod';

import { sampleOf, scoresOf } from './inspect-sample.ts';
import type { RunManifest, StoredRun } from './runs.ts';
import { type StudySummary, studySummarySchema } from './study-summary.ts';

const cellSchema = z.object({ type: z.literal('cell'), key: z.string(), data: z.looseObject({}) });
type Cell = z.infer<typeof cellSchema>;

/** Score names that the head lists at most; each is a column of the viewer. */
const columnLimit = 50;

/** What must be known of the cells before the head can be written; it grows with their keys, not their data. */
export interface CellSurvey {
  /** For each key the place of its last cell among all cells, from 0; a later one replaces an earlier one. */
  readonly last: ReadonlyMap<string, number>;
  /** Names of the scores that samples have, in order of appearance, at most 50. */
  readonly scores: ReadonlySet<string>;
}

/** Reads a run's cells once without keeping them. */
export async function surveyCells(
  run: Pick<StoredRun, 'events'>,
  signal?: AbortSignal,
): Promise<CellSurvey> {
  const last = new Map<string, number>();
  const scores = new Set<string>();
  let place = 0;
  for await (const { key, data } of cellsOf(run)) {
    signal?.throwIfAborted();
    last.set(key, place);
    place += 1;
    for (const name of Object.keys(scoresOf(data))) if (scores.size < columnLimit) scores.add(name);
  }
  return { last, scores };
}

/**
 * The log as JSON text, piece by piece.
 * @param survey of the same run; cells that were recorded since are left out
 * @param ended ISO 8601, UTC; null while the run has not ended
 * @yields the head, each sample, the end
 */
export async function* inspectLog(
  run: StoredRun,
  survey: CellSurvey,
  ended: string | null,
): AsyncGenerator<string> {
  const { manifest } = run;
  const head = toJson(headOf(run, survey, ended));
  yield `${head.slice(0, -1)},"samples":[`;
  let [place, written] = [0, 0];
  for await (const { key, data } of cellsOf(run)) {
    if (survey.last.get(key) === place) {
      const uuid = digest(`${manifest.id}\n${key}`);
      yield `${written === 0 ? '\n' : ',\n'}${toJson(sampleOf({ key, data, uuid, model: modelOf(manifest) }))}`;
      written += 1;
    }
    place += 1;
  }
  yield '\n]}\n';
}

/** A name that `inspect view` lists: it leaves out JSON files whose names do not begin with a time. */
export function inspectLogName({ id, kind, started }: RunManifest): string {
  const time = `${started.slice(0, 19).replaceAll(':', '-')}+00-00`;
  return `${time}_limbic-${kind}_${digest(id)}.json`;
}

/** Whether `inspect view` lists a file of this name (log_file_pattern in inspect_ai/log/_file.py). */
export function isInspectLogName(name: string): boolean {
  return /^\d{4}-\d{2}-\d{2}T\d{2}[:-]\d{2}[:-]\d{2}.*\.json$/.test(name);
}

async function* cellsOf(run: Pick<StoredRun, 'events'>): AsyncGenerator<Cell> {
  for await (const record of run.events()) {
    const parsed = cellSchema.safeParse(record);
    if (parsed.success) yield parsed.data;
  }
}

/** All that stands before the samples, in the order of Inspect's EvalLog. */
function headOf(run: StoredRun, survey: CellSurvey, ended: string | null): object {
  const { manifest, status, summary } = run;
  const { id, kind, title, started, parameters, limbicVersion } = manifest;
  const study = studySummarySchema.safeParse(summary).data;
  const task = `limbic/${kind}`;
  const metadata = {
    run: id,
    title,
    limbic_status: status,
    limbic_version: limbicVersion,
    fingerprint: manifest.fingerprint,
    pack_hash: manifest.packHash,
    parameters,
    ...(study === undefined ? {} : { verdict: study.verdict }),
  };
  return {
    version: 2,
    status: statuses[status],
    eval: {
      eval_id: digest(`eval\n${id}`),
      run_id: id,
      created: utc(started),
      task,
      task_id: digest(id),
      task_version: limbicVersion,
      task_description: title,
      task_attribs: {},
      task_args: parameters,
      task_args_passed: parameters,
      dataset: { name: kind, samples: survey.last.size, shuffled: false },
      model: modelOf(manifest),
      model_generate_config: {},
      model_args: {},
      config: { epochs: 1 },
      packages: { limbic: limbicVersion },
      metadata,
    },
    plan: { name: 'plan', steps: [{ solver: task, params: {}, params_passed: {} }], config: {} },
    ...(summary === null ? {} : { results: resultsOf({ task, summary, study, survey }) }),
    stats: {
      started_at: utc(started),
      completed_at: ended === null ? '' : utc(ended),
      model_usage: {},
      role_usage: {},
      connection_limit_history: [],
    },
    invalidated: false,
    tags: [],
    metadata,
  };
}

/**
 * An interrupted run ended by Ctrl-C, a kill or a fault, and which one is not recorded; so it is not called
 * an error. `limbic_status` in the metadata has our own word.
 */
const statuses = {
  done: 'success',
  stopped: 'cancelled',
  interrupted: 'cancelled',
  running: 'started',
} as const satisfies Record<StoredRun['status'], string>;

/** The measures as the metrics of one score, then the samples' own scores, which the viewer lists from here. */
function resultsOf(of: {
  task: string;
  summary: Readonly<Record<string, unknown>>;
  study: StudySummary | undefined;
  survey: CellSurvey;
}): object {
  const { task, summary, study, survey } = of;
  const columns = [...survey.scores].map((name) => ({
    name,
    scorer: name,
    params: {},
    metrics: {},
  }));
  const head = { total_samples: survey.last.size, completed_samples: survey.last.size };
  if (study === undefined) return { ...head, scores: columns, metadata: { summary } };
  const metrics = metricsOf(study);
  const measures = { name: 'measures', scorer: task, params: {}, metrics };
  const missing = study.measures.filter(({ value }) => value === null);
  return {
    ...head,
    scores: [measures, ...columns],
    metadata: {
      verdict: study.verdict,
      ...(missing.length === 0
        ? {}
        : { not_measured: missing.map(({ name, n, note }) => ({ name, n, note })) }),
    },
  };
}

/** A metric has a number, so a measure without one is not among them. */
function metricsOf({ measures }: StudySummary): Record<string, object> {
  const metrics = new Map<string, object>();
  for (const { name, value, interval, n, control, note } of measures) {
    if (value === null) continue;
    let own = name;
    for (let k = 2; metrics.has(own); k++) own = `${name} (${k})`;
    const ends = interval && { interval_low: interval[0], interval_high: interval[1] };
    metrics.set(own, { name: own, value, params: {}, metadata: { n, ...ends, control, note } });
  }
  return Object.fromEntries(metrics);
}

function modelOf({ model }: RunManifest): string {
  return `limbic/${model}`;
}

/** `2026-01-31T09:05:07.000Z` as Inspect writes it, `2026-01-31T09:05:07.000+00:00`. */
function utc(iso: string): string {
  return iso.replace(/Z$/, '+00:00');
}

/** 22 characters that are always the same for the same text; Inspect's own ids have that length. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 22);
}

/** JSON without halves of surrogate pairs, which JSON.stringify escapes and Inspect's parser refuses. */
function toJson(value: object): string {
  return JSON.stringify(value).replaceAll(
    /(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g,
    String.raw`$1\ufffd`,
  );
}
