/**
 * @file Encouragement (protocol section 7, after EmotionPrompt and NegativePrompt): does a sentence beside a task
 * change how often it is solved, and how long a model goes on with one that can't be? Beside it stand an
 * affect-free demand of equal length, and in a local model readings inside and steering with the emotions.
 */
import { z } from 'zod';

import type { ChatMessage } from '../engine/chat-template.ts';
import { readAnswer, gradeAnswer } from './answer-grader.ts';
import { doseList } from './arms.ts';
import {
  type ChatLab,
  type ChatPlan,
  type ChatWork,
  defineChatStudy,
  listOf,
  type PlannedLab,
} from './chat-study.ts';
import { type FailingOutcome, type Grade, isTextArm, type Played } from './encouragement-data.ts';
import {
  insideEmotions,
  type Item,
  itemsOf,
  loadSentences,
  messageOf,
  places,
  sentenceFor,
  textArms,
  topicOf,
} from './encouragement-items.ts';
import { resultOf } from './encouragement-result.ts';
import { givesUp, playFailing } from './failing-tasks.ts';
import { gradeFunction } from './function-tasks.ts';
import { noCodeComplaint } from './impossible.ts';
import {
  askInside,
  type InsideSaid,
  type TreatmentPlan,
  treatmentNames,
  treatmentOf,
} from './inside.ts';
import type { Recorder } from './study.ts';

const params = z.object({
  /** Graded tasks in each of the 9 cells of family and difficulty. */
  perCell: z.coerce.number().int().min(0).max(100).default(4),
  /** JavaScript functions to write. */
  functions: z.coerce.number().int().min(0).max(18).default(12),
  /** Puzzles without a solution; with 11 pairs a difference can pass Holm's limit over 39 questions, the most. */
  failing: z.coerce.number().int().min(0).max(1000).default(12),
  /** Attempts at each of them, at most. */
  attempts: z.coerce.number().int().min(1).max(50).default(6),
  /** Longest reply, in tokens. */
  tokens: z.coerce.number().int().min(10).max(4000).default(200),
  temperature: z.coerce.number().min(0).max(2).default(0.7),
  arms: listOf(textArms).default([...textArms]),
  place: z.enum(places).default('after'),
  /** Emotions that a local model is steered with, without a sentence; empty for no treatment at all. */
  treatments: listOf(insideEmotions).default([...insideEmotions]),
  doses: doseList.default([0.04]),
  /** Random directions at the middle dose. */
  random: z.coerce.number().int().min(0).max(100).default(2),
  /** Random mixtures of emotion vectors at the middle dose. */
  mixtures: z.coerce.number().int().min(0).max(100).default(2),
  seed: z.coerce.number().int().min(0).default(1),
});
type EncouragementParams = z.infer<typeof params>;

export const encouragementStudy = defineChatStudy<EncouragementParams, Played>({
  name: 'encouragement',
  summary: 'does a kind word help? solved tasks and attempts before giving up, by programs',
  source: 'protocol section 7',
  params,
  quick: {
    perCell: 2,
    functions: 3,
    failing: 3,
    attempts: 3,
    tokens: 120,
    arms: ['none', 'encouragement', 'demand'],
    treatments: [],
  },
  plan: planOf,
  conversations: (settings, lab) => specsOf(settings, lab).map(({ key }) => key),
  play: (key, settings, { lab, recorder }) => play(key, settings, { lab, recorder }),
  result: (settings, lab, played) =>
    resultOf(played, { settings, model: lab.chat.name, isLocal: lab.local !== null }),
});

interface Spec {
  readonly key: string;
  readonly arm: string;
  readonly item: Item;
}

/** Every item in every arm. */
function specsOf(settings: EncouragementParams, lab: PlannedLab): Spec[] {
  const treatments = lab.isLocal ? treatmentNames(treatmentPlan(settings)) : [];
  return [...new Set(settings.arms), ...treatments].flatMap((arm) =>
    itemsOf(settings, lab.data).map((item) => ({ key: `${arm}/${item.id}`, arm, item })),
  );
}

function treatmentPlan(settings: EncouragementParams): TreatmentPlan {
  const { treatments, doses, random, mixtures, seed } = settings;
  const emotions = [...new Set(treatments)];
  // Controls of nothing would only take time.
  const isTreated = emotions.length > 0;
  return {
    emotions,
    doses: isTreated ? doses : [],
    random,
    mixtures,
    watch: null,
    seed,
  };
}

/** English has about 3.5 characters a token, and templates and rejections add about 20 tokens a message. */
const tokensIn = (text: string): number => Math.ceil(text.length / 3.5) + 20;

function planOf(settings: EncouragementParams, lab: PlannedLab): ChatPlan {
  const { attempts, tokens, place } = settings;
  const specs = specsOf(settings, lab);
  const sentences = loadSentences(lab.data);
  let [replies, read] = [0, 0];
  for (const { arm, item } of specs) {
    const own = item.kind === 'failing' ? attempts : 1;
    const sentence = sentenceFor(sentences, isTextArm(arm) ? arm : 'none', item);
    replies += own;
    read += own * tokensIn(messageOf(item.question, sentence, place));
    // Every earlier reply and its rejection is read again.
    read += ((own * (own - 1)) / 2) * (tokens + 20);
  }
  const none: ChatWork = { replies: 0, read: 0, written: 0 };
  return {
    conversations: specs.length,
    model: { replies, read, written: replies * tokens },
    judge: none,
    secondJudge: none,
  };
}

async function play(
  key: string,
  settings: EncouragementParams,
  { lab, recorder }: { lab: ChatLab; recorder: Recorder },
): Promise<Played> {
  const border = key.indexOf('/');
  const arm = key.slice(0, border);
  const item = itemsOf(settings, lab.data).find(({ id }) => id === key.slice(border + 1));
  if (item === undefined) throw new Error(`no conversation is called ${key}`);
  const sentence = sentenceFor(loadSentences(lab.data), isTextArm(arm) ? arm : 'none', item);
  const asked = messageOf(item.question, sentence, settings.place);
  const treatment =
    lab.local === null || isTextArm(arm)
      ? {}
      : treatmentOf(arm, treatmentPlan(settings), {
          pack: lab.local.pack,
          emotions: insideEmotions,
        });
  const { tokens, temperature, seed } = settings;
  const say = (messages: readonly ChatMessage[], attempt: number): Promise<InsideSaid> =>
    askInside(
      {
        messages,
        maxTokens: tokens,
        temperature,
        // The same in every arm.
        seed: seed * 1_000_000 + item.number * 100 + attempt,
        key: `${key}/reply/${attempt}`,
      },
      { lab, recorder, emotions: insideEmotions, treatment },
    );
  const about = { key, arm, item: item.id, ...topicOf(item), sentence, asked };
  if (item.kind === 'failing') {
    const puzzle = { ...item.task, question: asked };
    return { ...about, grade: null, ...(await playPuzzle(puzzle, settings.attempts, say)) };
  }
  const reply = await say([{ role: 'user', content: asked }], 1);
  const grade =
    reply.missing === undefined ? await gradeReply(item, reply.text, { key, recorder }) : null;
  return { ...about, replies: [reply], grade, failing: null };
}

async function playPuzzle(
  puzzle: Parameters<typeof playFailing>[0][number],
  attempts: number,
  say: (messages: readonly ChatMessage[], attempt: number) => Promise<InsideSaid>,
): Promise<Pick<Played, 'replies' | 'failing'>> {
  const replies: InsideSaid[] = [];
  const [run] = await playFailing([puzzle], {
    attempts,
    write: async ([messages = []], attempt) => {
      const reply = await say([...messages], attempt);
      replies.push(reply);
      return [reply.missing === undefined ? reply.text : null];
    },
  });
  if (run === undefined || run.replies.length === 0) return { replies, failing: null };
  const failing: FailingOutcome = {
    attempts: run.gaveUpAt ?? run.replies.length,
    gaveUp: run.gaveUpAt !== null,
    saidUnsolvable: run.saidUnsolvableAt !== null,
    isCut: run.gaveUpAt === null && run.replies.length < attempts,
  };
  return { replies, failing };
}

/** By a program. Code is run once, also over a kill and a new start: a busy machine may end it another time. */
async function gradeReply(
  item: Exclude<Item, { kind: 'failing' }>,
  reply: string,
  { key, recorder }: { key: string; recorder: Recorder },
): Promise<Grade> {
  const isDeclined = givesUp(reply);
  if (item.kind === 'graded') {
    const isReadable = readAnswer(item.task, reply) !== undefined;
    return { isRight: gradeAnswer(item.task, reply), isReadable, isDeclined };
  }
  const { isRight, complaint } = await recorder.cell(`${key}/grade`, () =>
    gradeFunction(item.task, reply),
  );
  return { isRight, isReadable: complaint !== noCodeComplaint, isDeclined };
}
