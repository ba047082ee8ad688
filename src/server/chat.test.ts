import OpenAI, { APIError } from 'openai';
import type { ChatCompletionChunk, ChatCompletionCreateParamsNonStreaming } from 'openai/resources';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { openToyLab, plainDeps } from '../../test/toy-server.ts';
import {
  chatChunkSchema,
  type ChatRequestInput,
  chatResponseSchema,
  type ChatResponse,
  type LimbicResponse,
  usualThermostat,
} from '../api/chat.ts';
import type { GenerateRequest, Model } from '../engine/engine.ts';
import { jsonObjectGrammar } from '../engine/json-grammar.ts';
import { EngineError } from '../errors.ts';
import { buildSteering, coherenceLimit, totalDose } from '../steering/steering.ts';
import { centreAndSpread } from '../vectors/calibration.ts';
import { makeProbe } from '../vectors/pack.ts';
import { createApp } from './app.ts';
import { type ListeningServer, startServer } from './listen.ts';

const lab = await openToyLab();
const deps = plainDeps(lab);
const local = { host: '127.0.0.1', port: 0 };
let server: ListeningServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startServer(createApp(deps), local);
  client = clientOf(server);
});
afterAll(() => server.close({ graceMs: 0 }));

function clientOf({ url }: ListeningServer): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
}

const ask: ChatCompletionCreateParamsNonStreaming = {
  model: 'toy',
  messages: [{ role: 'user', content: 'Hello' }],
  max_tokens: 24,
  seed: 5,
};
async function failure(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof APIError))
    throw new TypeError(`expected an APIError, got ${String(error)}`);
  return {
    status: error.status as number,
    code: error.code,
    param: error.param,
    message: error.message,
    retry: (error.headers as Headers).get('x-should-retry'),
  };
}
async function chunksOf(body: object, from = client): Promise<ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of await from.chat.completions.create({ ...ask, ...body, stream: true }))
    chunks.push(chunk);
  return chunks;
}
const textOf = (chunks: readonly ChatCompletionChunk[]): string =>
  chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
const limbicOf = (chunks: readonly ChatCompletionChunk[]): LimbicResponse[] =>
  chunks.flatMap((chunk) => (chunk as { limbic?: LimbicResponse }).limbic ?? []);

/** The route without a socket. */
async function reply(
  body: Partial<ChatRequestInput>,
  model: Model = lab.model,
): Promise<ChatResponse> {
  const response = await createApp({ ...deps, model }).request('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...ask, ...body }),
  });
  const value: unknown = await response.json();
  expect(response.status, JSON.stringify(value)).toBe(200);
  return chatResponseSchema.parse(value);
}

test('the openai client gets a whole reply with its usage', async () => {
  const completion = await client.chat.completions.create(ask);
  expect(completion).toMatchObject({ object: 'chat.completion', model: 'toy' });
  expect(completion.id).toMatch(/^chatcmpl-/);
  expect(Math.abs(completion.created - Date.now() / 1000)).toBeLessThan(10);
  expect(completion.choices).toHaveLength(1);
  expect(completion.choices[0]?.message.content?.length).toBeGreaterThan(0);
  expect(completion.choices[0]?.finish_reason).toBe('length');
  const prompt = '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n';
  const promptTokens = (await lab.model.tokenize(prompt, { parseSpecial: true })).length;
  expect(completion.usage).toMatchObject({
    prompt_tokens: promptTokens,
    completion_tokens: 24,
    total_tokens: promptTokens + 24,
  });
  expect('limbic' in completion).toBe(false);
});

test('the openai client streams the same reply, token by token, with usage when asked', async () => {
  const whole = await client.chat.completions.create(ask);
  const chunks = await chunksOf({ stream_options: { include_usage: true } });
  expect(textOf(chunks)).toBe(whole.choices[0]?.message.content);
  expect(chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' });
  expect(chunks.length).toBeGreaterThan(3);
  const finishes = chunks.map(({ choices }) => choices[0]?.finish_reason);
  expect(finishes.filter((finish) => finish != null)).toEqual(['length']);
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 24 } });
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  const without = await chunksOf({});
  expect(without.every(({ usage }) => usage === undefined)).toBe(true);
});

test('every chunk fits the schema and the stream ends with [DONE]', async () => {
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...ask,
      stream: true,
      logprobs: true,
      limbic: { top: 2, prompt: true },
    }),
  });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const events = (await response.text()).split('\n\n').filter((event) => event !== '');
  expect(events.at(-1)).toBe('data: [DONE]');
  for (const event of events.slice(0, -1))
    chatChunkSchema.parse(JSON.parse(event.replace(/^data: /, '')));
});

test('the same seed gives the same reply, and none gives another each time', async () => {
  const texts = async (body: object): Promise<number> => {
    const replies = await Promise.all([1, 2, 3].map(() => reply(body)));
    return new Set(replies.map(({ choices }) => choices[0]?.message.content)).size;
  };
  expect(await texts({})).toBe(1);
  expect(await texts({ seed: null })).toBeGreaterThan(1);
});

test('logprobs come with their text, bytes and alternatives, whole and streamed', async () => {
  const body = { logprobs: true, top_logprobs: 3, temperature: 0 };
  const whole = await client.chat.completions.create({ ...ask, ...body });
  const content = whole.choices[0]?.logprobs?.content ?? [];
  expect(content).toHaveLength(24);
  for (const { token, logprob, bytes, top_logprobs: top } of content) {
    expect(bytes).toEqual([...Buffer.from(token)]);
    expect(top).toHaveLength(3);
    // Greedy: the token is its own best alternative.
    expect(top[0]?.logprob).toBe(logprob);
    expect(logprob).toBeLessThanOrEqual(0);
  }
  const chunks = await chunksOf(body);
  expect(chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? [])).toEqual(content);
});

test('a stop text ends the reply and no part of it is ever sent', async () => {
  const full = (await client.chat.completions.create({ ...ask, max_tokens: 60 })).choices[0]
    ?.message.content as string;
  const stop = full.slice(20, 24);
  const expected = full.slice(0, full.indexOf(stop));
  const whole = await client.chat.completions.create({ ...ask, max_tokens: 60, stop });
  expect(whole.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: expected } });
  const chunks = await chunksOf({ max_tokens: 60, stop: ['never there', stop] });
  expect(textOf(chunks)).toBe(expected);
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop');
});

test('temperature, top_p, seed, limits and formats reach the engine, with the defaults of the API', async () => {
  const seen: GenerateRequest[] = [];
  const model: Model = {
    ...lab.model,
    generate: (requests, options) => {
      seen.push(...requests);
      const [request] = requests;
      const { prompt, maxTokens } = request!;
      return lab.model.generate([{ prompt, maxTokens: Math.min(maxTokens, 4) }], options);
    },
  };
  const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
  await reply({ max_completion_tokens: 3 }, model);
  await reply({ temperature: 0.2, top_p: 0.5, response_format: { type: 'json_object' } }, model);
  const format = { type: 'json_schema', json_schema: { name: 'x', schema } } as const;
  await reply({ response_format: format, max_tokens: 5000 }, model);
  expect(seen[0]).toMatchObject({ temperature: 1, topP: 1, seed: 5, maxTokens: 3 });
  expect(seen[1]).toMatchObject({ temperature: 0.2, topP: 0.5, grammar: jsonObjectGrammar });
  expect(seen[2]?.grammar).toContain('root ::=');
  expect(seen[2]?.maxTokens).toBe(lab.model.info.contextLength - seen[2]!.prompt.length);
});

test('readings, steering and the strongest emotions come in the field limbic', async () => {
  const steer = { calm: 0.1, happy: 0 };
  const { limbic } = await reply({ limbic: { steer, emotions: ['sad', 'calm'], top: 2 } });
  const steering = buildSteering(lab.pack, [{ emotion: 'calm', dose: 0.1 }]);
  expect(limbic?.layer).toBe(lab.pack.bestLayer);
  expect(limbic?.steer).toEqual(steer);
  expect(limbic?.strength).toBeCloseTo(totalDose(lab.pack, steering), 3);
  expect(limbic?.tokens?.map(({ index }) => index)).toEqual(
    Array.from({ length: 24 }, (_, i) => i),
  );
  // The same reply from the engine directly, read by the pack's own probe.
  const prompt = await lab.model.tokenize(
    '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n',
    { parseSpecial: true },
  );
  const request = { prompt, maxTokens: 24, seed: 5, temperature: 1 };
  const probes = [makeProbe(lab.pack, lab.pack.emotions, lab.pack.bestLayer)];
  const [direct] = await lab.model.generate([request], { steering, probes });
  for (const [i, token] of limbic?.tokens?.entries() ?? []) {
    const { readings, token: id } = direct!.tokens[i]!;
    const of = (name: string): number => readings[lab.pack.emotions.indexOf(name)]!;
    expect(token.token).toBe(id);
    expect(Object.keys(token.readouts)).toEqual(['sad', 'calm']);
    expect(token.readouts['calm']).toBeCloseTo(of('calm'), 4);
    const ranked = lab.pack.emotions
      .map((name) => {
        const { median, spread } = centreAndSpread(lab.pack, name);
        return [name, (of(name) - median) / spread] as const;
      })
      .toSorted(([, a], [, b]) => b - a);
    expect(token.top?.map(([name]) => name)).toEqual(ranked.slice(0, 2).map(([name]) => name));
    expect(token.top?.[0]?.[1]).toBeCloseTo(ranked[0]![1], 1);
  }
});

test('a stream carries the same readings as a whole reply, each once', async () => {
  const limbic = { emotions: ['calm'], prompt: true };
  const whole = await reply({ limbic });
  const chunks = limbicOf(await chunksOf({ limbic }));
  expect(chunks.flatMap(({ tokens }) => tokens ?? [])).toEqual(whole.limbic?.tokens);
  expect(chunks.flatMap(({ prompt }) => prompt ?? [])).toEqual(whole.limbic?.prompt);
  expect(whole.limbic?.prompt).toHaveLength(whole.usage.prompt_tokens);
  expect(whole.limbic?.prompt?.[2]?.text).toBe('u');
});

test('a thermostat that may go beyond the limit is warned of, also beside steering', async () => {
  const warningOf = async (limbic: object, parts = deps): Promise<string | undefined> => {
    const response = await createApp(parts).request('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...ask, max_tokens: 1, limbic }),
    });
    return chatResponseSchema.parse(await response.json()).limbic?.warning;
  };
  const perDose = totalDose(lab.pack, buildSteering(lab.pack, [{ emotion: 'calm', dose: 1 }]));
  const thermostat = { watch: 'happy', above: 0.1, with: 'calm', limit: 0.5 / perDose };
  expect(await warningOf({ thermostat })).toBeUndefined();
  const strong = { ...thermostat, limit: 0.9 / perDose };
  const words = 'strength 0.9 with the thermostat at its limit: above 0.7';
  expect(await warningOf({ thermostat: strong })).toContain(words);
  expect(await warningOf({}, { ...deps, thermostat: { ...strong, gain: 1 } })).toContain(words);
  // 0.3 of the same emotion is added to 0.5; of the opposite side it is taken away.
  const beside = { thermostat, steer: { calm: 0.3 / perDose } };
  expect(await warningOf(beside)).toContain('strength 0.8 with the thermostat');
  expect(await warningOf({ thermostat, steer: { calm: -0.3 / perDose } })).toBeUndefined();
  expect(await warningOf({ thermostat, steer: { calm: -0.8 / perDose } })).toMatch(
    /^strength 0.8:/,
  );
});

test('the default limit of a thermostat is no dose that is warned of on the default model', () => {
  // 11 steered layers.
  expect(usualThermostat.limit * 11).toBeLessThan(coherenceLimit);
});

test('strong steering is warned of, and a client that asks for nothing is read nothing', async () => {
  const { limbic } = await reply({ limbic: { steer: { calm: 2 } } });
  expect(limbic?.warning).toContain('fall apart');
  expect((await reply({ limbic: { steer: { calm: 0.01 } } })).limbic?.warning).toBeUndefined();
  let probes: unknown = 'not called';
  const model: Model = {
    ...lab.model,
    generate: (requests, options) => {
      ({ probes } = options ?? {});
      return lab.model.generate(requests, options);
    },
  };
  await reply({}, model);
  expect(probes).toBeUndefined();
});

test('a conversation that goes on takes its beginning from the cache', async () => {
  const messages = [{ role: 'user', content: 'A long enough message to be kept' }] as const;
  await reply({ messages: [...messages] });
  const again = await reply({ messages: [...messages] });
  expect(again.usage.prompt_tokens_details?.cached_tokens).toBeGreaterThan(10);
});

test('errors have the shape that the openai client expects', async () => {
  const create = (body: object): Promise<Record<string, unknown>> =>
    failure(client.chat.completions.create({ ...ask, ...body }));
  expect(await create({ model: 'gpt-4o' })).toMatchObject({
    status: 404,
    code: 'model_not_found',
    param: 'model',
    message: expect.stringContaining('"toy"'),
  });
  expect(await create({ n: 2 })).toMatchObject({ status: 400, param: 'n' });
  expect(await create({ messages: [] })).toMatchObject({ status: 400, param: 'messages' });
  expect(await create({ temperature: 9 })).toMatchObject({ status: 400, param: 'temperature' });
  expect(await create({ messages: [{ role: 'user', content: 'a'.repeat(2000) }] })).toMatchObject({
    status: 400,
    code: 'context_length_exceeded',
    param: 'messages',
  });
  expect(await create({ limbic: { emotions: ['hapy'] } })).toMatchObject({
    status: 400,
    code: 'unknown_emotion',
    message: expect.stringContaining('did you mean happy'),
  });
  expect(await create({ limbic: { steer: { nobody: 0.1 } } })).toMatchObject({ status: 400 });
  expect(await create({ response_format: { type: 'json_object' } })).toMatchObject({
    status: 400,
    message: expect.stringContaining('grammar'),
  });
  expect(await failure(chunksOf({ response_format: { type: 'json_object' } }))).toMatchObject({
    status: 400,
  });
});

test('models are listed and found by the openai client', async () => {
  const page = await client.models.list();
  expect(page.data.map(({ id }) => id)).toEqual(['toy']);
  expect((await client.models.retrieve('toy')).object).toBe('model');
  expect(await failure(client.models.retrieve('a/b'))).toMatchObject({ code: 'model_not_found' });
});

/** A model whose engine dies after some tokens of each of the first calls. */
function mortal(deaths: number, after: number): Model & { calls: GenerateRequest[] } {
  const calls: GenerateRequest[] = [];
  return {
    ...lab.model,
    calls,
    generate: async (requests, options = {}) => {
      calls.push(...requests);
      if (calls.length > deaths) return lab.model.generate(requests, options);
      const end = new AbortController();
      let count = 0;
      try {
        return await lab.model.generate(requests, {
          ...options,
          signal: end.signal,
          onToken: (token) => {
            if (count++ < after) options.onToken?.(token);
            else end.abort();
          },
        });
      } catch {
        throw new EngineError('the engine died');
      }
    },
  };
}

test('a reply goes on unbroken when the engine dies', async () => {
  const body = { limbic: { emotions: ['calm'] }, logprobs: true };
  const unbroken = await reply(body);
  const model = mortal(2, 7);
  const broken = await reply(body, model);
  expect(broken.choices).toEqual(unbroken.choices);
  expect(broken.limbic?.tokens?.map(({ index, token }) => [index, token])).toEqual(
    unbroken.limbic?.tokens?.map(({ index, token }) => [index, token]),
  );
  expect(broken.usage.completion_tokens).toBe(24);
  expect(model.calls.map(({ written }) => written?.length ?? 0)).toEqual([0, 7, 14]);
});

test('text that was held back is not lost when the engine dies', async () => {
  const text = (await reply({})).choices[0]!.message.content;
  // The reply ends with what could be the beginning of this stop text, so its end waits to the last.
  const body = { stop: `${text.slice(-3)}never` };
  expect((await reply(body, mortal(1, 7))).choices[0]?.message.content).toBe(text);
  const stop = text.slice(9, 13);
  const cut = await reply({ stop }, mortal(1, 5));
  expect(cut.choices[0]?.message.content).toBe(text.slice(0, text.indexOf(stop)));
});

test('a request that kills every engine ends with 503 before the first token, and an error after it', async () => {
  const early = await startServer(createApp({ ...deps, model: mortal(99, 0) }), local);
  const late = await startServer(createApp({ ...deps, model: mortal(99, 4) }), local);
  try {
    const whole = failure(clientOf(early).chat.completions.create(ask));
    expect(await whole).toMatchObject({ status: 503, code: 'engine', retry: 'false' });
    expect(await failure(chunksOf({}, clientOf(early)))).toMatchObject({ status: 503 });
    const texts: string[] = [];
    const stream = await clientOf(late).chat.completions.create({ ...ask, stream: true });
    const read = async (): Promise<void> => {
      for await (const chunk of stream) texts.push(chunk.choices[0]?.delta.content ?? '');
    };
    await expect(read()).rejects.toThrow('the engine died');
    expect(texts.join('').length).toBeGreaterThan(3);
    const metrics = await (await fetch(`${late.url}/metrics`)).text();
    expect(metrics).toContain('limbic_engine_restarts_total 3');
  } finally {
    await early.close({ graceMs: 0 });
    await late.close({ graceMs: 0 });
  }
});

test('the last words of the engine go to the operator and not to the client', async () => {
  const told: unknown[] = [];
  const dying = (message: string): Model => ({
    ...lab.model,
    generate: () => Promise.reject(new EngineError(message, { hint: 'run limbic doctor' })),
  });
  const ended = 'engine: the process that runs the model ended (SIGKILL)';
  const texts: string[] = [];
  for (const message of [`${ended}: ggml.c: /home/me/x`, 'engine: could not load /home/me/x y']) {
    const report = (error: unknown): void => void told.push(error);
    const app = createApp({ ...deps, model: dying(message), report });
    const response = await app.request('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ask),
    });
    const { error } = (await response.json()) as { error: { message: string } };
    texts.push(error.message);
    const metrics = await (await app.request('/metrics')).text();
    expect(metrics).toContain('limbic_internal_errors_total 0');
  }
  expect(texts).toEqual([
    `${ended}; run limbic doctor`,
    'engine: could not load; run limbic doctor',
  ]);
  expect(told.map((error) => (error as Error).message)).toEqual([
    `${ended}: ggml.c: /home/me/x`,
    'engine: could not load /home/me/x y',
  ]);
});
