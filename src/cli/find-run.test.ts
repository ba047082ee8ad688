import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { ConflictError } from '../errors.ts';
import { createRun, type NewRun, type Run } from '../store/runs.ts';
import { findRun } from './find-run.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'limbic-find-run-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const about: NewRun = {
  kind: 'frustration',
  title: 'for tests',
  model: 'openai:a',
  fingerprint: 'f',
  packHash: null,
  limbicVersion: '1.2.3',
  parameters: { each: 2, doses: [0.1, 0.2], judge: 'openai:j' },
};
const begin = (changes: Partial<NewRun> = {}): Run => createRun({ ...about, ...changes }, folder);
function finished(changes: Partial<NewRun> = {}): Run {
  const run = begin(changes);
  run.finish('done', { verdict: 'so', measures: [] });
  return run;
}

test('findRun finds a finished run of the same parameters in any order', () => {
  expect(findRun(about, folder)).toBeNull();
  const { id } = finished();
  const parameters = { judge: 'openai:j', doses: [0.1, 0.2], each: 2 };
  expect(findRun({ ...about, parameters }, folder)).toMatchObject({
    manifest: { id },
    isDone: true,
  });
});

test.each<[string, Partial<NewRun>]>([
  ['study', { kind: 'drift' }],
  ['model', { model: 'openai:b' }],
  ['vectors', { packHash: 'p' }],
  ['version', { limbicVersion: '1.2.4' }],
  ['parameter', { parameters: { ...about.parameters, each: 3 } }],
  ['order of doses', { parameters: { ...about.parameters, doses: [0.2, 0.1] } }],
  ['judge', { parameters: { ...about.parameters, judge: 'openai:k' } }],
  ['second judge', { parameters: { ...about.parameters, secondJudge: 'openai:k' } }],
])('findRun takes no run of another %s', (_, changes) => {
  finished(changes);
  expect(findRun(about, folder)).toBeNull();
});

test('findRun knows a local model with and without its provider', () => {
  const { id } = finished({ model: 'toy', parameters: { judge: 'local:other' } });
  const wanted = { ...about, model: 'local:toy', parameters: { judge: 'other' } };
  expect(findRun(wanted, folder)?.manifest.id).toBe(id);
});

test('findRun prefers a finished run to a newer one that stopped, and else gives that', () => {
  const stopped = begin();
  stopped[Symbol.dispose]();
  expect(findRun(about, folder)).toMatchObject({ manifest: { id: stopped.id }, isDone: false });
  const done = finished();
  const later = begin();
  later[Symbol.dispose]();
  expect(findRun(about, folder)).toMatchObject({ manifest: { id: done.id }, isDone: true });
});

test('findRun leaves out a finished run without numbers', () => {
  begin().finish('done', {});
  expect(findRun(about, folder)).toBeNull();
});

test('findRun refuses while such a run is under way, but not beside a finished one', () => {
  using running = begin();
  expect(() => findRun(about, folder)).toThrow(ConflictError);
  expect(() => findRun(about, folder)).toThrow(running.id);
  const done = finished();
  expect(findRun(about, folder)?.manifest.id).toBe(done.id);
});
