import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { expect } from 'vitest';

import { InvalidInputError } from '../../src/errors.ts';
import { sharedCells } from '../../src/queue/cells.ts';
import { checkedCell, keysOf, parseNotice } from '../../src/queue/jobs.ts';
import { SharedLabs } from '../../src/queue/labs.ts';
import { type Outcome, playConversation, type Stage } from '../../src/queue/playing.ts';
import { eventsOf } from '../../src/store/run-lines.ts';
import { chatStudies } from '../../src/studies/index.ts';
import { cellsOf } from '../../src/studies/recorder.ts';
import { httpLab } from '../talking-study.ts';
import { fuzz } from './harness.ts';
import { changes, mutatedBytes, mutatedJson, rareChanges } from './mutators.ts';

const notice = { version: '1.0.0', study: 'frustration', models: { model: 'a:b', judge: 'c:d' } };
const cell = {
  text: 'No.',
  stopReason: 'end',
  usage: { read: 3, written: 1 },
  tries: 1,
  score: 0.5,
  attempts: [{ reply: 'r', values: [1, 2, 3] }],
};
const textOf = (value: object): fc.Arbitrary<Buffer> =>
  fc
    .tuple(changes, rareChanges)
    .map(([list, bytes]) => mutatedBytes(Buffer.from(mutatedJson(value, list)), bytes));

fuzz('any broken notice of a run on the queue', textOf(notice), {
  name: 'notice.json',
  isNoFile: true,
  read: (path) => {
    const read = parseNotice(readFileSync(path, 'utf8'));
    // The worker passes over such a run.
    if (read === null) throw new InvalidInputError('no notice');
    const { version, study, models } = read;
    for (const text of [version, study, ...Object.values(models)])
      expect(text).toMatch(/^\P{C}{1,500}$/u);
  },
});

/** The studies as they are, but each conversation is two cells and nobody is asked. */
const studies = chatStudies.map((study) => ({
  ...study,
  play: async (key: string, _: object, { recorder }: Parameters<typeof study.play>[2]) => {
    for (const turn of [0, 1]) {
      const data = await recorder.cell(`${key}/${turn}`, async () => ({ text: 'measured' }));
      expect(typeof data).toBe('object');
    }
    return {};
  },
}));
const params: Readonly<Record<string, object>> = {
  frustration: { each: 2, categories: ['numeric'], treated: [], doses: [0.02, 0.04], seed: 3 },
  encouragement: { perCell: 1, functions: 2, failing: 1, treatments: ['calm'], doses: [0.04] },
  judge: { replies: 12, seed: 1 },
  injection: { distressed: 2, calm: 1, seed: 1 },
};
const lab = { ...httpLab(''), data: (name: string) => join('data', name) };
const planned = { data: lab.data, hasJudge: false, hasSecondJudge: false, isLocal: false };
const job = fc
  .tuple(fc.constantFrom(...studies), fc.nat())
  .map(([{ name, params: schema, conversations }, pick]) => {
    const given = params[name] ?? {};
    const keys = conversations(schema.parse(given), planned);
    const conversation = keys[pick % keys.length] ?? '';
    const known = [[`${conversation}/0`, cell]];
    return { ...notice, study: name, run: 'run-1', params: given, conversation, known };
  });
const jobs = fc
  .tuple(job, changes)
  .map(([value, list]) => mutatedJson(value, list))
  // What is no JSON, BullMQ does not pass on.
  .filter((text) => isJson(text))
  .map((text) => Buffer.from(text));

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const stage: Stage = {
  run: 'run-1',
  repertoire: { version: '1.0.0', studies, models: null },
  labs: new SharedLabs(async () => lab),
  cells: { read: async () => null, keep: async (_, data) => data },
  isLeaving: () => false,
  onCell: () => {},
};

fuzz('any broken job of the queue', jobs, {
  name: 'job.json',
  isNoFile: true,
  read: async (path) => {
    const data: unknown = JSON.parse(readFileSync(path, 'utf8'));
    const outcome: Outcome = await playConversation(data, stage);
    if (outcome.type === 'refused') throw new InvalidInputError(outcome.why);
    expect(outcome.type).toBe('played');
  },
});

fuzz('any broken cell of the queue', textOf(cell), {
  name: join('cells', 'cell.json'),
  isNoFile: true,
  read: async (path) => {
    const json = readFileSync(path, 'utf8');
    const key = `c/${json.slice(0, 9)}`;
    // As a worker gets it, for whom what can't be read is not there.
    const redis = { hget: async () => json } as unknown as Redis;
    const shared = await sharedCells(redis, keysOf('run-1')).read(key);
    if (shared === null) expect(() => checkedCell(key, json)).toThrow(InvalidInputError);
    // As the coordinator gets it, and as the run has it when it is gone on with.
    const data = checkedCell(key, json);
    expect(shared).toEqual(data);
    const record = JSON.stringify({ type: 'cell', key, data }, (_, value: unknown) => {
      if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
      return value;
    });
    const file = join(dirname(path), 'events.jsonl');
    writeFileSync(file, `${record}\n`);
    const known = await cellsOf({ events: () => eventsOf(file) });
    expect([...known.keys()]).toEqual([key]);
    expect(JSON.stringify(known.get(key))).toBe(JSON.stringify(data));
  },
});
