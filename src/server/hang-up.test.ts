import { request as send } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

import { afterEach, expect, test } from 'vitest';

import { openToyLab, plainDeps } from '../../test/toy-server.ts';
import type { Model } from '../engine/engine.ts';
import { createApp } from './app.ts';
import type { Limits } from './lab.ts';
import { type ListeningServer, startServer } from './listen.ts';

const lab = await openToyLab();
const servers: ListeningServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close({ graceMs: 0 });
});

/** The toy with replies that stop after two tokens and wait until they are aborted. */
function hanging(): { model: Model; aborted: () => number } {
  let aborted = 0;
  const model: Model = {
    ...lab.model,
    generate: async (requests, options = {}) => {
      const short = requests.map((request) => ({ ...request, maxTokens: 2 }));
      await lab.model.generate(short, options);
      return new Promise((_, reject) => {
        const stop = (): void => {
          aborted++;
          reject(new DOMException('stopped', 'AbortError'));
        };
        if (options.signal?.aborted === true) stop();
        options.signal?.addEventListener('abort', stop);
      });
    },
  };
  return { model, aborted: () => aborted };
}

async function listen(model: Model, limits: Partial<Limits>): Promise<string> {
  const app = createApp({ ...plainDeps(lab), model, limits });
  const server = await startServer(app, { host: '127.0.0.1', port: 0 });
  servers.push(server);
  return server.url;
}
function ask(url: string, body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], ...body }),
    ...(signal === undefined ? {} : { signal }),
  });
}
async function load(url: string): Promise<{ running: number; waiting: number }> {
  const { running, waiting } = (await (await fetch(`${url}/health`)).json()) as never;
  return { running, waiting };
}
/** Waits until the load is as expected; fails with what it is after two seconds. */
async function expectLoad(url: string, expected: object): Promise<void> {
  await expect.poll(() => load(url), { timeout: 2000, interval: 10 }).toEqual(expected);
}
const ignore = (promise: Promise<unknown>): void => void promise.catch(() => null);

test('a client that leaves a stream aborts the generation and frees its place', async () => {
  const { model, aborted } = hanging();
  const url = await listen(model, {});
  const leave = new AbortController();
  const response = await ask(url, { stream: true }, leave.signal);
  const reader = response.body!.getReader();
  await reader.read();
  await expectLoad(url, { running: 1, waiting: 0 });
  leave.abort();
  ignore(reader.closed);
  await expectLoad(url, { running: 0, waiting: 0 });
  expect(aborted()).toBe(1);
});

test('a client that leaves before a whole reply aborts the generation and frees its place', async () => {
  const { model, aborted } = hanging();
  const url = await listen(model, {});
  const leave = new AbortController();
  const response = ask(url, {}, leave.signal);
  await expectLoad(url, { running: 1, waiting: 0 });
  leave.abort();
  await expect(response).rejects.toThrow();
  await expectLoad(url, { running: 0, waiting: 0 });
  expect(aborted()).toBe(1);
});

test('a client that leaves while it waits leaves the queue and never reaches the engine', async () => {
  const { model, aborted } = hanging();
  const url = await listen(model, { running: 1 });
  const [first, second] = [new AbortController(), new AbortController()];
  ignore(ask(url, {}, first.signal));
  await expectLoad(url, { running: 1, waiting: 0 });
  ignore(ask(url, { stream: true }, second.signal));
  await expectLoad(url, { running: 1, waiting: 1 });
  second.abort();
  await expectLoad(url, { running: 1, waiting: 0 });
  first.abort();
  await expectLoad(url, { running: 0, waiting: 0 });
  expect(aborted()).toBe(1);
});

test('requests over the limits are told when to come back, and waits end', async () => {
  const { model } = hanging();
  const url = await listen(model, { running: 1, waiting: 1, waitMs: 150 });
  const leave = new AbortController();
  ignore(ask(url, {}, leave.signal));
  await expectLoad(url, { running: 1, waiting: 0 });
  const waits = ask(url, {});
  await expectLoad(url, { running: 1, waiting: 1 });
  const refused = await ask(url, {});
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(((await refused.json()) as { error: object }).error).toMatchObject({
    code: 'rate_limit_exceeded',
  });
  const timedOut = await waits;
  expect([timedOut.status, timedOut.headers.get('x-should-retry')]).toEqual([503, null]);
  expect(timedOut.headers.get('retry-after')).toBe('10');
  leave.abort();
});

test('a request that takes too long is aborted, with a status or an event that says so', async () => {
  const { model, aborted } = hanging();
  const url = await listen(model, { requestMs: 200 });
  const whole = await ask(url, {});
  expect([whole.status, whole.headers.get('x-should-retry')]).toEqual([504, 'false']);
  expect(((await whole.json()) as { error: object }).error).toMatchObject({
    code: 'request_timeout',
  });
  const stream = await ask(url, { stream: true });
  expect(stream.status).toBe(200);
  const last = (await stream.text()).trim().split('\n\n').at(-1)!;
  expect(JSON.parse(last.replace('data: ', ''))).toMatchObject({
    error: { code: 'request_timeout', type: 'server_error' },
  });
  await expectLoad(url, { running: 0, waiting: 0 });
  expect(aborted()).toBe(2);
});

test('a body in chunks over the limit is refused on a real connection', async () => {
  const url = await listen(lab.model, { bodyBytes: 1000 });
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(300).fill(32)),
  });
  const headers = { 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body, duplex: 'half' as const };
  const response = await fetch(`${url}/api/read`, init);
  expect(response.status).toBe(413);
});

test('a client that leaves in the middle of its body is no error of the server', async () => {
  const told: unknown[] = [];
  const app = createApp({ ...plainDeps(lab), report: (error) => told.push(error) });
  const server = await startServer(app, { host: '127.0.0.1', port: 0 });
  servers.push(server);
  const headers = { 'content-type': 'application/json', 'content-length': 1000 };
  const sending = send(`${server.url}/api/read`, { method: 'POST', headers });
  sending.on('error', () => null);
  sending.write('{"text": "a');
  await pause(50);
  sending.destroy();
  const metrics = async (): Promise<string> => (await fetch(`${server.url}/metrics`)).text();
  await expect.poll(metrics).toContain('status="499"');
  expect(await metrics()).toContain('limbic_internal_errors_total 0');
  expect(told).toEqual([]);
});

test('closing waits for a reply that runs, and cuts it off after the grace', async () => {
  const { model, aborted } = hanging();
  const url = await listen(model, {});
  const response = await ask(url, { stream: true });
  const started = Date.now();
  await servers[0]!.close({ graceMs: 100 });
  expect(Date.now() - started).toBeGreaterThanOrEqual(90);
  await expect(response.text()).rejects.toThrow();
  await expect.poll(aborted).toBe(1);
});

test('closing waits until a reply that it cut off is in the log', async () => {
  const { model } = hanging();
  // An engine stops between two decodes, not at once.
  const slow: Model = {
    ...model,
    generate: async (requests, options) => {
      try {
        return await model.generate(requests, options);
      } finally {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  };
  const roles: unknown[] = [];
  const log = { append: (record: object) => void roles.push((record as { role: string }).role) };
  const app = createApp({ ...plainDeps(lab), model: slow, log });
  const server = await startServer(app, { host: '127.0.0.1', port: 0 });
  const response = await ask(server.url, { stream: true });
  await response.body!.getReader().read();
  await server.close({ graceMs: 0 });
  expect(roles).toEqual(['user', 'assistant']);
});

test('closing does not wait for ever for an engine that never stops', async () => {
  const model: Model = {
    ...lab.model,
    generate: async (requests, options) => {
      await lab.model.generate(requests, options);
      return new Promise(() => {});
    },
  };
  const url = await listen(model, {});
  const response = await ask(url, { stream: true, max_tokens: 2 });
  await response.body!.getReader().read();
  const started = Date.now();
  await servers.pop()!.close({ graceMs: 0 });
  expect(Date.now() - started).toBeGreaterThan(1900);
  expect(Date.now() - started).toBeLessThan(5000);
});

test('startServer says which port it cannot have', async () => {
  const url = await listen(lab.model, {});
  const port = Number(new URL(url).port);
  const app = createApp(plainDeps(lab));
  await expect(startServer(app, { host: '127.0.0.1', port })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${port} (EADDRINUSE)`,
  );
});
