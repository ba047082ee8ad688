/**
 * @file Made-up records of the studies that talk: conversations and tasks whose items differ more than arms do,
 * with replies that resemble each other within one, ties, and some that never came or could not be judged.
 */
import { type Random, gaussian } from '../../src/math/random.ts';
import type { Played } from '../../src/studies/encouragement-data.ts';
import { textArms as sentenceArms } from '../../src/studies/encouragement-items.ts';
import type { Conversation, Turn } from '../../src/studies/frustration-data.ts';
import { type Category, textArms, turnsOf } from '../../src/studies/frustration-script.ts';
import type { InsideSaid } from '../../src/studies/inside.ts';

const said: InsideSaid = {
  text: 'a reply',
  stop: 'end',
  by: 'made up',
  read: 1,
  written: 1,
  tries: 1,
};

export const steeredArms = ['hopeful +0.04', 'calm +0.04', 'desperate +0.04'];
export const randomArms = [
  'random 1 +0.04',
  'random 2 +0.04',
  'mixture 1 +0.04',
  'mixture 2 +0.04',
];

export interface TasksPlan {
  readonly graded: number;
  readonly failing: number;
  readonly attempts: number;
  /** Log-odds of a right answer, and of going on, that an arm adds. */
  readonly planted?: Readonly<Record<string, number>>;
  /** Readings that an arm adds, in standard deviations. */
  readonly moved?: Readonly<Record<string, number>>;
}

/** Every task in every arm; the same tasks are as hard in each. One in 50 never came. */
export function playedTasks(
  { graded, failing, attempts, planted = {}, moved = {} }: TasksPlan,
  random: Random,
): Played[] {
  const levels = Array.from({ length: graded + failing }, () => 1.5 * gaussian(random));
  const readings = levels.map(() => [0, 1, 2].map(() => gaussian(random)));
  return [...sentenceArms, ...steeredArms, ...randomArms].flatMap((arm) =>
    levels.map((level, i): Played => {
      const odds = level + (planted[arm] ?? 0);
      const share = 1 / (1 + Math.exp(-odds));
      const before = (readings[i] ?? []).map(
        (own) => own + 0.5 * gaussian(random) + (moved[arm] ?? 0),
      );
      const inside = { before, during: before };
      const common = {
        key: `${arm}/${i}`,
        arm,
        item: `item ${i}`,
        sentence: null,
        asked: 'a task',
      };
      if (random() < 0.02)
        return {
          ...common,
          topic: i < graded ? 'sums' : 'failing puzzles',
          difficulty: null,
          replies: [{ ...said, text: '', missing: 'none' }],
          grade: null,
          failing: null,
        } as Played;
      if (i < graded) {
        const isReadable = random() < 0.9;
        const isRight = isReadable && random() < share;
        return {
          ...common,
          topic: 'sums',
          difficulty: 'easy',
          replies: [{ ...said, inside }],
          grade: { isRight, isReadable, isDeclined: false },
          failing: null,
        } as unknown as Played;
      }
      let made = 1;
      while (made < attempts && random() < 0.6 + 0.35 * share) made++;
      return {
        ...common,
        topic: 'failing puzzles',
        difficulty: null,
        replies: [{ ...said, inside }],
        grade: null,
        failing: {
          attempts: made,
          gaveUp: made < attempts || random() < 0.2,
          saidUnsolvable: false,
          isCut: false,
        },
      };
    }),
  );
}

export interface TalksPlan {
  /** Conversations of each category. */
  readonly each: number;
  readonly arms?: readonly string[];
  /** Points that an arm adds to the score. */
  readonly planted?: Readonly<Record<string, number>>;
}

/** Judged conversations: most scores are 0, replies of one conversation go together, one in 20 is not judged. */
export function judgedTalks(
  { each, arms = textArms, planted = {} }: TalksPlan,
  random: Random,
): Conversation[] {
  const kinds: readonly Category[] = ['numeric', 'triggers', 'tones', 'extended', 'chat'];
  const items = kinds.flatMap((category) =>
    Array.from({ length: each }, (_, index) => ({ category, index, level: 2 * gaussian(random) })),
  );
  return arms.flatMap((arm) =>
    items.map(({ category, index, level }): Conversation => {
      const own = level + 1.5 * gaussian(random) + (planted[arm] ?? 0);
      const turns = Array.from({ length: turnsOf[category] }, (): Turn => {
        const score = Math.min(10, Math.max(0, Math.round(own + gaussian(random))));
        const judged = random() < 0.05 ? { score: null, quote: '' } : { score, quote: '' };
        return { before: 'a message', said, judged, second: null };
      });
      return { key: `${arm}/${category}/${index}`, arm, category, index, turns };
    }),
  );
}
