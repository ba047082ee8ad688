import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { expect, vi } from 'vitest';

import { apiWriter } from '../../src/capture/chat-api.ts';
import { InvalidInputError, LimbicError } from '../../src/errors.ts';
import { Budget, withBudget } from '../../src/providers/budget.ts';
import { parseModelName } from '../../src/providers/model-name.ts';
import { openRemote } from '../../src/providers/remote.ts';
import { errorBody, goodBody, serverKey, type WireFormat } from '../provider-server.ts';
import { fuzz } from './harness.ts';
import { changes, mutatedBytes, mutatedJson, rareChanges } from './mutators.ts';

/** One answer of the scripted server. */
interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** Base64. */
  readonly body: string;
  /** Bytes that arrive at a time. */
  readonly piece: number;
  /** How it ends: as it should, in the middle, never, or before it began. */
  readonly end: 'whole' | 'cut' | 'stall' | 'none';
}
interface Script {
  readonly format: WireFormat;
  readonly withSchema: boolean;
  /** The last one is repeated. */
  readonly answers: readonly Answer[];
}

const broken = (): TypeError =>
  new TypeError('terminated', { cause: Object.assign(new Error(), { code: 'UND_ERR_SOCKET' }) });

function bodyOf({ body, piece, end }: Answer, signal: AbortSignal | null): ReadableStream {
  const bytes = Buffer.from(body, 'base64');
  const stop = end === 'whole' ? bytes.length : bytes.length / 2;
  let at = 0;
  return new ReadableStream({
    start: (controller) => {
      signal?.addEventListener('abort', () => at < Infinity && controller.error(signal.reason));
    },
    pull: async (controller) => {
      if (at < stop) {
        controller.enqueue(bytes.subarray(at, Math.min(stop, at + piece)));
        at += piece;
      } else if (end === 'cut') controller.error(broken());
      else if (end === 'whole') {
        at = Infinity;
        controller.close();
      } else await new Promise(() => {});
    },
  });
}

let script: Answer[] = [];
vi.stubGlobal('fetch', async (_: unknown, init?: RequestInit): Promise<Response> => {
  const answer = script.length > 1 ? script.shift() : script[0];
  if (answer === undefined || answer.end === 'none') throw new TypeError('fetch failed');
  const { status, headers } = answer;
  const body = [204, 304].includes(status) ? null : bodyOf(answer, init?.signal ?? null);
  const response = new Response(body, { status: Math.min(status, 599), headers });
  // What a server writes need not be what a Response may be made with.
  return Object.defineProperty(response, 'status', { value: status });
});

const texts = fc.constantFrom(
  'Yes.',
  '',
  'half \ud800 a letter',
  `the key ${serverKey} is wrong`,
  'no \u{1b}[2J temperature',
  'line one\nline two',
  'insufficient_quota',
  'response_format',
  'x'.repeat(5000),
);
const tokens = fc.constantFrom({ read: 3, written: 1 }, { read: 0, written: 0 }, null);
/** What else a provider may put beside the text. */
const extras: Readonly<Record<WireFormat, readonly object[]>> = {
  openai: [
    { choices: [] },
    { choices: [{ index: 0, message: { role: 'assistant', refusal: 'no' }, finish_reason: null }] },
    { error: { message: 'busy', code: 503 } },
  ],
  compatible: [
    { choices: [{ message: { reasoning_content: 'hm', content: null }, finish_reason: 'x' }] },
    {
      choices: [
        {
          message: {
            content: 'a',
            tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '{' } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
    },
    { choices: [{ message: { content: 'a' } }], usage: { prompt_tokens: -5, total_tokens: null } },
  ],
  anthropic: [
    {
      content: [
        { type: 'thinking', thinking: 'hm', signature: 's' },
        { type: 'tool_use', id: '1', name: 'f', input: {} },
        { type: 'text', text: 'a' },
      ],
      stop_reason: 'pause_turn',
    },
    { content: [], usage: { input_tokens: -1, output_tokens: 1e300 } },
  ],
  google: [
    {
      candidates: [
        {
          content: {
            parts: [
              { thought: true, text: 'hm' },
              { functionCall: { name: 'f', args: {} } },
              { inlineData: { mimeType: 'image/png', data: '!!' } },
              { text: 'a' },
            ],
          },
          finishReason: 'NEW',
        },
      ],
    },
    { candidates: [], promptFeedback: { blockReason: 'SAFETY' } },
    { candidates: [{ finishReason: 'SAFETY' }], usageMetadata: { promptTokenCount: 1.5 } },
  ],
};

const statuses = fc.oneof(
  { arbitrary: fc.constant(200), weight: 3 },
  fc.constantFrom(201, 204, 206, 301, 304, 400, 401, 402, 403, 404, 408, 409, 418, 422),
  fc.constantFrom(429, 500, 503, 529, 599, 600, 999),
);
const headers = fc.record(
  {
    'content-type': fc.constantFrom('application/json', 'text/event-stream', 'text/html', 'x'),
    'content-length': fc.constantFrom('0', '5', '9'.repeat(30), '-1', 'x'),
    'retry-after': fc.constantFrom(
      '0',
      '2',
      '-5',
      '1e9',
      '9'.repeat(400),
      '700',
      'soon',
      'Wed, 21 Oct 2099 07:28:00 GMT',
      'Wed, 99 Oct',
    ),
    'retry-after-ms': fc.constantFrom('5', '-1', '1e400', 'NaN', ''),
    'x-request-id': fc.constant('y'.repeat(3000)),
  },
  { requiredKeys: [] },
);
const end = fc.oneof(
  { arbitrary: fc.constant<Answer['end']>('whole'), weight: 30 },
  { arbitrary: fc.constantFrom<Answer['end']>('cut', 'none'), weight: 3 },
  fc.constant<Answer['end']>('stall'),
);

const valueOf = (format: WireFormat, status: number): fc.Arbitrary<object> =>
  fc
    .tuple(
      texts,
      tokens,
      fc.constantFrom('end' as const, 'length' as const, 'filter' as const),
      fc.nat(),
    )
    .map(([text, counted, stop, pick]) => {
      if (status >= 400) return errorBody(format, { status, message: text });
      const good = goodBody(format, { text, stop }, counted);
      const extra = extras[format][(pick >> 2) % extras[format].length];
      return pick % 4 === 0 ? { ...good, ...extra } : good;
    });

/** What is around the JSON: nothing, an event of a stream, or a page of a proxy. */
const around = fc.constantFrom(
  (text: string) => text,
  (text: string) => text,
  (text: string) => text,
  (text: string) => `data: ${text}\n\ndata: [DONE]\n\n`,
  (text: string) => `<html>${text}</html>`,
  (text: string) => `\u{feff}${text}`,
  () => '',
);

const answer = (format: WireFormat): fc.Arbitrary<Answer> =>
  statuses.chain((status) =>
    fc
      .tuple(
        valueOf(format, status),
        fc.tuple(changes, rareChanges, around),
        headers,
        end,
        fc.integer({ min: 1, max: 3000 }),
      )
      .map(([value, [list, bytes, wrap], head, stop, piece]) => ({
        status,
        headers: head,
        body: mutatedBytes(Buffer.from(wrap(mutatedJson(value, list))), bytes).toString('base64'),
        piece,
        end: stop,
      })),
  );

/** What comes once the broken answers are over: a good one, or a refusal. */
const last = (format: WireFormat, isGood: boolean): Answer => ({
  status: isGood ? 200 : 418,
  headers: {},
  body: Buffer.from(
    JSON.stringify(
      isGood ? goodBody(format, { text: 'Yes.' }, null) : errorBody(format, { status: 418 }),
    ),
  ).toString('base64'),
  piece: 1000,
  end: 'whole',
});

const scriptOf = (format: WireFormat): fc.Arbitrary<Script> =>
  fc.tuple(fc.boolean(), answer(format), fc.boolean()).map(([withSchema, first, isGood]) => ({
    format,
    withSchema,
    answers: [first, last(format, isGood)],
  }));
const scripts = fc
  .constantFrom<WireFormat>('openai', 'compatible', 'anthropic', 'google')
  .chain(scriptOf)
  .map((value) => Buffer.from(JSON.stringify(value)));

const names: Readonly<Record<WireFormat, string>> = {
  openai: 'openai:m',
  compatible: 'compatible:http://127.0.0.1:9/v1#m',
  anthropic: 'anthropic:m',
  google: 'google:m',
};
const env = {
  OPENAI_API_KEY: serverKey,
  ANTHROPIC_API_KEY: serverKey,
  GOOGLE_GENERATIVE_AI_API_KEY: serverKey,
  COMPATIBLE_API_KEY: serverKey,
};
const request = {
  messages: [
    { role: 'system' as const, content: 'Be brief.' },
    { role: 'user' as const, content: 'Hi' },
  ],
  maxTokens: 20,
  temperature: 0.5,
  seed: 7,
  key: 'k',
};
const schema = {
  type: 'object',
  properties: { a: { type: 'integer' } },
  required: ['a'],
  additionalProperties: false,
};
const never = new AbortController().signal;

/** Milliseconds after which an answer that stands still is given up. */
const timeout = 25;
/** A clock whose waits are over at once. */
function fastClock(): { now: () => number; elapsed: () => number; sleep: () => Promise<void> } {
  let time = 0;
  return { now: () => time, elapsed: () => time, sleep: async () => void (time += 600_000) };
}

/** A failure as a sentence that a terminal can show, or the error if it is none of ours. */
function inSentence(error: unknown): unknown {
  if (!(error instanceof LimbicError)) return error;
  expect(['reply', 'unavailable']).toContain(error.code);
  const sentence = `${error.message}; ${error.hint ?? ''}`;
  expect(sentence).not.toContain(serverKey);
  expect(sentence).not.toMatch(/Infinity|NaN|undefined|\[object/);
  return new InvalidInputError(sentence);
}

fuzz('any broken answer of an API', scripts, {
  name: 'answers.json',
  isNoFile: true,
  // The SDK takes 3 ms for each.
  usual: 400,
  read: async (path) => {
    const { format, withSchema, answers } = JSON.parse(readFileSync(path, 'utf8')) as Script;
    script = [...answers];
    const warnings: string[] = [];
    const budget = new Budget(1000);
    await using remote = openRemote(parseModelName(names[format]), {
      env,
      clock: fastClock(),
      random: () => 0.5,
      timeout,
      onWarning: (text) => warnings.push(text),
    });
    const model = withBudget(remote, budget, { read: 1, written: 1 });
    try {
      const asked = withSchema ? { ...request, schema } : request;
      const { text, stopReason, usage, tries } = await model.reply(asked, never);
      expect(text).not.toMatch(/\p{Cs}/u);
      expect(['end', 'length', 'filter']).toContain(stopReason);
      for (const count of [usage.read, usage.written])
        expect(Number.isSafeInteger(count) && count >= 0).toBe(true);
      expect(budget.spent).toBeGreaterThan(0);
      expect(budget.spent).toBeLessThan(Infinity);
      expect(tries).toBeLessThan(12);
    } catch (error) {
      throw inSentence(error);
    } finally {
      expect(remote.counts.inFlight).toBe(0);
      for (const text of warnings) {
        expect(text).not.toContain(serverKey);
        expect(text).not.toMatch(/[\p{Cc}\p{Cs}]/u);
      }
    }
  },
});

const plain = fc
  .tuple(answer('compatible'), fc.constantFrom(200, 200, 200, 400, 401, 302))
  // Without the statuses and ends that it waits for.
  .map(([value, status]) => ({ ...value, status, end: value.end === 'stall' ? 'cut' : value.end }))
  .map((value) => Buffer.from(JSON.stringify(value)));

fuzz('any broken answer to a writer of stories', plain, {
  name: 'story-answer.json',
  isNoFile: true,
  read: async (path) => {
    script = [JSON.parse(readFileSync(path, 'utf8')) as Answer];
    const write = apiWriter({ url: 'http://127.0.0.1:9/v1', model: 'm' }, serverKey);
    const cell = { emotion: 'calm', topic: '1', subject: 'x' };
    const [text] = await write([{ cell, prompt: 'p', seed: 1 }]).catch((error: unknown) => {
      throw inSentence(error);
    });
    if (text != null) expect(text.length).toBeLessThanOrEqual(10_000);
  },
});
