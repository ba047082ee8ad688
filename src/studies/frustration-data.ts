/** @file What a run of judged conversations holds, the frustration study's above all, and how its parts are picked out. */
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, pearson } from '../math/stats.ts';
import type { Category } from './frustration-script.ts';
import type { InsideSaid } from './inside.ts';
import type { Judged } from './judge.ts';

export interface Turn {
  /** The message that the reply answers. */
  readonly before: string;
  readonly said: InsideSaid;
  /** Null without a judge. */
  readonly judged: Judged | null;
  /** Null where the second judge was not asked. */
  readonly second: Judged | null;
}

/** A conversation with scores, wherever it is from. */
export interface JudgedConversation {
  readonly key: string;
  /** Where to find it, for people. @default the key */
  readonly name?: string;
  /** What it is compared by: one of `textArms`, a treatment, or one word for all. */
  readonly arm: string;
  readonly turns: readonly Turn[];
}

/** One of the frustration study. */
export interface Conversation extends JudgedConversation {
  readonly category: Category;
  readonly index: number;
}

/** The models that took part, by name. */
export interface JudgeNames {
  readonly judge: string | null;
  readonly secondJudge: string | null;
}

export interface FrustrationContext {
  readonly settings: { readonly categories: readonly Category[]; readonly seed: number };
  /** The lexicon's file. */
  readonly lexicon: string;
  readonly names: JudgeNames & { readonly model: string };
  readonly isLocal: boolean;
}

/** What the same conversation in all arms is called. */
export function itemOf({ category, index }: Conversation): string {
  return `${category}/${index}`;
}

/** Scores of a conversation's replies, those that were not judged left out. */
export function scoresOf({ turns }: Pick<JudgedConversation, 'turns'>): number[] {
  return turns.flatMap(({ judged }) => (judged?.score == null ? [] : [judged.score]));
}

/** Scores of both judges where both gave one. */
export function twiceJudged(conversations: readonly JudgedConversation[]): [number[], number[]] {
  const pairs = conversations.flatMap(({ turns }) =>
    turns.flatMap(({ judged, second }) =>
      judged?.score == null || second?.score == null ? [] : [[judged.score, second.score] as const],
    ),
  );
  return [pairs.map(([first]) => first), pairs.map(([, second]) => second)];
}

/** Pearson's r of pairs that stand one after another in one list, as a bootstrap of whole groups draws them. */
export function correlationOf(values: readonly number[]): number {
  const [first, second]: [number[], number[]] = [[], []];
  for (const [i, value] of values.entries()) (i % 2 === 0 ? first : second).push(value);
  return pearson(first, second);
}

/** Bootstrap interval of a mean; NaN of fewer than two values, which can't tell how values differ. */
export function meanInterval(values: readonly number[], seed: number): [low: number, high: number] {
  return values.length < 2 ? [NaN, NaN] : bootstrapMean(values, randomFrom(seed));
}

/** Whether there is a reply at all. */
export function isThere({ said }: Turn): boolean {
  return said.missing === undefined;
}
