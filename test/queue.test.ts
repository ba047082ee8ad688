import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { build } from 'vite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { UnavailableError } from '../src/errors.ts';
import { openConnection } from '../src/queue/connection.ts';
import { type QueueOptions, type QueueProgress, runOnQueue } from '../src/queue/coordinator.ts';
import { queuePrefix } from '../src/queue/jobs.ts';
import { startWorker, type WorkerHandle, type WorkerOptions } from '../src/queue/worker.ts';
import { readRun } from '../src/store/runs.ts';
import { freePort, startStore, storeBinary } from './redis.ts';
import { httpLab, talkingStudy } from './talking-study.ts';

if (storeBinary === undefined)
  console.warn(
    'test/queue.test.ts is skipped: neither valkey-server nor redis-server is installed',
  );

const program = 'dist/test/queue-process.js';
const home = mkdtempSync(join(tmpdir(), 'limbic-queue-'));
/** Short, so that a dead worker is noticed within about a second. */
const timing = { poll: 40, look: 50, alive: 500, lock: 900, stalled: 200, retry: 50 };

/** What the provider was asked for: requests that it answered, by their key. */
const asked = new Map<string, number>();
/** Milliseconds per answer. */
let latency = 50;
/** Answers with an error: of a key, its status. */
const refusals = new Map<string, number>();
let server: Server;
let provider = '';
let store: ChildProcess;
let url = '';
let admin: Redis;
let folders = 0;
const workers: (ChildProcess | WorkerHandle)[] = [];

const totalAsked = (): number => [...asked.values()].reduce((sum, count) => sum + count, 0);

/** A worker in a process of its own, once it is connected. */
async function workerProcess(concurrency = 1): Promise<ChildProcess> {
  const args = [program, 'worker', url, provider, String(concurrency), JSON.stringify(timing)];
  const child = spawn('node', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  workers.push(child);
  await once(child.stdout, 'data');
  return child;
}

async function localWorker(other: Partial<WorkerOptions> = {}): Promise<WorkerHandle> {
  const lab = async (): Promise<ReturnType<typeof httpLab>> => httpLab(provider);
  const about = { url, version: '0.0.0', studies: [talkingStudy], openLab: lab, timing };
  const worker = await startWorker({ ...about, ...other });
  workers.push(worker);
  return worker;
}

interface Collected {
  readonly cells: Map<string, object>;
  /** How often the run was given each key. */
  readonly times: Map<string, number>;
  readonly notices: string[];
  last: QueueProgress | undefined;
}
const nothing = (): Collected => ({
  cells: new Map(),
  times: new Map(),
  notices: [],
  last: undefined,
});

let runs = 0;
function options(
  params: { conversations: number; turns: number },
  into: Collected,
  other: Partial<QueueOptions> = {},
): QueueOptions {
  const lab = { data: String, hasJudge: false, hasSecondJudge: false, isLocal: false };
  const { onProgress } = other;
  return {
    url,
    run: `20260101-000000-talking-${String(runs++).padStart(4, '0')}`,
    version: '0.0.0',
    study: 'talking',
    params,
    models: { model: 'test:http' },
    conversations: talkingStudy.conversations(params, lab),
    known: new Map(),
    onCell: (key, data) => {
      into.cells.set(key, data);
      into.times.set(key, (into.times.get(key) ?? 0) + 1);
    },
    onNotice: (line) => into.notices.push(line),
    signal: new AbortController().signal,
    timing,
    ...other,
    onProgress: (progress) => {
      into.last = progress;
      onProgress?.(progress);
    },
  };
}

/** Waits until it holds, at most 10 s. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await condition()) return;
    await wait(10);
  }
  throw new Error('it did not happen within 10 s');
}

describe.skipIf(storeBinary === undefined)('queue', () => {
  beforeAll(async () => {
    const target = { ssr: 'test/queue-process.ts', outDir: 'dist/test' };
    await build({ configFile: false, logLevel: 'silent', build: target });
    server = createHttpServer((request, response) => {
      // Without the id of the run, with which each key begins.
      const key = String(request.headers['idempotency-key']).replace(/^[^/]*\//, '');
      asked.set(key, (asked.get(key) ?? 0) + 1);
      request.resume();
      setTimeout(() => {
        response.statusCode = refusals.get(key) ?? 200;
        response.end(response.statusCode === 200 ? `answer to ${key}` : `refused ${key}`);
      }, latency);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    provider = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const port = await freePort();
    url = `redis://127.0.0.1:${port}`;
    store = await startStore(port, home);
    admin = new Redis(port, '127.0.0.1');
    admin.on('error', () => {});
  });
  afterAll(async () => {
    admin?.disconnect();
    server?.close();
    store?.kill('SIGKILL');
    rmSync('dist/test', { recursive: true, force: true });
    rmSync(home, { recursive: true, force: true });
  });
  beforeEach(() => {
    asked.clear();
    refusals.clear();
    latency = 50;
    return async () => {
      await Promise.all(
        workers.splice(0).map(async (worker) => {
          if ('drain' in worker) return void (await worker.drain());
          if (worker.exitCode !== null || worker.signalCode !== null) return;
          worker.kill('SIGKILL');
          await once(worker, 'close');
        }),
      );
      await admin.flushall();
    };
  });

  test('a worker that is killed: nothing lost, nothing twice, and only its cells under way are paid for again', async () => {
    const concurrency = 2;
    const children = await Promise.all([1, 2, 3].map(() => workerProcess(concurrency)));
    const into = nothing();
    const params = { conversations: 24, turns: 4 };
    const all = options(params, into, {
      onProgress: ({ workers: count, cells }) => {
        if (count === 3 && cells >= 20) children[1]?.kill('SIGKILL');
      },
    });
    await runOnQueue(all);
    expect(children[1]?.signalCode).toBe('SIGKILL');
    expect(into.cells.size).toBe(24 * 4);
    expect([...into.times.values()].every((times) => times === 1)).toBe(true);
    for (const [key, cell] of into.cells) expect(cell).toMatchObject({ text: `answer to ${key}` });
    // It was in the middle of something, which others began again.
    expect(into.last?.again).toBeGreaterThanOrEqual(1);
    expect(asked.size).toBe(24 * 4);
    expect(totalAsked()).toBeLessThanOrEqual(24 * 4 + concurrency);
    expect(into.last).toMatchObject({ done: 24, failed: 0, workers: 2 });
    // Both others lose interest; then nothing of the run is left.
    await wait(400);
    expect(
      (await admin.keys(`*${all.run}*`)).filter((key) => !key.endsWith('stalled-check')),
    ).toEqual([]);
    expect(await admin.zcard('limbic:runs')).toBe(0);
  });

  test('three workers are nearly three times as fast as one', async () => {
    latency = 80;
    const params = { conversations: 24, turns: 4 };
    const seconds: number[] = [];
    for (const count of [1, 3]) {
      while (workers.length < count) await workerProcess();
      const into = nothing();
      const started = performance.now();
      await runOnQueue(options(params, into));
      seconds.push((performance.now() - started) / 1000);
      expect(into.cells.size).toBe(24 * 4);
    }
    const [one = 0, three = 1] = seconds;
    console.log(
      `one worker ${one.toFixed(2)} s, three ${three.toFixed(2)} s: ${(one / three).toFixed(2)} times as fast`,
    );
    // 24 conversations of 4 replies, 80 ms each, one after the other.
    expect(one).toBeGreaterThan(24 * 4 * 0.08);
    expect(one / three).toBeGreaterThanOrEqual(2.2);
  });

  test('a coordinator that is killed: the next one collects what came in between and ends the run', async () => {
    const folder = join(home, `runs-${folders++}`);
    const params = { conversations: 12, turns: 4 };
    const coordinator = (id: string[] = []): ChildProcess => {
      const args = ['coordinator', url, folder, JSON.stringify(params), JSON.stringify(timing)];
      return spawn('node', [program, ...args, ...id], { stdio: ['ignore', 'pipe', 'inherit'] });
    };
    await workerProcess(2);
    const first = coordinator();
    await once(first.stdout!, 'data');
    const [id = ''] = readdirSync(folder);
    const linesOf = (): string[] =>
      readFileSync(join(folder, id, 'events.jsonl'), 'utf8')
        .split('\n')
        .filter(Boolean);
    await until(() => linesOf().length >= 8);
    first.kill('SIGKILL');
    await once(first, 'close');
    const before = linesOf().length;
    // The workers go on for a while, unheard.
    await until(() => asked.size >= before + 8);
    const [code] = (await once(coordinator([id]), 'close')) as [number];
    expect(code).toBe(0);
    expect(before).toBeLessThan(12 * 4);
    expect(readRun(id, folder)).toMatchObject({ status: 'done', records: 12 * 4 });
    expect(new Set(linesOf().map((line) => (JSON.parse(line) as { key: string }).key)).size).toBe(
      12 * 4,
    );
    // No worker died, so nothing was paid for twice.
    expect(totalAsked()).toBe(12 * 4);
  });

  const stops =
    'a coordinator that stops: the workers end their cells, and what was paid for is not asked again';
  test.each(['keeps its data', 'is emptied'])(`${stops} when the server %s`, async (then) => {
    const worker = await localWorker({ concurrency: 2 });
    const stop = new AbortController();
    const first = nothing();
    const params = { conversations: 6, turns: 3 };
    const stopped = options(params, first, {
      signal: stop.signal,
      onProgress: ({ cells }) => {
        if (cells >= 5) stop.abort(new DOMException('stopped', 'AbortError'));
      },
    });
    await expect(runOnQueue(stopped)).rejects.toThrow('stopped');
    await until(() => worker.totals().runs === 0);
    const paid = totalAsked();
    await wait(200);
    expect(totalAsked()).toBe(paid);
    expect(worker.totals().givenBack).toBeGreaterThanOrEqual(1);
    // Both replies under way were still kept, and are fetched by the next start if the server has them.
    expect(worker.totals().cells).toBe(paid);
    if (then === 'is emptied') await admin.flushall();
    const second = nothing();
    await runOnQueue({ ...options(params, second), run: stopped.run, known: first.cells });
    expect([...second.cells.keys()].some((key) => first.cells.has(key))).toBe(false);
    expect(first.cells.size + second.cells.size).toBe(6 * 3);
    const lost = then === 'is emptied' ? paid - first.cells.size : 0;
    expect(totalAsked()).toBe(6 * 3 + lost);
  });

  test('a job that somebody else put there fails in one sentence, and the others are played', async () => {
    await localWorker();
    const into = nothing();
    const about = options({ conversations: 2, turns: 1 }, into);
    const queue = new Queue(about.run, { connection: admin, prefix: queuePrefix });
    await queue.add('conversation', null);
    await queue.close();
    await expect(runOnQueue(about)).rejects.toThrow(
      /got 1 that failed: "\?": job: study: Invalid input/,
    );
    expect(into.cells.size).toBe(2);
  });

  test('a worker that drains gives its conversation back without a half-paid reply', async () => {
    latency = 100;
    const worker = await localWorker({ concurrency: 2 });
    const into = nothing();
    const going = runOnQueue(options({ conversations: 5, turns: 3 }, into));
    await until(() => totalAsked() >= 3);
    const totals = await worker.drain();
    expect(totals).toMatchObject({ failed: 0, cells: totalAsked(), givenBack: 2 });
    expect(totals.cells).toBeLessThan(15);
    await localWorker();
    await going;
    expect(into.cells.size).toBe(15);
    expect(totalAsked()).toBe(15);
    expect(into.last?.again).toBe(2);
  });

  test('a budget that is spent is tried again some times, then told; other conversations are done', async () => {
    refusals.set('c01/1', 402);
    refusals.set('c2/0', 422);
    await localWorker({ concurrency: 2 });
    const into = nothing();
    const going = runOnQueue(options({ conversations: 4, turns: 2 }, into, { tries: 3 }));
    await expect(going).rejects.toThrow(UnavailableError);
    await expect(going).rejects.toThrow(/expected all 4 conversations, got 2 that failed/);
    await expect(going).rejects.toThrow(/"c01": refused c01\/1/);
    // c0 and c03 whole, the first turn of c01.
    expect([...into.cells.keys()].toSorted()).toEqual(['c0/0', 'c0/1', 'c01/0', 'c03/0', 'c03/1']);
    expect(asked.get('c01/0')).toBe(1);
    expect(asked.get('c01/1')).toBe(3);
    // An answer that never comes is not asked for again.
    expect(asked.get('c2/0')).toBe(1);
    expect(await admin.keys('limbic:run:*')).toEqual([]);
  });

  test('workers that can not help say why and take nothing', async () => {
    const said: string[] = [];
    const onNotice = (line: string): void => void said.push(line);
    await localWorker({ version: '9.9.9', onNotice });
    await localWorker({ models: ['test:other'], onNotice });
    await localWorker({
      openLab: async () => {
        throw new UnavailableError('test:http: expected a key, got none', { hint: 'set ONE' });
      },
      onNotice,
    });
    const into = nothing();
    const going = runOnQueue(options({ conversations: 2, turns: 1 }, into));
    await until(() => into.last?.refusing === 3);
    expect(into.last?.workers).toBe(0);
    expect(totalAsked()).toBe(0);
    const helper = await localWorker({ models: ['test:http'] });
    await going;
    expect(helper.totals()).toMatchObject({ conversations: 2, failed: 0 });
    // Each once, here and on the other side.
    for (const told of [said, into.notices]) {
      expect(told).toHaveLength(3);
      expect(told.join('\n')).toMatch(/expected limbic 0\.0\.0, .* got 9\.9\.9/);
      expect(told.join('\n')).toMatch(/expected a model of --models, got "test:http"/);
      expect(told.join('\n')).toMatch(/expected a key, got none; set ONE/);
    }
  });

  test('a server that loses everything in the middle of a run is filled again', async () => {
    const worker = await localWorker({ concurrency: 2 });
    const into = nothing();
    const params = { conversations: 12, turns: 3 };
    const going = runOnQueue(options(params, into));
    await until(() => into.cells.size >= 8);
    store.kill('SIGKILL');
    await once(store, 'close');
    store = await startStore(Number(new URL(url).port), home);
    await going;
    expect(into.cells.size).toBe(12 * 3);
    expect([...into.times.values()].every((times) => times === 1)).toBe(true);
    // Those whose news was lost with the server; two under way and what came within a poll.
    expect(totalAsked()).toBeLessThanOrEqual(12 * 3 + 6);
    expect(into.notices.some((line) => line.includes('is away'))).toBe(true);
    expect(worker.totals().failed).toBe(0);
  });

  test('Ctrl-C ends a coordinator also while the server is away', async () => {
    const stop = new AbortController();
    const into = nothing();
    const params = { conversations: 2, turns: 1 };
    const going = runOnQueue(options(params, into, { signal: stop.signal }));
    const ended = expect(going).rejects.toThrow('stopped');
    await until(() => into.last !== undefined);
    store.kill('SIGKILL');
    await once(store, 'close');
    await until(() => into.notices.some((line) => line.includes('is away')));
    const since = performance.now();
    stop.abort(new DOMException('stopped', 'AbortError'));
    await ended;
    expect(performance.now() - since).toBeLessThan(1000);
    store = await startStore(Number(new URL(url).port), home);
  });

  test('a wrong password is told in one sentence that does not hold it', async () => {
    await admin.acl('SETUSER', 'guest', 'on', '>open-sesame', '~*', '+@all');
    const login = url.replace('//', '//guest:not-this-one@');
    const error = await openConnection(login).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toMatch(/got one that refuses this name and password$/);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('not-this-one');
    const redis = await openConnection(url.replace('//', '//guest:open-sesame@'));
    expect(await redis.ping()).toBe('PONG');
    redis.disconnect();
    await expect(openConnection(`${url}/900`)).rejects.toThrow(/got one without this database/);
  });
});
