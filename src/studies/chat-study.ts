/**
 * @file The shape of a study that talks to a model and judges what it says: a list of conversations, each played
 * by itself, and a result made from all. A conversation asks for every reply and every score through the
 * recorder, so that one that broke off goes on where it was, nothing is paid for twice, and any process, here
 * or on another machine, can play any conversation.
 */
import { z } from 'zod';

import type { ChatModel } from '../providers/chat-model.ts';
import type { LocalChat } from '../providers/local.ts';
import { keyedBy } from '../providers/request-keys.ts';
import type { VectorPack } from '../vectors/pack.ts';
import type { Recorder, StudyResult } from './study.ts';

export interface ChatLab {
  /** The model under test. */
  readonly chat: ChatModel;
  readonly judge: ChatModel | null;
  /** Scores a share of the replies again. */
  readonly secondJudge: ChatModel | null;
  /** What runs behind `chat` when it is our engine's, for readings and steering. */
  readonly local: { readonly chat: LocalChat; readonly pack: VectorPack } | null;
  /** Path of a file under `data/`. */
  readonly data: (name: string) => string;
  readonly signal: AbortSignal;
}

/** Replies ahead and the tokens that they read and write, for time, cost and the question before the start. */
export interface ChatWork {
  readonly replies: number;
  readonly read: number;
  /** At most. */
  readonly written: number;
}

export interface ChatPlan {
  readonly conversations: number;
  readonly model: ChatWork;
  readonly judge: ChatWork;
  readonly secondJudge: ChatWork;
}

export type PlannedLab = Pick<ChatLab, 'data'> & {
  readonly hasJudge: boolean;
  readonly hasSecondJudge: boolean;
  readonly isLocal: boolean;
};

export interface ChatStudy<P extends object = object, R extends object = object> {
  readonly name: string;
  readonly summary: string;
  readonly source: string;
  readonly params: z.ZodType<P>;
  /** What `--quick` changes: at most 5 minutes on two cores with the default model. */
  readonly quick: Partial<P>;
  /** A model that runs here is opened without its vectors: `lab.local` is null. @default false */
  readonly talksOnly?: boolean;
  readonly plan: (params: P, lab: PlannedLab) => ChatPlan;
  /** A key for each conversation, in the order in which they begin. */
  readonly conversations: (params: P, lab: PlannedLab) => readonly string[];
  /** Plays one. Keys of its cells begin with its own key. */
  readonly play: (key: string, params: P, at: { lab: ChatLab; recorder: Recorder }) => Promise<R>;
  /** From all conversations, in the order of `conversations`. */
  readonly result: (params: P, lab: ChatLab, played: readonly R[]) => StudyResult;
}

/** A study whose parameters are checked where they enter, so that all can be in one list. */
export function defineChatStudy<P extends object, R extends object>(
  study: ChatStudy<P, R>,
): ChatStudy {
  return {
    ...study,
    plan: (params, lab) => study.plan(study.params.parse(params), lab),
    conversations: (params, lab) => study.conversations(study.params.parse(params), lab),
    play: (key, params, at) => study.play(key, study.params.parse(params), at),
    // What comes in is what `play` gave.
    result: (params, lab, played) =>
      study.result(study.params.parse(params), lab, played as readonly R[]),
  };
}

/** The lab with keys of requests that no other run has. */
export function keyedLab(run: string, lab: ChatLab): ChatLab {
  const { chat, judge, secondJudge } = lab;
  return {
    ...lab,
    chat: keyedBy(run, chat),
    judge: judge === null ? null : keyedBy(run, judge),
    secondJudge: secondJudge === null ? null : keyedBy(run, secondJudge),
  };
}

/** A list of names as a parameter: an array, or text with commas; empty for none. A name that comes twice counts once. */
export function listOf<T extends string>(names: readonly T[]): z.ZodType<T[]> {
  return z.preprocess(
    (value) =>
      typeof value === 'string'
        ? value.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]))
        : value,
    z.array(z.enum(names)).transform((list) => [...new Set(list)]),
  );
}

/**
 * What came of all of them, in their order. Unlike Promise.all it throws the first failure only when every one has
 * come to its end: an answer that is paid for gets recorded before the run closes.
 */
export async function allEnded<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(work);
  return ended.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

/**
 * Plays all conversations, `width` at a time in their order, and gives what came of them in the same order.
 * The first failure starts no other; those under way come to their end first, since they may be paid for.
 */
export async function playAll<R>(
  keys: readonly string[],
  play: (key: string) => Promise<R>,
  { width, signal }: { readonly width: number; readonly signal: AbortSignal },
): Promise<R[]> {
  const played: R[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < keys.length && failures.length === 0 && !signal.aborted) {
      const at = next++;
      try {
        played[at] = await play(keys[at] ?? '');
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, keys.length) }, work));
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  return played;
}
