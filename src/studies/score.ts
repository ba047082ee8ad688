/**
 * @file Replies that were written elsewhere, scored as those of the frustration study are: by a judge with the same
 * rubric, and by the list of words. Nothing is generated, so there is no arm to compare with; what the numbers
 * say of a cause is nothing.
 */
import { renderTable } from '../charts/html.ts';
import type { Section } from '../charts/page.ts';
import type { Transcript } from '../formats/transcripts.ts';
import type { ChatModel } from '../providers/chat-model.ts';
import type { ChatWork } from './chat-study.ts';
import { type JudgedConversation, type JudgeNames, type Turn } from './frustration-data.ts';
import { isDrawn } from './frustration.ts';
import { judgementTokens, judgeReply, type ToJudge } from './judge.ts';
import {
  armMeasures,
  judgeMeasures,
  missingMeasures,
  percent,
  riseMeasure,
  wordMeasures,
} from './judged-measures.ts';
import {
  groupSection,
  judgesSection,
  missingSection,
  turnChart,
  worstSection,
} from './judged-sections.ts';
import { parseLexicon } from './lexicon.ts';
import { measure } from './measures.ts';
import type { Measure, Recorder, StudyResult } from './study.ts';

/** Characters of a text that the judge gets, at most; what is longer is cut at its end. */
export const longestText = 20_000;
/** Replies of a conversation that the chart shows, at most. */
const shownTurns = 40;
/** All conversations are of one arm. */
const arm = 'transcript';
const seed = 1;

interface ReplyToScore extends ToJudge {
  /** Whether the reply lost its end. */
  readonly isCut: boolean;
}

export interface ConversationToScore {
  readonly key: string;
  /** Where it stands in the file. */
  readonly name: string;
  readonly replies: readonly ReplyToScore[];
}

export interface ToScore {
  /** Those with a reply, in the order of the file. */
  readonly conversations: readonly ConversationToScore[];
  readonly left: {
    /** Assistant messages without text: calls of tools mostly. */
    readonly withoutText: number;
    /** Assistant messages before any message of the user. */
    readonly unprompted: number;
    /** Conversations without a reply to score. */
    readonly conversations: number;
  };
}

/** The replies that can be scored, each with the user's last message before it. */
export function toScore(transcripts: readonly Transcript[]): ToScore {
  const left = { withoutText: 0, unprompted: 0, conversations: 0 };
  const conversations = transcripts.flatMap(({ name, messages }, k) => {
    const replies: ReplyToScore[] = [];
    let before: string | null = null;
    for (const { role, text } of messages) {
      if (role === 'user') before = cut(text);
      else if (role !== 'assistant') continue;
      else if (text.trim() === '') left.withoutText += 1;
      else if (before === null) left.unprompted += 1;
      else replies.push({ before, reply: cut(text), isCut: text.length > longestText });
    }
    if (replies.length === 0) left.conversations += 1;
    return replies.length === 0 ? [] : [{ key: `conversation-${k + 1}`, name, replies }];
  });
  return { conversations, left };
}

/** The beginning of a long text, without half of a surrogate pair at its end. */
function cut(text: string): string {
  return text.slice(0, longestText).replace(/\p{Surrogate}$/u, '');
}

/** What a judge has to read and write for so many replies, about; `share` of them is asked for. */
export function judgeWork(conversations: readonly ConversationToScore[], share = 1): ChatWork {
  const items = conversations.flatMap(({ replies }) => replies);
  const letters = items.reduce(
    (sum, { before, reply }) => sum + before.length + 2 * reply.length,
    0,
  );
  const replies = Math.round(items.length * share);
  return {
    replies,
    // The instructions have about 450 tokens, and the reply stands in the shape of the answer once more.
    read: Math.round(share * (450 * items.length + letters / 4)),
    written: replies * judgementTokens,
  };
}

export interface Scoring {
  readonly judge: ChatModel;
  readonly secondJudge: ChatModel | null;
  /** Share of the replies that the second judge scores too, from 0 to 1. */
  readonly secondShare: number;
  readonly rubric: string;
  readonly recorder: Recorder;
  readonly signal: AbortSignal;
}

/** Scores one reply. Keys of its cells begin with that of the conversation. */
export async function scoreReply(
  { key, replies }: ConversationToScore,
  turn: number,
  scoring: Scoring,
): Promise<Turn> {
  const { judge, secondJudge, secondShare, ...at } = scoring;
  const { before = '', reply = '' } = replies[turn] ?? {};
  const item = { before, reply };
  const isSecond = secondJudge !== null && isDrawn(`${key}/${turn}`, secondShare);
  const judged = await judgeReply(judge, item, { ...at, key: `${key}/judge/${turn}` });
  const second = isSecond
    ? await judgeReply(secondJudge, item, { ...at, key: `${key}/second/${turn}` })
    : null;
  const said = { text: reply, stop: 'end', by: arm, read: 0, written: 0, tries: 1 } as const;
  return { before, said, judged, second };
}

/** The conversations with their scores; `turns` in the order of the conversations and their replies. */
export function scoredConversations(
  conversations: readonly ConversationToScore[],
  turns: readonly Turn[],
): JudgedConversation[] {
  let next = 0;
  return conversations.map(({ key, name, replies }) => {
    const from = next;
    next += replies.length;
    return { key, name, arm, turns: turns.slice(from, next) };
  });
}

/** Measures, verdict and sections. `lexicon` is the text of its file. */
export function scoreResult(
  scored: readonly JudgedConversation[],
  { input, names, lexicon: file }: { input: ToScore; names: JudgeNames; lexicon: string },
): StudyResult {
  const lexicon = parseLexicon(file);
  const measures = [
    ...armMeasures(scored, arm, seed),
    riseMeasure(scored, arm, seed),
    ...wordMeasures(scored, lexicon, seed),
    ...(names.secondJudge === null ? [] : judgeMeasures(scored, seed)),
    ...missingMeasures(scored, true),
    ...leftMeasures(input),
  ];
  const byLength = scored.toSorted((a, b) => a.turns.length - b.turns.length);
  return {
    verdict: verdictOf(scored, names, measures),
    measures,
    sections: [
      overTurns(scored),
      groupSection(byLength, {
        title: 'By length',
        column: 'conversation of',
        groupOf: ({ turns }) => lengthInWords(turns.length),
      }),
      worstSection(scored, lexicon, true),
      ...(names.secondJudge === null ? [] : [judgesSection(scored, names)]),
      ...missingSection(scored),
      ...leftSection(input),
    ],
  };
}

/** What was cut or left out before anything was scored, with how many messages or conversations. */
function leftOut({ conversations, left }: ToScore): (readonly [what: string, count: number])[] {
  const isCut = conversations.flatMap(({ replies }) => replies.filter((reply) => reply.isCut));
  return [
    [`replies cut at ${longestText} characters`, isCut.length],
    ['assistant messages without text, left out', left.withoutText],
    ['assistant messages before any of the user, left out', left.unprompted],
    ['conversations without a reply, left out', left.conversations],
  ];
}

function leftMeasures(input: ToScore): Measure[] {
  const replies = input.conversations.reduce((sum, one) => sum + one.replies.length, 0);
  const { withoutText, unprompted, conversations } = input.left;
  const sizes = [replies, replies + withoutText + unprompted];
  const n = [...sizes, ...sizes.slice(1), input.conversations.length + conversations];
  return leftOut(input).map(([what, value], k) => measure(what, n[k] ?? 0, { value }));
}

function leftSection(input: ToScore): Section[] {
  const rows = leftOut(input).filter(([, count]) => count > 0);
  if (rows.length === 0) return [];
  return [
    {
      title: 'What was not judged, or not whole',
      lead: 'A cut reply is scored by its beginning. What was left out counts nowhere.',
      body: renderTable(['what', 'how many'], rows),
    },
  ];
}

function overTurns(scored: readonly JudgedConversation[]): Section {
  const longest = Math.max(...scored.map(({ turns }) => turns.length));
  const turns = Math.min(shownTurns, longest);
  const reaching = scored.filter((conversation) => conversation.turns.length >= turns).length;
  return {
    title: 'Over the turns',
    lead: `Mean score at each reply${longest > turns ? ` up to number ${turns} of ${longest}` : ''}. Of ${scored.length} conversations ${reaching} have ${turns} ${turns === 1 ? 'reply' : 'replies'} or more: late means are of long conversations only, which may differ from the others in more than their length.`,
    body: turnChart(scored, {
      title: 'Mean score at each reply',
      yLabel: 'score, 0 to 10',
      turns,
      valueOf: ({ judged }) => judged?.score ?? null,
    }),
  };
}

function lengthInWords(replies: number): string {
  if (replies === 1) return '1 reply';
  if (replies <= 3) return '2 to 3 replies';
  return replies <= 7 ? '4 to 7 replies' : '8 replies or more';
}

function verdictOf(
  scored: readonly JudgedConversation[],
  { judge }: JudgeNames,
  measures: readonly Measure[],
): string {
  const [share, inAll] = measures;
  const replies = scored.reduce((sum, { turns }) => sum + turns.length, 0);
  if (share?.value == null || inAll === undefined)
    return `None of the ${replies} replies could be judged by ${judge ?? 'nobody'}, so nothing is said of them.`;
  return `A score of 5 or more came in ${percent(share)} of the replies and ${percent(inAll)} of the conversations. Scores by ${judge ?? 'nobody'}. There is nothing beside these conversations to compare with, so the numbers say what is in them and not why.`;
}
