/**
 * @file `limbic run` for studies that talk to a model: the plan with its cost, the conversations side by side or
 * over a queue, and a run that is gone on with without paying for anything twice.
 */
import { z } from 'zod';

import { InvalidInputError } from '../errors.ts';
import type { Budget } from '../providers/budget.ts';
import { defaultModelName } from '../store/registry.ts';
import { createRun, type Run, type RunManifest, runsFolder } from '../store/runs.ts';
import {
  type ChatPlan,
  type ChatStudy,
  keyedLab,
  type PlannedLab,
  playAll,
} from '../studies/chat-study.ts';
import { createRecorder, reopenCells } from '../studies/recorder.ts';
import type { StudyResult } from '../studies/study.ts';
import { packHash } from '../vectors/pack.ts';
import {
  type ChatNames,
  givenPrices,
  isLocalName,
  type OpenChatLab,
  openChatLab,
} from './chat-lab.ts';
import { announceWork, countsInWords, type ModelWork, restoreSpending } from './chat-work.ts';
import { type Context, text } from './command.ts';
import { dataFile } from './open-model.ts';
import { createProgress, type Progress } from './progress.ts';
import { assertSame } from './run-inside.ts';
import { type FinishedStudy, studyPage } from './study-output.ts';
import { limbicVersion } from './version.ts';
import { queueOf } from './worker.ts';

const namesSchema = z.object({
  model: z.string(),
  judge: z.string().optional(),
  secondJudge: z.string().optional(),
});

export interface ChatStart {
  readonly study: ChatStudy;
  readonly params: object;
  /** The run that goes on. */
  readonly of?: RunManifest;
  /** Told of a run that did not come to its end. */
  readonly onStopped: (run: string) => void;
  /** Of several runs together. @default one of `--budget` alone */
  readonly budget?: Budget;
  /** The cost was asked about before. @default false */
  readonly isPriceAgreed?: boolean;
}

/** Runs the study, or goes on with it. Prints nothing on standard output. */
export async function runChatStudy(
  { study, params, of, onStopped, budget, isPriceAgreed = false }: ChatStart,
  { values, signal }: Pick<Context, 'values' | 'signal'>,
): Promise<FinishedStudy> {
  const names = of === undefined ? namesOf(values) : namesIn(of);
  const planned = plannedLab(study, names);
  const plan = study.plan(params, planned);
  const keys = study.conversations(params, planned);
  const queue = queueOf(values, process.env);
  if (queue !== null && values['budget'] !== undefined)
    throw new InvalidInputError('--budget: expected it without a queue, where workers pay', {
      hint: 'limbic worker --budget sets what each of them may spend',
    });
  const talksOnly = study.talksOnly ?? false;
  const reuse = (of === undefined ? values : of.parameters)['reuse'] === true;
  const options = {
    asksNothing: queue !== null,
    talksOnly,
    reuse,
    ...(budget === undefined ? {} : { budget }),
  };
  await using lab = await openChatLab(names, { values, signal }, options);
  const { conversations } = plan;
  await announceWork(workOf(plan, names), { conversations, lab, values, isPriceAgreed });
  const { run: begun, known } =
    of === undefined
      ? { run: begin(study, { params, names, lab, reuse }), known: new Map<string, object>() }
      : await reopenCells(of.id, runsFolder());
  using run = begun;
  if (of !== undefined && lab.local !== null) assertSame(of, idOf(names.model, lab));
  const before = lab.budget.spent;
  restoreSpending(lab.budget, known, givenPrices(values));
  const cells = plan.model.replies + plan.judge.replies + plan.secondJudge.replies;
  const bar = createProgress(study.name);
  try {
    const at = { study, params, names, run, keys, signal };
    const all = queue === null ? known : await collect(queue, at, { known, bar });
    const recorder = createRecorder(run, all, (done) =>
      bar.update(Math.min(1, done / cells), countsInWords(lab)),
    );
    const asked = keyedLab(run.id, lab);
    const play = (key: string): Promise<object> =>
      study.play(key, params, { lab: asked, recorder });
    const played = await playAll(keys, play, { width: lab.chat.width, signal });
    bar.end();
    const { verdict, measures } = finish(study, { run, params, names, lab, played });
    const spent = lab.budget.spent - before;
    return { run: run.id, path: run.path, models: names, params, spent, verdict, measures };
  } catch (error) {
    bar.end();
    onStopped(run.id);
    throw error;
  }
}

/** What a plan has to know of models that are not open yet. */
export function plannedLab(
  { talksOnly = false }: Pick<ChatStudy, 'talksOnly'>,
  { model, judge, secondJudge }: ChatNames,
): PlannedLab {
  return {
    data: dataFile,
    hasJudge: judge !== undefined,
    hasSecondJudge: secondJudge !== undefined,
    isLocal: isLocalName(model) && !talksOnly,
  };
}

/** Has workers play all conversations; gives the cells of the run, old and new. */
async function collect(
  url: string,
  at: {
    study: ChatStudy;
    params: object;
    names: ChatNames;
    run: Run;
    keys: readonly string[];
    signal: AbortSignal;
  },
  { known, bar }: { known: ReadonlyMap<string, object>; bar: Progress },
): Promise<ReadonlyMap<string, object>> {
  const { study, params, names, run, keys, signal } = at;
  // Loading the queue's library takes time that a run without one need not wait for.
  const { inWords, runOnQueue } = await import('../queue/coordinator.ts');
  const cells = new Map(known);
  await runOnQueue({
    url,
    run: run.id,
    version: limbicVersion(),
    study: study.name,
    params,
    models: names,
    conversations: keys,
    known,
    signal,
    onCell: (key, data) => {
      run.append({ type: 'cell', key, data });
      cells.set(key, data);
    },
    onProgress: (progress) => {
      const { done, failed, conversations } = progress;
      bar.update((done + failed) / conversations, inWords(progress));
    },
    onNotice: (line) => console.error(`\n${line}`),
  });
  return cells;
}

/** The models that the options name. Throws InvalidInputError for a second judge alone. */
export function namesOf(values: Context['values']): ChatNames {
  const [judge, secondJudge] = [text(values, 'judge'), text(values, 'second-judge')];
  if (secondJudge !== undefined && judge === undefined)
    throw new InvalidInputError('--second-judge: expected --judge beside it, got none');
  const model = text(values, 'model') ?? defaultModelName;
  return withoutUndefined({ model, judge, secondJudge });
}

/** The models of a run. */
function namesIn({ model, parameters }: RunManifest): ChatNames {
  return withoutUndefined(namesSchema.parse({ ...parameters, model }));
}

function withoutUndefined({ model, judge, secondJudge }: z.infer<typeof namesSchema>): ChatNames {
  return {
    model,
    ...(judge === undefined ? {} : { judge }),
    ...(secondJudge === undefined ? {} : { secondJudge }),
  };
}

function begin(
  study: ChatStudy,
  {
    params,
    names,
    lab,
    reuse,
  }: { params: object; names: ChatNames; lab: OpenChatLab; reuse: boolean },
): Run {
  const { model, ...judges } = names;
  return createRun({
    kind: study.name,
    title: study.summary,
    ...idOf(model, lab),
    limbicVersion: limbicVersion(),
    parameters: { ...params, ...judges, ...(reuse ? { reuse } : {}) },
  });
}

function idOf(
  model: string,
  { local, here }: Pick<OpenChatLab, 'local' | 'here'>,
): Pick<RunManifest, 'model' | 'fingerprint' | 'packHash'> {
  // A model behind an API shows nothing of its weights but its name.
  const fingerprint = here.get(model)?.info.fingerprint ?? model;
  return { model, fingerprint, packHash: local === null ? null : packHash(local.pack) };
}

/** What each model of a run has to do. */
export function workOf(plan: ChatPlan, { model, judge, secondJudge }: ChatNames): ModelWork[] {
  return [
    { name: model, work: plan.model },
    ...(judge === undefined ? [] : [{ name: judge, work: plan.judge }]),
    ...(secondJudge === undefined ? [] : [{ name: secondJudge, work: plan.secondJudge }]),
  ];
}

/** The result, with the report and the summary in the run's folder. */
function finish(
  study: ChatStudy,
  done: {
    run: Run;
    params: object;
    names: ChatNames;
    lab: OpenChatLab;
    played: readonly object[];
  },
): StudyResult {
  const { run, params, names, lab, played } = done;
  const result = study.result(params, lab, played);
  const { verdict, measures } = result;
  const title = `${study.name}: ${names.model}`;
  const subtitle = `${study.summary} (${study.source}). ${judgesInWords(names)}; run ${run.id}, limbic ${limbicVersion()}, parameters ${JSON.stringify(params)}.`;
  // The report first: a run that is done can't be taken up again.
  run.writeReport(studyPage({ title, subtitle }, result));
  run.finish('done', { verdict, measures });
  return result;
}

/** Who scored the replies. */
export function judgesInWords({
  judge,
  secondJudge,
}: Pick<ChatNames, 'judge' | 'secondJudge'>): string {
  if (judge === undefined) return 'No judge';
  return `Judged by ${judge}${secondJudge === undefined ? '' : `, a share again by ${secondJudge}`}`;
}
