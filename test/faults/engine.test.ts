/** @file The engine's process, killed again and again under a server, out of memory, and left without its parent. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, test, vi } from 'vitest';

import { randomFrom } from '../../src/math/random.ts';
import { createApp } from '../../src/server/app.ts';
import { startServer } from '../../src/server/listen.ts';
import { openToyLab, plainDeps } from '../toy-server.ts';
import { killsOf, programs, seed, start, timeFor } from './harness.ts';
import { exhaust, openToyProcess } from './toy-process.ts';

const { 'toy-host': host, 'toy-parent': parent } = programs('toy-host', 'toy-parent');

/** Memory that this process holds on to, in MB. */
function held(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}

/** Children of this process that have ended and that it has taken no note of. */
function zombies(): number {
  const lines = readdirSync('/proc').flatMap((name) =>
    /^\d+$/.test(name) ? statOf(Number(name)) : [],
  );
  return lines.filter(({ state, parent: of }) => of === process.pid && state === 'Z').length;
}

function statOf(pid: number): { state: string; parent: number }[] {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', of = ''] = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return [{ state, parent: Number(of) }];
  } catch {
    return [];
  }
}

const isLinux = process.platform === 'linux';
const kills = killsOf(50);

test.skipIf(!isLinux)(
  `an engine killed ${kills} times (seed ${seed}) under a server: each request ends in a whole answer or a clear error, and nothing is left over`,
  async () => {
    await using model = await openToyProcess(host);
    const { pack } = await openToyLab();
    const app = createApp(plainDeps({ model, pack }));
    await using server = await startServer(app, { host: '127.0.0.1', port: 0 });
    const random = randomFrom(seed);
    const counts = { answered: 0, refused: 0 };
    let [done, number, before] = [0, 0, NaN];
    const ask = async (isStreamed: boolean): Promise<void> => {
      const response = await fetch(`${server.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          user: `client ${number % 7}`,
          stream: isStreamed,
          max_tokens: 40,
          seed: number,
          messages: [{ role: 'user', content: `Tell me about the number ${number++}.` }],
          limbic: { emotions: ['happy'] },
        }),
      });
      const text = await response.text();
      const isWhole = isStreamed ? text.includes('[DONE]') : text.includes('"finish_reason"');
      if (response.ok && isWhole && !text.includes('"error"')) counts.answered += 1;
      else {
        // Nothing ends without a word, and the words are a sentence.
        expect(text).toMatch(/engine: the process that runs the model ended \(SIGKILL\)/);
        counts.refused += 1;
      }
    };
    const client = async (id: number): Promise<void> => {
      while (done < kills) await ask((id + number) % 2 === 0);
    };
    const killer = async (): Promise<void> => {
      while (done < kills) {
        await wait(20 + random() * 120);
        if (model.pid === undefined) continue;
        process.kill(model.pid, 'SIGKILL');
        done += 1;
        if (done === Math.ceil(kills / 4)) before = held();
      }
    };
    await Promise.all([killer(), ...[1, 2, 3].map(client)]);
    // It lives, and so does the engine.
    const last = counts.answered;
    await ask(true);
    expect(counts.answered).toBe(last + 1);
    expect((await fetch(`${server.url}/health`)).ok).toBe(true);
    expect(counts.answered).toBeGreaterThan(counts.refused);
    expect(zombies()).toBe(0);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/^limbic_requests_running 0$/m);
    expect(metrics).toMatch(/^limbic_requests_waiting 0$/m);
    expect(held() / before).toBeLessThan(1.2);
    if (process.env['LIMBIC_FAULTS'] !== undefined)
      console.log(
        `${kills} kills: ${JSON.stringify(counts)}, memory x${(held() / before).toFixed(2)}`,
      );
  },
  timeFor(kills / 10),
);

test('an engine that runs out of memory dies alone, says so in a sentence, and the next call works', async () => {
  vi.stubEnv('NODE_OPTIONS', '--max-old-space-size=40');
  await using model = await openToyProcess(host);
  const first = model.pid;
  const failed = await model.tokenize(exhaust).catch((error: unknown) => error);
  expect(failed).toMatchObject({
    code: 'engine',
    hint: expect.stringContaining('memory may have run out'),
  });
  const { message } = failed as Error;
  expect(message).toMatch(/^engine: the process that runs the model ended .*heap out of memory$/);
  expect(message).not.toContain('\n');
  expect(message).not.toMatch(/0x[0-9a-f]{4}/);
  expect(await model.tokenize('and now')).toHaveLength(8);
  expect(model.pid).not.toBe(first);
  vi.unstubAllEnvs();
}, 120_000);

test.skipIf(!isLinux)(
  'an engine whose parent is killed ends, and so do those that it was busy for',
  async () => {
    const running = start([parent, host]);
    await running.begun;
    running.child.kill('SIGKILL');
    const { out } = await running.ended;
    const pid = Number(out.trim());
    expect(pid).toBeGreaterThan(0);
    // Where the first process of a system collects no orphans they stay as zombies.
    const isThere = (): boolean => statOf(pid).some(({ state }) => state !== 'Z');
    for (let i = 0; i < 200 && isThere(); i++) await wait(100);
    expect(isThere()).toBe(false);
  },
  120_000,
);
