/** @file `limbic compare`: one study on several models, or runs that there are, in one table and one report. */
import { InvalidInputError } from '../errors.ts';
import { formatModelName, parseModelName } from '../providers/model-name.ts';
import { readRun } from '../store/runs.ts';
import { studySummarySchema } from '../store/study-summary.ts';
import { cellsOf } from '../studies/recorder.ts';
import { askToGoOn } from './ahead.ts';
import {
  budgetOf,
  type ChatNames,
  chatOptions,
  givenPrices,
  isLocalName,
  openChatLab,
} from './chat-lab.ts';
import { askBeyondDollars, dollarsFor, restoreSpending } from './chat-work.ts';
import {
  type Command,
  type Context,
  jsonOption,
  modelOptions,
  packOption,
  text,
} from './command.ts';
import {
  comparePage,
  type ComparedRun,
  type Comparison,
  differencesOf,
  shortNames,
  tableInWords,
} from './compare-report.ts';
import { findRun, type FoundRun, modelHere } from './find-run.ts';
import { outFile, writeWhole } from './out-file.ts';
import { namesOf, plannedLab, workOf } from './run-chat.ts';
import { type AnyStudy, namesInWords, paramsOf, runStudy, studyCalled } from './run.ts';
import { limbicVersion } from './version.ts';
import { queueOf, queueOption } from './worker.ts';

const { model: _, ...openingOptions } = modelOptions;

/** What says how runs are made, and so has no meaning for runs that there are. */
const runOptions = {
  models: {
    type: 'string',
    value: 'A,B,C',
    summary: 'models to run the study on, as limbic run --model takes them',
  },
  fresh: { type: 'boolean', summary: 'new runs, also where finished ones are there' },
  set: { type: 'string', value: 'K=V', summary: 'parameters of the study, several by ;' },
  quick: { type: 'boolean', summary: 'the small version of the study' },
  yes: { type: 'boolean', summary: 'do not ask before long work' },
  ...openingOptions,
  ...packOption,
  ...chatOptions,
  ...queueOption,
} as const satisfies Command['options'];

export const compareCommand: Command = {
  name: 'compare',
  summary: 'run a study on several models, or take runs that are there, and show them side by side',
  usage: '(STUDY --models A,B,C [options of run] | RUN RUN ...) [--out FILE] [--json]',
  description: [
    'Runs the study on one model after the other, each in a run of its own. A finished run of the same study,',
    'model, parameters, judges, vectors and limbic is reused, and one that stopped is gone on with, so that the',
    'same command again goes on after Ctrl-C. --budget holds for all of its runs together, reused ones included.',
    'limbic run STUDY --help lists the parameters for --set. Runs by their ids must be of one study; what else',
    'differs between them is said.',
  ].join('\n'),
  options: {
    ...runOptions,
    out: {
      type: 'string',
      value: 'FILE',
      summary: 'page to write (default compare-STUDY.html in this folder)',
    },
    ...jsonOption,
  },
  takesArguments: true,
  examples: [
    'limbic compare frustration --models openai:gpt-5-mini,google:gemini-2.5-flash --judge anthropic:claude-haiku-4-5 --budget 10',
    'limbic compare scenarios --models smollm2-135m,qwen2.5-coder-0.5b',
    'limbic compare 20261125-170749-intensity-d8f4 20261125-181002-intensity-03aa --out intensity.html',
  ],
  run: async (context) => {
    const { values, positionals } = context;
    const [first] = positionals;
    if (first === undefined)
      throw new InvalidInputError('compare: expected a study or runs, got neither', {
        hint: namesInWords(),
      });
    const isRun = /^\d{8}-\d{6}-/.test(first);
    const study = isRun ? readRun(first).manifest.kind : studyCalled(first).name;
    const out = outFile(text(values, 'out') ?? `compare-${study}.html`);
    const runs = isRun ? givenRuns(context) : await runAll(studyCalled(first), context);
    const comparison = { study, runs, notes: differencesOf(runs) };
    await writeWhole(out, [comparePage(comparison)]);
    print(comparison, out, values['json'] === true);
  },
};

/** Runs by their ids. Throws InvalidInputError for runs of several studies, or without numbers. */
function givenRuns({ values, positionals }: Context): ComparedRun[] {
  const beside = Object.keys(runOptions).find((name) => values[name] !== undefined);
  if (beside !== undefined)
    throw new InvalidInputError(
      `compare: expected --${beside} beside a study only, got it beside runs`,
    );
  if (positionals.length < 2 || new Set(positionals).size < positionals.length)
    throw new InvalidInputError(
      `compare: expected several different runs, got ${positionals.join(', ')}`,
    );
  const kinds = [...new Set(positionals.map((id) => readRun(id).manifest.kind))];
  if (kinds.length > 1)
    throw new InvalidInputError(`compare: expected runs of one study, got ${kinds.join(', ')}`);
  return columnsOf(positionals.map((id) => ({ id, origin: 'given' })));
}

/** The stored numbers of the runs. Throws InvalidInputError for a run that has none. */
function columnsOf(
  runs: readonly { readonly id: string; readonly origin: ComparedRun['origin'] }[],
): ComparedRun[] {
  const stored = runs.map(({ id }) => readRun(id));
  const labels = shortNames(stored.map(({ manifest }) => manifest.model));
  return stored.map(({ manifest, summary, status }, k) => {
    const parsed = studySummarySchema.safeParse(summary);
    if (!parsed.success)
      throw new InvalidInputError(
        `run ${manifest.id}: expected a study's numbers, got a run that is ${status}${status === 'done' ? ' without them' : ''}`,
        status === 'interrupted'
          ? { hint: `limbic run --resume ${manifest.id} goes on with it` }
          : {},
      );
    const { verdict, measures } = parsed.data;
    const origin = runs[k]?.origin ?? 'given';
    return { label: labels[k] ?? '', manifest, origin, verdict, measures };
  });
}

/** What is to be done for one model. */
interface Job {
  /** As it was asked for. */
  readonly model: string;
  readonly found: FoundRun | null;
}

/** The study on each model in turn. */
async function runAll(study: AnyStudy, context: Context): Promise<ComparedRun[]> {
  const { values, signal, positionals } = context;
  if (positionals.length > 1)
    throw new InvalidInputError(`compare: expected one study, got ${positionals.join(', ')}`);
  const models = modelsOf(study, context);
  const params = paramsOf(study, values);
  const isFresh = values['fresh'] === true;
  const jobs: Job[] = [];
  for (const model of models) {
    const found = isFresh ? null : await findFor(model, { study, params, context });
    jobs.push({ model, found });
  }
  const budget = budgetOf(values);
  const chat = 'play' in study ? await prepare(study, { jobs, params, budget, context }) : {};
  const onStopped = (run: string): void =>
    console.error(
      `limbic: go on with the same command${isFresh ? ' without --fresh' : ''}; it reuses the finished runs and goes on with ${run}`,
    );
  const done: { id: string; origin: ComparedRun['origin'] }[] = [];
  for (const [k, { model, found }] of jobs.entries()) {
    const label = `limbic: ${model} (${k + 1} of ${jobs.length})`;
    if (found?.isDone === true) {
      console.error(`${label}: reuses run ${found.manifest.id}; --fresh makes a new one`);
      done.push({ id: found.manifest.id, origin: 'reused' });
      continue;
    }
    signal.throwIfAborted();
    const of = found?.manifest;
    console.error(`${label}: ${of === undefined ? 'a new run' : `goes on with run ${of.id}`}`);
    const start = { ...chat, study, params, onStopped, ...(of === undefined ? {} : { of }) };
    const { run } = await runStudy(start, { signal, values: { ...values, model } });
    done.push({ id: run, origin: of === undefined ? 'new' : 'resumed' });
  }
  if (budget.spent > 0)
    console.error(
      `limbic: all runs together cost $${budget.spent.toFixed(4)} by the prices given or listed`,
    );
  return columnsOf(done);
}

/** `--models` as names that differ. A study that reads inside a model takes those of this machine only. */
function modelsOf(study: AnyStudy, { values }: Context): string[] {
  const given = (text(values, 'models') ?? '').split(',').map((name) => name.trim());
  const models = given.filter((name) => name !== '');
  const names = models.map((name) => formatModelName(parseModelName(name)));
  if (new Set(names).size < 2 || new Set(names).size < names.length)
    throw new InvalidInputError(
      `--models: expected several different models, got ${models.join(', ') || 'none'}`,
    );
  if ('play' in study) return models;
  const remote = models.find((name) => !isLocalName(name));
  if (remote !== undefined)
    throw new InvalidInputError(
      `--models: expected models of this machine, got ${remote}: ${study.name} reads inside them`,
    );
  return models.map((name) => parseModelName(name).name);
}

/** A run that is there for one of the models. */
async function findFor(
  model: string,
  { study, params, context }: { study: AnyStudy; params: object; context: Context },
): Promise<FoundRun | null> {
  const isChat = 'play' in study;
  const here = isLocalName(model) ? await modelHere(parseModelName(model).name, context) : null;
  const { model: __, ...judges } = isChat ? namesOf({ ...context.values, model }) : { model };
  return findRun({
    kind: study.name,
    model: isChat || here === null ? model : here.model,
    packHash: here?.packHash ?? null,
    limbicVersion: limbicVersion(),
    parameters: { ...params, ...judges },
  });
}

/** For a study that talks: refuses what can't be opened before anything is paid for, and asks about the money once. */
async function prepare(
  study: Extract<AnyStudy, { play: unknown }>,
  at: {
    jobs: readonly Job[];
    params: object;
    budget: ReturnType<typeof budgetOf>;
    context: Context;
  },
): Promise<{ budget: typeof at.budget; isPriceAgreed: true }> {
  const { jobs, params, budget, context } = at;
  const { values, signal } = context;
  const prices = givenPrices(values);
  let dollars = 0;
  for (const { model, found } of jobs) {
    if (found?.isDone === true) {
      restoreSpending(budget, await cellsOf(readRun(found.manifest.id)), prices);
      continue;
    }
    const names = namesOf({ ...values, model });
    dollars += dollarsFor(workOf(study.plan(params, plannedLab(study, names)), names), prices);
    if (!isLocalName(model) && queueOf(values, process.env) === null)
      await (await openChatLab(remoteOnly(names), { values, signal }))[Symbol.asyncDispose]();
  }
  if (dollars > askBeyondDollars)
    await askToGoOn({ isAgreed: values['yes'] === true, seconds: 0, dollars });
  return { budget, isPriceAgreed: true };
}

/** Without the judges that run here, which take long to open. */
function remoteOnly({ model, judge, secondJudge }: ChatNames): ChatNames {
  return {
    model,
    ...(judge === undefined || isLocalName(judge) ? {} : { judge }),
    ...(secondJudge === undefined || isLocalName(secondJudge) ? {} : { secondJudge }),
  };
}

function print({ study, runs, notes }: Comparison, report: string, isJson: boolean): void {
  if (isJson) {
    const models = runs.map(({ label, manifest, origin, verdict, measures }) => {
      const { id: run, model, parameters } = manifest;
      return { label, model, run, origin, parameters, verdict, measures };
    });
    console.log(JSON.stringify({ study, models, notes, report }, null, 2));
    return;
  }
  for (const { label, manifest, origin } of runs)
    console.log(`${label}: ${manifest.model}, run ${manifest.id} (${origin})`);
  console.log(`\n${tableInWords(runs)}\n`);
  for (const { label, verdict } of runs) console.log(`${label}: ${verdict}`);
  for (const note of notes) console.log(`note: ${note}`);
  console.log(`report: ${report}`);
}
