import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { loadPack } from '../src/vectors/pack.ts';
import { needs, testModel } from './models.ts';
import { limbic } from './run-limbic.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-concept-'));
afterAll(() => rmSync(folder, { recursive: true }));
const hasModel = testModel('smollm2-135m') !== null;
const note = needs('smollm2-135m');
const example = [
  '--positive',
  'data/examples/formal-positive.txt',
  '--negative',
  'data/examples/formal-negative.txt',
];

const bad: [string[], RegExp][] = [
  [['concept'], /concept: expected one name, got 0/],
  [['concept', 'a', 'b'], /concept: expected one name, got 2/],
  [['concept', 'a=b', ...example], /expected a name of letters, digits.* got "a=b"/],
  [['concept', '../up', ...example], /expected a name of letters, digits.* got "..\/up"/],
  [['concept', 'formal'], /expected --positive FILE, got none/],
  [
    ['concept', 'formal', '--positive', '/nowhere', '--negative', 'x'],
    /\/nowhere: expected a readable/,
  ],
  [['concept', 'formal', ...example, '--rounds', '0'], /--rounds: expected a whole number from 1/],
];

test.each(bad)('limbic %j ends with 2 and one sentence', async (args, message) => {
  const { code, out, err } = await limbic(args);
  expect(err).toMatch(message);
  expect(err.trim().split('\n')).toHaveLength(1);
  expect(out).toBe('');
  expect(code).toBe(2);
});

test('both sides of the example have 24 sentences of 20 to 35 words and about the same length', () => {
  const [formal, casual] = ['positive', 'negative'].map((side) =>
    readFileSync(`data/examples/formal-${side}.txt`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/).length),
  );
  for (const counts of [formal!, casual!]) {
    expect(counts).toHaveLength(24);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(20);
    expect(Math.max(...counts)).toBeLessThanOrEqual(35);
  }
});

test.skipIf(!hasModel)(
  `limbic concept never writes over a file that it did not make${note}`,
  async () => {
    const other = join(folder, 'other.safetensors');
    writeFileSync(other, 'precious');
    for (const out of [other, 'data/packs/smollm2-135m.safetensors']) {
      const { code, err } = await limbic(['concept', 'formal', ...example, '--out', out]);
      expect(err).toContain('expected a new file or a pack of limbic concept');
      expect(code).toBe(2);
    }
    expect(readFileSync(other, 'utf8')).toBe('precious');
  },
);

test.skipIf(!hasModel)(
  `limbic concept tells formal from casual texts that it has not seen, and read and chat take its pack${note}`,
  async () => {
    const pack = join(folder, 'formal.safetensors');
    const { code, out } = await limbic([
      'concept',
      'formal',
      ...example,
      '--paired',
      '--rounds',
      '20',
      '--out',
      pack,
      '--json',
    ]);
    expect(code).toBe(0);
    const result = JSON.parse(out) as {
      best: { layer: number; auc: number; accuracy: number };
      layers: unknown[];
      permutation: { p: number; mean: number };
      lengthAuc: number;
      warnings: string[];
    };
    expect(result.layers).toHaveLength(29);
    expect(result.best.auc).toBeGreaterThan(0.8);
    expect(result.best.accuracy).toBeGreaterThan(0.8);
    expect(result.permutation.p).toBeLessThan(0.05);
    expect(result.permutation.mean).toBeLessThan(0.65);
    expect(Math.abs(result.lengthAuc - 0.5)).toBeLessThan(0.2);
    expect(result.warnings).toEqual([]);
    const { concept, emotions, bestLayer } = loadPack(pack);
    expect(emotions).toEqual(['formal']);
    expect(bestLayer).toBe(result.best.layer);
    expect(concept?.auc).toBe(result.best.auc);

    const readingOf = async (text: string, more: readonly string[]): Promise<number> => {
      const read = await limbic(['read', '--pack', pack, '--json', '--text', text, ...more]);
      const { passage } = JSON.parse(read.out) as { passage: { emotion: string; value: number }[] };
      expect(passage.map(({ emotion }) => emotion)).toEqual(['formal']);
      return passage[0]!.value;
    };
    const formal = await readingOf(
      'Applicants are kindly requested to submit the enclosed form prior to the commencement of the course.',
      [],
    );
    const casual = await readingOf(
      "Just send us that form thing before the class kicks off, okay, it's no big deal really.",
      ['--emotions', 'formal'],
    );
    expect(formal).toBeGreaterThan(casual);
    // The threshold lies at 0; these two are clear cases.
    expect(formal).toBeGreaterThan(0);
    expect(casual).toBeLessThan(0);

    const chat = await limbic(
      [
        'chat',
        '--pack',
        pack,
        '--emotions',
        'formal',
        '--steer',
        'formal=0.05',
        '--max-tokens',
        '8',
      ],
      'Hello\n',
    );
    expect(chat.out).toMatch(/steering formal \+0\.05: 0\.\d\d norms over 11 layers/);
    expect(chat.out).toMatch(/ {2}formal .*[+-]\d\.\d{3}/);
    expect(chat.code).toBe(0);
  },
  240_000,
);
