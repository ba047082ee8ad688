/** @file `limbic runs`: what was run on this machine. */
import { InvalidInputError } from '../errors.ts';
import { listRuns, readRun } from '../store/runs.ts';
import { type StudySummary, studySummarySchema } from '../store/study-summary.ts';
import { type Command, type Context, jsonOption, text } from './command.ts';
import { shortNames, tableInWords } from './compare-report.ts';
import { exportRun, findReport } from './runs-export.ts';

const actions = ['list', 'show', 'compare', 'report', 'export'] as const;
type Action = (typeof actions)[number];

/** Options that some of the actions take, and which. */
const optionsOf: Readonly<Record<string, readonly Action[]>> = {
  out: ['report', 'export'],
  format: ['export'],
};

export const runsCommand: Command = {
  name: 'runs',
  summary: 'list, show, compare and export the runs of studies, servers and agents',
  usage:
    '[list | show RUN | compare RUN RUN ... | report RUN | export RUN] [--out FILE] [--format inspect] [--json]',
  description: [
    "report prints the path of the run's report.html; with --out it copies it there too.",
    'export writes the run as a log of Inspect AI, for inspect view and read_eval_log: a cell is a sample, the',
    'measures are metrics. Metadata of more than 20 kB is cut there; the run folder stays the source.',
  ].join('\n'),
  options: {
    out: {
      type: 'string',
      value: 'FILE',
      summary:
        'file to write; export without it writes into this folder, named as Inspect names logs',
    },
    format: { type: 'string', value: 'NAME', summary: 'format of export: inspect (the default)' },
    ...jsonOption,
  },
  takesArguments: true,
  examples: [
    'limbic runs',
    'limbic runs show 20261125-170749-intensity-d8f4',
    'limbic runs report 20261125-170749-intensity-d8f4 --out intensity.html',
    'limbic runs export 20261125-170749-intensity-d8f4 && inspect view --log-dir .',
  ],
  run: async (context) => {
    const { action, ids } = requestOf(context);
    const [id = ''] = ids;
    const isJson = context.values['json'] === true;
    if (action === 'list') list(isJson);
    else if (action === 'report') await report(id, context);
    else if (action === 'export') await writeExport(id, context);
    else {
      const found = ids.map(find);
      if (isJson) console.log(JSON.stringify(action === 'show' ? found[0] : found, null, 2));
      else if (action === 'show') for (const run of found) show(run);
      else compare(found);
    }
  },
};

/** The action and its runs; refuses what the action does not take. */
function requestOf({ values, positionals }: Context): { action: Action; ids: readonly string[] } {
  const [name = 'list', ...ids] = positionals;
  const action = actions.find((candidate) => candidate === name);
  if (action === undefined)
    throw new InvalidInputError(`runs: expected ${inWords(actions)}, got "${name}"`);
  for (const [option, users] of Object.entries(optionsOf))
    if (values[option] !== undefined && !users.includes(action))
      throw new InvalidInputError(
        `runs ${action}: expected --${option} with ${inWords(users)} only`,
      );
  if (action !== 'list' && ids.length === 0)
    throw new InvalidInputError(`runs ${action}: expected a run, got none`);
  const most = action === 'list' ? 0 : action === 'compare' ? Infinity : 1;
  if (ids.length > most)
    throw new InvalidInputError(
      `runs ${action}: expected ${most === 0 ? 'no run' : 'one run'}, got ${ids.length}`,
    );
  return { action, ids };
}

function find(id: string): Found {
  const { manifest, status, summary } = readRun(id);
  return { manifest, status, summary: studySummarySchema.safeParse(summary).data ?? null };
}

/** `a, b or c` */
function inWords(names: readonly string[]): string {
  return names.join(', ').replace(/, ([^,]+)$/, ' or $1');
}

function list(isJson: boolean): void {
  const runs = listRuns();
  if (isJson) console.log(JSON.stringify(runs, null, 2));
  else if (runs.length === 0) console.log('no runs yet; make one with: limbic run scenarios');
  else
    for (const { id, status, model, records, title } of runs)
      console.log(
        `${id.padEnd(38)}${status.padEnd(13)}${model.padEnd(20)}${String(records).padStart(6)}  ${title}`,
      );
}

/** The path alone on standard output, for use in other commands. */
async function report(id: string, { values }: Context): Promise<void> {
  const found = await findReport(id, text(values, 'out'));
  if (values['json'] === true) console.log(JSON.stringify(found, null, 2));
  else {
    console.log(found.path);
    if (found.copy !== undefined) console.error(`copied to ${found.copy}`);
  }
}

async function writeExport(id: string, { values, signal }: Context): Promise<void> {
  const out = text(values, 'out');
  const format = text(values, 'format') ?? 'inspect';
  const { notes, ...written } = await exportRun(id, { out, format, signal });
  if (values['json'] === true) console.log(JSON.stringify({ ...written, notes }, null, 2));
  else {
    const { path, samples } = written;
    console.log(path);
    for (const note of [samples === 1 ? '1 sample' : `${samples} samples`, ...notes])
      console.error(note);
  }
}

interface Found {
  readonly manifest: ReturnType<typeof readRun>['manifest'];
  readonly status: string;
  readonly summary: StudySummary | null;
}

function show({ manifest, status, summary }: Found): void {
  const { id, kind, model, started, parameters, limbicVersion } = manifest;
  console.log(
    `${id}: ${kind} on ${model}, ${status}, begun ${started}, limbic ${limbicVersion}\nparameters ${JSON.stringify(parameters)}`,
  );
  if (summary === null) {
    console.log('no numbers (yet)');
    return;
  }
  for (const { name, value, interval, n, control } of summary.measures)
    console.log(
      `  ${name}: ${value?.toFixed(3) ?? 'not measured'}${interval === undefined ? '' : ` (${interval.map((v) => v.toFixed(3)).join(' to ')})`}, n ${n}${control === undefined ? '' : `; ${control}`}`,
    );
  console.log(summary.verdict);
}

/** The measures of several runs beside each other, by name. */
function compare(found: readonly Found[]): void {
  for (const { manifest } of found) console.log(`${manifest.id}  ${manifest.model}`);
  const labels = shortNames(found.map(({ manifest }) => manifest.model));
  const columns = found.map(({ summary }, k) => ({
    label: labels[k] ?? '',
    measures: summary?.measures ?? [],
  }));
  console.log(tableInWords(columns));
}
