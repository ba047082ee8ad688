/**
 * @file Lets a model write a corpus: every emotion with every topic, forbidden words checked, failed cells
 * tried again, finished ones kept line by line. A replication of the paper found that stories by the probed
 * model itself give better vectors than those of another.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';

import { chatTokens } from '../engine/chat-template.ts';
import type { Model } from '../engine/engine.ts';
import { InvalidInputError, isShowable } from '../errors.ts';
import { readJsonLines, readText } from '../formats/jsonl.ts';
import { writeError } from '../formats/whole-file.ts';
import { acquireLock } from '../store/lock.ts';
import { countLines } from '../store/run-lines.ts';
import { type Story, storySchema } from './stories.ts';
import { countWords, storyProblems, storyWords, type WordForms } from './story-rules.ts';

export interface Cell {
  readonly emotion: string;
  readonly topic: string;
  /** What the topic is about, in words. */
  readonly subject: string;
}

/** Topics of a corpus, at most: each is written about with every emotion. */
const mostTopics = 10_000;

/**
 * Reads lines of `id TAB subject`. Throws InvalidInputError for fewer than two or more than 10,000, an id that stands
 * twice, or what can't be shown.
 */
export function loadTopics(path: string): Omit<Cell, 'emotion'>[] {
  const refuse = (got: string): InvalidInputError =>
    new InvalidInputError(
      `topics: expected two or more lines of "id TAB subject" in ${path}, got ${got}`,
    );
  const lines = readText(path)
    .trim()
    .split('\n', mostTopics + 1);
  if (lines.length < 2 || lines.length > mostTopics) throw refuse(`${lines.length}`);
  const ids = new Set<string>();
  return lines.map((line, i) => {
    const [topic = '', subject = '', ...more] = line.split('\t').map((part) => part.trim());
    const isWhole = topic !== '' && subject !== '' && more.length === 0;
    if (!isWhole || !isShowable(topic) || !isShowable(subject))
      throw refuse(`other text in line ${i + 1}`);
    if (ids.has(topic)) throw refuse(`"${topic}" twice`);
    ids.add(topic);
    return { topic, subject };
  });
}

/** Writes one text for each request; null for one that could not be had. */
export type Writer = (
  requests: readonly { readonly cell: Cell; readonly prompt: string; readonly seed: number }[],
  signal?: AbortSignal,
) => Promise<(string | null)[]>;

export interface WriteOptions {
  readonly out: string;
  readonly forms: WordForms;
  /** Tries for each cell. @default 8 */
  readonly attempts?: number;
  readonly seed?: number;
  /** Cells asked for together. @default 16 */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number, tried: number) => void;
}

export interface WriteResult {
  readonly written: number;
  /** Cells that an earlier run had finished. */
  readonly resumed: number;
  readonly tried: number;
  /** Cells without an acceptable story, with what was wrong last. */
  readonly missing: readonly { readonly cell: Cell; readonly problem: string }[];
}

/**
 * Fills all cells that the file at `out` lacks. A text that breaks a rule is thrown away and asked for again. Throws
 * ConflictError while another process fills it, UnavailableError if the disk refuses a story.
 */
export async function writeStories(
  cells: readonly Cell[],
  write: Writer,
  options: WriteOptions,
): Promise<WriteResult> {
  const { out } = options;
  mkdirSync(dirname(out), { recursive: true });
  const release = acquireLock(`${out}.lock`, out);
  try {
    return await fill(cells, write, options);
  } finally {
    release();
  }
}

async function fill(
  cells: readonly Cell[],
  write: Writer,
  { out, forms, attempts = 8, batch = 16, seed = 1, signal, onProgress }: WriteOptions,
): Promise<WriteResult> {
  endLastLine(out);
  const before = existsSync(out) ? readJsonLines(out, storySchema) : [];
  const keyOf = ({ emotion, topic }: { emotion: string; topic: string }): string =>
    JSON.stringify([emotion, topic]);
  const done = new Set(before.map(keyOf));
  const texts = new Set(before.map(({ text }) => text));
  const problems = new Map<string, string>();
  const resumed = cells.filter((cell) => done.has(keyOf(cell))).length;
  let tried = 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const open = cells.filter((cell) => !done.has(keyOf(cell)));
    for (let at = 0; at < open.length; at += batch) {
      signal?.throwIfAborted();
      const group = open.slice(at, at + batch);
      const requests = group.map((cell, i) => ({
        cell,
        prompt: promptFor(cell),
        seed: seed + attempt * 100_003 + cells.indexOf(cell) * 7 + i,
      }));
      const replies = await write(requests, signal);
      for (const [i, cell] of group.entries()) {
        tried++;
        const story: Story = {
          emotion: cell.emotion,
          topic: cell.topic,
          text: tidy(replies[i] ?? ''),
        };
        const wrong = texts.has(story.text) ? ['repeats another'] : storyProblems(story, forms);
        if (wrong.length > 0) {
          problems.set(keyOf(cell), wrong.join('; '));
          continue;
        }
        appendStory(out, story);
        texts.add(story.text);
        done.add(keyOf(cell));
      }
      onProgress?.(cells.filter((cell) => done.has(keyOf(cell))).length, cells.length, tried);
    }
  }
  const missing = cells
    .filter((cell) => !done.has(keyOf(cell)))
    .map((cell) => ({ cell, problem: problems.get(keyOf(cell)) ?? 'no text came' }));
  return { written: cells.length - missing.length - resumed, resumed, tried, missing };
}

/** A last line that a full disk or a power cut tore is cut off; a whole one gets its end. */
function endLastLine(out: string): void {
  const { completeBytes, bytes } = countLines(out);
  if (completeBytes === bytes) return;
  try {
    JSON.parse(readFileSync(out).subarray(completeBytes).toString());
    appendFileSync(out, '\n');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw writeError(error, out);
    truncateSync(out, completeBytes);
  }
}

function appendStory(out: string, story: Story): void {
  try {
    appendFileSync(out, `${JSON.stringify(story)}\n`);
  } catch (error) {
    throw writeError(error, out);
  }
}

function promptFor({ emotion, subject }: Cell): string {
  return `Write one short scene of about 80 words on this subject: ${subject}. One person in it is ${emotion} from the first sentence to the last. Show it through what the person thinks, says, does and feels in the body. Never use the word "${emotion}" or a related word, and do not explain. Write only the scene, as one paragraph.`;
}

/** Lines that are no story: a preface, or a title, which has no full stop and few words. */
const notStory = /^((title|scene|here (is|are)|sure|certainly)\b.{0,60}:|[^.!?]{0,60})$/i;

/** One paragraph without title or preface, cut to whole sentences within the longest allowed. */
export function tidy(reply: string): string {
  const lines = reply
    .replaceAll(/\*\*|__|^#+.*$/gm, '')
    .split(/\n+/)
    .map((line) => line.trim())
    .filter((line) => !notStory.test(line));
  const joined = lines.join(' ').replaceAll(/\s+/g, ' ');
  // Quotation marks around the whole go; those of a speech stay.
  const text = /^["“][^"“”]*["”]$/.test(joined) ? joined.slice(1, -1) : joined;
  const sentences = text.match(/[^.!?]+[.!?]+["”']?/g) ?? [];
  let kept = '';
  for (const sentence of sentences) {
    if (countWords(kept + sentence) > storyWords.max) break;
    kept += sentence;
  }
  return kept.trim();
}

/** Tokens of a reply: a little more than the longest story. */
const replyTokens = 190;

/** A writer on a local model; the emotion's own word is kept out of its sampling where it is one token. */
export function localWriter(model: Model, temperature = 0.9): Writer {
  return async (requests, signal) => {
    const prepared = await Promise.all(
      requests.map(async ({ cell, prompt, seed }) => ({
        prompt: await chatTokens(model, [{ role: 'user', content: prompt }]),
        maxTokens: replyTokens,
        temperature,
        topP: 0.95,
        seed,
        logitBias: await banned(model, cell.emotion),
      })),
    );
    const replies = await model.generate(prepared, signal === undefined ? {} : { signal });
    return replies.map(({ text }) => text);
  };
}

async function banned(model: Model, emotion: string): Promise<Map<number, number>> {
  const upper = emotion.charAt(0).toUpperCase() + emotion.slice(1);
  const spellings = [emotion, ` ${emotion}`, upper, ` ${upper}`];
  const tokens = await Promise.all(
    spellings.map((spelling) => model.tokenize(spelling, { addSpecial: false })),
  );
  return new Map(
    tokens.flatMap((ids): [number, number][] => (ids.length === 1 ? [[ids[0] ?? 0, -100]] : [])),
  );
}
