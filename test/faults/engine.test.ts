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

const bodyOf = (id: number, isStreamed: boolean): object => ({
  user: `client ${id}`,
  stream: isStreamed,
  max_tokens: 24,
  seed: id,
  messages: [{ role: 'user', content: `Tell me about the number ${id}.` }],
  limbic: { emotions: ['happy'] },
});

function post(url: string, body: object): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

function contentOf(answer: string): string {
  const { choices } = JSON.parse(answer) as { choices: { message: { content: string } }[] };
  return choices[0]?.message.content ?? '';
}

const isLinux = process.platform === 'linux';
const kills = killsOf(8);

test.skipIf(!isLinux)(
  `an engine killed ${kills} times (seed ${seed}) under a server: each request ends in a whole answer or a clear error, and nothing is left over`,
  async () => {
    await using model = await openToyProcess(host);
    const lab = await openToyLab(['happy', 'calm']);
    const app = createApp(plainDeps({ model, pack: lab.pack }));
    const calm = createApp(plainDeps(lab));
    const undisturbed = async (id: number): Promise<string> => {
      const headers = { 'content-type': 'application/json', host: '127.0.0.1' };
      const body = JSON.stringify(bodyOf(id, false));
      const init = { method: 'POST', headers, body };
      return contentOf(await (await calm.request('/v1/chat/completions', init)).text());
    };
    await using server = await startServer(app, { host: '127.0.0.1', port: 0 });
    const random = randomFrom(seed);
    const counts = { answered: 0, refused: 0 };
    // Bytes of answers decide when the next kill comes, so that engines die in the middle of their work.
    let [done, number, pieces, next, before] = [0, 0, 0, 20, NaN];
    const onPiece = (): void => {
      pieces += 1;
      const { pid } = model;
      if (pieces < next || pid === undefined || done === kills) return;
      next = pieces + 10 + Math.floor(random() * 80);
      process.kill(pid, 'SIGKILL');
      done += 1;
      if (done === Math.ceil(kills / 4)) before = held();
    };
    const ask = async (isStreamed: boolean): Promise<void> => {
      const id = number++;
      const response = await post(server.url, bodyOf(id, isStreamed));
      let text = '';
      for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
        text += piece;
        onPiece();
      }
      const isWhole = isStreamed ? text.includes('[DONE]') : text.includes('"finish_reason"');
      if (response.ok && isWhole && !text.includes('"error"')) {
        counts.answered += 1;
        // Whoever died meanwhile, it is the answer that one engine would have given.
        if (!isStreamed && counts.answered < 40)
          expect(contentOf(text)).toBe(await undisturbed(id));
      } else {
        // Nothing ends without a word, and the words are a sentence.
        expect(text).toMatch(/engine: the process that runs the model ended \(SIGKILL\)/);
        counts.refused += 1;
      }
    };
    const isOver = (): boolean => done >= kills;
    const client = async (id: number): Promise<void> => {
      while (!isOver()) await ask(id > 0);
    };
    await Promise.all([0, 1, 2].map(client));
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
