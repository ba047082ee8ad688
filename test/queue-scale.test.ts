/**
 * @file Many workers on one queue: how much of their time goes into replies. LIMBIC_SCALE=100 takes a hundred workers
 * and 2,000 conversations; without it a part of that. The workers live in one process, with the usual timing, and the
 * model answers after a fixed time: what is measured is the queue.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { runOnQueue } from '../src/queue/coordinator.ts';
import { startWorker } from '../src/queue/worker.ts';
import { freePort, startStore, storeBinary } from './redis.ts';
import { httpLab, talkingStudy } from './talking-study.ts';

const workerCount = Math.max(20, Math.min(100, Number(process.env['LIMBIC_SCALE'] ?? 0)));
const params = { conversations: workerCount * (workerCount === 100 ? 20 : 5), turns: 5 };
/** Milliseconds of a reply, and its length in characters. */
const reply = { takes: 300, length: 2_000 };

const home = mkdtempSync(join(tmpdir(), 'limbic-queue-scale-'));
let store: ChildProcess;
let url = '';
beforeAll(async () => {
  if (storeBinary === undefined) return;
  const port = await freePort();
  url = `redis://127.0.0.1:${port}`;
  store = await startStore(port, home);
});
afterAll(() => {
  store?.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

/** A lab whose model takes its time. */
function slowLab(): ReturnType<typeof httpLab> {
  const lab = httpLab('');
  return {
    ...lab,
    chat: {
      ...lab.chat,
      reply: async ({ key }) => {
        await wait(reply.takes);
        const text = key.padEnd(reply.length, '.');
        return { text, stopReason: 'end', usage: { read: 1, written: 1 }, tries: 1 };
      },
    },
  };
}

test.skipIf(storeBinary === undefined)(
  `${workerCount} workers spend most of their time on replies, and each cell is made once`,
  async () => {
    const about = { url, version: '0.0.0', studies: [talkingStudy] };
    const workers = await Promise.all(
      Array.from({ length: workerCount }, () =>
        startWorker({ ...about, openLab: async () => slowLab() }),
      ),
    );
    const lab = { data: String, hasJudge: false, hasSecondJudge: false, isLocal: false };
    const cells = new Map<string, number>();
    const began = performance.now();
    const before = process.cpuUsage();
    await runOnQueue({
      url,
      run: '20260101-000000-talking-5ca1',
      version: '0.0.0',
      study: 'talking',
      params,
      models: { model: 'test:http' },
      conversations: talkingStudy.conversations(params, lab),
      known: new Map(),
      onCell: (key) => cells.set(key, (cells.get(key) ?? 0) + 1),
      signal: new AbortController().signal,
    });
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(before);
    await Promise.all(workers.map((worker) => worker.drain()));
    const count = params.conversations * params.turns;
    const least = (count * reply.takes) / 1000 / workerCount;
    console.log(
      `${workerCount} workers, ${count} cells: ${seconds.toFixed(1)} s, the replies alone ${least.toFixed(1)} s; ` +
        `${((user + system) / 1000 / count).toFixed(2)} ms of processor a cell, workers and coordinator together`,
    );
    expect(cells.size).toBe(count);
    expect(Math.max(...cells.values())).toBe(1);
    expect(least / seconds).toBeGreaterThan(0.5);
  },
  300_000,
);
