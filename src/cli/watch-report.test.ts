import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { openToyLab } from '../../test/toy-server.ts';
import { randomFrom } from '../math/random.ts';
import { mean, quantile } from '../math/stats.ts';
import { createRun, readRun, type StoredRun } from '../store/runs.ts';
import { centreAndSpread } from '../vectors/calibration.ts';
import { reportOf } from './watch-report.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-watch-report-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { pack } = await openToyLab();
const of = { pack, shown: ['happy', 'calm'] };

function runOf(turns: readonly object[]): StoredRun {
  const about = { kind: 'watch', title: 't', model: 'toy', fingerprint: 'f', packHash: null };
  using run = createRun({ ...about, limbicVersion: '0', parameters: {} }, folder);
  for (const turn of turns) run.append({ type: 'turn', ...turn });
  return readRun(run.id, folder);
}

test('the numbers of a watch are those of all tokens of its replies', async () => {
  const random = randomFrom(5);
  const { median, spread } = centreAndSpread(pack, 'happy');
  const values = Array.from({ length: 500 }, () => median + spread * (6 * random() - 3));
  const tokens = values.map((happy) => ({ text: 'x', readouts: { happy, calm: 0 } }));
  const run = runOf([
    { conversation: 'a', role: 'user', content: 'Hi', tokens },
    { conversation: 'a', role: 'assistant', content: 'One', tokens: tokens.slice(0, 200) },
    { conversation: 'b', role: 'user', content: 'Hello' },
    { conversation: 'a', role: 'assistant', content: 'Two', tokens: tokens.slice(200) },
  ]);
  const { summary, shared } = await reportOf(run, of);
  expect(summary).toMatchObject({ conversations: 2, replies: 2, tokens: 500, events: 0 });
  const z = values.map((value) => (value - median) / spread);
  const [happy] = summary.emotions;
  expect(happy!.mean).toBeCloseTo(mean(z), 9);
  // Half a bin of 0.002.
  expect(Math.abs(happy!.p95! - quantile(z, 0.95))).toBeLessThanOrEqual(0.0011);
  expect(happy!.p95).toBeGreaterThan(2);
  expect(shared.turns.map(({ content }) => content)).toEqual(['Hi', 'One', 'Two', 'Hello']);
  expect(shared.title).toBe('limbic watch, 2 conversations');
});

test('the page of a long watch has its first and its last turns and says what lies between', async () => {
  const content = 'word '.repeat(20_000);
  const turns = Array.from({ length: 60 }, (_, i) => ({
    conversation: `c${i % 2}`,
    role: 'user',
    content: `${i} ${content}`,
  }));
  const { shared, summary } = await reportOf(runOf(turns), of);
  expect(summary.emotions[0]).toEqual({ name: 'happy', mean: null, p95: null });
  const numbers = shared.turns.map((turn) => turn.content.split(' ')[0]);
  // 2 MB of lines of 100 kB at either end: 19 each, of 60; by conversation.
  const ofFirst = Array.from({ length: 19 }, (_, i) => i);
  const ofLast = ofFirst.map((i) => i + 41);
  const byParity = (list: number[]): string[] =>
    [list[0]! % 2, 1 - (list[0]! % 2)].flatMap((p) => list.filter((i) => i % 2 === p)).map(String);
  expect(numbers).toEqual([...byParity(ofFirst), '[limbic:', ...byParity(ofLast)]);
  expect(shared.turns[19]!.content).toContain('22 turns left out');
});
