import { expect, test } from 'vitest';

import { InvalidInputError } from '../errors.ts';
import { makePuzzles, makeTwins, type Puzzle, puzzleKinds, solutionsOf } from './puzzles.ts';

const seeds = [1, 2, 3, 2026];
const puzzles = seeds.flatMap((seed) => makePuzzles(50, seed));
const twins = seeds.flatMap((seed) => makeTwins(50, seed));

// The proof: nothing below uses the search or the fields of puzzles.ts. Each puzzle is read again from its
// question, and solved another way.

const numbersIn = (text: string): number[] => (text.match(/\d+/gu) ?? []).map(Number);
const part = (question: string, pattern: RegExp): string => {
  const found = pattern.exec(question)?.[1];
  if (found === undefined) throw new Error(`${String(pattern)} is not in: ${question}`);
  return found;
};
const total = (numbers: readonly number[]): number => {
  let sum = 0;
  for (const n of numbers) sum += n;
  return sum;
};
const spelled = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'];

/** Steps to the next order in the dictionary's sense; false after the last one. */
function step(order: number[]): boolean {
  let i = order.length - 2;
  while (i >= 0 && order[i]! >= order[i + 1]!) i--;
  if (i < 0) return false;
  let k = order.length - 1;
  while (order[k]! <= order[i]!) k--;
  [order[i], order[k]] = [order[k]!, order[i]!];
  order.push(...order.splice(i + 1).toReversed());
  return true;
}

/** Values of every set of numbers from the values of its two halves, smaller sets first. */
function valuesOf(numbers: readonly number[]): Set<number> {
  const has = (set: number, i: number): boolean => Math.floor(set / 2 ** i) % 2 === 1;
  const bySet: Set<number>[] = [new Set()];
  for (let set = 1; set < 2 ** numbers.length; set++) {
    const members = numbers.filter((_, i) => has(set, i));
    bySet.push(new Set(members.length === 1 ? members : []));
    for (let half = 1; half < set; half++)
      if (numbers.every((_, i) => has(set, i) || !has(half, i)))
        for (const value of combined(bySet[half]!, bySet[set - half]!)) bySet[set]!.add(value);
  }
  return bySet.at(-1)!;
}

/** What +, - and * make of one value of each. */
const combined = (left: Set<number>, right: Set<number>): number[] =>
  [...left].flatMap((a) => [...right].flatMap((b) => [a + b, a - b, a * b]));

const solversByText: Record<Puzzle['kind'], (question: string) => number> = {
  target: (question) => {
    const numbers = numbersIn(part(question, /numbers (.+?) exactly/u));
    return valuesOf(numbers).has(Number(part(question, /once to make (\d+)\./u))) ? 1 : 0;
  },
  grid: (question) => {
    const rows = numbersIn(part(question, /rows must add up to (.+?)\./u));
    const columns = numbersIn(part(question, /columns must add up to (.+?)\./u));
    const places = [...question.matchAll(/[Tt]he (\d) (?:stands )?in row (\d), column (\d)/gu)].map(
      ([, digit, row, column]) => [Number(digit), Number(row), Number(column)] as const,
    );
    const free = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((d) => places.every(([own]) => own !== d));
    let found = 0;
    do {
      const left = [...free];
      const at = (row: number, column: number): number =>
        places.find(([, r, c]) => r === row && c === column)?.[0] ?? left.shift()!;
      const grid = [1, 2, 3].map((row) => [1, 2, 3].map((column) => at(row, column)));
      const isRight = grid.every(
        (row, i) => total(row) === rows[i] && total(grid.map((line) => line[i]!)) === columns[i],
      );
      if (isRight) found += 1;
    } while (step(free));
    return found;
  },
  coins: (question) => {
    const values = numbersIn(part(question, /worth (.+?) shells/u));
    const amount = Number(part(question, /Pay (\d+)/u));
    const count = spelled.indexOf(part(question, /exactly (\w+) coins/u));
    // ways[c][s]: how many sets of c coins make s.
    const ways = Array.from({ length: count + 1 }, () =>
      Array.from({ length: amount + 1 }, () => 0),
    );
    ways[0]![0] = 1;
    for (const value of values)
      for (let c = 1; c <= count; c++)
        for (let s = value; s <= amount; s++) ways[c]![s]! += ways[c - 1]![s - value]!;
    return ways[count]![amount]!;
  },
  seats: (question) => {
    const names = part(question, /^(.+?) sit in a row of five seats/u).split(/, | and /u);
    const clues = part(question, /one person on each\. (.+) Find an order/u).split(/(?<=\.) /u);
    expect([names.length, clues.length]).toEqual([5, 5]);
    const order = [0, 1, 2, 3, 4];
    let found = 0;
    do {
      const seatOf = (name: string): number => order[names.indexOf(name)]! + 1;
      if (clues.every((clue) => isTrue(clue, seatOf))) found += 1;
    } while (step(order));
    return found;
  },
  pick: (question) => {
    const count = spelled.indexOf(part(question, /exactly (\w+) of/u));
    const numbers = numbersIn(part(question, /numbers (.+?), none/u));
    const sum = Number(part(question, /sum must be (\d+)/u));
    const product = Number(part(question, /must give (\d+)/u));
    let found = 0;
    for (let set = 0; set < 2 ** numbers.length; set++) {
      const own = numbers.filter((_, i) => Math.floor(set / 2 ** i) % 2 === 1);
      const times = own.reduce((a, b) => a * b, 1);
      if (own.length === count && total(own) === sum && times === product) found += 1;
    }
    return found;
  },
};

/** A clue's sentence, checked by its words. */
function isTrue(sentence: string, seatOf: (name: string) => number): boolean {
  const [a, b] = (sentence.match(/\b(?!Exactly)[A-Z]\w+/gu) ?? []).map(seatOf);
  const seat =
    1 +
    ['first', 'second', 'third', 'fourth', 'fifth'].findIndex((word) =>
      sentence.includes(`the ${word} seat`),
    );
  if (/somewhere to the left of/u.test(sentence)) return a! < b!;
  if (/do not sit side by side/u.test(sentence)) return Math.abs(a! - b!) !== 1;
  if (/sit side by side/u.test(sentence)) return Math.abs(a! - b!) === 1;
  if (/Exactly one person sits between/u.test(sentence)) return Math.abs(a! - b!) === 2;
  if (/one of the two ends/u.test(sentence)) return a === 1 || a === 5;
  if (/does not have the/u.test(sentence)) return a !== seat;
  throw new Error(`an unknown clue: ${sentence}`);
}

test('the searches of this file know textbook counts', () => {
  // 24 from 1, 2, 3, 4 is a known one; from 1, 1, 1, 1 the largest is (1 + 1) * (1 + 1).
  expect(valuesOf([1, 2, 3, 4]).has(24)).toBe(true);
  expect(Math.max(...valuesOf([1, 1, 1, 1]))).toBe(4);
  // All orders of 5.
  const order = [0, 1, 2, 3, 4];
  let count = 1;
  while (step(order)) count += 1;
  expect(count).toBe(120);
});

test('200 puzzles from 4 seeds, all kinds alike: another search finds no solution to any', () => {
  expect(puzzles).toHaveLength(200);
  for (const kind of puzzleKinds)
    expect(puzzles.filter((puzzle) => puzzle.kind === kind)).toHaveLength(40);
  for (const puzzle of puzzles) {
    expect([puzzle.id, solversByText[puzzle.kind](puzzle.question)]).toEqual([puzzle.id, 0]);
    expect(puzzle).toMatchObject({ isSolvable: false, solutions: 0 });
  }
});

test('their 200 twins: the same search finds solutions to each, and as many as puzzles.ts', () => {
  for (const twin of twins) {
    const found = solversByText[twin.kind](twin.question);
    expect(found).toBeGreaterThanOrEqual(1);
    expect(twin.isSolvable).toBe(true);
    // Expressions can be counted in many ways; the others in one.
    if (twin.kind === 'target') expect(twin.solutions).toBeGreaterThanOrEqual(1);
    else expect([twin.id, twin.solutions]).toEqual([twin.id, found]);
  }
});

test('solutionsOf finds what is known by hand', () => {
  expect(solutionsOf({ kind: 'target', numbers: [1, 2], target: 3 })).toEqual(['1 + 2']);
  expect(solutionsOf({ kind: 'target', numbers: [1, 2], target: -1 })).toEqual(['1 - 2']);
  expect(solutionsOf({ kind: 'target', numbers: [1, 2], target: 4 })).toEqual([]);
  expect(solutionsOf({ kind: 'target', numbers: [2, 3, 4], target: 20 })).toEqual(['4 * (2 + 3)']);
  // The magic square's rows and columns in any order, and turned over: 3! * 3! * 2.
  const fifteen = [15, 15, 15];
  const empty = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  const square = { kind: 'grid', rows: fifteen, columns: fifteen } as const;
  expect(solutionsOf({ ...square, given: empty })).toHaveLength(72);
  expect(solutionsOf({ ...square, given: [2, 7, 6, 9, 5, 1, 4, 3, 8] })).toEqual([
    '2 7 6 / 9 5 1 / 4 3 8',
  ]);
  expect(solutionsOf({ kind: 'coins', values: [1, 5, 10], count: 3, amount: 16 })).toEqual([
    '1 + 5 + 10',
  ]);
  expect(solutionsOf({ kind: 'coins', values: [1, 5, 10], count: 3, amount: 4 })).toEqual([]);
  const three = ['Anna', 'Boris', 'Clara'];
  expect(solutionsOf({ kind: 'seats', people: three, clues: [] })).toHaveLength(6);
  expect(
    solutionsOf({
      kind: 'seats',
      people: three,
      clues: [
        { relation: 'gap', a: 'Anna', b: 'Clara' },
        { relation: 'left', a: 'Clara', b: 'Boris' },
      ],
    }),
  ).toEqual(['Clara, Boris, Anna']);
  expect(
    solutionsOf({ kind: 'pick', numbers: [1, 2, 3, 4, 5], count: 2, sum: 5, product: 6 }),
  ).toEqual(['2, 3']);
});

/** Works out an expression with a bracket around every step but the last. */
function valueOf(expression: string): number {
  let text = `(${expression})`;
  while (text.includes('('))
    text = text.replace(/\((-?\d+) ([-+*]) (-?\d+)\)/u, (_, a: string, sign: string, b: string) => {
      const [left, right] = [Number(a), Number(b)];
      return String(sign === '+' ? left + right : sign === '-' ? left - right : left * right);
    });
  return Number(text);
}

test('every puzzle has a near miss: within 2 of its number, or one clue broken', () => {
  for (const [i, puzzle] of puzzles.entries()) {
    const { nearMiss } = puzzle;
    const twin = twins[i]!;
    expect([twin.id, twin.kind]).toEqual([`${puzzle.id}-twin`, puzzle.kind]);
    const off: number[] = [];
    if (puzzle.kind === 'target') {
      expect(numbersIn(nearMiss).toSorted((a, b) => a - b)).toEqual(puzzle.numbers);
      off.push(valueOf(nearMiss) - puzzle.target);
      // Neither too large nor too small: values on both sides.
      const values = [...valuesOf(puzzle.numbers)];
      for (const by of [1, -1])
        expect(values.some((v) => [by, 2 * by].includes(v - puzzle.target))).toBe(true);
      expect(values.some((v) => (v - puzzle.target) % 2 === 0)).toBe(true);
      expect(values.some((v) => (v - puzzle.target) % 3 === 0)).toBe(true);
    }
    if (puzzle.kind === 'coins') {
      expect(numbersIn(nearMiss)).toHaveLength(puzzle.count);
      off.push(total(numbersIn(nearMiss)) - puzzle.amount);
    }
    if (puzzle.kind === 'pick') {
      expect(numbersIn(nearMiss).reduce((a, b) => a * b, 1)).toBe(puzzle.product);
      off.push(total(numbersIn(nearMiss)) - puzzle.sum);
    }
    if (puzzle.kind === 'grid') {
      const squares = numbersIn(nearMiss);
      const column = (k: number): number => squares[k]! + squares[k + 3]! + squares[k + 6]!;
      const misses = puzzle.columns.map((sum, k) => column(k) - sum).filter((n) => n !== 0);
      expect(misses).toHaveLength(2);
      expect(total(puzzle.rows)).toBe(45);
      expect(total(puzzle.columns)).toBe(45);
      off.push(...misses);
    }
    if (puzzle.kind === 'seats') {
      const row = nearMiss.split(', ');
      const sentences = part(puzzle.question, /on each\. (.+) Find an order/u).split(/(?<=\.) /u);
      const broken = sentences.filter((clue) => !isTrue(clue, (name) => row.indexOf(name) + 1));
      expect(broken).toHaveLength(1);
    }
    for (const by of off) expect([1, 2]).toContain(Math.abs(by));
  }
});

test('questions are unique, one paragraph, with plain numbers, and ask for an answer line', () => {
  const questions = [...puzzles, ...twins].map(({ question }) => question);
  for (const [i] of seeds.entries()) {
    const own = [puzzles, twins].flatMap((list) => list.slice(i * 50, i * 50 + 50));
    expect(new Set(own.map(({ question }) => question)).size).toBe(100);
  }
  expect(new Set(puzzles.map(({ question }) => question)).size).toBe(200);
  for (const question of questions) {
    expect(question).not.toMatch(/\n|undefined|NaN|\d[.,]\d|-\d|\d{5}|\b0\d|\d[eE]|  /u);
    expect(question).toMatch(/End with a line that starts with "Answer:"/u);
    // Nothing that gives it away, nor a promise that a solution exists.
    expect(question).not.toMatch(/solution|solvable|impossible|possible|always/iu);
  }
  expect(new Set([...puzzles, ...twins].map(({ id }) => id)).size).toBe(400);
});

test('the same seed gives the same puzzles, a smaller count the first ones, another seed others', () => {
  expect(makePuzzles(50, 1)).toEqual(puzzles.slice(0, 50));
  expect(makePuzzles(7, 1)).toEqual(puzzles.slice(0, 7));
  expect(makePuzzles(0, 1)).toEqual([]);
  const shared = puzzles
    .slice(0, 50)
    .filter(({ question }) => puzzles.slice(50).some((other) => other.question === question));
  expect(shared).toEqual([]);
  for (const count of [-1, 1.5, 1001, NaN])
    expect(() => makePuzzles(count, 1)).toThrow(InvalidInputError);
});
