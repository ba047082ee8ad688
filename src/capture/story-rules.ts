/**
 * @file What a story of the corpus must keep to, so that a vector made from it carries the emotion and
 * not its word, its length or a template. The checker of `data/`, and of what `limbic stories` writes.
 */
import { readFileSync } from 'node:fs';

import { InvalidInputError } from '../errors.ts';
import type { Story } from './stories.ts';

/** Words of a story, counted between spaces: long enough to pool from the 20th token, short enough to stay one scene. */
export const storyWords = { min: 50, max: 115 } as const;

/** Emotion to a pattern of its word and all forms of it. */
export type WordForms = ReadonlyMap<string, RegExp>;

/**
 * Reads `emotion TAB form,form,...` lines; a form that ends in `*` stands for all words that begin so.
 * Throws InvalidInputError with the line when one does not read so.
 */
export function loadWordForms(path: string): WordForms {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return new Map(
    lines.map((line, i) => {
      const [emotion, forms] = line.split('\t');
      if (!emotion || !forms)
        throw new InvalidInputError(
          `${path}: expected "emotion TAB form,form" in line ${i + 1}, got "${line.slice(0, 40)}"`,
        );
      return [emotion, patternOf(forms.split(','))];
    }),
  );
}

/** Any of the forms as a whole word; without a list the emotion's own word is all that is known. */
function patternOf(forms: readonly string[]): RegExp {
  const parts = forms.map((form) => {
    const stem = form.replace(/\*$/, '').replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    return form.endsWith('*') ? `${stem}\\w*` : stem;
  });
  return new RegExp(`\\b(?:${parts.join('|')})\\b`, 'iu');
}

export function countWords(text: string): number {
  return text.split(/\s+/).filter(Boolean).length;
}

/** What is wrong with one story; empty if nothing is. */
export function storyProblems(story: Pick<Story, 'emotion' | 'text'>, forms: WordForms): string[] {
  const problems: string[] = [];
  const words = countWords(story.text);
  if (words < storyWords.min || words > storyWords.max)
    problems.push(`expected ${storyWords.min} to ${storyWords.max} words, got ${words}`);
  const named = (forms.get(story.emotion) ?? patternOf([story.emotion])).exec(story.text);
  if (named !== null) problems.push(`names its emotion: "${named[0]}"`);
  return problems;
}

/** Words in a row that two stories may not share: in our corpus no two independent ones do. */
const sharedRun = 9;
/** Stories of a corpus that may begin with the same three words: above, it reads as a template. */
const openingShare = 0.01;

/** What is wrong between stories: repeated texts, long shared runs of words, a common opening. */
export function corpusProblems(stories: readonly Story[]): string[] {
  const problems: string[] = [];
  const owner = new Map<string, number>();
  const pairs = new Set<string>();
  const openings = new Map<string, number>();
  for (const [i, { text }] of stories.entries()) {
    const words = text.toLowerCase().match(/[\p{L}\p{N}'’]+/gu) ?? [];
    const opening = words.slice(0, 3).join(' ');
    openings.set(opening, (openings.get(opening) ?? 0) + 1);
    for (let at = 0; at + sharedRun <= words.length; at++) {
      const run = words.slice(at, at + sharedRun).join(' ');
      const first = owner.get(run);
      if (first === undefined) owner.set(run, i);
      else if (first !== i && !pairs.has(`${first}:${i}`)) {
        pairs.add(`${first}:${i}`);
        problems.push(`${labelOf(stories[first])} and ${labelOf(stories[i])} share "${run}"`);
      }
    }
  }
  const most = Math.max(4, Math.ceil(stories.length * openingShare));
  for (const [opening, count] of openings)
    if (count > most)
      problems.push(`${count} stories begin with "${opening}", expected at most ${most}`);
  return problems;
}

function labelOf(story: Story | undefined): string {
  return `${story?.emotion} (${story?.topic})`;
}
