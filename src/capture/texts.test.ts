import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { openToyModel } from '../engine/toy/model.ts';
import { captureTexts, loadContrast } from './texts.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-texts-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(lines: readonly (string | object)[], name = `${files++}.txt`): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  return path;
}
const numbered = (word: string, count = 8): string[] =>
  Array.from({ length: count }, (_, i) => `${word} ${i}`);
const paired = (word: string, pairs: readonly (string | number)[]): object[] =>
  pairs.map((pair) => ({ text: `${word} ${pair}`, pair }));

test('loadContrast reads a text a line, without marks, ends and empty lines', () => {
  const positive = file([`\uFEFF${numbered('up')[0]}\r`, '', ...numbered('up').slice(1), '  ']);
  const {
    positives,
    negatives,
    paired: isPaired,
  } = loadContrast(positive, file(numbered('down', 9)));
  expect(positives.map(({ text }) => text)).toEqual(numbered('up'));
  expect(negatives).toHaveLength(9);
  expect(isPaired).toBe(false);
});

test('loadContrast brings pairs into one order', () => {
  const order = [1, 2, 3, 'a', 'b', 'c', 7, 8];
  const {
    positives,
    negatives,
    paired: isPaired,
  } = loadContrast(
    file(paired('up', order), 'a.jsonl'),
    file(paired('down', order.toReversed()), 'b.jsonl'),
  );
  expect(isPaired).toBe(true);
  expect(negatives.map(({ pair }) => pair)).toEqual(positives.map(({ pair }) => pair));
  expect(negatives[0]?.text).toBe('down 1');
  const byLine = loadContrast(file(numbered('up')), file(numbered('down')), true);
  expect(byLine.negatives[4]).toEqual({ text: 'down 4', pair: '5' });
});

test('loadContrast refuses what makes no contrast, in one sentence', () => {
  const up = file(numbered('up'));
  const eight = [1, 2, 3, 4, 5, 6, 7, 8];
  const cases: [string, string, RegExp, boolean?][] = [
    [up, file(numbered('down', 7)), /expected at least 8 texts, one a line, got 7$/],
    [up, up, /expected each text once, got "up 0" twice$/],
    [up, '/nowhere', /\/nowhere: expected a readable file, got ENOENT$/],
    [up, file(numbered('down', 9)), /expected 8 texts, as many as in .*, got 9$/, true],
    [up, file(['\0', ...numbered('down')]), /expected a text file, got one with zero bytes$/],
    [file(paired('left', eight)), up, /expected a pair on every line or on none, got 8 of 16$/],
    [
      file(paired('up', eight)),
      file(paired('down', [1, 2, 3, 4, 5, 6, 7, 9])),
      /expected a text of pair 8, as in the other file, got none$/,
    ],
    [
      file(paired('up', eight)),
      file([...paired('down', eight), { text: 'again', pair: 8 }]),
      /expected one text of pair 8, got two$/,
    ],
    [up, file([{ words: 'x' }], 'c.jsonl'), /line 1: text: /],
    [up, file(['not json'], 'd.jsonl'), /line 1: not JSON/],
  ];
  for (const [positive, negative, message, isPaired] of cases)
    expect(() => loadContrast(positive, negative, isPaired), String(message)).toThrow(message);
});

test('captureTexts pools short texts from position 1 and long ones from 20, as capture does', async () => {
  await using model = openToyModel();
  const texts = [...numbered('some words', 40), 'a little more'];
  const pooled = await captureTexts(model, texts);
  expect(pooled.from).toBe(1);
  expect(pooled.layers).toHaveLength(model.info.blocks - 1);
  const [alone] = await model.capture([await model.tokenize(texts[33]!)], {
    layers: pooled.layers,
    pooling: 'mean',
    starts: [1],
  });
  const { width } = pooled;
  for (const [slot, table] of pooled.means.entries())
    for (let k = 0; k < width; k++)
      expect(table[33 * width + k]).toBeCloseTo(alone!.rows[slot * width + k]!, 4);
  expect(pooled.tokenCounts).toHaveLength(41);
  const long = await captureTexts(model, ['word '.repeat(40), 'word '.repeat(45)]);
  expect(long.from).toBe(20);
  await expect(captureTexts(model, ['x '.repeat(20_000)])).rejects.toThrow(
    /expected at most \d+ tokens each, got \d+ in "x x/,
  );
});
