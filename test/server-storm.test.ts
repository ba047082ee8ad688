/** @file Many clients at once on the default model: cut off, oversized, and with the engine killed under them. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, test } from 'vitest';

import { type LabServer, openLabServer } from './lab-server.ts';
import { needs, testModel } from './models.ts';

const name = 'smollm2-135m';
const clients = 16;
const perClient = 13;

/** Resident memory of a process in MB. */
function residentOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** Memory that this process (the server and its clients) holds on to, in MB. */
function heldHere(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}

type Outcome = 'answered' | 'cut' | 'refused' | 'failed';

function post(server: LabServer, body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

const emotions = ['desperate', 'calm'];
const isCut = (k: number): boolean => k % 3 === 1;
/** Those that are cut are streamed, so that they can be cut in the middle. */
const isStreamed = (k: number): boolean => k % 2 === 0 || isCut(k);
const requestOf = (client: number, k: number): object => ({
  user: `client-${client}`,
  stream: isStreamed(k),
  max_tokens: 12,
  seed: client * 100 + k,
  messages: [{ role: 'user', content: `Tell me about the number ${client * 100 + k}.` }],
  // Several doses at once: they cannot share a decode.
  limbic: { emotions, steer: k % 4 === 0 ? { calm: 0.05 } : {} },
});

/** Sends one request and says what came of it; `cut` hangs up when the first chunk was read. */
async function one(server: LabServer, client: number, k: number): Promise<Outcome> {
  const stop = new AbortController();
  try {
    const response = await post(server, requestOf(client, k), stop.signal);
    if (!response.ok) return 'failed';
    if (isCut(k)) {
      await response.body!.getReader().read();
      stop.abort();
      return 'cut';
    }
    const text = await response.text();
    const isWhole = isStreamed(k) ? text.includes('[DONE]') : text.includes('"finish_reason"');
    return isWhole && !text.includes('"error"') ? 'answered' : 'failed';
  } catch {
    return isCut(k) ? 'cut' : 'failed';
  }
}

/** All clients, each one request after another; `onAnswer` hears of each end. */
async function storm(server: LabServer, onAnswer: () => void = () => {}): Promise<Outcome[]> {
  const client = async (id: number): Promise<Outcome[]> => {
    const outcomes: Outcome[] = [];
    for (let k = 0; k < perClient; k++) {
      outcomes.push(await one(server, id, k));
      onAnswer();
    }
    return outcomes;
  };
  return (await Promise.all(Array.from({ length: clients }, (_, id) => client(id)))).flat();
}

async function metric(server: LabServer, title: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((row) => row.startsWith(`${title} `));
  return Number(line?.split(' ')[1] ?? 0);
}

test.skipIf(testModel(name) === null)(
  `208 requests of 16 clients, a third cut off, two oversized, one engine killed: all others are answered and nothing leaks${needs(name)}`,
  async () => {
    await using server = await openLabServer();
    await storm(server);
    const engineBefore = residentOf(server.model.pid!);

    const big = { messages: [{ role: 'user', content: 'x'.repeat(5 * 2 ** 20) }] };
    const oversized = Promise.all([post(server, big), post(server, big)]);
    let ended = 0;
    const firstPid = server.model.pid!;
    const outcomes = await storm(server, () => {
      if (++ended === 60) process.kill(firstPid, 'SIGKILL');
    });
    expect((await oversized).map(({ status }) => status)).toEqual([413, 413]);
    expect(server.model.pid).not.toBe(firstPid);
    const count = (outcome: Outcome): number => outcomes.filter((o) => o === outcome).length;
    expect(count('failed')).toBe(0);
    expect(count('cut')).toBe(clients * 4);
    expect(count('answered')).toBe(clients * 9);
    expect(await metric(server, 'limbic_engine_restarts_total')).toBe(1);

    // The new engine has seen half a storm; after a whole one more it holds no more than the first did.
    const ownBefore = heldHere();
    await storm(server);
    expect(await metric(server, 'limbic_requests_waiting')).toBe(0);
    expect(await metric(server, 'limbic_requests_running')).toBe(0);
    expect(server.model.sequences?.held).toBe(0);
    expect(server.model.sequences?.kept).toBeLessThanOrEqual(16);
    expect(residentOf(server.model.pid!) / engineBefore).toBeLessThan(1.1);
    expect(heldHere() / ownBefore).toBeLessThan(1.1);
  },
  300_000,
);
