/**
 * @file Clues about people in a row, and every order that keeps them: puzzles need clues that no order keeps,
 * graded tasks need clues that leave one answer, and both are shown by trying all orders.
 */
import type { Random } from '../math/random.ts';

/** What is said of one or two people; a row goes from left to right, seats count from 1. */
export type Clue =
  | {
      readonly relation: 'left' | 'beside' | 'apart' | 'gap';
      readonly a: string;
      readonly b: string;
    }
  | { readonly relation: 'seat' | 'not-seat'; readonly a: string; readonly seat: number }
  | { readonly relation: 'end'; readonly a: string };

const ordinals = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth'];

/** "first" for 1, up to "eighth"; the number itself beyond. */
export const ordinalOf = (place: number): string => ordinals[place - 1] ?? String(place);

/** The clue as a sentence. */
export function sentenceOf(clue: Clue): string {
  switch (clue.relation) {
    case 'left':
      return `${clue.a} sits somewhere to the left of ${clue.b}.`;
    case 'beside':
      return `${clue.a} and ${clue.b} sit side by side.`;
    case 'apart':
      return `${clue.a} and ${clue.b} do not sit side by side.`;
    case 'gap':
      return `Exactly one person sits between ${clue.a} and ${clue.b}.`;
    case 'seat':
      return `${clue.a} has the ${ordinalOf(clue.seat)} seat from the left.`;
    case 'not-seat':
      return `${clue.a} does not have the ${ordinalOf(clue.seat)} seat from the left.`;
    case 'end':
      return `${clue.a} sits at one of the two ends.`;
  }
}

/** Whether the clue is true of this row; a person who is not in it makes it false. */
export function isKept(clue: Clue, row: readonly string[]): boolean {
  const a = row.indexOf(clue.a);
  if (a === -1) return false;
  if (clue.relation === 'end') return a === 0 || a === row.length - 1;
  if ('seat' in clue) return (a === clue.seat - 1) === (clue.relation === 'seat');
  const b = row.indexOf(clue.b);
  if (b === -1) return false;
  if (clue.relation === 'left') return a < b;
  const distance = Math.abs(a - b);
  if (clue.relation === 'beside') return distance === 1;
  return clue.relation === 'apart' ? distance > 1 : distance === 2;
}

/** Every order of the items, n! of them: meant for up to 8. */
export function ordersOf<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => ordersOf(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

/** Every row of these people that keeps all the clues. */
export function rowsFor(people: readonly string[], clues: readonly Clue[]): string[][] {
  return ordersOf(people).filter((row) => clues.every((clue) => isKept(clue, row)));
}

/** A clue of a random kind about random people of the row; true of the row as it stands. */
export function trueClue(row: readonly string[], random: Random): Clue {
  for (;;) {
    const clue = anyClue(row, random);
    if (isKept(clue, row)) return clue;
  }
}

const relations = ['left', 'left', 'beside', 'apart', 'gap', 'not-seat', 'end'] as const;

/** A clue of a random kind about random people of the row, true of it or not; never names a seat outright. */
export function anyClue(row: readonly string[], random: Random): Clue {
  const below = (n: number): number => Math.floor(random() * n);
  const relation = relations[below(relations.length)]!;
  const i = below(row.length);
  const a = row[i]!;
  if (relation === 'end') return { relation, a };
  if (relation === 'not-seat') return { relation, a, seat: 1 + below(row.length) };
  // Another person: steps on by 1 to n - 1 places.
  const b = row[(i + 1 + below(row.length - 1)) % row.length]!;
  return { relation, a, b };
}

/** First names, each without another meaning that a sentence could take. */
export const people = [
  'Anna',
  'Boris',
  'Clara',
  'David',
  'Elif',
  'Felix',
  'Greta',
  'Hugo',
  'Irene',
  'Jonas',
  'Karim',
  'Lena',
  'Marta',
  'Nadia',
  'Oscar',
  'Petra',
] as const;
