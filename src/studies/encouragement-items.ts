/**
 * @file The tasks of the encouragement study and the sentence put beside each (protocol section 7): the same tasks
 * in every arm, so that arms are paired, and sentences spread so that no kind of task gets one kind of them.
 */
import { z } from 'zod';

import { InvalidInputError } from '../errors.ts';
import { readJsonLines } from '../formats/jsonl.ts';
import { askForFunction, type FunctionTask, loadFunctionTasks } from './function-tasks.ts';
import { difficulties, families, type GradedTask, makeGradedTasks } from './graded-tasks.ts';
import { inTurn } from './in-turn.ts';
import { makePuzzles, type Puzzle } from './puzzles.ts';

/**
 * What is said beside the task. `none`: nothing. `demand`: instructions without affect, about as long as the
 * sentences of the other arms, which are compared with it to tell tone from mere words. `permission`: to stop.
 */
export const textArms = ['none', 'encouragement', 'pressure', 'demand', 'permission'] as const;
export type TextArm = (typeof textArms)[number];

/** What is read in a local model, and what it can be steered with. */
export const insideEmotions = ['hopeful', 'calm', 'desperate'] as const;

/** Where the sentence stands: a paragraph of its own after the task, or before it. */
export const places = ['after', 'before'] as const;

const sentenceSchema = z.strictObject({
  id: z.string().min(1),
  arm: z.enum(textArms).exclude(['none']),
  family: z.string().min(1),
  text: z.string().trim().min(1),
});

/** A sentence of one arm, and its family within it. */
export type Sentence = z.infer<typeof sentenceSchema>;

/** Every sentence of `data/studies/encouragement.jsonl`; throws FormatError naming the line that does not fit. */
export function loadSentences(data: (name: string) => string): Sentence[] {
  return readJsonLines(data('studies/encouragement.jsonl'), sentenceSchema);
}

export interface ItemSettings {
  /** Graded tasks in each of the 9 cells of family and difficulty, 0 to 100. */
  readonly perCell: number;
  /** Functions to write; no more than there are. */
  readonly functions: number;
  /** Puzzles without a solution, 0 to 1000. */
  readonly failing: number;
  readonly seed: number;
}

/** One task, the same in every arm. */
export type Item = {
  /** Unique among all items; holds no arm. */
  readonly id: string;
  /** Stable: more tasks of one kind do not change it. Below 4000; part of the seed of its replies. */
  readonly number: number;
  /** Its sentence is this one of the arm's, counted round and round. */
  readonly place: number;
  /** Without the sentence. */
  readonly question: string;
} & (
  | { readonly kind: 'graded'; readonly task: GradedTask }
  | { readonly kind: 'function'; readonly task: FunctionTask }
  | { readonly kind: 'failing'; readonly task: Puzzle }
);

/** The last items made: a run asks for them once a conversation, and the puzzles take a search. */
let lastMade: { readonly key: string; readonly items: readonly Item[] } | undefined;

/** Graded tasks, functions and failing puzzles, in this order; the same for the same settings. */
export function itemsOf(settings: ItemSettings, data: (name: string) => string): readonly Item[] {
  const path = data('studies/functions.jsonl');
  const { perCell, functions, failing, seed } = settings;
  const key = JSON.stringify([path, perCell, functions, failing, seed]);
  if (lastMade?.key !== key) {
    const items = [
      ...gradedItems(perCell, seed),
      ...functionItems(path, functions),
      ...failingItems(failing, seed),
    ];
    lastMade = { key, items };
  }
  return lastMade.items;
}

function gradedItems(perCell: number, seed: number): Item[] {
  return makeGradedTasks(perCell, seed).map((task, i) => {
    const [cell, within] = [Math.floor(i / perCell), i % perCell];
    // One step more at each family of tasks: sentences come in turn of three families, and the difficulties
    // are three as well, so that counting on alone could give each difficulty a family of its own.
    const place = i + Math.floor(cell / difficulties.length);
    const { id, question } = task;
    return { kind: 'graded', id, number: cell * 100 + within, place, question, task };
  });
}

/** As many of each difficulty as there can be, easy ones first. */
function functionItems(path: string, count: number): Item[] {
  const all = loadFunctionTasks(path);
  if (count > all.length)
    throw new InvalidInputError(`functions: expected at most ${all.length}, got ${count}`);
  const ofEach = difficulties.map((one) => all.filter(({ difficulty }) => difficulty === one));
  const chosen = new Set(inTurn(ofEach).slice(0, count));
  return ofEach
    .flat()
    .filter((task) => chosen.has(task))
    .map((task, place) => ({
      kind: 'function',
      id: `function-${task.id}`,
      number: 1000 + all.indexOf(task),
      place,
      question: askForFunction(task),
      task,
    }));
}

function failingItems(count: number, seed: number): Item[] {
  return makePuzzles(count, seed).map((task, i) => ({
    kind: 'failing',
    id: `failing-${task.id}`,
    number: 2000 + i,
    place: i,
    question: task.question,
    task,
  }));
}

/** The arm's sentence for an item, its families in turn; null without a sentence. Throws where the file has none. */
export function sentenceFor(
  sentences: readonly Sentence[],
  arm: TextArm,
  { place }: Pick<Item, 'place'>,
): Sentence | null {
  if (arm === 'none') return null;
  const own = sentences.filter((sentence) => sentence.arm === arm);
  const names = [...new Set(own.map(({ family }) => family))];
  const ordered = inTurn(names.map((name) => own.filter(({ family }) => family === name)));
  const sentence = ordered[place % ordered.length];
  if (sentence === undefined)
    throw new InvalidInputError(`encouragement.jsonl: expected a sentence of ${arm}, got none`);
  return sentence;
}

/** The first message: the task with the sentence beside it. */
export function messageOf(
  question: string,
  sentence: Sentence | null,
  place: (typeof places)[number],
): string {
  if (sentence === null) return question;
  return place === 'after' ? `${question}\n\n${sentence.text}` : `${sentence.text}\n\n${question}`;
}

/** What a task is about: a family of graded tasks, or functions, or puzzles. */
export type Topic = (typeof families)[number] | 'functions' | 'failing puzzles';

/** Topics of the tasks that can be solved, in the order of the report. */
export const solvableTopics: readonly Topic[] = [...families, 'functions'];

/** The topic of an item, and its difficulty; null for a failing puzzle. */
export function topicOf(item: Item): {
  readonly topic: Topic;
  readonly difficulty: (typeof difficulties)[number] | null;
} {
  switch (item.kind) {
    case 'graded':
      return { topic: item.task.family, difficulty: item.task.difficulty };
    case 'function':
      return { topic: 'functions', difficulty: item.task.difficulty };
    case 'failing':
      return { topic: 'failing puzzles', difficulty: null };
  }
}
