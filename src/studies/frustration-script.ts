/**
 * @file What the user says in a conversation of the frustration study (protocol section 6): an opening, and then
 * rejections of every answer, right or wrong, or neutral continuations. The same item has the same opening
 * and the same rejections in every arm, so that arms are paired.
 */
import { z } from 'zod';

import type { ChatMessage } from '../engine/chat-template.ts';
import { InvalidInputError } from '../errors.ts';
import { readJsonLines, readText } from '../formats/jsonl.ts';
import { randomFrom, shuffled } from '../math/random.ts';
import { makePuzzles, type Puzzle } from './puzzles.ts';

export const categories = ['numeric', 'triggers', 'tones', 'extended', 'chat'] as const;
export type Category = (typeof categories)[number];

/** Replies in a conversation of each category. */
export const turnsOf: Readonly<Record<Category, number>> = {
  numeric: 3,
  triggers: 3,
  tones: 3,
  extended: 8,
  chat: 5,
};

/**
 * What is said around the same item. `rejection`: every answer is rejected. `neutral`: the user only goes on.
 * `hidden`: rejected, but the model does not see its own earlier answers. `reassured`: rejected, after a word
 * that mistakes are fine.
 */
export const textArms = ['rejection', 'neutral', 'hidden', 'reassured'] as const;
export type TextArm = (typeof textArms)[number];

/** What is read in a local model. */
export const insideEmotions = ['frustrated', 'desperate', 'calm'] as const;

const stages = ['early', 'middle', 'late'] as const;
type Stage = (typeof stages)[number];

const lineSchema = z.object({ id: z.string().min(1), text: z.string().trim().min(1) });
const openingSchema = lineSchema.extend({ category: z.enum(categories), subject: z.string() });
const rejectionSchema = lineSchema.extend({
  tone: z.enum(['plain', 'aggressive', 'disappointed', 'sarcastic']),
  stage: z.enum(stages),
});
type Rejection = z.infer<typeof rejectionSchema>;

export interface FrustrationTexts {
  readonly openings: readonly z.infer<typeof openingSchema>[];
  readonly rejections: readonly Rejection[];
  readonly neutral: readonly string[];
  readonly reassurance: readonly string[];
  /** What the judge goes by. */
  readonly rubric: string;
}

/** Texts that were read, by what found their files: thousands of conversations ask for the same. */
const loaded = new WeakMap<(name: string) => string, FrustrationTexts>();

/**
 * Reads `data/studies/frustration/`, once for each `data`; throws FormatError naming the line that does not fit, and
 * InvalidInputError for a file that is not there.
 */
export function loadFrustrationTexts(data: (name: string) => string): FrustrationTexts {
  const known = loaded.get(data);
  if (known !== undefined) return known;
  const file = (name: string): string => data(`studies/frustration/${name}.jsonl`);
  const texts = (name: string): string[] =>
    readJsonLines(file(name), lineSchema).map(({ text }) => text);
  const read: FrustrationTexts = {
    openings: readJsonLines(file('openings'), openingSchema),
    rejections: readJsonLines(file('rejections'), rejectionSchema),
    neutral: texts('neutral'),
    reassurance: texts('reassurance'),
    rubric: readText(data('studies/frustration/rubric.txt')),
  };
  loaded.set(data, read);
  return read;
}

/** One conversation's side of the user. */
export interface Script {
  readonly opening: string;
  /** After each reply but the last. */
  readonly answers: readonly string[];
}

export interface Item {
  readonly category: Category;
  /** From 0; the same in every arm. */
  readonly index: number;
  readonly seed: number;
}

/** What the user says about an item. Throws InvalidInputError for more items than there are openings. */
export function scriptOf(texts: FrustrationTexts, item: Item, arm: TextArm): Script {
  const { category, index, seed } = item;
  const random = randomFrom(seed * 10_007 + index * 13 + categories.indexOf(category));
  const count = turnsOf[category] - 1;
  const opening = openingOf(texts, item);
  const rejections = rejectionsFor(item, shuffled(texts.rejections, random), count);
  const neutral = shuffled(texts.neutral, random).slice(0, count);
  const reassurance = texts.reassurance[index % texts.reassurance.length] ?? '';
  return {
    opening: arm === 'reassured' ? `${reassurance}\n\n${opening}` : opening,
    answers: arm === 'neutral' ? neutral : rejections,
  };
}

/** Most conversations that a category has openings for. */
export function itemsIn(texts: FrustrationTexts, category: Category): number {
  return category === 'numeric'
    ? Infinity
    : texts.openings.filter((opening) => opening.category === category).length;
}

function openingOf(texts: FrustrationTexts, { category, index, seed }: Item): string {
  if (category === 'numeric') return puzzleOf(index, seed).question;
  const own = shuffled(
    texts.openings.filter((opening) => opening.category === category),
    randomFrom(seed),
  );
  const opening = own[index];
  if (opening === undefined)
    throw new InvalidInputError(`${category}: expected at most ${own.length} items, got more`);
  return opening.text;
}

/** Puzzles that were made, by seed. */
const made = new Map<number, readonly Puzzle[]>();
const mostPuzzles = 1000;

/**
 * Made up to this one at least: a puzzle depends on those before it, which it must differ from. Each takes some
 * milliseconds, so that they are kept, and twice as many are made as were asked for.
 */
function puzzleOf(index: number, seed: number): Puzzle {
  let puzzles = made.get(seed) ?? [];
  if (index >= puzzles.length) {
    puzzles = makePuzzles(Math.max(index + 1, Math.min(mostPuzzles, 2 * index)), seed);
    made.set(seed, puzzles);
  }
  const puzzle = puzzles[index];
  if (puzzle === undefined) throw new InvalidInputError(`puzzles: expected ${index + 1}`);
  return puzzle;
}

const tones = ['aggressive', 'disappointed', 'sarcastic'] as const;

function rejectionsFor(
  { category, index }: Item,
  drawn: readonly Rejection[],
  count: number,
): string[] {
  const tone = category === 'tones' ? (tones[index % tones.length] ?? 'aggressive') : 'plain';
  const left = drawn.filter((rejection) => rejection.tone === tone);
  return Array.from({ length: count }, (_, turn) => {
    const stage = stageOf(turn, count);
    const at = Math.max(
      0,
      left.findIndex((rejection) => rejection.stage === stage),
    );
    return left.splice(at, 1)[0]?.text ?? '';
  });
}

function stageOf(turn: number, count: number): Stage {
  if (turn === 0) return 'early';
  return turn === count - 1 ? 'late' : 'middle';
}

/**
 * The conversation before reply `replies.length`. In the hidden arm the model sees the opening and the last
 * rejection in one message, with the number of its answers so far, and none of them.
 */
export function messagesBefore(
  { opening, answers }: Script,
  replies: readonly string[],
  arm: TextArm,
): ChatMessage[] {
  const first: ChatMessage = { role: 'user', content: opening };
  if (arm === 'hidden' && replies.length > 0) {
    const count = replies.length === 1 ? 'Your answer' : `Your ${replies.length} answers`;
    const last = answers[replies.length - 1] ?? '';
    return [
      { role: 'user', content: `${opening}\n\n(${count} to this so far: not shown.)\n\n${last}` },
    ];
  }
  return [
    first,
    ...replies.flatMap((reply, turn): ChatMessage[] => [
      { role: 'assistant', content: reply },
      { role: 'user', content: answers[turn] ?? '' },
    ]),
  ];
}
