/**
 * @file Small tasks that have one right answer, made from a seed in three families and three difficulties, so
 * that a program can tell how often a model is right. Logic tasks are shown to have one answer by trying all.
 */
import { EngineError, InvalidInputError } from '../errors.ts';
import { type Random, randomFrom, shuffled } from '../math/random.ts';
import type { ExpectedAnswer } from './answer-grader.ts';
import { anyClue, type Clue, ordinalOf, people, rowsFor, sentenceOf } from './clues.ts';

/** What a task is about, in the order in which tasks are made. */
export const families = ['arithmetic', 'strings', 'logic'] as const;
/** From what most small models can do to what few can. */
export const difficulties = ['easy', 'medium', 'hard'] as const;

type Family = (typeof families)[number];
type Difficulty = (typeof difficulties)[number];

export interface GradedTask extends ExpectedAnswer {
  /** Family, difficulty, seed and place. */
  readonly id: string;
  readonly family: Family;
  readonly difficulty: Difficulty;
  /** One paragraph, and a sentence that asks for a last line "Answer: ...". */
  readonly question: string;
}

/** A task without its name and place. */
interface Draft extends ExpectedAnswer {
  readonly text: string;
}

/** Draws of one task at most. */
const drawLimit = 20_000;

/**
 * `perCell` tasks (0 to 100) of each of the 9 cells of family and difficulty, no question twice; the same for
 * the same seed. Throws InvalidInputError for another count.
 */
export function makeGradedTasks(perCell: number, seed: number): GradedTask[] {
  if (!Number.isInteger(perCell) || perCell < 0 || perCell > 100)
    throw new InvalidInputError(`graded tasks: expected 0 to 100 of each kind, got ${perCell}`);
  const cells = families.flatMap((family) =>
    difficulties.map((difficulty) => ({ family, difficulty })),
  );
  return cells.flatMap(({ family, difficulty }, cell) => {
    // Each cell has its own numbers: how many one has does not change the others.
    const random = randomFrom(seed * 16 + cell);
    const seen = new Set<string>();
    return Array.from({ length: perCell }, (_, i) => {
      const { text, ...expected } = newDraft(makers[family][difficulty], random, seen);
      const id = `${family}-${difficulty}-${seed}-${i + 1}`;
      return { id, family, difficulty, question: `${text} ${endOf(expected)}`, ...expected };
    });
  });
}

type Maker = (random: Random) => Draft | undefined;

function newDraft(make: Maker, random: Random, seen: Set<string>): Draft {
  for (let k = 0; k < drawLimit; k++) {
    const draft = make(random);
    if (draft === undefined || seen.has(draft.text)) continue;
    seen.add(draft.text);
    return draft;
  }
  throw new EngineError(`graded tasks: expected a new one in ${drawLimit} draws, got none`);
}

function endOf({ answerType, choices }: ExpectedAnswer): string {
  const what = choices ? 'the name' : answerType === 'number' ? 'the number' : 'the letters';
  return `End your reply with a line that reads "Answer: ", followed by ${what} and nothing else.`;
}

/** A whole number from low to high, both possible. */
const between = (low: number, high: number, random: Random): number =>
  low + Math.floor(random() * (high - low + 1));
const oneOf = <T>(items: readonly T[], random: Random): T =>
  items[between(0, items.length - 1, random)]!;

const number = (text: string, value: number): Draft => ({
  text,
  answer: String(value),
  answerType: 'number',
});
const word = (text: string, letters: string): Draft => ({
  text,
  answer: letters,
  answerType: 'word',
});

/** Two numbers of two digits; adding them carries. */
function easyArithmetic(random: Random): Draft | undefined {
  const [a, b, c] = [between(14, 89, random), between(14, 89, random), between(11, 49, random)];
  if ((a % 10) + (b % 10) < 10) return undefined;
  const sum = a + b;
  return oneOf(
    [
      number(`What is ${a} + ${b}?`, sum),
      number(
        `A baker sells ${a} rolls before noon and ${b} after noon. How many is that in all?`,
        sum,
      ),
      number(`There were ${sum} boats in the bay, and ${b} of them left. How many stayed?`, a),
      number(`What is ${a} + ${b} + ${c}?`, sum + c),
    ],
    random,
  );
}

/** Two steps, one of them a product of two digits by one. */
function mediumArithmetic(random: Random): Draft {
  const [a, b, c] = [between(13, 68, random), between(4, 9, random), between(12, 97, random)];
  return oneOf(
    [
      number(`What is ${a} × ${b} + ${c}?`, a * b + c),
      number(`What is ${a + c} × ${b} - ${c}?`, (a + c) * b - c),
      number(
        `A farmer fills ${b} crates with ${a} pears each, and ${c} pears are left over. How many pears are there?`,
        a * b + c,
      ),
      number(
        `A theatre has ${b} rows of ${a + 20} seats, and ${c} seats are empty. How many are taken?`,
        (a + 20) * b - c,
      ),
    ],
    random,
  );
}

/** Three steps, at least one a product. */
function hardArithmetic(random: Random): Draft {
  const [a, b] = [between(23, 89, random), between(14, 78, random)];
  const [c, d] = [between(6, 14, random), between(23, 98, random)];
  const few = between(3, 9, random);
  return oneOf(
    [
      number(`What is (${a} + ${b}) × ${c} - ${d}?`, (a + b) * c - d),
      number(`What is ${a} × ${c} + ${b} × ${few}?`, a * c + b * few),
      number(
        `A hall has ${c} rows of ${a} chairs. The caretaker takes away ${d} broken ones, and then ${few} helpers bring ${b} new chairs each. How many chairs are in the hall now?`,
        a * c - d + few * b,
      ),
      number(
        `A ticket costs ${a} crowns for a grown-up and ${b} crowns for a child. A club of ${c} grown-ups and ${few} children has a voucher for ${d} crowns. How many crowns does it pay?`,
        a * c + b * few - d,
      ),
    ],
    random,
  );
}

/** Small letters, no y (a vowel or not?), none a palindrome; by length. */
const short =
  'lamp river cloud stone bread chair plant horse tiger glove knife spoon train melon bridge'
    .concat(
      ' candle basket garden window silver pencil carpet rabbit wagon piano cabin maple onion',
    )
    .split(' ');
const long =
  'mountain elephant lantern kitchen umbrella notebook sandwich dolphin hospital triangle'
    .concat(
      ' airport cupboard diamond engineer furniture magazine passport raincoat squirrel trumpet',
    )
    .split(' ');

const reversed = (text: string): string => text.split('').toReversed().join('');
const vowels = /[aeiou]/gu;

function easyStrings(random: Random): Draft {
  const [a, b, c] = shuffled(short, random) as [string, string, string];
  return oneOf(
    [
      word(
        `Take the first letter of each of these words, in this order: ${a}, ${b}, ${c}. Write the three letters without spaces.`,
        a[0]! + b[0]! + c[0]!,
      ),
      word(
        `Take the last letter of each of these words, in this order: ${a}, ${b}, ${c}. Write the three letters without spaces.`,
        a.at(-1)! + b.at(-1)! + c.at(-1)!,
      ),
      word(`Write the word "${a}" without its first letter.`, a.slice(1)),
      word(
        `Write the words "${a}" and "${b}" as one word without a space, first the second one, then the first one.`,
        b + a,
      ),
    ],
    random,
  );
}

function mediumStrings(random: Random): Draft | undefined {
  const [a, b, c] = shuffled(short, random) as [string, string, string];
  const letter = oneOf(['a', 'e', 'n', 'r', 'o', 'i'], random);
  const count = (a + b + c).split(letter).length - 1;
  const other = a.replaceAll(letter, 'u');
  return oneOf(
    [
      word(`Write the word "${a}" backwards.`, reversed(a)),
      count < 2
        ? undefined
        : number(`How many times does the letter ${letter} occur in "${a} ${b} ${c}"?`, count),
      other === a
        ? undefined
        : word(
            `Write the word "${a}" with every letter ${letter} replaced by the letter u.`,
            other,
          ),
      word(`Write the word "${a}" without its vowels (a, e, i, o, u).`, a.replaceAll(vowels, '')),
    ],
    random,
  );
}

function hardStrings(random: Random): Draft {
  const [a, b] = shuffled(long, random) as [string, string];
  const second = a
    .split('')
    .filter((_, i) => i % 2 === 1)
    .join('');
  return oneOf(
    [
      word(`Write the word "${a}" backwards.`, reversed(a)),
      word(
        `Write the letters of the word "${a}" in alphabetical order; a letter that occurs twice is written twice.`,
        a.split('').toSorted().join(''),
      ),
      word(
        `Write every second letter of the word "${a}", beginning with its second letter.`,
        second,
      ),
      word(
        `Put the words "${a}" and "${b}" together without a space, then leave out all vowels (a, e, i, o, u).`,
        (a + b).replaceAll(vowels, ''),
      ),
    ],
    random,
  );
}

/** Comparisons that go one way: each says "more" or "less", and has words for both ends. */
const scales = [
  { more: 'older', less: 'younger', most: 'oldest' },
  { more: 'taller', less: 'shorter', most: 'tallest' },
  { more: 'faster', less: 'slower', most: 'fastest' },
  { more: 'richer', less: 'poorer', most: 'richest' },
] as const;

/** Neighbours of an order compared, each in one of two ways, in any order; asks who has a place in it. */
function comparisonTask(
  random: Random,
  { size, place }: { size: number; place: number },
): Draft | undefined {
  const order = shuffled(people, random).slice(0, size);
  const { more, less, most } = oneOf(scales, random);
  const clues = shuffled(
    order.slice(1).map((b, i): Clue => ({ relation: 'left', a: order[i]!, b })),
    random,
  );
  const sentences = order.slice(1).map((b, i) => {
    const a = order[i]!;
    return random() < 0.5 ? `${a} is ${more} than ${b}.` : `${b} is ${less} than ${a}.`;
  });
  const answer = soleAt(order, clues, place);
  if (answer === undefined) return undefined;
  const asked = place === 1 ? most : `${ordinalOf(place)} ${most}`;
  return {
    text: `${shuffled(sentences, random).join(' ')} Who is the ${asked} of the ${numberWords[size]}?`,
    answer,
    answerType: 'word',
    choices: order.toSorted(),
  };
}

const numberWords = ['none', 'one', 'two', 'three', 'four', 'five'] as const;

/** Who has the place (from 1) in every row that keeps the clues; undefined if it can be several, or no one. */
function soleAt(row: readonly string[], clues: readonly Clue[], place: number): string | undefined {
  const found = new Set(rowsFor(row, clues).map((one) => one[place - 1]!));
  return found.size === 1 ? [...found][0] : undefined;
}

const mediumLogic: Maker = (random) =>
  comparisonTask(random, { size: 4, place: between(2, 3, random) });
const easyLogic: Maker = (random) =>
  comparisonTask(random, { size: 3, place: between(1, 2, random) });

/** Four clues about five seats that leave one person for a seat, and none of them can be left out. */
function hardLogic(random: Random): Draft | undefined {
  const row = shuffled(people, random).slice(0, 5).toSorted();
  const clues = Array.from({ length: 4 }, () => anyClue(row, random));
  const place = between(1, 5, random);
  const answer = soleAt(row, clues, place);
  if (answer === undefined) return undefined;
  if (clues.some((_, i) => soleAt(row, clues.toSpliced(i, 1), place) !== undefined))
    return undefined;
  const names = `${row.slice(0, -1).join(', ')} and ${row.at(-1)}`;
  return {
    text: `${names} sit in a row of five seats. ${clues.map(sentenceOf).join(' ')} Who has the ${ordinalOf(place)} seat from the left?`,
    answer,
    answerType: 'word',
    choices: row,
  };
}

const makers: Record<Family, Record<Difficulty, Maker>> = {
  arithmetic: { easy: easyArithmetic, medium: mediumArithmetic, hard: hardArithmetic },
  strings: { easy: easyStrings, medium: mediumStrings, hard: hardStrings },
  logic: { easy: easyLogic, medium: mediumLogic, hard: hardLogic },
};
