/** @file Two and more processes on the same run, model, means or lock, and locks whose holder is dead. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { acquireLock, holderOf } from '../../src/store/lock.ts';
import { readRun } from '../../src/store/runs.ts';
import {
  expectOneSentence,
  limbicProgram,
  programs,
  type Running,
  start,
  temporary,
} from './harness.ts';
import { hubEnv, startHub } from './hub.ts';

const { writer } = programs('writer');
const home = temporary();
const busy = /process \d+ is working on it; wait for it to end/;

test('of six processes that find locks of dead ones, one gets each', async () => {
  const folder = mkdtempSync(join(home, 'locks-'));
  const count = 300;
  // Of no process that runs: ids end below this.
  for (let i = 0; i < count; i++) writeFileSync(join(folder, `lock-${i}`), `${2 ** 22 + 5} 1 1`);
  const all = Array.from({ length: 6 }, () => start([writer, 'locks', folder, String(count)]));
  await Promise.all(all.map(({ begun }) => begun));
  for (const { child } of all) child.stdin!.write('go\n');
  // Each holds what it got until all have tried.
  const got = await Promise.all(all.map((one) => secondLine(one)));
  for (const { child } of all) child.stdin!.end();
  await Promise.all(all.map(({ ended }) => ended));
  expect(got.flat().toSorted((a, b) => a - b)).toEqual([...Array(count).keys()]);
  // Nobody else's lock was removed on the way, and nothing lies about.
  expect(readdirSync(folder)).toHaveLength(count);
}, 300_000);

/** What it got, which it prints after it was ready. */
function secondLine({ child }: Running): Promise<number[]> {
  return new Promise((resolve) => {
    let text = '';
    child.stdout!.on('data', (piece: string) => {
      text += piece;
      if (text.includes(']')) resolve(JSON.parse(text.slice(text.indexOf('['))) as number[]);
    });
  });
}

test.skipIf(process.platform !== 'linux')(
  'a lock of a dead process whose id another one got is taken over',
  () => {
    const path = join(home, 'reused');
    // The parent of this process lives, and did not start then.
    writeFileSync(path, `${process.ppid} 1700000000000.5 17`);
    expect(holderOf(path)).toBeNull();
    acquireLock(path, 'a test')();
    // Without a start, as older ones were written, it counts as held.
    writeFileSync(path, `${process.ppid} 1700000000000.5`);
    expect(() => acquireLock(path, 'a test')).toThrow(`process ${process.ppid} is working on it`);
  },
);

test('a run that a living process writes is refused to a second, and given to it once the first is killed', async () => {
  const folder = join(home, 'run');
  const first = start([writer, 'records', folder, '1000000']);
  await first.begun;
  const [id = ''] = readdirSync(folder);
  const second = start([writer, 'records', folder, '60', id]);
  const { code, err } = await second.ended;
  expect(code).toBe(1);
  expect(expectOneSentence(err)).toMatch(busy);
  const before = readRun(id, folder);
  expect(before.status).toBe('running');
  first.child.kill('SIGKILL');
  await first.ended;
  const { records } = readRun(id, folder);
  expect(records).toBeGreaterThanOrEqual(before.records);
  const third = await start([writer, 'records', folder, String(records + 10), id]).ended;
  expect(third.code, third.err).toBe(0);
  let next = 0;
  for await (const record of readRun(id, folder).events())
    expect(record).toMatchObject({ number: next++ });
  expect(next).toBe(records + 10);
}, 300_000);

test('story means that a living process writes are refused to a second, and come out as if it had been alone', async () => {
  const folder = (name: string): string => join(home, name);
  const alone = start([writer, 'extract', folder('alone')]);
  expect((await alone.ended).code).toBe(0);
  // At work until it is told to go on.
  const first = start([writer, 'extract', folder('both'), 'held']);
  await first.begun;
  const { code, err } = await start([writer, 'extract', folder('both')]).ended;
  first.child.stdin!.end('go on\n');
  expect(code).toBe(1);
  expect(expectOneSentence(err)).toMatch(/toy\.safetensors\.means: process \d+ is working on it/);
  expect((await first.ended).code).toBe(0);
  for (const name of ['toy.safetensors', 'toy.safetensors.means'])
    expect(
      readFileSync(join(folder('both'), name)).equals(readFileSync(join(folder('alone'), name))),
    ).toBe(true);
}, 300_000);

test('a model that a living process fetches is refused to a second, whose loss does not harm the first', async () => {
  await using hub = await startHub(1_500_000, () => 'well');
  const folder = join(home, 'fetch');
  mkdirSync(folder);
  const env = { ...hubEnv(hub, folder), LIMBIC_STALL_MS: '600000' };
  const fetching = (): Running => start([limbicProgram, 'fetch', hub.spec], { env });
  let open = (): void => {};
  hub.gate = new Promise((resolve) => {
    open = resolve;
  });
  const first = fetching();
  while (hub.sent === 0) await wait(20);
  const { code, err } = await fetching().ended;
  open();
  expect(code).toBe(1);
  expect(expectOneSentence(err)).toMatch(/a--b--m\.gguf: process \d+ is working on it/);
  expect((await first.ended).code).toBe(0);
  expect(readFileSync(join(folder, 'models', 'a--b--m.gguf')).equals(hub.model)).toBe(true);
  expect(hub.asked).toEqual([0]);
}, 300_000);
