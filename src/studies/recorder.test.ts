import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { createRun, readRun } from '../store/runs.ts';
import { createRecorder, reopenCells } from './recorder.ts';
import type { Recorder } from './study.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-recorder-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const begin = (): ReturnType<typeof createRun> =>
  createRun(
    {
      kind: 'test',
      title: 'a test',
      model: 'toy',
      fingerprint: 'f',
      packHash: null,
      limbicVersion: '0',
      parameters: {},
    },
    folder,
  );
const bytesOf = (id: string): string => readFileSync(join(folder, id, 'events.jsonl'), 'utf8');

/** A study of five cells that breaks off before one of them. */
async function study(recorder: Recorder, breaksAt = -1): Promise<number[]> {
  const values: number[] = [];
  for (let k = 0; k < 5; k++) {
    const { value } = await recorder.cell(`cell ${k}`, async () => {
      if (k === breaksAt) throw new Error('killed');
      return { value: k / 3 };
    });
    values.push(value);
  }
  return values;
}

test.each([0, 1, 4])('a run that broke off before cell %i ends with the same bytes', async (at) => {
  const whole = begin();
  const wanted = await study(createRecorder(whole, new Map()));
  whole.finish('done', {});

  const broken = begin();
  await expect(study(createRecorder(broken, new Map()), at)).rejects.toThrow('killed');
  broken[Symbol.dispose]();
  expect(readRun(broken.id, folder).status).toBe('interrupted');
  const { run, known } = await reopenCells(broken.id, folder);
  expect(known.size).toBe(at);
  expect(await study(createRecorder(run, known))).toEqual(wanted);
  run.finish('done', {});
  expect(bytesOf(broken.id)).toBe(bytesOf(whole.id));
});

test('a cell is measured once, and two of the same name are a defect', async () => {
  using run = begin();
  const recorder = createRecorder(run, new Map([['known', { value: 7 }]]));
  const never = async (): Promise<{ value: number }> => {
    throw new Error('measured again');
  };
  expect(await recorder.cell('known', never)).toEqual({ value: 7 });
  expect(bytesOf(run.id)).toBe('');
  await expect(recorder.cell('known', never)).rejects.toThrow('two cells are called "known"');
});
