/** @file Human ratings of words, as `limbic atlas --norms` takes them: a table whose columns are parted by tabs. */
import { InvalidInputError, isShowable, shown } from '../errors.ts';
import { readText } from '../formats/jsonl.ts';
import type { Norms } from './atlas.ts';

/** Columns of ratings, at most, as each is compared with every component; tables in use have below ten. */
const mostColumns = 50;
/** Size of a rating, at most: those in use stay below 1000, and sums of squares must stay finite. */
const mostRating = 1e6;

/**
 * One set of ratings for each column after the first. What is no rating is left out; of a word that stands twice the
 * last counts. Throws InvalidInputError for a head without columns, or with one that can't be shown or stands twice.
 */
export function loadNorms(path: string): Norms[] {
  const text = readText(path).trim();
  let end = endOfLine(text, 0);
  const columns = columnsOf(text.slice(0, end), path);
  const norms = columns.map(({ name, at }) => ({ name, at, ratings: new Map<string, number>() }));
  while (end < text.length) {
    const start = end + 1;
    end = endOfLine(text, start);
    const cells = text.slice(start, end).split('\t', mostColumns + 1);
    const word = cells[0]?.trim().toLowerCase() ?? '';
    for (const { at, ratings } of norms) {
      const cell = cells[at]?.trim() ?? '';
      const rating = Number(cell);
      if (cell !== '' && Math.abs(rating) <= mostRating) ratings.set(word, rating);
    }
  }
  return norms.map(({ name, ratings }) => ({ name, ratings }));
}

function endOfLine(text: string, from: number): number {
  const found = text.indexOf('\n', from);
  return found === -1 ? text.length : found;
}

/** The columns after the first that have a name, with their places. */
function columnsOf(head: string, path: string): { name: string; at: number }[] {
  const columns = head
    .split('\t', mostColumns + 2)
    .map((cell, at) => ({ name: cell.trim(), at }))
    .filter(({ name, at }) => at > 0 && name !== '');
  const refuse = (got: string): InvalidInputError =>
    new InvalidInputError(`norms: expected a head like "word TAB valence" in ${path}, got ${got}`);
  if (columns.length === 0 || !columns.every(({ name }) => isShowable(name)))
    throw refuse(`"${shown(head.slice(0, 40))}"`);
  if ((columns.at(-1)?.at ?? 0) > mostColumns) throw refuse(`more than ${mostColumns} columns`);
  const twice = columns.find(({ name }, i) => columns.findIndex((one) => one.name === name) < i);
  if (twice !== undefined) throw refuse(`the column "${twice.name}" twice`);
  return columns;
}
