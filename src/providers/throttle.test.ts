import { expect, test } from 'vitest';

import { backoff, retryAfter } from './retries.ts';
import { type Clock, type Permit, Throttle } from './throttle.ts';

/** A clock that stands until it is moved on. */
function handClock(): Clock & { readonly move: (milliseconds: number) => Promise<void> } {
  let now = 1_000_000;
  const sleepers = new Set<{ until: number; wake: () => void }>();
  return {
    now: () => now,
    elapsed: () => now,
    sleep: (milliseconds, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { until: now + milliseconds, wake: resolve };
        sleepers.add(sleeper);
        signal.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          reject(signal.reason as Error);
        });
      }),
    move: async (milliseconds) => {
      now += milliseconds;
      for (const sleeper of sleepers) {
        if (sleeper.until > now) continue;
        sleepers.delete(sleeper);
        sleeper.wake();
      }
      await settled();
    },
  };
}

/** Until all that can go on has gone on. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const never = new AbortController().signal;

/** Asks for so many places at once; `got` grows as they are given. */
function ask(throttle: Throttle, count: number): Permit[] {
  const got: Permit[] = [];
  for (let i = 0; i < count; i++) void throttle.acquire(never).then((permit) => got.push(permit));
  return got;
}

/** One after another with a good end. */
async function succeed(throttle: Throttle, count: number): Promise<void> {
  for (let i = 0; i < count; i++) (await throttle.acquire(never)).giveBack('good');
}

test('begins with four at once', async () => {
  const throttle = new Throttle();
  const got = ask(throttle, 10);
  await settled();
  expect(got).toHaveLength(4);
  expect(throttle.inFlight).toBe(4);
  got[0]!.giveBack('other');
  await settled();
  expect(got).toHaveLength(5);
});

test('grows by one after each window of good answers, up to its width', async () => {
  const throttle = new Throttle({ width: 6 });
  await succeed(throttle, 3);
  expect(throttle.limit).toBe(4);
  await succeed(throttle, 1);
  expect(throttle.limit).toBe(5);
  await succeed(throttle, 5);
  expect(throttle.limit).toBe(6);
  await succeed(throttle, 100);
  expect(throttle.limit).toBe(6);
});

test('halves once for all that were under way, and never below one', async () => {
  const throttle = new Throttle({ width: 8, start: 8 });
  const first = ask(throttle, 8);
  await settled();
  for (const permit of first) permit.giveBack('limited');
  expect(throttle.limit).toBe(4);
  for (const expected of [2, 1, 1]) {
    (await throttle.acquire(never)).giveBack('limited');
    expect(throttle.limit).toBe(expected);
  }
  expect(throttle.inFlight).toBe(0);
});

test('good answers to requests from before a halving do not make it grow', async () => {
  const throttle = new Throttle({ width: 8, start: 8 });
  const first = ask(throttle, 8);
  await settled();
  first[0]!.giveBack('limited');
  for (const permit of first.slice(1)) permit.giveBack('good');
  expect(throttle.limit).toBe(4);
  await succeed(throttle, 4);
  expect(throttle.limit).toBe(5);
});

test('a pause holds all requests back until it is over', async () => {
  const clock = handClock();
  const throttle = new Throttle({ clock });
  (await throttle.acquire(never)).giveBack('limited', 5000);
  const got = ask(throttle, 2);
  await clock.move(4999);
  expect(got).toHaveLength(0);
  await clock.move(1);
  expect(got).toHaveLength(2);
});

test('a longer pause that comes during one holds', async () => {
  const clock = handClock();
  const throttle = new Throttle({ clock });
  const [early, late] = [await throttle.acquire(never), await throttle.acquire(never)];
  early.giveBack('limited', 1000);
  const got = ask(throttle, 1);
  await settled();
  await clock.move(500);
  late.giveBack('other', 3000);
  await clock.move(600);
  expect(got).toHaveLength(0);
  await clock.move(2400);
  expect(got).toHaveLength(1);
});

test('who waits leaves at once when stopped, and the next one still gets a place', async () => {
  const throttle = new Throttle({ width: 1 });
  const held = await throttle.acquire(never);
  const stop = new AbortController();
  const stopped = throttle.acquire(stop.signal);
  const got = ask(throttle, 1);
  stop.abort();
  await expect(stopped).rejects.toThrow(/abort/i);
  held.giveBack('good');
  await settled();
  expect(got).toHaveLength(1);
});

test('a request that was begun goes before those that were not; a place is given back once', async () => {
  const throttle = new Throttle({ width: 1 });
  const held = await throttle.acquire(never);
  const order: string[] = [];
  void throttle.acquire(never).then(() => order.push('new'));
  void throttle.acquire(never, { again: true }).then(() => order.push('again'));
  held.giveBack('good');
  held.giveBack('good');
  await settled();
  expect(order).toEqual(['again']);
  expect(throttle.inFlight).toBe(1);
});

test.each([
  [{}, null],
  [{ 'retry-after': '2' }, 2000],
  [{ 'retry-after': '0.5' }, 500],
  [{ 'retry-after': '2', 'retry-after-ms': '30' }, 30],
  // 1 January 2026 00:00:10 is ten seconds after the test's now.
  [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:10 GMT' }, 10_000],
  [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:00 GMT' }, 0],
  [{ 'retry-after': 'Wed, 31 Dec 2025 00:00:00 GMT' }, 0],
  [{ 'retry-after': 'soon' }, null],
  [{ 'retry-after': '-5' }, null],
])('Retry-After %j', (headers, expected) => {
  expect(retryAfter(headers as Record<string, string>, Date.UTC(2026, 0, 1))).toBe(expected);
});

test('waits are uniform from zero to twice as much each time, at most a minute', () => {
  expect([1, 2, 3, 7, 8, 20].map((tries) => backoff(tries, () => 0.5))).toEqual([
    250, 500, 1000, 16_000, 30_000, 30_000,
  ]);
  expect(backoff(3, () => 0)).toBe(0);
});
