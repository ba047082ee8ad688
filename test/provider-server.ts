/**
 * @file A real HTTP server that speaks the wire formats of the providers and fails on request, so that all of
 * `src/providers` can be tested over a real connection without a key and without the network.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

import type { ChatMessage } from '../src/engine/chat-template.ts';
import type { Environment } from '../src/providers/endpoint.ts';

export type WireFormat = 'openai' | 'compatible' | 'anthropic' | 'google';

/** The only key that the server lets in. */
export const serverKey = 'sk-test-0123456789abcdef';

export interface SeenRequest {
  readonly format: WireFormat;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
  /** As a chat, whatever the format. */
  readonly messages: readonly ChatMessage[];
  /** Its Idempotency-Key, or ''. */
  readonly key: string;
  /** 1 for the first request with this key. */
  readonly tryNumber: number;
  /** 1 for the first request of all. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export type Fault =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly message?: string;
    }
  /** Half of the body, then the connection is gone. */
  | { readonly kind: 'cut' }
  /** Status 200 and a body that is no JSON. */
  | { readonly kind: 'malformed' }
  /** A good answer, late. */
  | { readonly kind: 'slow'; readonly milliseconds: number };

export interface Answer {
  readonly text: string;
  readonly stop?: 'end' | 'length' | 'filter';
}

export interface ProviderServerOptions {
  /** @default the last message's text, after "echo: " */
  readonly answer?: (messages: readonly ChatMessage[], request: SeenRequest) => string | Answer;
  readonly fault?: (request: SeenRequest) => Fault | null;
  /** Of every answer, in milliseconds. @default 0 */
  readonly latency?: number;
  /** Whether answers say how many tokens they took: one a word of all messages, one a word of the answer. @default true */
  readonly counts?: boolean;
}

export interface ProviderServer extends AsyncDisposable {
  readonly origin: string;
  readonly requests: readonly SeenRequest[];
  /** Good answers that went out whole, by Idempotency-Key: 2 means that one was paid for twice. */
  readonly paid: ReadonlyMap<string, number>;
  /** Tokens of all good answers that went out whole. */
  readonly charged: { readonly read: number; readonly written: number };
  /** Most requests that were under way at once. */
  readonly mostAtOnce: number;
  /** What points every provider here. */
  readonly env: Environment;
  /** The name of a model here. */
  readonly model: (format: WireFormat, name?: string) => string;
}

/** Starts it on a free port of 127.0.0.1. */
export async function startProviderServer(
  options: ProviderServerOptions = {},
): Promise<ProviderServer> {
  const requests: SeenRequest[] = [];
  const paid = new Map<string, number>();
  const charged = { read: 0, written: 0 };
  let underWay = 0;
  let mostAtOnce = 0;

  const answer = async (seen: SeenRequest, response: ServerResponse): Promise<void> => {
    const fault = isLetIn(seen)
      ? (options.fault?.(seen) ?? null)
      : ({ kind: 'status', status: 401, message: `bad key ${sentKey(seen)}` } as const);
    await wait((options.latency ?? 0) + (fault?.kind === 'slow' ? fault.milliseconds : 0));
    if (fault?.kind === 'status') {
      response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers });
      response.end(JSON.stringify(errorBody(seen.format, fault)));
      return;
    }
    const { body, tokens } = goodAnswer(seen, options);
    if (fault?.kind === 'malformed') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(body.slice(0, -5));
      return;
    }
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    });
    if (fault?.kind === 'cut') {
      response.write(body.slice(0, body.length / 2), () => response.destroy());
      return;
    }
    response.on('finish', () => {
      paid.set(seen.key, (paid.get(seen.key) ?? 0) + 1);
      charged.read += tokens.read;
      charged.written += tokens.written;
    });
    response.end(body);
  };

  const server = createServer((request, response) => {
    mostAtOnce = Math.max(mostAtOnce, ++underWay);
    response.on('close', () => underWay--);
    void (async () => {
      const seen = see(request, await read(request), requests);
      requests.push(seen);
      await answer(seen, response);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    requests,
    paid,
    charged,
    get mostAtOnce() {
      return mostAtOnce;
    },
    env: {
      OPENAI_API_KEY: serverKey,
      ANTHROPIC_API_KEY: serverKey,
      GOOGLE_GENERATIVE_AI_API_KEY: serverKey,
      COMPATIBLE_API_KEY: serverKey,
      OPENAI_BASE_URL: `${origin}/v1`,
      ANTHROPIC_BASE_URL: origin,
      GOOGLE_BASE_URL: `${origin}/v1beta`,
    },
    model: (format, name = 'toy-1') =>
      format === 'compatible' ? `compatible:${origin}/other/v1#${name}` : `${format}:${name}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function goodAnswer(
  seen: SeenRequest,
  options: ProviderServerOptions,
): { body: string; tokens: { read: number; written: number } } {
  const given = options.answer?.(seen.messages, seen) ?? `echo: ${seen.messages.at(-1)?.content}`;
  const answer = typeof given === 'string' ? { text: given } : given;
  const tokens = {
    read: words(seen.messages.map(({ content }) => content).join(' ')),
    written: words(answer.text),
  };
  const counted = options.counts === false ? null : tokens;
  return { body: JSON.stringify(goodBody(seen.format, answer, counted)), tokens };
}

async function read(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  return text;
}

function see(request: IncomingMessage, text: string, before: readonly SeenRequest[]): SeenRequest {
  const path = request.url ?? '';
  const format = formatOf(path);
  const body = JSON.parse(text) as Record<string, unknown>;
  const key = String(request.headers['idempotency-key'] ?? '');
  return {
    format,
    path,
    headers: request.headers,
    body,
    messages: messagesOf(format, body),
    key,
    tryNumber: before.filter((other) => other.key === key).length + 1,
    number: before.length + 1,
    at: Date.now(),
  };
}

function formatOf(path: string): WireFormat {
  if (path === '/v1/chat/completions') return 'openai';
  if (path === '/other/v1/chat/completions') return 'compatible';
  if (path === '/v1/messages') return 'anthropic';
  if (/^\/v1beta\/models\/[\w.-]+:generateContent$/.test(path)) return 'google';
  throw new Error(`no wire format has the path ${path}`);
}

function sentKey({ format, headers }: SeenRequest): string {
  if (format === 'anthropic') return String(headers['x-api-key']);
  if (format === 'google') return String(headers['x-goog-api-key']);
  return (headers.authorization ?? '').replace('Bearer ', '');
}

function isLetIn(seen: SeenRequest): boolean {
  const key = sentKey(seen);
  return key === serverKey || (seen.format === 'compatible' && key === '');
}

function words(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length;
}

interface Parts {
  readonly role?: string;
  readonly content?: unknown;
  readonly parts?: unknown;
}

/** The text of a content: a string, or parts with a text each. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return ((content ?? []) as { text?: string }[]).map(({ text }) => text ?? '').join('');
}

function messagesOf(format: WireFormat, body: Record<string, unknown>): ChatMessage[] {
  const roleOf = (role = ''): ChatMessage['role'] => {
    if (role === 'model' || role === 'assistant') return 'assistant';
    return role === 'system' || role === 'developer' ? 'system' : 'user';
  };
  const system =
    format === 'google'
      ? textOf((body['systemInstruction'] as Parts | undefined)?.parts)
      : textOf(body['system']);
  const list = (format === 'google' ? body['contents'] : body['messages']) as Parts[];
  return [
    ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
    ...list.map(({ role, content, parts }) => ({
      role: roleOf(role),
      content: textOf(format === 'google' ? parts : content),
    })),
  ];
}

/** The body that says what went wrong. */
export function errorBody(
  format: WireFormat,
  { status, message = 'as asked for' }: { status: number; message?: string },
): object {
  switch (format) {
    case 'openai':
    case 'compatible':
      return { error: { message, type: 'test_error', param: null, code: null } };
    case 'anthropic':
      return { type: 'error', error: { type: 'api_error', message } };
    case 'google':
      return { error: { code: status, message, status: 'TEST' } };
  }
}

/** The body of an answer, with its tokens where it counts them. */
export function goodBody(
  format: WireFormat,
  { text, stop = 'end' }: Answer,
  tokens: { read: number; written: number } | null,
): object {
  switch (format) {
    case 'openai':
    case 'compatible':
      return {
        id: 'chatcmpl-1',
        object: 'chat.completion',
        created: 1_700_000_000,
        model: 'toy-1',
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: text },
            finish_reason: { end: 'stop', length: 'length', filter: 'content_filter' }[stop],
          },
        ],
        ...(tokens === null
          ? {}
          : {
              usage: {
                prompt_tokens: tokens.read,
                completion_tokens: tokens.written,
                total_tokens: tokens.read + tokens.written,
              },
            }),
      };
    case 'anthropic':
      return {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        model: 'toy-1',
        content: [{ type: 'text', text }],
        stop_reason: { end: 'end_turn', length: 'max_tokens', filter: 'refusal' }[stop],
        stop_sequence: null,
        // The format requires the counts: a server that does not count says 0.
        usage: { input_tokens: tokens?.read ?? 0, output_tokens: tokens?.written ?? 0 },
      };
    case 'google':
      return {
        candidates: [
          {
            content: { role: 'model', parts: [{ text }] },
            finishReason: { end: 'STOP', length: 'MAX_TOKENS', filter: 'SAFETY' }[stop],
            index: 0,
          },
        ],
        ...(tokens === null
          ? {}
          : {
              usageMetadata: {
                promptTokenCount: tokens.read,
                candidatesTokenCount: tokens.written,
                totalTokenCount: tokens.read + tokens.written,
              },
            }),
      };
  }
}
