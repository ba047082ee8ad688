/** @file `limbic runs`: what was run on this machine. */
import { z } from 'zod';

import { InvalidInputError } from '../errors.ts';
import { listRuns, readRun } from '../store/runs.ts';
import { type Command, jsonOption } from './command.ts';

const measureSchema = z.object({
  name: z.string(),
  value: z.number().nullable(),
  interval: z.tuple([z.number(), z.number()]).optional(),
  n: z.number(),
  control: z.string().optional(),
});
const summarySchema = z.object({ verdict: z.string(), measures: z.array(measureSchema) });

export const runsCommand: Command = {
  name: 'runs',
  summary: 'list, show and compare the runs of studies, servers and agents',
  usage: '[list | show RUN | compare RUN RUN ...]',
  options: { ...jsonOption },
  examples: ['limbic runs', 'limbic runs show 20261125-170749-intensity-d8f4'],
  run: async ({ values, positionals }) => {
    const [what = 'list', ...ids] = positionals;
    const isJson = values['json'] === true;
    if (what === 'list') {
      const runs = listRuns();
      if (isJson) console.log(JSON.stringify(runs, null, 2));
      else if (runs.length === 0) console.log('no runs yet; make one with: limbic run scenarios');
      else
        for (const { id, status, model, records, title } of runs)
          console.log(
            `${id.padEnd(38)}${status.padEnd(13)}${model.padEnd(20)}${String(records).padStart(6)}  ${title}`,
          );
      return;
    }
    if (what !== 'show' && what !== 'compare')
      throw new InvalidInputError(`runs: expected list, show or compare, got "${what}"`);
    if (ids.length === 0) throw new InvalidInputError(`runs ${what}: expected a run, got none`);
    const found = ids.map((id) => {
      const { manifest, status, summary } = readRun(id);
      return { manifest, status, summary: summarySchema.safeParse(summary).data ?? null };
    });
    if (isJson) console.log(JSON.stringify(what === 'show' ? found[0] : found, null, 2));
    else if (what === 'show') for (const run of found) show(run);
    else compare(found);
  },
};

interface Found {
  readonly manifest: ReturnType<typeof readRun>['manifest'];
  readonly status: string;
  readonly summary: z.infer<typeof summarySchema> | null;
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
  const names = [
    ...new Set(found.flatMap(({ summary }) => summary?.measures ?? []).map((m) => m.name)),
  ];
  for (const { manifest } of found) console.log(`${manifest.id}  ${manifest.model}`);
  const width = Math.max(...names.map((name) => name.length), 0);
  for (const name of names) {
    const cells = found.map(({ summary }) => {
      const measure = summary?.measures.find((candidate) => candidate.name === name);
      const range = measure?.interval?.map((v) => v.toFixed(2)).join(' to ');
      return `${measure?.value?.toFixed(3) ?? '-'}${range === undefined ? '' : ` (${range})`}`.padEnd(
        26,
      );
    });
    console.log(`${name.padEnd(width)}  ${cells.join('')}`);
  }
}
