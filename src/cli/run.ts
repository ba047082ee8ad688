/** @file `limbic run STUDY`: a study in a run directory, with a plan before it and a report after. */
import { createInterface } from 'node:readline/promises';

import { z } from 'zod';

import { renderTable } from '../charts/html.ts';
import { renderPage } from '../charts/page.ts';
import type { Model } from '../engine/engine.ts';
import { ConflictError, InvalidInputError, NotFoundError } from '../errors.ts';
import { createRun, readRun, type Run, type RunManifest, runsFolder } from '../store/runs.ts';
import { studies } from '../studies/index.ts';
import { createRecorder, reopenCells } from '../studies/recorder.ts';
import type { Measure, Plan, Study, StudyLab, StudyResult } from '../studies/study.ts';
import { packHash } from '../vectors/pack.ts';
import { openCalibrated } from './calibrate.ts';
import {
  type Command,
  type Context,
  jsonOption,
  modelOptions,
  packOption,
  text,
} from './command.ts';
import { dataFile, openNamedModel } from './open-model.ts';
import { createProgress, formatSeconds } from './progress.ts';
import { disclaimer } from './read.ts';
import { limbicVersion } from './version.ts';

/** Longer work asks first. */
const askBeyondSeconds = 300;

export const runCommand: Command = {
  name: 'run',
  summary: 'run a study: numbers with intervals and controls, a report, and a run to go on with',
  usage: 'STUDY [--model NAME] [--set k=v;k=v] [--quick] [--yes] [--json]',
  description: `Studies:\n${studies.map(({ name, summary, source }) => `  ${name.padEnd(12)}${summary} (${source})`).join('\n')}\nCtrl-C stops; --resume RUN goes on. limbic runs lists them.`,
  options: {
    ...modelOptions,
    ...packOption,
    set: { type: 'string', value: 'K=V', summary: 'parameters of the study, several by ;' },
    quick: { type: 'boolean', summary: 'a small version of at most 5 minutes on two cores' },
    yes: { type: 'boolean', summary: 'do not ask before long work' },
    resume: { type: 'string', value: 'RUN', summary: 'go on with a run that stopped' },
    ...jsonOption,
  },
  examples: [
    'limbic run scenarios',
    'limbic run intensity --model qwen2.5-coder-0.5b --set random=200 --json',
    'limbic run intensity --quick',
  ],
  run: async (context) => {
    const { values, signal } = context;
    const started = startOf(context);
    const { study, params, model: modelName } = started;
    const { model: opened, pack } = await openCalibrated({
      signal,
      values: { ...(modelName === undefined ? {} : { model: modelName }), ...values },
    });
    await using model = opened;
    const open = (name: string): Promise<Model> =>
      openNamedModel({ signal, values: { ...values, model: name } });
    const lab: StudyLab = { model, pack, signal, data: dataFile, open };
    if (started.of !== undefined) assertSame(started.of, lab);
    const plan = study.plan(params, lab);
    await announce(lab, plan, { isAgreed: values['yes'] === true });
    const resume = text(values, 'resume');
    const { run: begun, known } =
      resume === undefined
        ? {
            known: new Map<string, object>(),
            run: createRun({
              kind: study.name,
              title: study.summary,
              model: model.info.name,
              fingerprint: model.info.fingerprint,
              packHash: packHash(pack),
              limbicVersion: limbicVersion(),
              parameters: { ...params },
            }),
          }
        : await reopenCells(resume, runsFolder());
    using run = begun;
    const bar = createProgress(study.name);
    const recorder = createRecorder(run, known, (done) => bar.update(done / plan.cells));
    let result: StudyResult;
    try {
      result = await study.run(lab, params, recorder);
    } catch (error) {
      if (signal.aborted) console.error(`limbic: go on with: limbic run --resume ${run.id}`);
      throw error;
    } finally {
      bar.end();
    }
    const { verdict, measures } = result;
    // The report first: a run that is done can't be taken up again.
    run.writeReport(reportOf(study, { run, params, result, lab }));
    run.finish('done', { verdict, measures });
    console.log(
      values['json'] === true
        ? JSON.stringify({ run: run.id, path: run.path, params, verdict, measures }, null, 2)
        : `${inWords(measures)}\n\n${verdict}\nreport: ${run.path}/report.html`,
    );
  },
};

interface Start {
  readonly study: Study;
  readonly params: object;
  /** Of the run that goes on. */
  readonly model?: string;
  readonly of?: RunManifest;
}

/** Cells of two models or of two packs are not one run. */
function assertSame({ id, model, fingerprint, packHash: hash }: RunManifest, lab: StudyLab): void {
  if (fingerprint !== lab.model.info.fingerprint)
    throw new ConflictError(
      `run ${id}: expected ${model}, which it began with, got ${lab.model.info.name}`,
      { hint: 'go on with the same model, or start a new run' },
    );
  if (hash !== packHash(lab.pack))
    throw new ConflictError(`run ${id}: expected the vectors that it began with, got others`, {
      hint: 'go on with the same --pack, or start a new run',
    });
}

/** What to run: a named study, or what an unfinished run was. */
function startOf({ values, positionals }: Context): Start {
  const resume = text(values, 'resume');
  if (resume !== undefined) {
    const beside = ['set', 'quick'].find((name) => values[name] !== undefined) ?? positionals[0];
    if (beside !== undefined)
      throw new InvalidInputError(
        `--resume: expected nothing that changes the run beside it, got ${beside}`,
        { hint: 'a run goes on as it began' },
      );
    const { manifest } = readRun(resume);
    const study = studyCalled(manifest.kind);
    const params = study.params.parse(manifest.parameters);
    return { study, params, model: manifest.model, of: manifest };
  }
  const [name] = positionals;
  if (name === undefined)
    throw new InvalidInputError('run: expected a study, got none', {
      hint: `one of ${studies.map((study) => study.name).join(', ')}`,
    });
  const study = studyCalled(name);
  const quick = values['quick'] === true ? study.quick : {};
  return { study, params: parseParams(study, { ...quick, ...settingsOf(text(values, 'set')) }) };
}

function studyCalled(name: string): Study {
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

function parseParams(study: Study, values: object): object {
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

/** Says how much work it is; asks where it is long and somebody is there to answer. */
async function announce(
  lab: StudyLab,
  plan: Plan,
  { isAgreed }: { isAgreed: boolean },
): Promise<void> {
  const seconds = await estimate(lab, plan);
  console.error(
    `${plan.cells} cells, ${plan.read} tokens to read${plan.written > 0 ? `, ${plan.written} to write at most` : ''}: about ${formatSeconds(seconds)}`,
  );
  if (isAgreed || seconds < askBeyondSeconds) return;
  if (!process.stdin.isTTY)
    throw new InvalidInputError('run: expected --yes for work of more than 5 minutes', {
      hint: 'or --quick for a small version',
    });
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question('go on? [y/N] ');
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new DOMException('stopped', 'AbortError');
}

/** Seconds for the plan, by a small measurement on this machine. */
async function estimate({ model, signal }: StudyLab, plan: Plan): Promise<number> {
  const prompt = Int32Array.from({ length: 128 }, (_, i) => 100 + ((i * 37) % 5000));
  // Whole passes, as scores and replies need; a study that only captures stops them early and is done sooner.
  const pass = [{ prompt, continuation: Int32Array.of(100) }];
  await model.score(pass, { signal });
  const begun = performance.now();
  await model.score(pass, { signal });
  const read = (performance.now() - begun) / 1000 / prompt.length;
  let written = 0;
  if (plan.written > 0) {
    const from = performance.now();
    const [reply] = await model.generate([{ prompt: prompt.slice(0, 8), maxTokens: 16 }], {
      signal,
    });
    written = (performance.now() - from) / 1000 / Math.max(1, reply?.tokens.length ?? 1);
  }
  return read * plan.read + written * plan.written;
}

function intervalOf({ interval }: Measure): string {
  return interval === undefined ? '' : `${interval[0].toFixed(3)} to ${interval[1].toFixed(3)}`;
}

function inWords(measures: readonly Measure[]): string {
  const width = Math.max(...measures.map(({ name }) => name.length));
  return measures
    .map((measure) => {
      const { name, value, n, control, note } = measure;
      const number = value === null ? `not measured (${note ?? ''})` : value.toFixed(3);
      const range = intervalOf(measure);
      return `${name.padEnd(width)}  ${number}${range === '' ? '' : ` (95 % ${range})`}  n ${n}${control === undefined ? '' : `; ${control}`}`;
    })
    .join('\n');
}

function reportOf(
  study: Study,
  { run, params, result, lab }: { run: Run; params: object; result: StudyResult; lab: StudyLab },
): string {
  const { model, pack } = lab;
  const table = renderTable(
    ['measure', 'value', '95 %', 'n', 'control', 'note'],
    result.measures.map((measure) => [
      measure.name,
      measure.value === null ? 'not measured' : measure.value.toFixed(3),
      intervalOf(measure),
      measure.n,
      measure.control ?? '',
      measure.note ?? '',
    ]),
  );
  return renderPage({
    title: `${study.name}: ${model.info.name}`,
    subtitle: `${study.summary} (${study.source}). Read after block ${pack.bestLayer} of ${pack.blocks}; run ${run.id}, limbic ${limbicVersion()}, parameters ${JSON.stringify(params)}.`,
    sections: [{ title: 'What came out', lead: result.verdict, body: table }, ...result.sections],
    footer: `${disclaimer} Made by limbic.`,
  });
}
