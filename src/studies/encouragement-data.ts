/** @file What a run of the encouragement study holds, and how its parts are picked out. */
import type { Run } from '../math/survival.ts';
import type { Sentence, TextArm, Topic } from './encouragement-items.ts';
import { textArms } from './encouragement-items.ts';
import type { difficulties } from './graded-tasks.ts';
import { type InsideSaid, isRandomArm } from './inside.ts';
import { armsIn } from './measures.ts';

/** How the one reply to a task that can be solved was graded, by a program. */
export interface Grade {
  readonly isRight: boolean;
  /** Whether there was an answer, or code, that could be graded at all. */
  readonly isReadable: boolean;
  /** Whether the reply stops or declines (English phrases). */
  readonly isDeclined: boolean;
}

/** How a puzzle without a solution went. */
export interface FailingOutcome extends Run {
  /** Whether any reply said that there is no solution. */
  readonly saidUnsolvable: boolean;
  /** Whether it ended because a reply never came. */
  readonly isCut: boolean;
}

/** One task in one arm. */
export interface Played {
  readonly key: string;
  /** One of `textArms`, or a treatment such as `calm +0.04`. */
  readonly arm: string;
  /** The item's id: the same in every arm. */
  readonly item: string;
  readonly topic: Topic;
  /** Null for a failing puzzle. */
  readonly difficulty: (typeof difficulties)[number] | null;
  /** Null in the arm `none` and under treatment. */
  readonly sentence: Sentence | null;
  /** The first message. */
  readonly asked: string;
  /** One of a task that can be solved; of a failing puzzle one an attempt. The last may be missing. */
  readonly replies: readonly InsideSaid[];
  /** Null for a failing puzzle, and where the reply never came. */
  readonly grade: Grade | null;
  /** Null for a task that can be solved, and where not even the first reply came. */
  readonly failing: FailingOutcome | null;
}

export interface EncouragementContext {
  readonly settings: { readonly attempts: number; readonly tokens: number; readonly seed: number };
  readonly model: string;
  readonly isLocal: boolean;
}

export function isTextArm(arm: string): arm is TextArm {
  return textArms.some((name) => name === arm);
}

/** Text arms, emotions that are steered with, and random directions, each in the order of the run. */
export function armGroups(played: readonly Played[]): {
  readonly texts: string[];
  readonly emotions: string[];
  readonly random: string[];
} {
  const arms = armsIn(played);
  return {
    texts: arms.filter(isTextArm),
    emotions: arms.filter((arm) => !isTextArm(arm) && !isRandomArm(arm)),
    random: arms.filter(isRandomArm),
  };
}

/** The reply right after the first message; undefined where it never came. */
export function firstReply({ replies }: Played): InsideSaid | undefined {
  const [first] = replies;
  return first?.missing === undefined ? first : undefined;
}

/** Words in a text. */
export function wordsIn(text: string): number {
  return text.match(/\S+/gu)?.length ?? 0;
}

/** What every other arm is compared with, where it was played. */
export const baseArms = ['none', 'demand'] as const;

/** Text arms that are compared with `base`: none against demand would be demand against none once more. */
export function textArmsAgainst(played: readonly Played[], base: string): string[] {
  return armGroups(played).texts.filter(
    (arm) => arm !== base && !(base === 'demand' && arm === 'none'),
  );
}

/** Whether each graded reply was right. */
export function rightIn(own: readonly Played[]): boolean[] {
  return own.flatMap(({ grade }) => (grade === null ? [] : [grade.isRight]));
}

/** Runs on failing puzzles; the last one may have broken off. */
export function runsIn(own: readonly Played[]): Run[] {
  return own.flatMap(({ failing }) => failing ?? []);
}
