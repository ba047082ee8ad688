import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import fc from 'fast-check';
import { expect } from 'vitest';

import { corpusHash, loadStories } from '../../src/capture/stories.ts';
import { corpusProblems, storyProblems } from '../../src/capture/story-rules.ts';
import { loadTopics } from '../../src/capture/story-writer.ts';
import { loadContrast } from '../../src/capture/texts.ts';
import { mean } from '../../src/math/stats.ts';
import { loadNorms } from '../../src/vectors/norms.ts';
import { fuzz } from './harness.ts';
import { type Change, changes, mutatedBytes, mutatedJson, rareChanges } from './mutators.ts';

/** What a terminal can show, in one line. */
const showable = /^[^\p{Cc}\p{Cs}\u{202a}-\u{202e}\u{2066}-\u{2069}]{1,400}$/u;

const hostileCells = [
  '',
  ' ',
  '1e999',
  '-1e999',
  'NaN',
  '0x10',
  '1e308',
  '-0',
  '6,7',
  'word',
  '\0',
  '\u{1b}[2J',
  '\u{202e}evil',
  '\u{feff}',
  '__proto__',
  '../../x',
  'x'.repeat(5000),
  '\t'.repeat(3000),
  '\n'.repeat(3000),
  '1\t'.repeat(2000),
];

/** Rows of cells as text, a few cells replaced, rows gone or twice; then bytes changed. */
function tableOf(
  rows: readonly (readonly string[])[],
  list: readonly Change[],
  bytes: readonly Change[],
): Buffer {
  const table = rows.map((row) => [...row]);
  for (const { kind, at, what } of list) {
    const row = table[at % table.length] ?? [];
    const place = what % Math.max(1, row.length);
    const cell = hostileCells[(what >> 3) % hostileCells.length] ?? '';
    if (kind % 5 === 0) table.splice(at % table.length, 1);
    else if (kind % 5 === 1) table.push([...row]);
    else if (kind % 5 === 2) row.push(cell);
    else row[place] = cell;
    if (table.length === 0) break;
  }
  return mutatedBytes(Buffer.from(table.map((row) => row.join('\t')).join('\n')), bytes);
}

const rating = fc.constantFrom('-1.4', '1.2', '0', '7', '3.25e0');
const norms = fc
  .tuple(
    fc.subarray(['valence', 'arousal', 'dominance'], { minLength: 1 }),
    fc.array(fc.tuple(fc.constantFrom('alert', 'Calm', 'sad', 'word'), rating, rating, rating), {
      maxLength: 6,
    }),
    changes,
    rareChanges,
  )
  .map(([names, rows, list, bytes]) => tableOf([['word', ...names], ...rows], list, bytes));

fuzz('any broken table of norms', norms, {
  name: 'norms.tsv',
  isNoFile: true,
  read: (path, size) => {
    const read = loadNorms(path);
    expect(read.length).toBeGreaterThan(0);
    const names = read.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    let held = 0;
    for (const { name, ratings } of read) {
      expect(name).toMatch(showable);
      const values = [...ratings.values()];
      held += values.length;
      // What a correlation makes of them is a number.
      expect(values.length === 0 || Number.isFinite(mean(values.map((x) => x * x)))).toBe(true);
    }
    expect(held).toBeLessThanOrEqual(size);
  },
});

const topics = fc
  .tuple(fc.integer({ min: 1, max: 5 }), changes, rareChanges)
  .map(([count, list, bytes]) =>
    tableOf(
      Array.from({ length: count }, (_, i) => [`${i + 1}`, `a walk in the rain ${i}`]),
      list,
      bytes,
    ),
  );

fuzz('any broken list of topics', topics, {
  name: 'topics.txt',
  isNoFile: true,
  read: (path) => {
    const read = loadTopics(path);
    expect(read.length).toBeGreaterThan(1);
    expect(new Set(read.map(({ topic }) => topic)).size).toBe(read.length);
    for (const { topic, subject } of read) {
      expect(topic).toMatch(showable);
      expect(subject).toMatch(showable);
    }
  },
});

/** Lines of JSON, whole lines gone, twice or with the fields of another, some of them changed inside. */
function linesOf(
  values: readonly object[],
  list: readonly Change[],
  inner: readonly (readonly Change[])[],
): string {
  const lines = values.map((value, i) => mutatedJson(value, inner[i] ?? []));
  for (const { kind, at, what } of list) {
    const from = at % Math.max(1, lines.length);
    if (kind % 3 === 0) lines.splice(from, 1);
    else lines.splice(what % (lines.length + 1), 0, ...lines.slice(from, from + 1));
  }
  return lines.join('\n');
}
const inners = fc.array(fc.oneof({ arbitrary: fc.constant([]), weight: 8 }, changes), {
  maxLength: 12,
});

/** Mostly good names; sometimes one that no terminal should see, in every line where it belongs. */
const namesOf = (good: readonly (string | number)[]): fc.Arbitrary<(string | number)[]> =>
  fc
    .tuple(
      fc.subarray([...good], { minLength: 2 }),
      fc.oneof(
        { arbitrary: fc.constant([]), weight: 9 },
        fc.subarray(['\u{1b}[31mred', 'a\nb', '\u{202e}live', 'y'.repeat(5000)], { maxLength: 1 }),
      ),
    )
    .map(([names, hostile]) => [...names, ...hostile]);
const stories = fc
  .tuple(
    namesOf(['calm', 'sad', 'glad', 'afraid']),
    namesOf([1, '2', 'sea']),
    fc.tuple(rareChanges, inners, rareChanges),
  )
  .map(([emotions, ids, [list, inner, bytes]]) => {
    const values = emotions.flatMap((emotion) =>
      ids.map((topic) => ({
        emotion,
        topic,
        text: `She walked to ${topic} and felt it in her hands, ${emotion} or not, all day long.`,
      })),
    );
    return mutatedBytes(Buffer.from(linesOf(values, list, inner)), bytes);
  });

fuzz('any broken file of stories', stories, {
  name: 'stories.jsonl',
  isNoFile: true,
  read: (path) => {
    const read = loadStories(path);
    const cells = new Set(read.map(({ emotion, topic }) => JSON.stringify([emotion, topic])));
    const emotions = new Set(read.map(({ emotion }) => emotion)).size;
    const ids = new Set(read.map(({ topic }) => topic)).size;
    expect([cells.size, emotions * ids]).toEqual([read.length, read.length]);
    for (const { emotion, topic, text } of read) {
      expect(emotion).toMatch(showable);
      expect(topic).toMatch(showable);
      expect(text).not.toBe('');
    }
    expect(corpusHash(read)).toMatch(/^[0-9a-f]{16}$/);
    // What `limbic stories --check` prints of them.
    const problems = [
      ...read.flatMap((story) => storyProblems(story, new Map())),
      ...corpusProblems(read),
    ];
    for (const problem of problems) expect(problem).not.toMatch(/[\p{Cc}\p{Cs}]/u);
  },
});

const texts = Array.from({ length: 9 }, (_, i) => ({
  text: `text number ${i} of this side`,
  pair: i % 2 === 0 ? i : `p${i}`,
}));
const sides = fc
  .tuple(fc.constantFrom('text', 'json', 'pairs'), rareChanges, inners, rareChanges)
  .map(([kind, list, inner, bytes]) => {
    const values = kind === 'json' ? texts.map(({ text }) => ({ text })) : texts;
    const content =
      kind === 'text'
        ? tableOf(
            texts.map(({ text }) => [text]),
            list,
            [],
          ).toString()
        : linesOf(values, list, inner);
    return mutatedBytes(Buffer.from(content), bytes);
  });

fuzz('any broken side of a contrast', sides, {
  name: 'positive.txt',
  isNoFile: true,
  read: (path) => {
    const other = join(dirname(path), 'negative.txt');
    const hasPairs = readFileSync(path, 'utf8').includes('"pair"');
    const lines = texts.map(({ pair, text }) =>
      hasPairs ? JSON.stringify({ pair, text: `not ${text}` }) : `not ${text}`,
    );
    writeFileSync(other, lines.join('\n'));
    const { positives, negatives, paired } = loadContrast(path, other);
    const all = [...positives, ...negatives].map(({ text }) => text);
    expect(new Set(all).size).toBe(all.length);
    expect(Math.min(positives.length, negatives.length)).toBeGreaterThan(7);
    for (const text of all) expect(text).toBe(text.trim());
    expect(all).not.toContain('');
    if (paired)
      expect(positives.map(({ pair }) => pair)).toEqual(negatives.map(({ pair }) => pair));
  },
});
