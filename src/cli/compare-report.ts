/** @file The runs of several models side by side: a table for the terminal, and an offline page with a chart a measure. */
import { renderTable } from '../charts/html.ts';
import { renderIntervals } from '../charts/interval-chart.ts';
import { renderPage, type Section } from '../charts/page.ts';
import { parseModelName } from '../providers/model-name.ts';
import type { RunManifest } from '../store/runs.ts';
import type { StudySummary } from '../store/study-summary.ts';
import { disclaimer } from './reading-output.ts';

type StoredMeasure = StudySummary['measures'][number];

/** One column of the comparison. */
export interface ComparedRun {
  /** Short, and no other column has it. */
  readonly label: string;
  readonly manifest: RunManifest;
  /** How it came into the comparison. */
  readonly origin: 'new' | 'resumed' | 'reused' | 'given';
  readonly verdict: string;
  readonly measures: readonly StoredMeasure[];
}

export interface Comparison {
  readonly study: string;
  readonly runs: readonly ComparedRun[];
  /** What else differs between the runs, in sentences. */
  readonly notes: readonly string[];
}

/** Charts that are shown at once; the others are folded away. */
const mainCharts = 6;

/** Names for columns: without provider and address where that leaves them different, else numbered. */
export function shortNames(models: readonly string[]): string[] {
  const short = models.map((name) => parseModelName(name).name);
  const chosen = models.map((name, k) =>
    short.every((other, i) => other !== short[k] || models[i] === name) ? (short[k] ?? name) : name,
  );
  return chosen.map((name, k) => {
    const same = chosen.flatMap((other, i) => (other === name ? [i] : []));
    return same.length === 1 ? name : `${name} (${same.indexOf(k) + 1})`;
  });
}

/** Names of all measures, in the order in which the runs have them. */
function measureNames(runs: readonly Pick<ComparedRun, 'measures'>[]): string[] {
  return [...new Set(runs.flatMap(({ measures }) => measures.map(({ name }) => name)))];
}

function measureOf(
  { measures }: Pick<ComparedRun, 'measures'>,
  name: string,
): StoredMeasure | undefined {
  return measures.find((candidate) => candidate.name === name);
}

/** The measures as rows and the runs as columns, value and interval; `-` where a run does not have it. */
export function tableInWords(columns: readonly Pick<ComparedRun, 'label' | 'measures'>[]): string {
  const head = ['', ...columns.map(({ label }) => label)];
  const rows = measureNames(columns).map((name) => [
    name,
    ...columns.map((column) => {
      const { value, interval } = measureOf(column, name) ?? {};
      const range = interval?.map((end) => end.toFixed(2)).join(' to ');
      return `${value?.toFixed(3) ?? '-'}${range === undefined ? '' : ` (${range})`}`;
    }),
  ]);
  const lines = [head, ...rows];
  const widths = head.map((_, k) => Math.max(...lines.map((line) => line[k]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, k) => cell.padEnd(widths[k] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What differs between the runs besides the model: parameters, judges and the version of limbic. */
export function differencesOf(runs: readonly Pick<ComparedRun, 'label' | 'manifest'>[]): string[] {
  const names = [...new Set(runs.flatMap(({ manifest }) => Object.keys(manifest.parameters)))];
  const differing = (name: string, valueOf: (manifest: RunManifest) => unknown): string[] => {
    const values = runs.map(({ manifest }) => JSON.stringify(valueOf(manifest)) ?? 'none');
    if (new Set(values).size < 2) return [];
    const each = runs.map(({ label }, k) => `${values[k] ?? ''} for ${label}`);
    return [`${name} differs: ${each.join(', ')}`];
  };
  return [
    ...names.flatMap((name) => differing(name, ({ parameters }) => parameters[name])),
    ...differing('limbic', ({ limbicVersion }) => limbicVersion),
  ];
}

/** The whole page. */
export function comparePage({ study, runs, notes }: Comparison): string {
  const charts = chartsOf(runs);
  const folded = charts.slice(mainCharts);
  const sections: Section[] = [
    {
      title: 'Verdicts',
      lead: 'Of each run by itself, in words made from its numbers.',
      body: renderTable(
        ['model', 'verdict'],
        runs.map(({ label, verdict }) => [label, verdict]),
      ),
    },
    ...(notes.length === 0
      ? []
      : [
          {
            title: 'Not the same in all runs',
            lead: 'Beside the model these differ too, so that a difference of the numbers need not be one of the models.',
            body: renderTable(
              ['what differs'],
              notes.map((note) => [note]),
            ),
          },
        ]),
    {
      title: 'Side by side',
      lead: 'The first measures with their intervals at 95 %. Where intervals do not overlap the models differ; where they do, nothing is shown either way. Nothing is corrected for the number of measures.',
      body: `${charts.slice(0, mainCharts).join('')}${folded.length === 0 ? '' : `<details><summary>${folded.length} more charts</summary>${folded.join('')}</details>`}`,
    },
    { title: 'All measures', lead: 'Value, interval at 95 % and n.', body: measuresTable(runs) },
    {
      title: 'Runs',
      lead: 'The whole of each run is in its folder: limbic runs report RUN prints where its own report is.',
      body: runsTable(runs),
    },
  ];
  return renderPage({
    title: `${study}: ${runs.length} ${new Set(runs.map(({ manifest }) => manifest.model)).size === 1 ? 'runs' : 'models'} compared`,
    subtitle: runs.map(({ manifest }) => manifest.model).join(', '),
    sections,
    footer: `${disclaimer} Made by limbic.`,
  });
}

/** A chart of every measure that some run has with an interval. */
function chartsOf(runs: readonly ComparedRun[]): string[] {
  return measureNames(runs)
    .filter((name) =>
      runs.some((run) => {
        const found = measureOf(run, name);
        return found?.value != null && found.interval !== undefined;
      }),
    )
    .map((name) =>
      renderIntervals({
        title: name,
        xLabel: 'value and interval at 95 %',
        groups: [{ name, points: runs.map((run) => pointOf(run, name)) }],
      }),
    );
}

function pointOf(
  run: ComparedRun,
  measure: string,
): { name: string; value: number; low: number; high: number } {
  const { value, interval = [NaN, NaN] } = measureOf(run, measure) ?? {};
  return { name: run.label, value: value ?? NaN, low: interval[0], high: interval[1] };
}

function measuresTable(runs: readonly ComparedRun[]): string {
  const rows = measureNames(runs).map((name) => [
    name,
    ...runs.map((run) => {
      const found = measureOf(run, name);
      if (found === undefined) return '-';
      const { value, interval, n, note } = found;
      if (value === null) return `not measured (${note ?? ''})`;
      const range = interval?.map((end) => end.toFixed(3)).join(' to ');
      return `${value.toFixed(3)}${range === undefined ? '' : ` (${range})`}, n ${n}`;
    }),
  ]);
  return renderTable(['measure', ...runs.map(({ label }) => label)], rows);
}

function runsTable(runs: readonly ComparedRun[]): string {
  return renderTable(
    ['model', 'run', 'here', 'begun', 'limbic', 'parameters'],
    runs.map(({ label, manifest, origin }) => [
      label === manifest.model ? label : `${label}: ${manifest.model}`,
      manifest.id,
      origin,
      manifest.started.slice(0, 16).replace('T', ' '),
      manifest.limbicVersion,
      JSON.stringify(manifest.parameters),
    ]),
  );
}
