import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import fc from 'fast-check';
import { expect } from 'vitest';

import { LimbicError } from '../../src/errors.ts';
import { inspectLog, surveyCells } from '../../src/store/inspect-log.ts';
import { listRuns, readRun, type StoredRun } from '../../src/store/runs.ts';
import { fuzz } from './harness.ts';
import { changes, mutatedBytes, mutatedJson, rareChanges } from './mutators.ts';

const id = '20260131-090507-pressure-00ff';
const manifest = {
  version: 1,
  id,
  kind: 'pressure',
  title: 'does pressure change it?',
  model: 'toy',
  fingerprint: 'f00d',
  packHash: null,
  limbicVersion: '0.1.0',
  started: '2026-01-31T09:05:07.000Z',
  pid: 1,
  parameters: { random: 5, list: [1, 2] },
};
const ending = {
  status: 'done',
  ended: '2026-01-31T09:06:07.000Z',
  records: 2,
  summary: {
    verdict: 'No.',
    measures: [{ name: 'rate', value: 0.3, interval: [0.1, 0.5], n: 3, note: 'x' }],
  },
};
const cells = [
  {
    type: 'cell',
    key: 'a',
    data: { prompt: 'Hi', reply: 'No.', outcome: 'refused', score: 0.5, seed: 3 },
  },
  {
    type: 'cell',
    key: 'b',
    data: {
      messages: [{ role: 'user', content: 'x' }],
      replies: ['y', { text: 'z' }],
      attempts: [{ reply: 'r' }],
    },
  },
  { type: 'cell', key: 'a', data: { text: 't', target: ['u'], nested: { values: [1, 2, 3] } } },
  { type: 'note', text: 'not a cell' },
];

/** The run whose file the harness wrote; the other two files are there and as they should be. */
function runOf(path: string): StoredRun {
  const folder = dirname(path);
  const others = {
    'manifest.json': JSON.stringify(manifest),
    'summary.json': JSON.stringify(ending),
    'events.jsonl': cells.map((cell) => `${JSON.stringify(cell)}\n`).join(''),
  };
  for (const [name, content] of Object.entries(others))
    if (!existsSync(join(folder, name))) writeFileSync(join(folder, name), content);
  return readRun(id, dirname(folder));
}

/** The log of Inspect that the run becomes; numbers in it are numbers, texts are whole. */
async function expectLog(run: StoredRun): Promise<void> {
  const survey = await surveyCells(run);
  let text = '';
  for await (const piece of inspectLog(run, survey, null)) text += piece;
  const { samples } = JSON.parse(text) as {
    samples: { scores?: Record<string, { value: unknown }> }[];
  };
  expect(samples.length).toBe(survey.last.size);
  for (const { scores = {} } of samples)
    for (const { value } of Object.values(scores)) expect(value).not.toBe(null);
}

const jsonOf = (value: object): fc.Arbitrary<Buffer> =>
  fc
    .tuple(changes, rareChanges)
    .map(([list, bytes]) => mutatedBytes(Buffer.from(mutatedJson(value, list)), bytes));

fuzz('any broken manifest of a run', jsonOf(manifest), {
  name: join('manifests', id, 'manifest.json'),
  read: async (path) => {
    try {
      const run = runOf(path);
      expect(run.manifest.id).toBe(id);
      expect(run.records).toBe(ending.records);
      expect(listRuns(dirname(dirname(path))).map((one) => one.id)).toEqual([id]);
      await expectLog(run);
    } catch (error) {
      // A newer limbic wrote it: told apart, so that the user updates.
      if (!(error instanceof LimbicError && error.code === 'record-version')) throw error;
    }
  },
});

fuzz('any broken summary of a run', jsonOf(ending), {
  name: join('summaries', id, 'summary.json'),
  read: async (path) => {
    const run = runOf(path);
    expect(['done', 'stopped']).toContain(run.status);
    expect(Number.isSafeInteger(run.records) && run.records >= 0).toBe(true);
    await expectLog(run);
  },
});

const events = fc
  .tuple(fc.array(fc.tuple(fc.nat(cells.length - 1), rareChanges), { maxLength: 6 }), rareChanges)
  .map(([lines, list]) =>
    mutatedBytes(
      Buffer.from(lines.map(([cell, inner]) => `${mutatedJson(cells[cell], inner)}\n`).join('')),
      list,
    ),
  );

fuzz('any broken events of a run', events, {
  name: join('events', id, 'events.jsonl'),
  read: async (path) => {
    const run = runOf(path);
    let count = 0;
    for await (const _ of run.events()) count += 1;
    expect(count).toBeLessThanOrEqual(cells.length * 100);
    await expectLog(run);
  },
});
