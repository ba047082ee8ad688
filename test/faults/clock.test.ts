/** @file A clock that is set back and forth by up to a day while limbic works. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { randomFrom } from '../../src/math/random.ts';
import { createApp } from '../../src/server/app.ts';
import { listRuns } from '../../src/store/runs.ts';
import { startProviderServer } from '../provider-server.ts';
import { openToyLab, plainDeps } from '../toy-server.ts';
import { programs, seed, start, temporary } from './harness.ts';
import { answer, outcomeIn, study } from './study.ts';

const { 'clock-jumps': jumps, writer } = programs('clock-jumps', 'writer');
const homes = temporary();
const preload = (): string[] => ['--import', `./${jumps}`];

test(`a study whose clock jumps (seed ${seed}) waits as long as it is asked to, and comes to the same numbers`, async () => {
  // Every fifth reply is refused once and asks for a pause.
  const isRefused = (key: string): boolean => createHash('md5').update(key).digest()[0]! % 5 === 0;
  await using server = await startProviderServer({
    answer,
    fault: ({ key, tryNumber }) =>
      isRefused(key.replace(/^[^/]*/, '')) && tryNumber === 1
        ? { kind: 'status', status: 429, headers: { 'retry-after-ms': '200' } }
        : null,
  });
  const [still, jumping] = [join(homes, 'still'), join(homes, 'jumping')];
  const plain = await study(server, still).ended;
  expect(plain.code, plain.err).toBe(0);
  const ended = await study(server, jumping, { nodeArgs: preload() }).ended;
  expect(ended.code, ended.err).toBe(0);
  expect(ended.err).not.toMatch(/NaN|Infinity|-\d+ (?:s|min)/);
  expect(await outcomeIn(jumping)).toEqual(await outcomeIn(still));
}, 300_000);

test(`a bar whose clock jumps (seed ${seed}) goes on and says a time that can be`, async () => {
  const { code, err } = await start([writer, 'bar', homes], { nodeArgs: preload() }).ended;
  expect(code, err).toBe(0);
  const drawn = err.split('\r').filter((line) => line.includes('%'));
  // 30 steps of 100 ms: each is drawn that comes 100 ms after the one before.
  expect(drawn.length).toBeGreaterThan(8);
  const left = [...err.matchAll(/, (\S+ \S+)(?: \S+ s)? left/g)].map(([, words]) => words ?? '');
  expect(left.length).toBeGreaterThan(3);
  for (const words of left) expect(words).toMatch(/^\d{1,2} s$/);
}, 300_000);

test(`runs that are begun while the clock jumps (seed ${seed}) have ids of their own`, async () => {
  const folder = join(homes, 'ids');
  const { code, err } = await start([writer, 'runs', folder, '60'], { nodeArgs: preload() }).ended;
  expect(code, err).toBe(0);
  const ids = listRuns(folder).map(({ id }) => id);
  expect(new Set(ids).size).toBe(60);
}, 300_000);

test(`a server whose clock jumps (seed ${seed}) measures no time below nothing`, async () => {
  const random = randomFrom(seed);
  const clock = { now: () => Date.UTC(2026, 0, 1) + Math.round((random() - 0.5) * 1e8) };
  const app = createApp({ ...plainDeps(await openToyLab(['happy', 'calm'])), clock });
  for (let i = 0; i < 6; i++) {
    const response = await app.request('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json', host: '127.0.0.1' },
      body: JSON.stringify({
        max_tokens: 6,
        messages: [{ role: 'user', content: `Number ${i}.` }],
      }),
    });
    expect(response.status).toBe(200);
  }
  const metrics = await (await app.request('/metrics', { headers: { host: '127.0.0.1' } })).text();
  const sums = [...metrics.matchAll(/^(limbic_\w+_sum)\S* (\S+)$/gm)];
  expect(sums.map(([, name]) => name)).toContain('limbic_time_to_first_token_seconds_sum');
  for (const [, name, sum] of sums) {
    expect(Number(sum), name).toBeGreaterThanOrEqual(0);
    expect(Number(sum), name).toBeLessThan(1e6);
  }
}, 300_000);
