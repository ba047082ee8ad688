/** @file `limbic run STUDY`: a study in a run directory, with a plan before it and a report after. */
import { z } from 'zod';

import { InvalidInputError, NotFoundError } from '../errors.ts';
import { readRun } from '../store/runs.ts';
import type { ChatStudy } from '../studies/chat-study.ts';
import { chatStudies, studies as insideStudies } from '../studies/index.ts';
import type { Study } from '../studies/study.ts';
import { chatOptions, reuseOption } from './chat-lab.ts';
import {
  type Command,
  type Context,
  jsonOption,
  modelOptions,
  packOption,
  text,
  type Values,
} from './command.ts';
import { type ChatStart, runChatStudy } from './run-chat.ts';
import { runInside } from './run-inside.ts';
import { type FinishedStudy, printStudy } from './study-output.ts';
import { queueOption } from './worker.ts';

/** One that reads inside a model, or one that talks to it. */
export type AnyStudy = Study | ChatStudy;

const studies: readonly AnyStudy[] = [...insideStudies, ...chatStudies];

export const runCommand: Command = {
  name: 'run',
  summary: 'run a study: numbers with intervals and controls, a report, and a run to go on with',
  usage: 'STUDY [--model NAME] [--set k=v;k=v] [--quick] [--yes] [--json]',
  description: [
    'Studies that read inside a model of this machine:',
    ...insideStudies.map(inOneLine),
    'Studies that talk to a model, also to openai:NAME, anthropic:NAME, google:NAME or compatible:URL#NAME:',
    ...chatStudies.map(inOneLine),
    'limbic run STUDY --help lists its parameters. Keys of APIs are read from the environment only. Ctrl-C stops;',
    '--resume RUN goes on, without paying for anything twice. limbic runs lists them.',
  ].join('\n'),
  helpFor: ([name]) => {
    const study = studies.find((candidate) => candidate.name === name);
    return study === undefined ? '' : parametersInWords(study);
  },
  options: {
    ...modelOptions,
    ...packOption,
    set: { type: 'string', value: 'K=V', summary: 'parameters of the study, several by ;' },
    quick: { type: 'boolean', summary: 'a small version of at most 5 minutes on two cores' },
    yes: { type: 'boolean', summary: 'do not ask before long work' },
    ...chatOptions,
    ...reuseOption,
    ...queueOption,
    resume: { type: 'string', value: 'RUN', summary: 'go on with a run that stopped' },
    ...jsonOption,
  },
  takesArguments: true,
  examples: [
    'limbic run scenarios',
    'limbic run intensity --model qwen2.5-coder-0.5b --set random=200 --json',
    'limbic run intensity --quick',
    'limbic run frustration --model openai:gpt-5-mini --judge anthropic:claude-haiku-4-5 --budget 5',
    'limbic run frustration --model smollm2-135m --judge local:qwen2.5-coder-1.5b --quick',
    'limbic run frustration --model smollm2-135m --reuse --quick',
  ],
  run: async (context) => {
    const { values } = context;
    const started = startOf(context);
    const onStopped = (run: string): void =>
      console.error(`limbic: go on with: limbic run --resume ${run}`);
    printStudy(await runStudy({ ...started, onStopped }, context), values['json'] === true);
  },
};

export interface StudyStart extends Omit<ChatStart, 'study'> {
  readonly study: AnyStudy;
}

/** Runs a study of either kind, or goes on with it. Prints nothing on standard output. */
export async function runStudy(
  { study, ...start }: StudyStart,
  context: Pick<Context, 'values' | 'signal'>,
): Promise<FinishedStudy> {
  if ('play' in study) return runChatStudy({ study, ...start }, context);
  const beside = Object.keys({ ...chatOptions, ...reuseOption, ...queueOption }).find(
    (name) => context.values[name] !== undefined,
  );
  if (beside !== undefined)
    throw new InvalidInputError(
      `--${beside}: expected a study that talks to a model, got ${study.name}`,
      {
        hint: `one of ${chatStudies.map(({ name }) => name).join(', ')}`,
      },
    );
  return runInside({ study, ...start }, context);
}

function inOneLine({ name, summary, source }: AnyStudy): string {
  return `  ${name.padEnd(15)}${summary} (${source})`;
}

/** What `--set` takes, with the defaults and what `--quick` makes of them. */
function parametersInWords({ name, params, quick }: AnyStudy): string {
  if (!(params instanceof z.ZodObject)) return '';
  const defaults = Object.entries(params.shape).map(([parameter, field]) => {
    const { success, data } = z.safeParse(field, undefined);
    return `  ${parameter}=${success ? String(data) : '… (needed)'}`;
  });
  const changed = Object.entries(quick).map(
    ([parameter, value]) => `${parameter}=${String(value)}`,
  );
  return `Parameters of ${name} (--set) and their defaults:\n${defaults.join('\n')}\n--quick means ${changed.length === 0 ? 'the same' : `--set '${changed.join(';')}'`}`;
}

/** What to run: a named study, or what an unfinished run was. */
function startOf({ values, positionals }: Context): Pick<StudyStart, 'study' | 'params' | 'of'> {
  const resume = text(values, 'resume');
  if (resume !== undefined) {
    const fixed = ['set', 'quick', 'judge', 'second-judge', 'reuse'];
    const beside = fixed.find((name) => values[name] !== undefined) ?? positionals[0];
    if (beside !== undefined)
      throw new InvalidInputError(
        `--resume: expected nothing that changes the run beside it, got ${beside}`,
        { hint: 'a run goes on as it began' },
      );
    const { manifest } = readRun(resume);
    const study = studyCalled(manifest.kind);
    const model = text(values, 'model');
    // Two files of the same weights are one model, which is seen when it is open; two names behind APIs are two.
    if ('play' in study && model !== undefined && model !== manifest.model)
      throw new InvalidInputError(
        `--resume: expected ${manifest.model} or no model, got ${model}`,
        { hint: 'a run goes on with the model that it began with' },
      );
    const params = study.params.parse(manifest.parameters);
    return { study, params, of: manifest };
  }
  const [name, ...more] = positionals;
  if (name === undefined)
    throw new InvalidInputError('run: expected a study, got none', { hint: namesInWords() });
  if (more.length > 0)
    throw new InvalidInputError(`run: expected one study, got ${positionals.join(', ')}`, {
      hint: "several parameters are one --set 'a=1;b=2'",
    });
  const study = studyCalled(name);
  return { study, params: paramsOf(study, values) };
}

/** `one of a, b`, for hints. */
export function namesInWords(): string {
  return `one of ${studies.map((study) => study.name).join(', ')}`;
}

/** Its parameters by `--quick` and `--set`. Throws NotFoundError and InvalidInputError. */
export function paramsOf(study: AnyStudy, values: Values): object {
  const quick = values['quick'] === true ? study.quick : {};
  return parseParams(study, { ...quick, ...settingsOf(text(values, 'set')) });
}

/** A study by its name; throws NotFoundError with near names. */
export function studyCalled(name: string): AnyStudy {
  const study = studies.find((candidate) => candidate.name === name);
  if (study === undefined)
    throw new NotFoundError(
      'study',
      name,
      studies.map((candidate) => candidate.name),
    );
  return study;
}

/** `k=v;k=v` as an object. */
function settingsOf(value: string | undefined): Record<string, string> {
  return Object.fromEntries(
    (value ?? '')
      .split(';')
      .filter((pair) => pair.trim() !== '')
      .map((pair) => {
        const at = pair.indexOf('=');
        if (at < 1) throw new InvalidInputError(`--set: expected name=value, got "${pair.trim()}"`);
        return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
      }),
  );
}

function parseParams(study: AnyStudy, values: object): object {
  const known = study.params instanceof z.ZodObject ? Object.keys(study.params.shape) : [];
  for (const name of Object.keys(values))
    if (!known.includes(name)) throw new NotFoundError(`parameter of ${study.name}`, name, known);
  const parsed = study.params.safeParse(values);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InvalidInputError(
    `--set ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'does not fit'}`,
  );
}
