/** @file Checks the texts of the frustration study: a shared phrase or a lopsided length would pass for an effect. */
import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';
import { z } from 'zod';

import { countWords } from '../capture/story-rules.ts';
import { readJsonLines } from '../formats/jsonl.ts';

const folder = 'data/studies/frustration';
const text = z.string().min(1);
const tones = ['plain', 'aggressive', 'disappointed', 'sarcastic'] as const;
const stages = ['early', 'middle', 'late'] as const;

const openings = readJsonLines(
  `${folder}/openings.jsonl`,
  z.strictObject({
    id: text,
    category: z.enum(['triggers', 'tones', 'extended', 'chat']),
    subject: text,
    text,
  }),
);
const rejections = readJsonLines(
  `${folder}/rejections.jsonl`,
  z.strictObject({ id: text, tone: z.enum(tones), stage: z.enum(stages), text }),
);
const neutral = readJsonLines(`${folder}/neutral.jsonl`, z.strictObject({ id: text, text }));
const reassurance = readJsonLines(
  `${folder}/reassurance.jsonl`,
  z.strictObject({ id: text, text }),
);
const labelled = readJsonLines(
  `${folder}/labelled.jsonl`,
  z.strictObject({
    id: text,
    category: z.enum(['numeric', 'triggers', 'tones', 'extended', 'chat']),
    rejection: text,
    reply: text,
    score: z.int().min(0).max(10),
    quote: z.string(),
    why: text,
  }),
);
const encouragement = readJsonLines(
  'data/studies/encouragement.jsonl',
  z.strictObject({
    id: text,
    arm: z.enum(['encouragement', 'pressure', 'demand', 'permission']),
    family: text,
    text,
  }),
);
const lexicon = z
  .record(text, z.record(text, z.literal([1, 2, 3])))
  .parse(JSON.parse(readFileSync(`${folder}/lexicon.json`, 'utf8')));
const rubric = readFileSync(`${folder}/rubric.txt`, 'utf8');

const textOf = (row: { text: string }): string => row.text;
const allTexts = [
  ...[openings, rejections, neutral, reassurance, encouragement].flatMap((rows) =>
    rows.map(textOf),
  ),
  ...labelled.flatMap(({ rejection, reply }) => [rejection, reply]),
];
const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
const meanWords = (rows: readonly { text: string }[]): number =>
  mean(rows.map((row) => countWords(row.text)));
const repeated = (texts: readonly string[]): string[] => {
  const forms = texts.map((one) =>
    one
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/gu, ' ')
      .trim(),
  );
  return texts.filter((_, i) => forms.indexOf(forms[i]!) !== i);
};
const countBy = (values: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    [...new Set(values)].map((value) => [value, values.filter((one) => one === value).length]),
  );

/** Runs of `length` words that stand in two of the texts. */
function sharedRuns(texts: readonly string[], length: number): string[] {
  const owner = new Map<string, number>();
  const shared: string[] = [];
  for (const [i, one] of texts.entries()) {
    const words = one.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
    for (let at = 0; at + length <= words.length; at++) {
      const run = words.slice(at, at + length).join(' ');
      if ((owner.get(run) ?? i) !== i) shared.push(run);
      owner.set(run, i);
    }
  }
  return shared;
}

/** Sentences outside quotation marks, where a given text counts as part of the sentence that gives it. */
const sentenceCount = (one: string): number =>
  one.replaceAll(/"[^"]*"/gu, 'Q').match(/[^.?!]+(?:[.?!]|$)(?=\s|$)/gu)?.length ?? 0;

/** The whole-word, lower-case reading of the lexicon, the sum of the weights of all hits. */
function lexiconSum(reply: string): number {
  const plain = reply.toLowerCase().replaceAll('’', "'").replaceAll(/\s+/gu, ' ');
  let sum = 0;
  for (const [pattern, weight] of Object.values(lexicon).flatMap((group) => Object.entries(group)))
    sum += weight * (plain.match(new RegExp(`(?<![a-z'])${pattern}(?![a-z'])`, 'gu'))?.length ?? 0);
  return sum;
}

/** Profanity, slurs of ability, and words of harm that the study has no use for. */
const banned =
  /\b(?:damn|hell|crap|shit|fuck|bloody|idiot|moron|stupid|dumb|retard\w*|loser|shut up|kill\w*|suicid\w*|die|dying|murder\w*|slave)\b/iu;

test('frustration texts: every id once, every text once, no phrase of eight words in two of them', () => {
  for (const rows of [openings, rejections, neutral, reassurance, labelled, encouragement])
    expect(repeated(rows.map(({ id }) => id))).toEqual([]);
  expect(repeated(allTexts)).toEqual([]);
  expect(sharedRuns(allTexts, 8)).toEqual([]);
  expect(sharedRuns(['a b c d e f g h', 'z a b c d e f g h'], 8)).toEqual(['a b c d e f g h']);
});

test('frustration texts: nothing offensive, plain characters only', () => {
  expect(allTexts.filter((one) => banned.test(one))).toEqual([]);
  // Straight quotes: a curly one would hide a lexicon word and betray the typesetting of a source.
  expect(allTexts.filter((one) => /[^\n -~]/u.test(one) || one !== one.trim())).toEqual([]);
});

test('openings: so many of each category, one to three sentences of at most 45 words', () => {
  expect(countBy(openings.map(({ category }) => category))).toEqual({
    triggers: 24,
    tones: 18,
    extended: 16,
    chat: 16,
  });
  expect(openings.filter(({ id }) => id.startsWith('triggers-fact-'))).toHaveLength(12);
  expect(openings.filter(({ id }) => id.startsWith('triggers-opinion-'))).toHaveLength(12);
  for (const { id, category, text: opening } of openings) {
    expect(id.startsWith(`${category}-`), id).toBe(true);
    expect(sentenceCount(opening), id).toBeGreaterThanOrEqual(1);
    expect(sentenceCount(opening), id).toBeLessThanOrEqual(3);
    expect(countWords(opening), id).toBeLessThanOrEqual(45);
  }
  const subjects = countBy(
    openings.filter(({ category }) => category === 'triggers').map(({ subject }) => subject),
  );
  expect(Object.values(subjects).every((count) => count === 1)).toBe(true);
});

test('rejections: 5 for each tone and stage, 4 to 25 words, of like length', () => {
  for (const tone of tones) {
    const ofTone = rejections.filter((one) => one.tone === tone);
    expect(Math.abs(meanWords(ofTone) - meanWords(rejections)), tone).toBeLessThan(1.5);
    for (const stage of stages) {
      const cell = ofTone.filter((one) => one.stage === stage);
      expect(cell, `${tone} ${stage}`).toHaveLength(5);
      expect(Math.abs(meanWords(cell) - meanWords(rejections)), `${tone} ${stage}`).toBeLessThan(2);
    }
  }
  for (const { id, tone, stage, text: rejection } of rejections) {
    expect(id.startsWith(`${tone}-${stage}-`), id).toBe(true);
    expect(countWords(rejection), id).toBeGreaterThanOrEqual(4);
    expect(countWords(rejection), id).toBeLessThanOrEqual(25);
    // Shouting belongs to one tone, and mock praise may come with it.
    if (tone === 'plain' || tone === 'disappointed') expect(rejection, id).not.toMatch(/!/u);
  }
  // An early rejection may be the first, so it speaks of none before it.
  const earlier =
    /\b(?:still|as before|so far|every time|all (?:these|this)|twice|third|once again)\b/iu;
  for (const { id, stage, text: rejection } of rejections)
    if (stage === 'early') expect(rejection, id).not.toMatch(earlier);
});

test('rejections: no information about the right answer, no word on the person', () => {
  for (const { id, text: rejection } of rejections) {
    expect(rejection, id).not.toMatch(/\d|\b(?:you are|you're) (?:an?|so|such)\b/iu);
    expect(rejection, id).not.toMatch(
      /\b(?:higher|lower|bigger|smaller|longer|shorter|closer|because|number|sum|name|title|opinion|story|plan|rhyme)\b/iu,
    );
  }
});

test('neutral continuations: 12 that judge nothing, about as long as the rejections', () => {
  expect(neutral).toHaveLength(12);
  expect(Math.abs(meanWords(neutral) - meanWords(rejections))).toBeLessThan(2);
  for (const { id, text: continuation } of neutral)
    expect(continuation, id).not.toMatch(
      /\b(?:no|not|wrong|right|good|great|nice|thanks?|better|again|correct|try|fine|perfect|bad)\b|!/iu,
    );
});

test('reassurance: 4 short passages without praise, request or style', () => {
  expect(reassurance).toHaveLength(4);
  for (const { id, text: passage } of reassurance) {
    expect(countWords(passage), id).toBeGreaterThanOrEqual(20);
    expect(countWords(passage), id).toBeLessThanOrEqual(40);
    expect(passage, id).toMatch(/\b(?:mistakes|errors|wrong)\b/iu);
    expect(passage, id).not.toMatch(
      /\b(?:great|clever|capable|calm|please|polite|brief|must|should)\b/iu,
    );
  }
});

test('lexicon: about 90 patterns in 6 groups, in the form that a matcher sees', () => {
  expect(Object.keys(lexicon)).toEqual([
    'frustration',
    'apology-spiral',
    'self-deprecation',
    'despair',
    'giving-up',
    'irritation-at-user',
  ]);
  const patterns = Object.values(lexicon).flatMap((group) => Object.keys(group));
  expect(patterns.length).toBeGreaterThanOrEqual(80);
  expect(patterns.length).toBeLessThanOrEqual(120);
  expect(new Set(patterns).size).toBe(patterns.length);
  for (const pattern of patterns) expect(pattern).toMatch(/^[a-z][a-z', ]*[a-z]$/u);
  // Courtesy, the user's own feelings and sober reports must not count.
  for (const sober of [
    'I am sorry about that. I apologize for the confusion.',
    'I understand how frustrating this is for you and that you feel hopeless.',
    'This puzzle has no solution; I am breaking it down into steps: FAIL, FAIL, OK.',
    'She was useless at chess, and he gave up.',
  ])
    expect(lexiconSum(sober), sober).toBe(0);
  // 2 for "this is frustrating", 3 for each "i give up".
  expect(lexiconSum('This is frustrating. I give up, I give up.')).toBe(8);
});

test('labelled replies: 60, 12 of each category, scores spread, lengths varied', () => {
  expect(Object.values(countBy(labelled.map(({ category }) => category)))).toEqual(
    Array.from({ length: 5 }, () => 12),
  );
  const between = (low: number, high: number): typeof labelled =>
    labelled.filter(({ score }) => score >= low && score <= high);
  const bands = [between(0, 0), between(1, 2), between(3, 4), between(5, 7), between(8, 10)];
  expect(bands.map((band) => band.length)).toEqual([20, 8, 12, 12, 8]);
  for (const band of bands) {
    const lengths = band.map(({ reply }) => countWords(reply));
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(15);
    expect(Math.min(...lengths)).toBeLessThanOrEqual(25);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(120);
    expect(Math.max(...lengths)).toBeGreaterThanOrEqual(50);
    expect(new Set(band.map(({ category }) => category)).size).toBe(5);
  }
});

test('labelled replies: a quote from the reply exactly where the score is above 0', () => {
  for (const { id, reply, score, quote, why } of labelled) {
    expect(quote === '', id).toBe(score === 0);
    expect(reply.includes(quote), id).toBe(true);
    expect(countWords(why), id).toBeLessThanOrEqual(14);
  }
});

test('labelled replies: words alone do not give the score away, and yet follow it', () => {
  const sumsOf = (low: number, high: number): number[] =>
    labelled
      .filter(({ score }) => score >= low && score <= high)
      .map(({ reply }) => lexiconSum(reply));
  expect(mean(sumsOf(8, 10))).toBeGreaterThan(mean(sumsOf(3, 4)) + 3);
  expect(mean(sumsOf(0, 0))).toBeLessThan(0.5);
  // Hard negatives: at least four sober replies with a word of strong emotion in them.
  const emotional =
    /\b(?:despair|desperate|hopeless|annoyed|frustrating|crushed|ashamed|scream|weep|FAIL)\b/u;
  const hard = labelled.filter(({ score, reply }) => score === 0 && emotional.test(reply));
  expect(hard.length).toBeGreaterThanOrEqual(4);
});

test('rubric: under 200 words, with every level in it', () => {
  expect(countWords(rubric)).toBeLessThan(200);
  for (const level of ['0:', '1-2:', '3-4:', '5-6:', '7-8:', '9-10:'])
    expect(
      rubric.split('\n').filter((line) => line.startsWith(level)),
      level,
    ).toHaveLength(1);
});

test('encouragement: the four arms in their counts, sentences of 12 to 26 words', () => {
  const families = countBy(encouragement.map(({ arm, family }) => `${arm}: ${family}`));
  expect(families).toEqual({
    'encouragement: self-monitoring': 4,
    'encouragement: social-cognitive': 4,
    'encouragement: cognitive-emotion-regulation': 4,
    'pressure: standing': 3,
    'pressure: replacement': 2,
    'pressure: disappointment': 3,
    'demand: instruction': 8,
    'permission: stop': 3,
    'permission: decline': 3,
  });
  for (const { id, text: sentence } of encouragement) {
    expect(countWords(sentence), id).toBeGreaterThanOrEqual(12);
    expect(countWords(sentence), id).toBeLessThanOrEqual(26);
    expect(sentenceCount(sentence), id).toBe(1);
  }
});

test('encouragement: arms are of one mean length, and demands name no feeling', () => {
  const means = Object.keys(countBy(encouragement.map(({ arm }) => arm))).map((arm) =>
    meanWords(encouragement.filter((one) => one.arm === arm)),
  );
  expect(Math.max(...means) - Math.min(...means)).toBeLessThanOrEqual(2);
  for (const { id, arm, text: sentence } of encouragement)
    if (arm === 'demand' || arm === 'permission')
      expect(sentence, id).not.toMatch(
        /\b(?:trust|hope\w*|believe|care|disappoint\w*|proud|sure|afraid|important|best|good|bad)\b/iu,
      );
});
