/**
 * @file Chat models behind an API, over real connections: every wire format and every way to fail, so that no reply
 * is lost, wrong or paid for twice, and no key is ever shown.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';

import { expect, test, vi } from 'vitest';

import { BudgetError, InvalidInputError, ReplyError, UnavailableError } from '../src/errors.ts';
import { Budget, withBudget } from '../src/providers/budget.ts';
import type { ChatRequest } from '../src/providers/chat-model.ts';
import { parseModelName } from '../src/providers/model-name.ts';
import { openRemote, type RemoteModel, type RemoteOptions } from '../src/providers/remote.ts';
import { usageOf } from '../src/providers/request-shape.ts';
import {
  type Fault,
  type ProviderServer,
  type ProviderServerOptions,
  serverKey,
  startProviderServer,
  type WireFormat,
} from './provider-server.ts';

const formats: readonly WireFormat[] = ['openai', 'compatible', 'anthropic', 'google'];
const never = new AbortController().signal;

function ask(text: string, more: Partial<ChatRequest> = {}): ChatRequest {
  return {
    messages: [{ role: 'user', content: text }],
    maxTokens: 50,
    temperature: 0.5,
    seed: 7,
    key: `key-${text.replaceAll(' ', '-')}`,
    ...more,
  };
}

/** A model of the server, with waits between tries of a few milliseconds. */
function open(
  server: ProviderServer,
  format: WireFormat,
  more: RemoteOptions & { name?: string } = {},
): RemoteModel {
  const { name, ...options } = more;
  return openRemote(parseModelName(server.model(format, name)), {
    env: server.env,
    random: () => 0.01,
    onWarning: (text) => {
      throw new Error(`a warning that was not expected: ${text}`);
    },
    ...options,
  });
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('expected a failure, got none');
    },
    (error: unknown) => error as Error,
  );
}

/** One server and one model; most tests need no more. */
async function with1(
  format: WireFormat,
  options: ProviderServerOptions & { open?: RemoteOptions & { name?: string } },
  run: (model: RemoteModel, server: ProviderServer) => Promise<void>,
): Promise<void> {
  await using server = await startProviderServer(options);
  await using model = open(server, format, options.open);
  await run(model, server);
}

test.each(formats)('%s: a conversation goes there and its answer comes back', async (format) => {
  await with1(
    format,
    { answer: (messages) => `${messages.length} messages` },
    async (model, server) => {
      const messages = [
        { role: 'system', content: 'Be brief.' },
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'one two' },
        { role: 'assistant', content: 'three' },
        { role: 'user', content: 'four?' },
      ] as const;
      const reply = await model.reply(ask('x', { messages, key: 'abc' }), never);
      expect(reply).toEqual({
        text: '4 messages',
        stopReason: 'end',
        // Words: Be brief. Be kind. one two three four?
        usage: { read: 8, written: 2 },
        tries: 1,
      });
      const [seen] = server.requests;
      expect(seen?.messages).toEqual([
        { role: 'system', content: 'Be brief.\n\nBe kind.' },
        ...messages.slice(2),
      ]);
      expect(seen?.headers['idempotency-key']).toBe('abc');
      const settings = {
        openai: { max_tokens: 50, temperature: 0.5, seed: 7 },
        compatible: { max_tokens: 50, temperature: 0.5, seed: 7 },
        anthropic: { max_tokens: 50, temperature: 0.5 },
        google: { generationConfig: { maxOutputTokens: 50, temperature: 0.5, seed: 7 } },
      }[format];
      expect(seen?.body).toMatchObject(settings);
      expect(model.counts).toEqual({
        requests: 1,
        retries: 0,
        rateLimited: 0,
        failed: 0,
        inFlight: 0,
        limit: 4,
      });
    },
  );
});

test.each(formats)('%s: why an answer ended', async (format) => {
  for (const stop of ['length', 'filter'] as const) {
    await with1(format, { answer: () => ({ text: 'cut of', stop }) }, async (model) => {
      expect(await model.reply(ask('x'), never)).toMatchObject({
        text: 'cut of',
        stopReason: stop,
      });
    });
  }
});

test.each(formats)('%s: tokens that are not counted are a quarter of the bytes', async (format) => {
  await with1(format, { counts: false, answer: () => 'xyz' }, async (model) => {
    // 10 bytes, as ü has two: 2.5, rounded up.
    expect((await model.reply(ask('abcdefgü..'.slice(0, 9)), never)).usage).toEqual({
      read: 3,
      written: 1,
    });
  });
});

const passing: readonly (readonly [string, Fault, number])[] = [
  ['429', { kind: 'status', status: 429 }, 1],
  ['429 with Retry-After', { kind: 'status', status: 429, headers: { 'retry-after': '0.1' } }, 1],
  ['503', { kind: 'status', status: 503 }, 1],
  ['529', { kind: 'status', status: 529 }, 1],
  ['500', { kind: 'status', status: 500 }, 0],
  ['408', { kind: 'status', status: 408 }, 0],
  ['409', { kind: 'status', status: 409 }, 0],
  ['a connection that is cut', { kind: 'cut' }, 0],
  ['a body that is no JSON', { kind: 'malformed' }, 0],
];

test.each(
  formats.flatMap((format) => passing.map(([what, ...rest]) => [format, what, ...rest] as const)),
)('%s: %s passes', async (format, _what, fault, rateLimited) => {
  const options = { fault: ({ number }: { number: number }) => (number === 1 ? fault : null) };
  await with1(format, options, async (model, server) => {
    expect(await model.reply(ask('hello'), never)).toMatchObject({ text: 'echo: hello', tries: 2 });
    expect(server.paid).toEqual(new Map([['key-hello', 1]]));
    expect(model.counts).toMatchObject({ requests: 2, retries: 1, rateLimited, failed: 0 });
    expect(model.counts.limit).toBe(rateLimited === 1 ? 2 : 4);
  });
});

test.each(formats)('%s: an answer that takes too long is asked for again', async (format) => {
  const options: ProviderServerOptions = {
    fault: ({ number }) => (number === 1 ? { kind: 'slow', milliseconds: 2000 } : null),
  };
  await with1(format, { ...options, open: { timeout: 150 } }, async (model) => {
    const start = performance.now();
    expect(await model.reply(ask('hello'), never)).toMatchObject({ text: 'echo: hello', tries: 2 });
    expect(performance.now() - start).toBeLessThan(1500);
  });
});

test.each(formats)('%s: a bad key is told at once, and not shown', async (format) => {
  await using server = await startProviderServer();
  const bad = 'sk-secret-that-nobody-may-see';
  const env = Object.fromEntries(
    Object.entries(server.env).map(([name, value]) => [name, value === serverKey ? bad : value]),
  );
  await using model = open(server, format, { env });
  const error = await failure(model.reply(ask('x'), never));
  expect(error).toBeInstanceOf(UnavailableError);
  // The server says the key, and we do not.
  expect(error.message).toContain('HTTP 401: bad key [key]');
  expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(bad);
  expect(inspect(model, { depth: 20, showHidden: true })).not.toContain(bad);
  expect((error as UnavailableError).hint).toMatch(/_API_KEY/);
  expect(model.counts).toMatchObject({ requests: 1, failed: 1 });
});

test.each([
  [403, UnavailableError],
  [404, UnavailableError],
  [402, UnavailableError],
  [307, UnavailableError],
  [400, ReplyError],
  [413, ReplyError],
  [422, ReplyError],
])('HTTP %i is not asked again', async (status, kind) => {
  const fault: Fault = { kind: 'status', status, headers: { location: '/elsewhere' } };
  await with1('anthropic', { fault: () => fault }, async (model, server) => {
    const error = await failure(model.reply(ask('x'), never));
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toContain(`HTTP ${status}`);
    expect(server.requests).toHaveLength(1);
  });
});

test('an account without money is not asked again', async () => {
  const fault: Fault = { kind: 'status', status: 429, message: 'insufficient_quota: pay first' };
  await with1('openai', { fault: () => fault }, async (model, server) => {
    expect(await failure(model.reply(ask('x'), never))).toBeInstanceOf(UnavailableError);
    expect(server.requests).toHaveLength(1);
  });
});

test.each([
  ['status', { kind: 'status', status: 500 }, UnavailableError],
  ['status', { kind: 'status', status: 429 }, UnavailableError],
  ['cut', { kind: 'cut' }, UnavailableError],
  ['malformed', { kind: 'malformed' }, ReplyError],
] as const)('gives up after eight tries: %s', async (_what, fault, kind) => {
  await with1(
    'openai',
    { fault: () => fault, open: { random: () => 0.001 } },
    async (model, server) => {
      const error = await failure(model.reply(ask('x'), never));
      expect(error).toBeInstanceOf(kind);
      expect(error.message).toContain('8 tries');
      expect(server.requests).toHaveLength(8);
      expect(new Set(server.requests.map(({ key }) => key)).size).toBe(1);
      expect(model.counts).toMatchObject({ requests: 8, retries: 7, failed: 1, inFlight: 0 });
    },
  );
});

test('a server that is not there', async () => {
  const server = await startProviderServer();
  await server[Symbol.asyncDispose]();
  await using model = open(server, 'openai', { random: () => 0.001 });
  expect(await failure(model.reply(ask('x'), never))).toBeInstanceOf(UnavailableError);
  expect(model.counts.requests).toBe(8);
});

test('Retry-After holds all requests of the model back', async () => {
  const fault: Fault = { kind: 'status', status: 429, headers: { 'retry-after-ms': '300' } };
  const options: ProviderServerOptions = { fault: ({ number }) => (number === 1 ? fault : null) };
  await with1('openai', { ...options, latency: 20 }, async (model, server) => {
    const replies = Array.from({ length: 12 }, (_, i) => model.reply(ask(`text ${i}`), never));
    const texts = (await Promise.all(replies)).map(({ text }) => text);
    expect(texts).toEqual(Array.from({ length: 12 }, (_, i) => `echo: text ${i}`));
    // Four were under way; the others are all after the pause, which began when the answer had come.
    const start = server.requests[0]!.at;
    const later = server.requests.slice(4).map(({ at }) => at - start);
    expect(later).toHaveLength(9);
    expect(Math.min(...later)).toBeGreaterThanOrEqual(310);
    expect(Math.min(...later)).toBeLessThan(1500);
  });
});

test('a wait of hours ends the run', async () => {
  const fault: Fault = { kind: 'status', status: 429, headers: { 'retry-after': '7200' } };
  await with1('google', { fault: () => fault }, async (model) => {
    const error = await failure(model.reply(ask('x'), never));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toContain('120 minutes');
  });
});

test.each([
  ['during an answer', { latency: 5000 }],
  [
    'during a pause',
    { fault: () => ({ kind: 'status', status: 429, headers: { 'retry-after': '5' } }) as const },
  ],
  ['between tries', { fault: () => ({ kind: 'status', status: 500 }) as const }],
] as const)('stops at once: %s', async (_what, options) => {
  await with1('openai', { ...options, open: { random: () => 1 } }, async (model) => {
    const stop = new AbortController();
    const replies = Array.from({ length: 30 }, (_, i) =>
      failure(model.reply(ask(`${i}`), stop.signal)),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    const start = performance.now();
    stop.abort(new Error('enough'));
    for (const error of await Promise.all(replies)) expect(error.name).toBe('AbortError');
    expect(performance.now() - start).toBeLessThan(300);
    expect(model.counts).toMatchObject({ failed: 0, inFlight: 0 });
    expect((await failure(model.reply(ask('late'), stop.signal))).name).toBe('AbortError');
  });
});

test('an answer under way is waited for in its time of grace, and nothing else is', async () => {
  await with1('openai', { latency: 400, open: { grace: 2000 } }, async (model) => {
    const stop = new AbortController();
    const replies = Array.from({ length: 30 }, (_, i) =>
      model.reply(ask(`${i}`), stop.signal).then(
        ({ text }) => text,
        (error: Error) => error.name,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    const underWay = model.counts.inFlight;
    const start = performance.now();
    stop.abort(new Error('enough'));
    const ended = await Promise.all(replies);
    expect(performance.now() - start).toBeLessThan(1500);
    expect(underWay).toBeGreaterThan(0);
    expect(ended.filter((end) => end !== 'AbortError')).toHaveLength(underWay);
    expect(model.counts).toMatchObject({ requests: underWay, failed: 0, inFlight: 0 });
  });
  await with1('openai', { latency: 5000, open: { grace: 200 } }, async (model) => {
    const stop = new AbortController();
    const reply = failure(model.reply(ask('slow'), stop.signal));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const start = performance.now();
    stop.abort(new Error('enough'));
    expect((await reply).name).toBe('AbortError');
    expect(performance.now() - start).toBeGreaterThan(150);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

test('a model that was closed answers no more', async () => {
  await with1('openai', { latency: 5000 }, async (model) => {
    const reply = failure(model.reply(ask('x'), never));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await model[Symbol.asyncDispose]();
    expect((await reply).name).toBe('DisposedError');
    expect((await failure(model.reply(ask('x'), never))).name).toBe('DisposedError');
  });
});

test.each(formats)(
  '%s: a storm of faults loses nothing and pays for nothing twice',
  async (format) => {
    const faults: readonly (Fault | null)[] = [
      null,
      { kind: 'status', status: 429, headers: { 'retry-after-ms': '5' } },
      { kind: 'cut' },
      null,
      { kind: 'status', status: 500 },
      { kind: 'malformed' },
      null,
      { kind: 'status', status: 529 },
    ];
    const options: ProviderServerOptions = {
      latency: 3,
      // By text and try, so that it is the same whatever the order; the fifth try is always good.
      fault: ({ messages, tryNumber }) =>
        tryNumber > 4 ? null : faults[(Number(messages[0]!.content) * 3 + tryNumber) % 8]!,
    };
    await with1(format, { ...options, open: { width: 16 } }, async (model, server) => {
      const warnings: string[] = [];
      const onWarning = (warning: Error): void => void warnings.push(warning.message);
      process.on('warning', onWarning);
      const stop = new AbortController();
      const numbers = Array.from({ length: 80 }, (_, i) => i);
      const replies = await Promise.all(numbers.map((i) => model.reply(ask(`${i}`), stop.signal)));
      expect(replies.map(({ text }) => text)).toEqual(numbers.map((i) => `echo: ${i}`));
      expect(server.paid.size).toBe(80);
      expect(new Set(server.paid.values())).toEqual(new Set([1]));
      expect(server.mostAtOnce).toBeLessThanOrEqual(16);
      const { counts } = model;
      expect(counts.requests).toBe(server.requests.length);
      expect(counts.retries).toBe(counts.requests - 80);
      expect(replies.reduce((sum, { tries }) => sum + tries, 0)).toBe(counts.requests);
      expect(counts).toMatchObject({ failed: 0, inFlight: 0 });
      process.off('warning', onWarning);
      expect(warnings).toEqual([]);
    });
  },
);

test('grows to its width when all goes well', async () => {
  await with1('google', { latency: 40, open: { width: 10 } }, async (model, server) => {
    await Promise.all(Array.from({ length: 80 }, (_, i) => model.reply(ask(`${i}`), never)));
    expect(model.counts.limit).toBe(10);
    expect(server.mostAtOnce).toBe(10);
  });
});

test('a hard budget is never gone over by many at once', async () => {
  const price = { read: 100, written: 1000 };
  await with1('openai', { latency: 3, answer: () => 'one two three' }, async (model, server) => {
    // At most (7 + 16) * 100 + 50 * 1000 = 52,300 millionths each; in truth 2 * 100 + 3 * 1000 = 3,200.
    const budget = new Budget(0.1);
    const paid = withBudget(model, budget, price);
    const ends = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        paid.reply(ask(`text ${10 + i}`), never).then(
          () => 'good',
          (error: unknown) => (error instanceof BudgetError ? 'refused' : String(error)),
        ),
      ),
    );
    const charged =
      (server.charged.read * price.read + server.charged.written * price.written) / 1e6;
    expect(charged).toBeLessThanOrEqual(budget.limit);
    expect(budget.spent).toBeCloseTo(charged, 9);
    // The last one that fits begins at no more than 47,700: 14 before it make 44,800, 15 make 48,000.
    expect(ends.filter((end) => end === 'good')).toHaveLength(15);
    expect(ends.filter((end) => end === 'refused')).toHaveLength(45);
  });
});

test('a model that takes no temperature is asked without, and that is said once', async () => {
  const console = vi.spyOn(globalThis.console, 'warn');
  const warnings: string[] = [];
  const options = {
    open: { name: 'gpt-5-mini', onWarning: (text: string) => warnings.push(text) },
  };
  await with1('openai', options, async (model, server) => {
    for (const text of ['a', 'b']) await model.reply(ask(text), never);
    expect(server.requests.map(({ body }) => body['temperature'])).toEqual([undefined, undefined]);
    expect(server.requests[0]?.body['max_completion_tokens']).toBe(50);
    expect(warnings).toEqual(['temperature is not supported for reasoning models']);
    expect(console).not.toHaveBeenCalled();
  });
});

test('a setting that a server refuses is left out from then on', async () => {
  const warnings: string[] = [];
  const refuse = (message: string): Fault => ({ kind: 'status', status: 400, message });
  const options: ProviderServerOptions = {
    fault: ({ body }) => {
      if ('temperature' in body) return refuse('Unsupported value: temperature');
      if ('response_format' in body) return refuse('unknown field response_format');
      return null;
    },
  };
  const onWarning = (text: string): void => void warnings.push(text);
  await with1('compatible', { ...options, open: { onWarning } }, async (model, server) => {
    const schema = { type: 'object' };
    expect((await model.reply(ask('a', { schema }), never)).tries).toBe(3);
    expect((await model.reply(ask('b', { schema }), never)).tries).toBe(1);
    expect(server.requests.at(-1)?.body).toMatchObject({ seed: 7 });
    expect(warnings).toHaveLength(2);
  });
});

test.each(formats)('%s: a reply is held to a schema', async (format) => {
  const schema = {
    type: 'object',
    properties: { grade: { type: 'integer' } },
    required: ['grade'],
    additionalProperties: false,
  };
  const name = format === 'anthropic' ? 'claude-haiku-4-5' : 'toy-1';
  await with1(format, { answer: () => '{"grade":3}', open: { name } }, async (model, server) => {
    expect((await model.reply(ask('x', { schema }), never)).text).toBe('{"grade":3}');
    expect(JSON.stringify(server.requests[0]?.body)).toMatch(/"grade":\{"type":"integer"\}/);
  });
});

test.each(formats)('%s: what no provider takes is refused before it is sent', async (format) => {
  await with1(format, {}, async (model, server) => {
    const user = { role: 'user', content: 'x' } as const;
    const system = { role: 'system', content: 'y' } as const;
    for (const messages of [[], [system], [user, system]]) {
      expect(await failure(model.reply(ask('x', { messages }), never))).toBeInstanceOf(
        InvalidInputError,
      );
    }
    expect(server.requests).toHaveLength(0);
  });
});

test.each([
  ['openai', 'OPENAI_API_KEY'],
  ['anthropic', 'ANTHROPIC_API_KEY'],
  ['google', 'GOOGLE_GENERATIVE_AI_API_KEY or GEMINI_API_KEY'],
] as const)('%s: no key is told before anything is sent', (format, variables) => {
  const name = parseModelName(`${format}:x`);
  expect(() => openRemote(name, { env: {} })).toThrow(InvalidInputError);
  expect(() => openRemote(name, { env: {} })).toThrow(`expected a key in ${variables}, got none`);
});

test('keys: the second name for Google, none for a compatible server, spaces around one', async () => {
  await using server = await startProviderServer();
  const { GOOGLE_BASE_URL } = server.env;
  for (const [format, env] of [
    ['google', { GOOGLE_BASE_URL, GEMINI_API_KEY: ` ${serverKey}\n` }],
    ['compatible', {}],
  ] as const) {
    await using model = open(server, format, { env });
    expect((await model.reply(ask('x'), never)).text).toBe('echo: x');
  }
  expect(server.requests[1]?.headers.authorization).toBeUndefined();
  const broken = { OPENAI_API_KEY: 'two words' };
  expect(() => openRemote(parseModelName('openai:x'), { env: broken })).toThrow(/without spaces/);
  const local = parseModelName('local:x');
  expect(() => openRemote(local, { env: {} })).toThrow(InvalidInputError);
});

test('a key that no header can carry goes as its hash', async () => {
  await with1('openai', {}, async (model, server) => {
    await model.reply(ask('x', { key: 'drei Wörter hier' }), never);
    expect(server.requests[0]?.key).toMatch(/^[0-9a-f]{64}$/);
  });
});

test('a key that would go over the network in the open is warned of', () => {
  const warnings: string[] = [];
  const onWarning = (text: string): void => void warnings.push(text);
  const env = { COMPATIBLE_API_KEY: serverKey };
  openRemote(parseModelName('compatible:http://127.0.0.1:1/v1#x'), { env, onWarning });
  expect(warnings).toEqual([]);
  openRemote(parseModelName('compatible:http://example.com/v1#x'), { env, onWarning });
  expect(warnings).toEqual(['the key goes to http://example.com/v1 without encryption']);
});

test('an answer that unpacks to more than a reply can have is given up at the first try', async () => {
  const zeros = gzipSync(Buffer.alloc(40_000_000, ' '));
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    response.end(zeros);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await using model = openRemote(parseModelName(`compatible:http://127.0.0.1:${port}/v1#m`), {
    env: {},
  });
  const error = await failure(model.reply(ask('Hi'), never));
  server.close();
  expect(error).toBeInstanceOf(ReplyError);
  expect(error.message).toMatch(/: an answer of more than 32 MB$/);
});

test('tokens that are no number of tokens are neither booked nor paid back', async () => {
  const request = ask('four');
  for (const counted of [-5, 1.5, 1e300, 0, undefined]) {
    const usage = usageOf(request, 'answer', { inputTokens: counted, outputTokens: counted });
    expect(usage).toEqual({ read: 1, written: 2 });
  }
});
