import { expect, test } from 'vitest';

import { chooseThreads, threadCandidates } from './threads.ts';

test('candidates are quarters of the cores, each once', () => {
  expect(threadCandidates(1)).toEqual([1]);
  expect(threadCandidates(2)).toEqual([1, 2]);
  expect(threadCandidates(6)).toEqual([2, 3, 5, 6]);
  expect(threadCandidates(16)).toEqual([4, 8, 12, 16]);
  expect(threadCandidates(128)).toEqual([8, 16, 24, 32]);
});

/** A machine whose clock moves only while it decodes. */
function machine(milliseconds: Readonly<Record<number, number>>): {
  decode: (threads: number) => void;
  now: () => number;
  counts: Map<number, number>;
} {
  let time = 0;
  const counts = new Map<number, number>();
  return {
    decode: (threads) => {
      time += milliseconds[threads] ?? NaN;
      counts.set(threads, (counts.get(threads) ?? 0) + 1);
    },
    now: () => time,
    counts,
  };
}

test.each([
  ['real cores', { 2: 40, 4: 21, 6: 15, 8: 12 }, 8],
  ['two threads a core', { 2: 40, 4: 21, 6: 21.4, 8: 20.8 }, 4],
  ['waiting for each other', { 2: 10, 4: 11, 6: 15, 8: 30 }, 2],
])('%s: the fewest threads that are as fast', (_, milliseconds, expected) => {
  const { decode, now } = machine(milliseconds);
  const { threads, trials } = chooseThreads([2, 4, 6, 8], decode, { budget: 1000, now });
  expect(threads).toBe(expected);
  for (const trial of trials)
    expect(trial.milliseconds).toBeCloseTo(milliseconds[trial.threads as 2 | 4 | 6 | 8]);
});

test('ends by its budget, but not before three rounds', () => {
  const slow = machine({ 1: 5000, 2: 2500 });
  chooseThreads([1, 2], slow.decode, { budget: 100, now: slow.now });
  expect([...slow.counts.values()]).toEqual([4, 4]);
  const quick = machine({ 1: 2, 2: 1 });
  chooseThreads([1, 2], quick.decode, { budget: 1e6, now: quick.now });
  expect([...quick.counts.values()]).toEqual([16, 16]);
});
