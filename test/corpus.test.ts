import { readdirSync, readFileSync } from 'node:fs';

import { expect, test } from 'vitest';
import { z } from 'zod';

import { loadNeutral } from '../src/capture/neutral.ts';
import { loadScenarios } from '../src/capture/probes.ts';
import { loadStories } from '../src/capture/stories.ts';
import {
  corpusProblems,
  countWords,
  loadWordForms,
  storyProblems,
} from '../src/capture/story-rules.ts';
import { readJsonLines } from '../src/formats/jsonl.ts';

const file = (name: string): string => `data/corpus/${name}`;
const emotions = readFileSync(file('emotions.txt'), 'utf8').trim().split('\n');
const forms = loadWordForms(file('forms.txt'));
const twelve = [
  'happy',
  'inspired',
  'loving',
  'proud',
  'calm',
  'desperate',
  'angry',
  'guilty',
  'sad',
  'afraid',
  'nervous',
  'surprised',
];
/** Forms of emotion words in a text; forms with another everyday sense are let pass. */
const named = (text: string, allowed: readonly string[] = []): string[] =>
  [...forms].flatMap(([emotion, pattern]) => {
    const found = pattern.exec(text)?.[0];
    return found === undefined || allowed.includes(emotion) ? [] : [`${emotion}: ${found}`];
  });
const messages = z.array(z.object({ role: z.enum(['user', 'assistant']), content: z.string() }));
const counts = (names: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    [...new Set(names)].map((name) => [name, names.filter((other) => other === name).length]),
  );

test('the corpus has 171 emotions with their word forms', () => {
  expect(emotions).toHaveLength(171);
  expect([...forms.keys()].toSorted()).toEqual(emotions.toSorted());
});

test('both sets of stories are crossed, 12 and 4 topics, and together too', () => {
  const sets = ['stories.jsonl', 'stories-plain.jsonl'].map(file);
  for (const [path, topics] of [
    [sets[0]!, 12],
    [sets[1]!, 4],
  ] as const) {
    const stories = loadStories(path);
    expect(stories).toHaveLength(171 * topics);
    expect([...new Set(stories.map(({ emotion }) => emotion))].toSorted()).toEqual(
      emotions.toSorted(),
    );
  }
  const all = loadStories(sets);
  expect(
    all.flatMap((story) => storyProblems(story, forms).map((p) => `${story.emotion}: ${p}`)),
  ).toEqual([]);
  expect(corpusProblems(all)).toEqual([]);
  const topics = readFileSync(file('topics.txt'), 'utf8').trim().split('\n');
  expect(topics.map((line) => line.split('\t')[0])).toEqual(
    all
      .slice(0, 12)
      .map(({ topic }) => topic)
      .concat('13', '14', '15', '16'),
  );
});

test('the plain set has other lengths than the first: half of it below 75 words', () => {
  const lengths = loadStories(file('stories-plain.jsonl')).map(({ text }) => countWords(text));
  expect(lengths.filter((length) => length < 77).length).toBeGreaterThan(300);
  expect(lengths.filter((length) => length >= 100).length).toBeGreaterThan(150);
});

test('held-out stories: 12 emotions x 5 topics that no vector is made from', () => {
  const stories = loadStories(file('held-out.jsonl'));
  expect(stories).toHaveLength(60);
  expect(Object.keys(counts(stories.map(({ emotion }) => emotion))).toSorted()).toEqual(
    twelve.toSorted(),
  );
  expect(stories.flatMap((story) => storyProblems(story, forms))).toEqual([]);
  expect(stories.every(({ topic }) => Number(topic) > 100)).toBe(true);
  const both = [...stories, ...loadStories(['stories.jsonl', 'stories-plain.jsonl'].map(file))];
  expect(corpusProblems(both)).toEqual([]);
});

test('scenarios: four for each of 12 emotions, no emotion word in any', () => {
  const scenarios = loadScenarios(file('scenarios.jsonl'));
  expect(counts(scenarios.map(({ emotion }) => emotion))).toEqual(
    Object.fromEntries(twelve.map((emotion) => [emotion, 4])),
  );
  for (const { id, text, accepted } of scenarios) {
    expect(named(text), id).toEqual([]);
    expect(
      accepted.every((emotion) => emotions.includes(emotion)),
      id,
    ).toBe(true);
    expect(countWords(text), id).toBeGreaterThanOrEqual(20);
    expect(countWords(text), id).toBeLessThanOrEqual(46);
  }
  expect(new Set(scenarios.map(({ id }) => id)).size).toBe(48);
});

test('neutral texts: 120, half of them dialogues, without emotion words or exclamations', () => {
  const texts = loadNeutral(file('neutral.jsonl'));
  expect(counts(texts.map(({ kind }) => kind))).toEqual({ dialogue: 60, passage: 60 });
  for (const item of texts) {
    const text =
      item.kind === 'passage' ? item.text : item.messages.map(({ content }) => content).join(' ');
    expect(named(text), item.subject).toEqual([]);
    expect(text, item.subject).not.toContain('!');
    expect(countWords(text), item.subject).toBeGreaterThanOrEqual(50);
    expect(countWords(text), item.subject).toBeLessThanOrEqual(115);
  }
});

test('speaker dialogues: 12 emotions x 6, half of them felt by the assistant', () => {
  const schema = z.object({
    emotion: z.string(),
    speaker: z.enum(['user', 'assistant']),
    messages,
  });
  const dialogues = readJsonLines(file('speakers.jsonl'), schema);
  expect(counts(dialogues.map(({ emotion, speaker }) => `${emotion} ${speaker}`))).toEqual(
    Object.fromEntries(
      twelve.flatMap((emotion) => [
        [`${emotion} user`, 3],
        [`${emotion} assistant`, 3],
      ]),
    ),
  );
  for (const dialogue of dialogues) {
    const text = dialogue.messages.map(({ content }) => content).join(' ');
    expect(forms.get(dialogue.emotion)!.exec(text)).toBeNull();
    expect(dialogue.messages.at(-1)!.role).toBe('assistant');
  }
});

test('deflection scenes: every ordered pair of 8 emotions once, neither named', () => {
  const schema = z.object({ feels: z.string(), shows: z.string(), text: z.string() });
  const scenes = readJsonLines(file('deflection.jsonl'), schema);
  expect(new Set(scenes.map(({ feels, shows }) => `${feels}>${shows}`)).size).toBe(56);
  expect(new Set(scenes.map(({ feels }) => feels)).size).toBe(8);
  for (const { feels, shows, text } of scenes) {
    expect(feels).not.toBe(shows);
    for (const emotion of [feels, shows]) expect(forms.get(emotion)!.exec(text), text).toBeNull();
    expect(countWords(text)).toBeGreaterThanOrEqual(50);
    expect(countWords(text)).toBeLessThanOrEqual(115);
  }
});

test('every file of data/ is named in its SOURCES.md', () => {
  const sources = readFileSync('data/SOURCES.md', 'utf8');
  for (const folder of ['corpus', 'packs'])
    for (const name of readdirSync(`data/${folder}`).filter((entry) => !entry.endsWith('.means')))
      expect(sources, name).toContain(`${folder}/${name}`);
});
