import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { expect } from 'vitest';
import type { z } from 'zod';

import { chatChunkSchema, chatResponseSchema, errorSchema } from '../../src/api/chat.ts';
import { mapResponseSchema, readResponseSchema } from '../../src/api/lab.ts';
import { openToyModel } from '../../src/engine/toy/model.ts';
import { InvalidInputError } from '../../src/errors.ts';
import { createApp } from '../../src/server/app.ts';
import { openToyLab, plainDeps } from '../toy-server.ts';
import { fuzz } from './harness.ts';
import { changes, mutatedBytes, mutatedJson, rareChanges } from './mutators.ts';

const { pack } = await openToyLab();
// A small context, so that a reply without a limit ends soon.
const model = openToyModel({ blocks: 6, contextLength: 200 });
const unforeseen: unknown[] = [];
const app = createApp({
  ...plainDeps({ model, pack }),
  report: (error) => unforeseen.push(error),
});

/** The text of an answer that is no failure; a refusal is thrown as one. */
async function post(route: string, body: Buffer): Promise<string> {
  const response = await app.request(route, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const text = await response.text();
  // Whatever a client sends is its own fault, and nothing that the operator has to hear of.
  expect(response.status, text).toBeLessThan(500);
  expect(unforeseen).toEqual([]);
  if (response.status === 200) return text;
  const { error } = errorSchema.parse(JSON.parse(text));
  expect(error.message.length).toBeLessThan(body.length + 1000);
  throw new InvalidInputError(`refused with ${response.status}`);
}

/** Holds an answer to its schema; numbers that are none became null and do not fit. */
function expectAnswer(schema: z.ZodType, text: string): void {
  const { success, error } = schema.safeParse(JSON.parse(text));
  expect(success, `${error?.message} ${text.slice(0, 300)}`).toBe(true);
}

function expectStream(text: string): void {
  const events = text.split('\n\n').flatMap((event) => /^data: (.*)$/s.exec(event)?.[1] ?? []);
  expect(events.at(-1)).toBe('[DONE]');
  for (const event of events.slice(0, -1)) expectAnswer(chatChunkSchema, event);
}

const role = fc.constantFrom('system', 'developer', 'user', 'assistant');
const content = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constant([{ type: 'text', text: 'parts' }]),
);
const message = fc.record({ role, content });
const messages = fc.array(message, { minLength: 1, maxLength: 3 });
const emotion = fc.constantFrom('happy', 'sad', 'calm', 'desperate');
/** Some that are too large, so that a limit that is gone is seen. */
const dose = fc.constantFrom(0.02, -0.2, 1, 5, 5.1, 1e39, 1e308);
const optional = { requiredKeys: [] };
const limbic = fc.record(
  {
    steer: fc.dictionary(emotion, dose, { maxKeys: 2 }),
    phase: fc.constantFrom('all', 'reply'),
    emotions: fc.array(emotion, { maxLength: 3 }),
    top: fc.nat(5),
    prompt: fc.boolean(),
    thermostat: fc.record({
      watch: emotion,
      above: fc.constantFrom<unknown>(0.01, 'p95'),
      with: emotion,
      gain: fc.constant(0.1),
      limit: fc.constant(0.05),
    }),
    conversation: fc.constantFrom('one', 'two'),
  },
  optional,
);
/** Where our field goes, which is changed by itself, so that most changes reach it. */
const ours = '@ours@';
const chat = fc.record(
  {
    model: fc.constant('toy'),
    messages,
    stream: fc.boolean(),
    stream_options: fc.constant({ include_usage: true }),
    max_tokens: fc.integer({ min: 1, max: 3 }),
    temperature: fc.constantFrom(0, 1),
    top_p: fc.constantFrom(0.5, 1),
    seed: fc.nat(9),
    stop: fc.constantFrom<unknown>('x', ['a', 'b']),
    logprobs: fc.boolean(),
    top_logprobs: fc.nat(3),
    limbic: fc.constant(ours),
    // The toy engine has no grammar and refuses the other two.
    response_format: fc.constantFrom<unknown>(
      ...Array.from({ length: 8 }, () => ({ type: 'text' })),
      { type: 'json_object' },
      {
        type: 'json_schema',
        json_schema: {
          name: 'n',
          schema: { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
        },
      },
    ),
  },
  { requiredKeys: ['messages', 'max_tokens'] },
);
const bodyOf = (values: fc.Arbitrary<object>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(values, changes, rareChanges)
    .map(([value, list, bytes]) => mutatedBytes(Buffer.from(mutatedJson(value, list)), bytes));

const chats = fc
  .tuple(chat, rareChanges, limbic, changes, rareChanges)
  .map(([value, outer, field, inner, bytes]) =>
    mutatedBytes(
      Buffer.from(
        mutatedJson(value, outer).replaceAll(JSON.stringify(ours), () => mutatedJson(field, inner)),
      ),
      bytes,
    ),
  );

fuzz('any broken body of a chat', chats, {
  name: 'chat.json',
  isNoFile: true,
  read: async (path) => {
    const text = await post('/v1/chat/completions', readFileSync(path));
    if (text.startsWith('data:')) expectStream(text);
    else expectAnswer(chatResponseSchema, text);
  },
});

const passage = fc.oneof(
  fc.record({ text: fc.string({ minLength: 1, maxLength: 20 }) }),
  fc.record({ messages }),
);
const reading = fc
  .tuple(
    passage,
    fc.record(
      { emotions: fc.array(emotion, { maxLength: 3 }), layer: fc.nat(6), top: fc.nat(5) },
      optional,
    ),
    emotion,
  )
  .map(([given, more, mapped]) => ({ ...given, ...more, emotion: mapped }));

fuzz('any broken body of a reading', bodyOf(reading), {
  name: 'reading.json',
  isNoFile: true,
  read: async (path) => {
    const body = readFileSync(path);
    expectAnswer(mapResponseSchema, await post('/api/map', body));
    expectAnswer(readResponseSchema, await post('/api/read', body));
  },
});
