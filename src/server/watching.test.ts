import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect, test } from 'vitest';

import { openToyLab, plainDeps } from '../../test/toy-server.ts';
import {
  type ChatRequestInput,
  type ChatResponse,
  chatResponseSchema,
  type MonitorEvent,
} from '../api/chat.ts';
import type { GenerateOptions, Model } from '../engine/engine.ts';
import { parseRule } from '../steering/monitor.ts';
import { centreAndSpread, percentileAt } from '../vectors/calibration.ts';
import { createApp, type ServerApp } from './app.ts';
import type { ServerDeps } from './lab.ts';

const lab = await openToyLab();
const deps = plainDeps(lab);

function appWith(rules: readonly string[], more: Partial<ServerDeps> = {}): ServerApp {
  return createApp({ ...deps, rules: rules.map(parseRule), ...more });
}
async function reply(app: ServerApp, body: Partial<ChatRequestInput> = {}): Promise<ChatResponse> {
  const response = await post(app, body);
  return chatResponseSchema.parse(await response.json());
}
function post(app: ServerApp, body: Partial<ChatRequestInput>): Promise<Response> {
  const ask = { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 20, seed: 3 };
  return Promise.resolve(
    app.request('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...ask, ...body }),
    }),
  );
}

/** The toy with readings and doses of our choice; the first direction gets the reading. */
function scripted(script: readonly { reading?: number; dose?: number }[]): {
  model: Model;
  options: () => GenerateOptions | undefined;
} {
  let seen: GenerateOptions | undefined;
  const model: Model = {
    ...lab.model,
    generate: (requests, options = {}) => {
      seen = options;
      const { thermostat: _, ...rest } = options;
      return lab.model.generate(requests, {
        ...rest,
        onToken: (token) => {
          const { reading = 0, dose = 0 } = script[token.index] ?? {};
          const readings = token.readings.slice();
          readings[0] = reading;
          options.onToken?.({ ...token, readings, dose });
        },
      });
    },
  };
  return { model, options: () => seen };
}

test('a rule with stop ends the reply at the token that fires it, and a plain client learns why', async () => {
  const free = await reply(appWith([]));
  const stopped = await reply(appWith(['calm > -1000 for 6 tokens -> stop']));
  expect(stopped.choices[0]?.finish_reason).toBe('content_filter');
  expect(stopped.usage.completion_tokens).toBe(6);
  const text = stopped.choices[0]!.message.content;
  expect(text.length).toBeGreaterThan(0);
  expect(free.choices[0]?.message.content.startsWith(text)).toBe(true);
  expect(stopped.limbic?.events).toMatchObject([
    { index: 5, kind: 'stop', rule: 'calm > -1000 for 6 tokens -> stop', emotion: 'calm' },
  ]);
  expect(stopped.limbic?.tokens).toBeUndefined();
});

test('an engine that is slow to stop adds nothing to a reply that a rule ended', async () => {
  const model: Model = {
    ...lab.model,
    generate: (requests, options) =>
      lab.model.generate(requests, { ...options, signal: new AbortController().signal }),
  };
  const rules = ['calm > -1000 for 6 tokens -> stop'];
  const stopped = await reply(appWith(rules, { model }));
  expect(stopped.choices).toEqual((await reply(appWith(rules))).choices);
  expect(stopped.usage.completion_tokens).toBe(6);
});

test('a reply that a rule stopped claims nothing about the cache, in its usage and in the metrics', async () => {
  const fromEngine = async (app: ServerApp): Promise<boolean> => {
    const text = await (await app.request('/metrics')).text();
    return text.includes('limbic_prompt_tokens_total{from="engine"}');
  };
  const stopping = appWith(['calm > -1000 for 6 tokens -> stop']);
  const { usage } = await reply(stopping);
  expect(usage).not.toHaveProperty('prompt_tokens_details');
  expect(usage.prompt_tokens).toBeGreaterThan(0);
  expect(await fromEngine(stopping)).toBe(false);
  const free = appWith([]);
  expect((await reply(free)).usage).toHaveProperty('prompt_tokens_details.cached_tokens');
  expect(await fromEngine(free)).toBe(true);
});

test('a stopped stream ends in order, with the event and no token behind it', async () => {
  const app = appWith(['calm > -1000 for 4 tokens -> stop']);
  const response = await post(app, { stream: true, limbic: { emotions: [] } });
  const events = (await response.text()).trim().split('\n\n');
  expect(events.at(-1)).toBe('data: [DONE]');
  const chunks = events.slice(0, -1).map((event) => JSON.parse(event.slice(6)));
  expect(chunks.flatMap(({ limbic }) => limbic?.tokens ?? [])).toHaveLength(4);
  expect(chunks.flatMap(({ limbic }) => limbic?.events ?? [])).toHaveLength(1);
  expect(chunks.at(-1).choices[0].finish_reason).toBe('content_filter');
});

test('a rule with log leaves the reply as it is', async () => {
  const noted = await reply(appWith(['calm > -1000 for 3 tokens', 'sad > 1000']));
  expect(noted.choices).toEqual((await reply(appWith([]))).choices);
  expect(noted.limbic?.events?.map(({ kind, index }) => [kind, index])).toEqual([['rule', 2]]);
});

test('a rule on a percentile uses the calibration', async () => {
  const limit = percentileAt(lab.pack, 'happy', 0.95);
  const readings = [limit - 0.01, limit - 0.001, limit + 0.001, limit + 0.01];
  const { model } = scripted(readings.map((reading) => ({ reading })));
  // Happy is the first emotion that is read, so the script is about it.
  const noted = await reply(appWith(['happy > p95'], { model }), { max_tokens: 4 });
  expect(noted.limbic?.events?.map(({ index }) => index)).toEqual([2]);
});

test('a rule on an emotion that the pack lacks is refused at start', () => {
  expect(() => appWith(['nobody > p95'])).toThrow('nobody');
  expect(() => appWith(['nobody > 0.1'])).toThrow('nobody');
});

test('a thermostat that the pack cannot serve is refused at start, not at each request', () => {
  const thermostat = { watch: 'sad', above: 'p95', with: 'calm', gain: 0.1, limit: 0.1 };
  expect(() => appWith([], { thermostat })).not.toThrow();
  for (const wrong of [{ watch: 'nobody' }, { with: 'nobody' }, { above: 'p99.9' }])
    expect(() => appWith([], { thermostat: { ...thermostat, ...wrong } })).toThrow(
      /nobody|percentile/,
    );
  const pack = { ...lab.pack, quantiles: new Float32Array(0) };
  expect(() => appWith([], { thermostat, pack })).toThrow('calibrated');
});

test('a thermostat reaches the engine in its units', async () => {
  const { model, options } = scripted([]);
  const thermostat = { watch: 'sad', above: 'p90', with: 'calm', gain: 0.2, limit: 0.3 } as const;
  await reply(appWith([], { model }), { limbic: { emotions: ['happy'], thermostat } });
  const sent = options()?.thermostat;
  expect(sent).toMatchObject({ limit: 0.3, halfLife: 4, reading: 1 });
  expect(sent?.threshold).toBe(percentileAt(lab.pack, 'sad', 0.9));
  expect(sent?.gain).toBeCloseTo(0.2 / centreAndSpread(lab.pack, 'sad').spread, 8);
  expect(sent?.vectors.size).toBeGreaterThan(0);
});

test('a thermostat that goes on and off leaves an event each time and its dose in the tokens', async () => {
  const { model } = scripted([{}, { dose: 0.1, reading: 0.5 }, { dose: 0.2 }, {}, { dose: 0.1 }]);
  const thermostat = { watch: 'happy', above: 0.1 };
  const { limbic } = await reply(appWith([], { model }), {
    max_tokens: 6,
    limbic: { emotions: [], thermostat },
  });
  const events: Partial<MonitorEvent>[] = limbic?.events ?? [];
  expect(events.map(({ index, kind }) => [index, kind])).toEqual([
    [1, 'thermostat-on'],
    [3, 'thermostat-off'],
    [4, 'thermostat-on'],
    [5, 'thermostat-off'],
  ]);
  expect(events[0]).toMatchObject({ emotion: 'happy', value: 0.5 });
  expect(events[0]?.rule).toBe('calm up to 0.06 while happy is above 0.1');
  expect(limbic?.tokens?.map(({ steer }) => steer?.['calm'] ?? 0)).toEqual([
    0, 0.1, 0.2, 0, 0.1, 0,
  ]);
});

test('a thermostat regulates the toy engine itself', async () => {
  const thermostat = { watch: 'happy', above: -1000, gain: 5, limit: 0.25 };
  const { limbic } = await reply(appWith([]), { limbic: { emotions: ['happy'], thermostat } });
  // The first token is read before there is a reading to act on.
  expect(limbic?.tokens?.map(({ steer }) => steer?.['calm'] ?? 0)).toEqual([
    0,
    ...Array.from({ length: 19 }, () => 0.25),
  ]);
  expect(limbic?.events).toMatchObject([{ index: 1, kind: 'thermostat-on' }]);
});

test('the webhook hears of rules and its failures never reach the client', async () => {
  const heard: unknown[] = [];
  const hook = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      heard.push(JSON.parse(text));
      response.statusCode = heard.length > 1 ? 500 : 200;
      response.end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  const webhook = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  try {
    const app = appWith(['calm > -1000 for 3 tokens'], { webhook });
    const first = await reply(app);
    await expect.poll(() => heard.length).toBe(1);
    expect(heard[0]).toMatchObject({
      event: { index: 2, kind: 'rule', emotion: 'calm' },
      reply: first.id,
      model: 'toy',
    });
    await reply(app);
    const failures = async (): Promise<string> => (await app.request('/metrics')).text();
    await expect.poll(failures).toContain('limbic_webhook_failures_total 1');
    hook.close();
    hook.closeAllConnections();
    expect((await reply(app)).choices[0]?.finish_reason).toBe('length');
    await expect.poll(failures).toContain('limbic_webhook_failures_total 2');
  } finally {
    hook.close();
  }
});
