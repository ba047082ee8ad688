/** @file The network gone in the middle of a download: `limbic fetch` goes on, and the hash decides. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import {
  type Ended,
  expectOneSentence,
  killAtRandom,
  killsOf,
  limbicProgram,
  type Running,
  seed,
  start,
  temporary,
  timeFor,
} from './harness.ts';
import { type Behaviour, type Hub, hubEnv, startHub } from './hub.ts';

const homes = temporary();
const freshHome = (): string => mkdtempSync(join(homes, 'home-'));
const fileIn = (home: string): string => join(home, 'models', 'a--b--m.gguf');
const partIn = (home: string): string => `${fileIn(home)}.part`;

function fetching(hub: Hub, home: string, more: Parameters<typeof start>[1] = {}): Running {
  return start([limbicProgram, 'fetch', hub.spec], { ...more, env: hubEnv(hub, home) });
}

function expectWhole(hub: Hub, home: string, { code, err }: Ended): void {
  expect(code, err).toBe(0);
  expect(readFileSync(fileIn(home)).equals(hub.model)).toBe(true);
  expect(readdirSync(join(home, 'models')).toSorted()).toEqual([
    'a--b--m.gguf',
    'a--b--m.gguf.checked',
  ]);
}

const bytes = 1_500_000;

/** A hub that goes through these and is well after them. */
function hubThat(...behaviours: readonly Behaviour[]): Promise<Hub> {
  return startHub(bytes, (number) => behaviours[number] ?? 'well');
}

test('a download that is cut, stalls, ends early and begins anew is whole after one command', async () => {
  await using hub = await hubThat('cut', 'stall', 'short', 'from the start');
  const home = freshHome();
  expectWhole(hub, home, await fetching(hub, home).ended);
  const [first, second = 0, third = 0, fourth = 0] = hub.asked;
  // Each went on where the one before had ended.
  expect(first).toBe(0);
  expect(second).toBeGreaterThan(bytes * 0.25);
  expect(third).toBeGreaterThan(second);
  expect(fourth).toBeGreaterThan(third);
}, 60_000);

test('a server that sends without end is left after the last byte, and the hash is right', async () => {
  await using hub = await hubThat('too much');
  const home = freshHome();
  expectWhole(hub, home, await fetching(hub, home).ended);
  expect(hub.sent).toBeLessThan(bytes * 10);
}, 60_000);

test('a network that is gone is one sentence, what came stays, and the next command goes on there', async () => {
  const all: Behaviour[] = ['cut', 'refuse'];
  await using hub = await hubThat(...all);
  const home = freshHome();
  const { code, err } = await fetching(hub, home).ended;
  expect(code).toBe(1);
  expect(expectOneSentence(err)).toMatch(/no source has a--b--m\.gguf .*; check the network/);
  expect(existsSync(fileIn(home))).toBe(false);
  const { size } = statSync(partIn(home));
  expect(readFileSync(partIn(home)).equals(hub.model.subarray(0, size))).toBe(true);
  expectWhole(hub, home, await fetching(hub, home).ended);
  expect(hub.asked.at(-1)).toBe(size);
}, 60_000);

test('bytes from elsewhere are not joined, and other bytes are refused by their hash', async () => {
  await using hub = await hubThat('cut', 'elsewhere', 'well');
  const home = freshHome();
  const { err } = await fetching(hub, home).ended;
  expect(expectOneSentence(err)).toMatch(/expected the bytes from \d+ on, got those from \d+ on/);
  expectWhole(hub, home, await fetching(hub, home).ended);
  await using wrong = await hubThat('cut', 'wrong');
  const other = freshHome();
  const refused = await fetching(wrong, other).ended;
  expect(refused.code).toBe(2);
  expect(expectOneSentence(refused.err)).toMatch(/expected sha256 .*, got .*the file was removed/);
  expect(readdirSync(join(other, 'models'))).toEqual([]);
  expectWhole(wrong, other, await fetching(wrong, other).ended);
}, 60_000);

const few = killsOf(2);

test(
  `a fetch killed ${few} times (seed ${seed}) goes on where it was, and no half file has the model's name`,
  async () => {
    await using hub = await startHub(bytes, () => 'well', 25);
    const homeOf = (place: number): string => join(homes, `killed-${place}`);
    const progress = 'err';
    const whole = await fetching(hub, homeOf(1000), { progress }).ended;
    expectWhole(hub, homeOf(1000), whole);
    let [before, of] = [0, -1];
    await killAtRandom(few, {
      whole,
      begin: (place, kill) => fetching(hub, homeOf(place), { progress, kill }),
      check: (place) => {
        const isDone = existsSync(fileIn(homeOf(place)));
        const bytesThere = readFileSync((isDone ? fileIn : partIn)(homeOf(place)));
        expect(bytesThere.equals(hub.model.subarray(0, bytesThere.length))).toBe(true);
        if (isDone) expect(bytesThere.length).toBe(hub.model.length);
        // Nothing of what an earlier start brought is fetched again.
        expect(bytesThere.length).toBeGreaterThanOrEqual(place === of ? before : 0);
        [before, of] = [bytesThere.length, place];
      },
      end: (place, ended) => expectWhole(hub, homeOf(place), ended),
    });
  },
  timeFor(few),
);
