/**
 * @file Puzzles with numbers and seats that look solvable and are not, each proven by trying everything, for
 * a study in which no answer can be accepted; and solvable twins of the same shape, which show that the same
 * search finds solutions where there are any.
 */
import { EngineError, InvalidInputError } from '../errors.ts';
import { type Random, randomFrom, shuffled } from '../math/random.ts';
import {
  anyClue,
  type Clue,
  isKept,
  ordersOf,
  people,
  rowsFor,
  sentenceOf,
  trueClue,
} from './clues.ts';

/** The numbers of a puzzle, by kind. */
export type PuzzleShape =
  /** Reach the target with every number once, +, -, * and brackets. */
  | { readonly kind: 'target'; readonly numbers: readonly number[]; readonly target: number }
  /** The digits 1 to 9 in a 3 by 3 grid, row by row; 0 is an empty square. */
  | {
      readonly kind: 'grid';
      readonly given: readonly number[];
      readonly rows: readonly number[];
      readonly columns: readonly number[];
    }
  /** Exactly `count` coins that make the amount; a value may be used many times or not at all. */
  | {
      readonly kind: 'coins';
      readonly values: readonly number[];
      readonly count: number;
      readonly amount: number;
    }
  /** A row of people that keeps every clue. */
  | { readonly kind: 'seats'; readonly people: readonly string[]; readonly clues: readonly Clue[] }
  /** `count` of the numbers with this sum and this product. */
  | {
      readonly kind: 'pick';
      readonly numbers: readonly number[];
      readonly count: number;
      readonly sum: number;
      readonly product: number;
    };

type PuzzleKind = PuzzleShape['kind'];

export type Puzzle = PuzzleShape & {
  /** Kind, seed and place, with `-twin` for a twin. */
  readonly id: string;
  /** One paragraph; asks for a last line that starts with "Answer:". */
  readonly question: string;
  /** False when the search over everything found nothing. */
  readonly isSolvable: boolean;
  /** How many solutions the search found; 0 for a puzzle, at least 1 for a twin. */
  readonly solutions: number;
  /** A solution of the twin: what comes closest. Off by 1 or 2, or one clue broken. */
  readonly nearMiss: string;
};

/** In the order in which they are made, again and again. */
export const puzzleKinds = ['target', 'grid', 'coins', 'seats', 'pick'] as const;

/** Draws of one puzzle at most; the rarest kind takes a few hundred. */
const drawLimit = 20_000;

/**
 * `count` puzzles (0 to 1000) without a solution, in turn of every kind, no question twice; the same for the
 * same seed, and the first n are the same for every count. Throws InvalidInputError for another count.
 */
export function makePuzzles(count: number, seed: number): Puzzle[] {
  return pairsOf(count, seed).map(({ puzzle }) => puzzle);
}

/** The twin of each puzzle of `makePuzzles` with the same arguments: one number, sum or clue differs. */
export function makeTwins(count: number, seed: number): Puzzle[] {
  return pairsOf(count, seed).map(({ twin }) => twin);
}

/**
 * Every solution, by trying everything that the question allows: expressions like "(3 + 4) * 5 - 2", rows of
 * a grid like "1 2 3 / 4 5 6 / 7 8 9", coins like "4 + 4 + 9", people like "Anna, Hugo", picks like "2, 5, 9".
 */
export function solutionsOf(shape: PuzzleShape): string[] {
  switch (shape.kind) {
    case 'target':
      return reachable(shape.numbers).get(shape.target) ?? [];
    case 'grid':
      return gridsFor(shape).map(showGrid);
    case 'coins':
      return paymentsOf(shape.values, shape.count)
        .filter((coins) => sumOf(coins) === shape.amount)
        .map((coins) => coins.join(' + '));
    case 'seats':
      return rowsFor(shape.people, shape.clues).map((row) => row.join(', '));
    case 'pick':
      return picksOf(shape.numbers, shape.count)
        .filter((pick) => sumOf(pick) === shape.sum && productOf(pick) === shape.product)
        .map((pick) => pick.join(', '));
  }
}

interface Pair<T> {
  readonly puzzle: T;
  readonly twin: T;
}

function pairsOf(count: number, seed: number): Pair<Puzzle>[] {
  if (!Number.isInteger(count) || count < 0 || count > 1000)
    throw new InvalidInputError(`puzzles: expected a count from 0 to 1000, got ${count}`);
  const random = randomFrom(seed);
  const seen = new Set<string>();
  return Array.from({ length: count }, (_, i) => {
    const kind = puzzleKinds[i % puzzleKinds.length]!;
    for (let k = 0; k < drawLimit; k++) {
      const pair = draw(kind, random);
      if (pair === undefined) continue;
      const questions = [questionOf(pair.puzzle), questionOf(pair.twin)] as const;
      if (questions.some((question) => seen.has(question))) continue;
      for (const question of questions) seen.add(question);
      return finish(pair, `${kind}-${seed}-${i + 1}`);
    }
    throw new EngineError(`puzzles: expected a new ${kind} in ${drawLimit} draws, got none`);
  });
}

function finish({ puzzle, twin }: Pair<PuzzleShape>, id: string): Pair<Puzzle> {
  const found = solutionsOf(twin);
  const make = (shape: PuzzleShape, name: string): Puzzle => {
    const solutions = solutionsOf(shape).length;
    const question = questionOf(shape);
    const nearMiss = found[0] ?? '';
    return { ...shape, id: name, question, isSolvable: solutions > 0, solutions, nearMiss };
  };
  return { puzzle: make(puzzle, id), twin: make(twin, `${id}-twin`) };
}

/** A puzzle without a solution and a twin with one, or undefined when this draw is not good enough. */
function draw(kind: PuzzleKind, random: Random): Pair<PuzzleShape> | undefined {
  const draws = {
    target: drawTarget,
    grid: drawGrid,
    coins: drawCoins,
    seats: drawSeats,
    pick: drawPick,
  };
  const pair = draws[kind](random);
  const isGood =
    pair !== undefined &&
    solutionsOf(pair.puzzle).length === 0 &&
    solutionsOf(pair.twin).length > 0;
  return isGood ? pair : undefined;
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0);
const productOf = (numbers: readonly number[]): number => numbers.reduce((all, n) => all * n, 1);
/** A whole number from low to high, both possible. */
const between = (low: number, high: number, random: Random): number =>
  low + Math.floor(random() * (high - low + 1));
/** `count` different whole numbers from low to high, ascending. */
const someOf = (count: number, [low, high]: readonly [number, number], random: Random): number[] =>
  shuffled(
    Array.from({ length: high - low + 1 }, (_, i) => low + i),
    random,
  )
    .slice(0, count)
    .toSorted((a, b) => a - b);

interface Term {
  readonly value: number;
  readonly text: string;
}

/** Every value of every expression that uses each number once, with the expressions; whole numbers only. */
function reachable(numbers: readonly number[]): Map<number, string[]> {
  const found = new Map<number, Set<string>>();
  const combine = (terms: readonly Term[]): void => {
    if (terms.length === 1) {
      const { value, text } = terms[0]!;
      const bare = text.startsWith('(') ? text.slice(1, -1) : text;
      found.set(value, (found.get(value) ?? new Set()).add(bare));
      return;
    }
    for (const [i, a] of terms.entries())
      for (const [k, b] of terms.entries()) {
        if (i === k) continue;
        const rest = terms.filter((_, place) => place !== i && place !== k);
        combine([...rest, { value: a.value - b.value, text: `(${a.text} - ${b.text})` }]);
        // The other two do not depend on the order.
        if (i > k) continue;
        combine([...rest, { value: a.value + b.value, text: `(${a.text} + ${b.text})` }]);
        combine([...rest, { value: a.value * b.value, text: `(${a.text} * ${b.text})` }]);
      }
  };
  combine(numbers.map((value) => ({ value, text: String(value) })));
  return new Map([...found].map(([value, texts]) => [value, [...texts]]));
}

/** A target that no expression gives, between two values at most 2 away that some do. */
function drawTarget(random: Random): Pair<PuzzleShape> | undefined {
  const numbers = someOf(4, [2, 13], random);
  const target = between(20, 99, random);
  const values = reachable(numbers);
  const near = [target - 1, target + 1, target - 2, target + 2].filter((n) => values.has(n));
  const isBetween = near.some((n) => n < target) && near.some((n) => n > target);
  // No remainder gives it away: some expression leaves the target's, by 2 up to 5.
  const hidden = [2, 3, 4, 5].every((by) =>
    [...values.keys()].some((value) => (value - target) % by === 0),
  );
  if (values.has(target) || !isBetween || !hidden) return undefined;
  const shape = { kind: 'target', numbers } as const;
  return { puzzle: { ...shape, target }, twin: { ...shape, target: near[0]! } };
}

type Grid = Extract<PuzzleShape, { kind: 'grid' }>;

/** Every grid, square by square; a row or column is checked as soon as it is full. */
function gridsFor({ given, rows, columns }: Omit<Grid, 'kind'>): number[][] {
  const found: number[][] = [];
  const squares = [...given];
  const isOpen = (place: number): boolean => {
    const row = Math.floor(place / 3);
    const column = place % 3;
    const isRowOff = column === 2 && sumOf(squares.slice(row * 3, row * 3 + 3)) !== rows[row];
    const isColumnOff =
      row === 2 && squares[column]! + squares[column + 3]! + squares[place]! !== columns[column];
    return !isRowOff && !isColumnOff;
  };
  const fill = (place: number): void => {
    if (place === squares.length) {
      found.push([...squares]);
      return;
    }
    const fixed = given[place]!;
    for (let digit = 1; digit <= 9; digit++) {
      if (fixed === 0 ? squares.includes(digit) : digit !== fixed) continue;
      squares[place] = digit;
      if (isOpen(place)) fill(place + 1);
      squares[place] = fixed;
    }
  };
  fill(0);
  return found;
}

const showGrid = (squares: readonly number[]): string =>
  [0, 3, 6].map((start) => squares.slice(start, start + 3).join(' ')).join(' / ');

/** The sums of a filled grid, one column a little more and another as much less; two digits stay. */
function drawGrid(random: Random): Pair<PuzzleShape> | undefined {
  const filled = shuffled([1, 2, 3, 4, 5, 6, 7, 8, 9], random);
  const kept = new Set(shuffled([...filled.keys()], random).slice(0, 2));
  const given = filled.map((digit, place) => (kept.has(place) ? digit : 0));
  const rows = [0, 3, 6].map((start) => sumOf(filled.slice(start, start + 3)));
  const columns = [0, 1, 2].map((column) => sumOf(filled.filter((_, i) => i % 3 === column)));
  const [more, less] = shuffled([0, 1, 2], random);
  const by = between(1, 2, random);
  const moved = columns.map((sum, i) => sum + (i === more ? by : i === less ? -by : 0));
  // Each column alone can still be filled, so that no single sum gives it away.
  const isPossible = moved.every((sum, i) => {
    const own = [given[i]!, given[i + 3]!, given[i + 6]!].filter((digit) => digit > 0);
    const free = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((digit) => !given.includes(digit));
    return picksOf(free, 3 - own.length).some((pick) => sumOf(pick) + sumOf(own) === sum);
  });
  if (!isPossible) return undefined;
  const shape = { kind: 'grid', given, rows } as const;
  return { puzzle: { ...shape, columns: moved }, twin: { ...shape, columns } };
}

/** Every way to take `count` coins, in ascending order. */
function paymentsOf(values: readonly number[], count: number): number[][] {
  if (count === 0) return [[]];
  return values.flatMap((value, i) =>
    paymentsOf(values.slice(i), count - 1).map((rest) => [value, ...rest]),
  );
}

const divisorOf = (a: number, b: number): number => (b === 0 ? a : divisorOf(b, a % b));

/** An amount that this number of coins cannot make, but one coin more or less can, and 1 or 2 away it can. */
function drawCoins(random: Random): Pair<PuzzleShape> | undefined {
  const values = someOf(3, [3, 24], random);
  const [low = 0, middle = 0, high = 0] = values;
  // Otherwise all amounts have the same remainder, and a glance at that tells.
  if (divisorOf(middle - low, high - middle) !== 1) return undefined;
  const count = between(4, 7, random);
  const amount = between(count * low + 4, count * high - 4, random);
  const sums = (coins: number): Set<number> => new Set(paymentsOf(values, coins).map(sumOf));
  const own = sums(count);
  const near = [1, -1, 2, -2].map((by) => amount + by).filter((n) => own.has(n));
  const isBetween = near.some((n) => n < amount) && near.some((n) => n > amount);
  const isOtherwise = sums(count - 1).has(amount) || sums(count + 1).has(amount);
  if (own.has(amount) || !isBetween || !isOtherwise) return undefined;
  const shape = { kind: 'coins', values, count } as const;
  return { puzzle: { ...shape, amount }, twin: { ...shape, amount: near[0]! } };
}

/** Five clues of which any four can be kept; the twin's last clue is another, so that all five can. */
function drawSeats(random: Random): Pair<PuzzleShape> | undefined {
  const row = shuffled(people, random).slice(0, 5);
  const clues = Array.from({ length: 5 }, () => trueClue(row, random));
  const wrong = [...clues.slice(0, 4), anyClue(row, random)];
  if (new Set(clues.map(sentenceOf)).size < clues.length) return undefined;
  const sorted = row.toSorted();
  // For each row, which of the clues it breaks: some row breaks only this one, for every one.
  const broken = ordersOf(sorted).map((order) => wrong.filter((clue) => !isKept(clue, order)));
  if (broken.some(({ length }) => length === 0)) return undefined;
  const onlyOnes = new Set(broken.flatMap((list) => (list.length === 1 ? list : [])));
  if (onlyOnes.size < wrong.length) return undefined;
  const shape = { kind: 'seats', people: sorted } as const;
  return { puzzle: { ...shape, clues: wrong }, twin: { ...shape, clues } };
}

/** Every choice of `count` numbers, in the order given. */
function picksOf(numbers: readonly number[], count: number): number[][] {
  if (count === 0) return [[]];
  return numbers.flatMap((number, i) =>
    picksOf(numbers.slice(i + 1), count - 1).map((rest) => [number, ...rest]),
  );
}

/** The product of one choice and the sum of another, which differs by 1 or 2 from the first one's. */
function drawPick(random: Random): Pair<PuzzleShape> | undefined {
  const numbers = someOf(7, [2, 18], random);
  const count = between(3, 4, random);
  const [first = [], second = []] = shuffled(picksOf(numbers, count), random);
  const difference = Math.abs(sumOf(first) - sumOf(second));
  const product = productOf(first);
  if (difference < 1 || difference > 2 || product > 9999) return undefined;
  const shape = { kind: 'pick', numbers, count, product } as const;
  return { puzzle: { ...shape, sum: sumOf(second) }, twin: { ...shape, sum: sumOf(first) } };
}

const listOf = (items: readonly (number | string)[]): string =>
  `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
const words = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'];

function questionOf(shape: PuzzleShape): string {
  const end = (what: string): string => `End with a line that starts with "Answer:" and ${what}.`;
  switch (shape.kind) {
    case 'target':
      return `Use each of the numbers ${listOf(shape.numbers)} exactly once to make ${shape.target}. You may add, subtract and multiply, in any order, and put brackets where you like. Dividing is not allowed, nor is joining digits into longer numbers. ${end('gives the whole expression')}`;
    case 'grid':
      return `Write the digits 1 to 9 into a grid of three rows and three columns, each digit once. From top to bottom the rows must add up to ${listOf(shape.rows)}. From left to right the columns must add up to ${listOf(shape.columns)}. ${placesOf(shape.given)} ${end('gives the three rows, separated by slashes')}`;
    case 'coins':
      return `In a small harbour town the only coins are worth ${listOf(shape.values)} shells, and everybody has plenty of each. Pay ${shape.amount} shells with exactly ${words[shape.count]} coins and no change; a kind of coin may be used several times or not at all. ${end('lists the coins')}`;
    case 'seats':
      return `${listOf(shape.people)} sit in a row of five seats, one person on each. ${shape.clues.map(sentenceOf).join(' ')} Find an order from left to right that fits. ${end('lists the names from left to right')}`;
    case 'pick':
      return `Choose exactly ${words[shape.count]} of the numbers ${listOf(shape.numbers)}, none of them twice. Their sum must be ${shape.sum}, and multiplied together they must give ${shape.product}. ${end('lists the numbers')}`;
  }
}

/** "The 4 stands in row 1, column 2, and the 9 in row 3, column 3." */
function placesOf(given: readonly number[]): string {
  const places = given.flatMap((digit, i) =>
    digit === 0 ? [] : [{ digit, at: `row ${Math.floor(i / 3) + 1}, column ${(i % 3) + 1}` }],
  );
  return `${places.map(({ digit, at }, i) => (i === 0 ? `The ${digit} stands in ${at}` : `the ${digit} in ${at}`)).join(', and ')}.`;
}
