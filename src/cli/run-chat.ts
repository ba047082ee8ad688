/**
 * @file `limbic run` for studies that talk to a model: the plan with its cost, the conversations side by side or
 * over a queue, and a run that is gone on with without paying for anything twice.
 */
import { z } from 'zod';

import { InvalidInputError } from '../errors.ts';
import { costOf, free, type GivenPrices, priceOf } from '../providers/prices.ts';
import { defaultModelName } from '../store/registry.ts';
import { createRun, type Run, type RunManifest, runsFolder } from '../store/runs.ts';
import {
  type ChatPlan,
  type ChatStudy,
  type ChatWork,
  type PlannedLab,
  playAll,
} from '../studies/chat-study.ts';
import { createRecorder, reopenCells } from '../studies/recorder.ts';
import { packHash } from '../vectors/pack.ts';
import { askToGoOn, secondsFor } from './ahead.ts';
import {
  type ChatNames,
  givenPrices,
  isLocalName,
  type OpenChatLab,
  openChatLab,
} from './chat-lab.ts';
import { type Context, text } from './command.ts';
import { dataFile } from './open-model.ts';
import { createProgress, formatSeconds, type Progress } from './progress.ts';
import { assertSame } from './run-inside.ts';
import { measuresInWords, studyPage } from './study-output.ts';
import { limbicVersion } from './version.ts';
import { queueOf } from './worker.ts';

/** Dearer work asks first, in US dollars. */
const askBeyondDollars = 1;

const namesSchema = z.object({
  model: z.string(),
  judge: z.string().optional(),
  secondJudge: z.string().optional(),
});

export interface ChatStart {
  readonly study: ChatStudy;
  readonly params: object;
  /** Of the run that goes on. */
  readonly of?: RunManifest;
}

/** Runs the study, or goes on with it, and prints what came out. */
export async function runChatStudy(
  { study, params, of }: ChatStart,
  context: Context,
): Promise<void> {
  const { values, signal } = context;
  const names = namesOf(values, of);
  const planned: PlannedLab = {
    data: dataFile,
    hasJudge: names.judge !== undefined,
    hasSecondJudge: names.secondJudge !== undefined,
    isLocal: isLocalName(names.model) && study.talksOnly !== true,
  };
  const plan = study.plan(params, planned);
  const keys = study.conversations(params, planned);
  const queue = queueOf(values, process.env);
  if (queue !== null && values['budget'] !== undefined)
    throw new InvalidInputError('--budget: expected it without a queue, where workers pay', {
      hint: 'limbic worker --budget sets what each of them may spend',
    });
  await using lab = await openChatLab(names, context, {
    asksNothing: queue !== null,
    talksOnly: study.talksOnly ?? false,
  });
  await announce(plan, { lab, names, values });
  const resume = text(values, 'resume');
  const { run: begun, known } =
    resume === undefined
      ? { run: begin(study, { params, names, lab }), known: new Map<string, object>() }
      : await reopenCells(resume, runsFolder());
  using run = begun;
  if (of !== undefined && lab.local !== null) assertSame(of, idOf(names.model, lab));
  restoreSpending(lab, known, givenPrices(values));
  const cells = plan.model.replies + plan.judge.replies + plan.secondJudge.replies;
  const bar = createProgress(study.name);
  try {
    const at = { study, params, names, run, keys, signal };
    const all = queue === null ? known : await collect(queue, at, { known, bar });
    const recorder = createRecorder(run, all, (done) =>
      bar.update(Math.min(1, done / cells), countsInWords(lab)),
    );
    const play = (key: string): Promise<object> => study.play(key, params, { lab, recorder });
    const played = await playAll(keys, play, { width: lab.chat.width, signal });
    bar.end();
    report(study, { run, params, names, lab, played, isJson: values['json'] === true });
  } catch (error) {
    bar.end();
    console.error(`limbic: go on with: limbic run --resume ${run.id}`);
    throw error;
  }
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

/** The models that the options name, or those of the run that goes on. */
function namesOf(values: Context['values'], of: RunManifest | undefined): ChatNames {
  const [judge, secondJudge] = [text(values, 'judge'), text(values, 'second-judge')];
  if (of !== undefined) {
    const beside = judge === undefined ? secondJudge : judge;
    if (beside !== undefined)
      throw new InvalidInputError(`--resume: expected no judge beside it, got ${beside}`, {
        hint: 'a run goes on with the judges that it began with',
      });
    const model = text(values, 'model');
    if (model !== undefined && model !== of.model)
      throw new InvalidInputError(`--resume: expected ${of.model} or no model, got ${model}`, {
        hint: 'a run goes on with the model that it began with',
      });
    return withoutUndefined(namesSchema.parse({ model: of.model, ...of.parameters }));
  }
  if (secondJudge !== undefined && judge === undefined)
    throw new InvalidInputError('--second-judge: expected --judge beside it, got none');
  const model = text(values, 'model') ?? defaultModelName;
  return withoutUndefined({ model, judge, secondJudge });
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
  { params, names, lab }: { params: object; names: ChatNames; lab: OpenChatLab },
): Run {
  const { model, ...judges } = names;
  return createRun({
    kind: study.name,
    title: study.summary,
    ...idOf(model, lab),
    limbicVersion: limbicVersion(),
    parameters: { ...params, ...judges },
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

const paidSchema = z.object({ by: z.string(), read: z.number(), written: z.number() });

/** What the run has cost already counts against the budget. */
function restoreSpending(
  { budget }: OpenChatLab,
  known: ReadonlyMap<string, object>,
  prices: GivenPrices | undefined,
): void {
  for (const data of known.values()) {
    const paid = paidSchema.safeParse(data);
    if (!paid.success) continue;
    const { by, read, written } = paid.data;
    budget.restore(priceOf(by, prices) ?? free, { read, written });
  }
}

/** Says how much work and money it is; asks where either is much and somebody is there to answer. */
async function announce(
  plan: ChatPlan,
  { lab, names, values }: { lab: OpenChatLab; names: ChatNames; values: Context['values'] },
): Promise<void> {
  const prices = givenPrices(values);
  const parts: [name: string | undefined, work: ChatWork][] = [
    [names.model, plan.model],
    [names.judge, plan.judge],
    [names.secondJudge, plan.secondJudge],
  ];
  let [dollars, seconds] = [0, 0];
  const lines: string[] = [];
  for (const [name, work] of parts) {
    if (name === undefined) continue;
    const price = priceOf(name, prices);
    const cost = price === null ? null : costOf(price, work);
    dollars += cost ?? 0;
    const here = lab.here.get(name);
    if (here !== undefined) seconds += await secondsFor(here, work, lab.signal);
    const dear = cost === null ? ', price unknown' : `, about $${cost.toFixed(2)} at most`;
    const said = here === undefined ? dear : '';
    lines.push(
      `${name}: ${work.replies} replies, ${work.read} tokens to read, ${work.written} to write at most${said}`,
    );
  }
  console.error(`${plan.conversations} conversations\n${lines.join('\n')}`);
  if (seconds > 0) console.error(`about ${formatSeconds(seconds)} here`);
  if (Number.isFinite(lab.budget.limit))
    console.error(`budget $${lab.budget.limit}: never exceeded`);
  await askToGoOn({
    isAgreed: values['yes'] === true,
    seconds,
    ...(dollars > askBeyondDollars ? { dollars } : {}),
  });
}

function countsInWords({ budget, counts }: OpenChatLab): string {
  const { requests, retries, rateLimited, inFlight, limit } = counts();
  if (requests === 0) return '';
  const parts = [`${inFlight} of ${limit} under way`];
  if (retries > 0) parts.push(`${retries} tried again (${rateLimited} for the rate limit)`);
  if (budget.spent > 0) parts.push(`$${budget.spent.toFixed(3)}`);
  return parts.join(', ');
}

function report(
  study: ChatStudy,
  done: {
    run: Run;
    params: object;
    names: ChatNames;
    lab: OpenChatLab;
    played: readonly object[];
    isJson: boolean;
  },
): void {
  const { run, params, names, lab, played } = done;
  const result = study.result(params, lab, played);
  const { verdict, measures } = result;
  const title = `${study.name}: ${names.model}`;
  const subtitle = `${study.summary} (${study.source}). ${names.judge === undefined ? 'No judge' : `Judged by ${names.judge}`}${names.secondJudge === undefined ? '' : `, a share again by ${names.secondJudge}`}; run ${run.id}, limbic ${limbicVersion()}, parameters ${JSON.stringify(params)}.`;
  // The report first: a run that is done can't be taken up again.
  run.writeReport(studyPage({ title, subtitle }, result));
  run.finish('done', { verdict, measures });
  const spent = lab.budget.spent;
  if (done.isJson) {
    const { id, path } = run;
    const about = { run: id, path, models: names, params, spent, verdict, measures };
    console.log(JSON.stringify(about, null, 2));
    return;
  }
  const cost = spent > 0 ? `\ncost: $${spent.toFixed(4)} by the prices given or listed` : '';
  console.log(`${measuresInWords(measures)}\n\n${verdict}${cost}\nreport: ${run.path}/report.html`);
}
