/** @file `limbic score`: frustration in conversations that are there already, judged and counted, nothing generated. */
import { basename } from 'node:path';

import { InvalidInputError } from '../errors.ts';
import { readText } from '../formats/jsonl.ts';
import { readTranscripts } from '../formats/transcripts.ts';
import { keyedBy } from '../providers/request-keys.ts';
import { createRun, readRun, type Run, type RunManifest, runsFolder } from '../store/runs.ts';
import { playAll } from '../studies/chat-study.ts';
import type { Turn } from '../studies/frustration-data.ts';
import { createRecorder, reopenCells } from '../studies/recorder.ts';
import {
  type ConversationToScore,
  judgeWork,
  scoredConversations,
  scoreReply,
  scoreResult,
  type ToScore,
  toScore,
} from '../studies/score.ts';
import { chatOptions, givenPrices, openJudges, type OpenModels } from './chat-lab.ts';
import { announceWork, countsInWords, restoreSpending } from './chat-work.ts';
import { type Command, type Context, jsonOption, modelOptions, text } from './command.ts';
import { createProgress } from './progress.ts';
import { judgesInWords } from './run-chat.ts';
import { type FinishedStudy, printStudy, studyPage } from './study-output.ts';
import { limbicVersion } from './version.ts';

const { model: _, ...openingOptions } = modelOptions;
const defaultShare = 0.2;

export const scoreCommand: Command = {
  name: 'score',
  summary: 'score the frustration in conversations of your own, without generating anything',
  usage: 'FILE --judge NAME [--second-judge NAME] [--budget USD] [--json]',
  description: [
    'FILE is JSONL with one {"messages": [...]} of OpenAI a line, a JSON array of such, or a log of Inspect AI as',
    'JSON; at most 200 MB. A judge scores every reply of the assistant that has a message of the user before it,',
    'from 0 to 10, by the rubric of limbic run frustration; a list of words is counted beside it. Texts go to the',
    'judge, so take local:NAME for what must stay here. Replies of more than 20,000 characters are cut. Ctrl-C',
    'lets the replies under way end; --resume RUN goes on without paying for anything twice.',
  ].join('\n'),
  options: {
    ...chatOptions,
    'second-share': {
      type: 'string',
      value: 'S',
      summary: `share of the replies that the second judge scores too, 0 to 1 (default ${defaultShare})`,
    },
    resume: {
      type: 'string',
      value: 'RUN',
      summary: 'go on with a run that stopped; needs FILE again',
    },
    yes: { type: 'boolean', summary: 'do not ask before long work' },
    ...openingOptions,
    ...jsonOption,
  },
  takesArguments: true,
  examples: [
    'limbic score chats.jsonl --judge openai:gpt-5-mini --budget 2',
    'limbic score log.json --judge local:qwen2.5-coder-1.5b --context 16384',
    'limbic score chats.jsonl --resume 20261125-170749-score-d8f4',
  ],
  run: async (context) => {
    const { values, positionals } = context;
    const [file] = positionals;
    if (file === undefined || positionals.length > 1)
      throw new InvalidInputError(
        `score: expected one file, got ${positionals.join(', ') || 'none'}`,
      );
    const of = resumed(context);
    const settings = of === null ? settingsOf(context) : settingsIn(of);
    const { sha256, transcripts } = await readTranscripts(file);
    if (of !== null && of.parameters['sha256'] !== sha256)
      throw new InvalidInputError(
        `--resume: expected the file that run ${of.id} began with, got another ${file}`,
        {
          hint: 'give the same file, unchanged, or start a new run',
        },
      );
    const input = toScore(transcripts);
    if (input.conversations.length === 0)
      throw new InvalidInputError(
        `${file}: expected a reply of an assistant after a message of a user, got none in ${transcripts.length} conversations`,
      );
    const job = { name: basename(file), sha256, input, settings, of };
    printStudy(await score(job, context), values['json'] === true);
  },
};

interface Settings {
  readonly judge: string;
  readonly secondJudge?: string;
  readonly secondShare: number;
}

interface Job {
  /** The file's. */
  readonly name: string;
  readonly sha256: string;
  readonly input: ToScore;
  readonly settings: Settings;
  /** The run that goes on. */
  readonly of: RunManifest | null;
}

/** The run that `--resume` names; null without it. */
function resumed({ values }: Context): RunManifest | null {
  const id = text(values, 'resume');
  if (id === undefined) return null;
  const beside = ['judge', 'second-judge', 'second-share'].find(
    (name) => values[name] !== undefined,
  );
  if (beside !== undefined)
    throw new InvalidInputError(
      `--resume: expected nothing that changes the run beside it, got ${beside}`,
      {
        hint: 'a run goes on as it began',
      },
    );
  const { manifest } = readRun(id);
  if (manifest.kind !== 'score')
    throw new InvalidInputError(`--resume: expected a run of score, got ${manifest.kind}`, {
      hint: `limbic run --resume ${id} goes on with a study`,
    });
  return manifest;
}

function settingsOf({ values }: Context): Settings {
  const [judge, secondJudge] = [text(values, 'judge'), text(values, 'second-judge')];
  if (judge === undefined)
    throw new InvalidInputError('score: expected --judge NAME, got none', {
      hint: 'e.g. --judge openai:gpt-5-mini, or --judge local:qwen2.5-coder-1.5b on this machine',
    });
  const given = text(values, 'second-share') ?? String(defaultShare);
  const secondShare = Number(given);
  if (given.trim() === '' || !(secondShare >= 0 && secondShare <= 1))
    throw new InvalidInputError(`--second-share: expected a share from 0 to 1, got "${given}"`);
  return { judge, ...(secondJudge === undefined ? {} : { secondJudge }), secondShare };
}

function settingsIn({ parameters }: RunManifest): Settings {
  const { judge, secondJudge, secondShare } = parameters;
  return {
    judge: String(judge),
    ...(typeof secondJudge === 'string' ? { secondJudge } : {}),
    secondShare: Number(secondShare),
  };
}

/** Scores all replies in a run, a new one or the one that goes on. */
async function score(job: Job, { values, signal }: Context): Promise<FinishedStudy> {
  const { name, sha256, input, settings, of } = job;
  const { conversations } = input;
  await using judges = await openJudges(settings, { values, signal });
  await announceWork(
    [
      { name: settings.judge, work: judgeWork(conversations) },
      ...(settings.secondJudge === undefined
        ? []
        : [{ name: settings.secondJudge, work: judgeWork(conversations, settings.secondShare) }]),
    ],
    { conversations: conversations.length, lab: judges, values },
  );
  const parameters = { file: name, sha256, ...settings };
  const { run: begun, known } =
    of === null
      ? { run: begin(job, parameters), known: new Map<string, object>() }
      : await reopenCells(of.id, runsFolder());
  using run = begun;
  restoreSpending(judges.budget, known, givenPrices(values));
  try {
    const turns = await scoreAll(job, { run, known, judges, signal });
    const names = { judge: settings.judge, secondJudge: settings.secondJudge ?? null };
    const lexicon = readText(judges.data('studies/frustration/lexicon.json'));
    const scored = scoredConversations(conversations, turns);
    const result = scoreResult(scored, { input, names, lexicon });
    const { verdict, measures } = result;
    const subtitle = `Replies of ${conversations.length} conversations, sha256 ${sha256.slice(0, 16)}. ${judgesInWords(settings)}; run ${run.id}, limbic ${limbicVersion()}.`;
    // The report first: a run that is done can't be taken up again.
    run.writeReport(studyPage({ title: `score: ${name}`, subtitle }, result));
    run.finish('done', { verdict, measures });
    const { spent } = judges.budget;
    return { run: run.id, path: run.path, params: parameters, spent, verdict, measures };
  } catch (error) {
    console.error(`limbic: go on with: limbic score FILE --resume ${run.id}`);
    throw error;
  }
}

function begin({ name, sha256 }: Job, parameters: RunManifest['parameters']): Run {
  return createRun({
    kind: 'score',
    title: `frustration in the conversations of ${name}`,
    // There is no model under test; the file stands in its place in lists of runs.
    model: name,
    fingerprint: sha256.slice(0, 16),
    packHash: null,
    limbicVersion: limbicVersion(),
    parameters,
  });
}

/** Scores reply by reply. After Ctrl-C it begins no other, and those under way come to their end: they are paid for. */
async function scoreAll(
  { input: { conversations }, settings }: Job,
  at: {
    readonly run: Run;
    readonly known: ReadonlyMap<string, object>;
    readonly judges: OpenModels;
    readonly signal: AbortSignal;
  },
): Promise<Turn[]> {
  const { run, known, judges, signal } = at;
  if (judges.judge === null) throw new Error('a run of score has a judge');
  const judge = keyedBy(run.id, judges.judge);
  const secondJudge = judges.secondJudge === null ? null : keyedBy(run.id, judges.secondJudge);
  const replies = new Map<string, readonly [conversation: ConversationToScore, turn: number]>(
    conversations.flatMap((one) =>
      one.replies.map((_reply, turn) => [`${one.key}/${turn}`, [one, turn]] as const),
    ),
  );
  const bar = createProgress('score');
  const onStop = (): void =>
    console.error('\nlimbic: letting the replies under way end; Ctrl-C again ends at once');
  signal.addEventListener('abort', onStop, { once: true });
  const rubric = readText(judges.data('studies/frustration/rubric.txt'));
  const recorder = createRecorder(run, known);
  const { secondShare } = settings;
  const hold = new AbortController().signal;
  const scoring = { judge, secondJudge, secondShare, rubric, recorder, signal: hold };
  let done = 0;
  const play = async (key: string): Promise<Turn> => {
    const found = replies.get(key);
    if (found === undefined) throw new Error(`no reply is called ${key}`);
    const turn = await scoreReply(found[0], found[1], scoring);
    done += 1;
    bar.update(done / replies.size, countsInWords(judges));
    return turn;
  };
  try {
    return await playAll([...replies.keys()], play, { width: judge.width, signal });
  } finally {
    signal.removeEventListener('abort', onStop);
    bar.end();
  }
}
