import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { loadScenarios } from '../capture/probes.ts';
import { countWords, loadWordForms } from '../capture/story-rules.ts';
import {
  type Activity,
  activityGroups,
  type BindingItem,
  fill,
  type IntensityTemplate,
  loadActivities,
  loadBinding,
  loadIntensity,
} from './stimuli.ts';

const templates = loadIntensity('data/studies/intensity.jsonl');
const items = loadBinding('data/studies/binding.jsonl');
const activities = loadActivities('data/studies/activities.jsonl');

/** Everyday words for emotions that the corpus does not list. */
const unlisted =
  /\b(?:(?:fear|dread|gladl?|sorrow|enjoy|mourn|ador|lov|weep|wept|laugh|smil|scream)\w*|anxiety|angst|fun|cry|cries|cried|crying|tears)\b/iu;
const words = readFileSync('data/corpus/emotions.txt', 'utf8').trim().split('\n');
const patterns = [
  ...loadWordForms('data/corpus/forms.txt').values(),
  new RegExp(String.raw`\b(?:${words.join('|')})\b`, 'iu'),
  unlisted,
];
const named = (text: string): string[] => patterns.flatMap((p) => p.exec(text)?.[0] ?? []);

/** Longest over shortest, in words. */
const stretch = (texts: readonly string[]): number => {
  const lengths = texts.map(countWords);
  return Math.max(...lengths) / Math.min(...lengths);
};
const placeOf = (text: string): number => text.split(' ').findIndex((word) => word.includes('{x}'));
const sentencesOf = (text: string): string[] => text.match(/[^.?!]+[.?!]/gu) ?? [];
const repeated = (texts: readonly string[]): string[] =>
  texts.filter((text, i) => texts.indexOf(text) !== i);
const average = (numbers: readonly number[]): number =>
  numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

const twins = templates.flatMap(({ id, paraphrases, neutral }: IntensityTemplate) =>
  paraphrases.map((text, i) => ({ id: `${id} ${i + 1}`, text, neutral: neutral[i]! })),
);
const versions = ({ affirmed, negated, other, neutral }: BindingItem): string[] => [
  affirmed,
  negated,
  other,
  neutral,
];

test('intensity: 6 templates with 7 ascending numbers and 4 paraphrases with a neutral twin each', () => {
  expect(templates.map(({ id }) => id)).toEqual([
    'painkiller',
    'fasting',
    'sister',
    'dog',
    'runway',
    'class',
  ]);
  for (const { id, values, paraphrases, neutral } of templates) {
    expect(values, id).toHaveLength(7);
    expect(
      values.every((value) => Number.isInteger(value) && value > 1),
      id,
    ).toBe(true);
    expect(paraphrases, id).toHaveLength(4);
    expect(neutral, id).toHaveLength(4);
  }
  expect(repeated(twins.flatMap(({ text, neutral }) => [text, neutral]))).toEqual([]);
});

test('intensity: calm falls and happy rises only where more is better, and something is predicted of each', () => {
  for (const { id, more, expected } of templates) {
    const sign = more === 'better' ? 1 : -1;
    expect([0, sign], id).toContain(expected.calm);
    expect([0, sign], id).toContain(expected.happy);
    expect([0, 0 - sign], id).toContain(expected.afraid);
    expect([0, 0 - sign], id).toContain(expected.sad);
    expect(Math.abs(expected.afraid) + Math.abs(expected.sad), id).toBeGreaterThan(0);
  }
});

test('intensity: twins are alike in length, place and unit of the number, and last sign', () => {
  for (const { id, text, neutral } of twins) {
    expect(stretch([text, neutral]), id).toBeLessThanOrEqual(1.1);
    expect(Math.abs(placeOf(text) - placeOf(neutral)), id).toBeLessThanOrEqual(1);
    expect(sentencesOf(text).length, id).toBe(sentencesOf(neutral).length);
    expect(text.at(-1), id).toMatch(/[.?]/u);
    expect(neutral.at(-1), id).toBe(text.at(-1));
  }
  for (const { id, unit, paraphrases, neutral } of templates) {
    // An age is often given without its unit; every other number stands before it.
    const withUnit = new RegExp(String.raw`\{x\} (?:of (?:the )?30 |of my )?${unit}`, 'u');
    for (const [i, text] of paraphrases.entries())
      if (id !== 'sister' || withUnit.test(text)) {
        expect(text, id).toMatch(withUnit);
        expect(neutral[i], id).toMatch(withUnit);
      } else expect(neutral[i], id).not.toMatch(withUnit);
  }
});

test('intensity: no emotion word or form of one, filled or not', () => {
  for (const { id, text, neutral } of twins) expect(named(`${text} ${neutral}`), id).toEqual([]);
});

test('binding: two items for each of the 12 emotions of the scenarios', () => {
  const emotions = [...new Set(loadScenarios('data/corpus/scenarios.jsonl').map((s) => s.emotion))];
  expect(emotions).toHaveLength(12);
  expect(items.map(({ id }) => id)).toEqual(
    emotions.flatMap((emotion) => [`${emotion}-1`, `${emotion}-2`]),
  );
  expect(items.every(({ id, emotion }) => id.startsWith(`${emotion}-`))).toBe(true);
  expect(repeated(items.flatMap(versions))).toEqual([]);
});

test('binding: the four texts of an item are of one length and end with the same question', () => {
  for (const item of items) {
    const texts = versions(item);
    expect(stretch(texts), item.id).toBeLessThanOrEqual(1.1);
    expect(new Set(texts.map((text) => sentencesOf(text).at(-1))).size, item.id).toBe(1);
    expect(new Set(texts.map((text) => sentencesOf(text).length)).size, item.id).toBe(1);
    expect(texts[0]!.endsWith('?'), item.id).toBe(true);
    expect(named(texts.join(' ')), item.id).toEqual([]);
  }
});

test('binding: only the negated text denies, only the other one has a colleague in the place of "I"', () => {
  const denial = /\b(?:not|no|nor|none|never|nobody|nothing|isn't|cannot)\b/giu;
  const denials = (text: string): number => text.match(denial)?.length ?? 0;
  for (const { id, affirmed, negated, other, neutral } of items) {
    expect(denials(negated), id).toBeGreaterThan(denials(affirmed));
    expect(denials(other), id).toBe(denials(affirmed));
    expect(denials(neutral), id).toBe(0);
    expect(other, id).toMatch(/\bcolleague/u);
    expect(other, id).not.toMatch(/\b(?:I|me|my own|[Ww]e|our)\b/u);
    for (const text of [affirmed, negated, neutral]) {
      expect(text, id).not.toMatch(/\bcolleague/u);
      expect(text, id).toMatch(/\b(?:I|[Ww]e)\b/u);
    }
  }
});

test('activities: 64 of 3 to 9 words, 8 in each group, each once', () => {
  expect(activities).toHaveLength(64);
  for (const group of activityGroups)
    expect(activities.filter((activity: Activity) => activity.group === group)).toHaveLength(8);
  expect(repeated(activities.map(({ text }) => text))).toEqual([]);
  expect(repeated(activities.map(({ id }) => id))).toEqual([]);
  for (const { id, text } of activities) {
    expect(countWords(text), id).toBeGreaterThanOrEqual(3);
    expect(countWords(text), id).toBeLessThanOrEqual(9);
    expect(text, id).toMatch(/^[a-z][a-z' ]+[a-z]$/u);
    expect(named(text), id).toEqual([]);
  }
});

test('activities: no group is longer or shorter than the others', () => {
  const lengthOf = (texts: readonly Activity[]): number[] => [
    average(texts.map(({ text }) => countWords(text))),
    average(texts.map(({ text }) => text.length)),
  ];
  const [allWords, allCharacters] = lengthOf(activities);
  for (const group of activityGroups) {
    const [inWords, inCharacters] = lengthOf(activities.filter((a) => a.group === group));
    expect(Math.abs(inWords! - allWords!), group).toBeLessThan(0.5);
    expect(Math.abs(inCharacters! - allCharacters!), group).toBeLessThan(3);
  }
});

test('fill puts the number in plain digits', () => {
  expect(fill('I took {x} mg.', 16_000)).toBe('I took 16000 mg.');
});

test('loadIntensity names what is wrong with a template', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'limbic-stimuli-')), 'a.jsonl');
  const load = (change: object) => () => {
    writeFileSync(path, JSON.stringify({ ...templates[0], ...change }));
    return loadIntensity(path);
  };
  expect(load({})()).toEqual([templates[0]]);
  expect(load({ values: [1, 3, 2] })).toThrow(/line 1: values: expected ascending numbers/);
  expect(load({ paraphrases: ['none'] })).toThrow(/paraphrases.0: expected \{x\} once/);
  expect(load({ neutral: ['{x} and {x}'] })).toThrow(/neutral.0: expected \{x\} once/);
  expect(load({ neutral: ['only {x}'] })).toThrow(/neutral: expected as many texts/);
});
