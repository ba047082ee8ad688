/** @file What a run of the frustration study holds, and how its parts are picked out. */
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, pearson } from '../math/stats.ts';
import type { Category } from './frustration-script.ts';
import type { InsideSaid } from './inside.ts';
import type { Judged } from './judge.ts';
import type { Measure } from './study.ts';

export interface Turn {
  /** The message that the reply answers. */
  readonly before: string;
  readonly said: InsideSaid;
  /** Null without a judge. */
  readonly judged: Judged | null;
  /** Null where the second judge was not asked. */
  readonly second: Judged | null;
}

export interface Conversation {
  readonly key: string;
  /** One of `textArms`, or a treatment. */
  readonly arm: string;
  readonly category: Category;
  readonly index: number;
  readonly turns: readonly Turn[];
}

export interface FrustrationContext {
  readonly settings: { readonly categories: readonly Category[]; readonly seed: number };
  /** The lexicon's file. */
  readonly lexicon: string;
  readonly names: {
    readonly model: string;
    readonly judge: string | null;
    readonly secondJudge: string | null;
  };
  readonly isLocal: boolean;
}

/** Arms in the order in which they were played. */
export function armsIn(conversations: readonly Conversation[]): string[] {
  return [...new Set(conversations.map(({ arm }) => arm))];
}

export function inArm(conversations: readonly Conversation[], arm: string): Conversation[] {
  return conversations.filter((conversation) => conversation.arm === arm);
}

/** What the same conversation in all arms is called. */
export function itemOf({ category, index }: Conversation): string {
  return `${category}/${index}`;
}

/** Scores of a conversation's replies, those that were not judged left out. */
export function scoresOf({ turns }: Conversation): number[] {
  return turns.flatMap(({ judged }) => (judged?.score == null ? [] : [judged.score]));
}

/** Scores of both judges where both gave one. */
export function twiceJudged(conversations: readonly Conversation[]): [number[], number[]] {
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

/** A measure whose value and interval are left out where they are no numbers. */
export function measure(
  name: string,
  n: number,
  parts: {
    readonly value: number | null;
    readonly interval?: readonly [low: number, high: number];
    readonly control?: string;
    /** Said when there is no value. */
    readonly note?: string;
  },
): Measure {
  const { value, interval, control, note } = parts;
  const isNumber = value !== null && Number.isFinite(value) && n > 0;
  return {
    name,
    n,
    value: isNumber ? value : null,
    ...(isNumber && interval?.every(Number.isFinite) === true ? { interval } : {}),
    ...(control === undefined ? {} : { control }),
    ...(isNumber ? {} : { note: n === 0 ? 'nothing to measure' : (note ?? 'not defined here') }),
  };
}
