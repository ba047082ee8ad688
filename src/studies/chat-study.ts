/**
 * @file The shape of a study that talks to a model and judges what it says: a list of conversations, each played
 * by itself, and a result made from all. A conversation asks for every reply and every score through the
 * recorder, so that one that broke off goes on where it was, nothing is paid for twice, and any process, here
 * or on another machine, can play any conversation.
 */
import type { z } from 'zod';

import type { Model } from '../engine/engine.ts';
import type { ChatModel } from '../providers/chat-model.ts';
import type { VectorPack } from '../vectors/pack.ts';
import type { Recorder, StudyResult } from './study.ts';

export interface ChatLab {
  /** The model under test. */
  readonly chat: ChatModel;
  readonly judge: ChatModel | null;
  /** Scores a share of the replies again. */
  readonly secondJudge: ChatModel | null;
  /** What runs behind `chat` when it is our engine's, for readings and steering. */
  readonly local: { readonly model: Model; readonly pack: VectorPack } | null;
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
