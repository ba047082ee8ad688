/**
 * @file What of a request goes to a provider and what of its answer is kept: the same for all of them as far as they
 * allow, so that a study need not know which it talks to.
 */
import { createHash } from 'node:crypto';

import { wrapLanguageModel } from 'ai';

import { InvalidInputError } from '../errors.ts';
import type { ChatReply, ChatRequest, Usage } from './chat-model.ts';
import type { SdkModel } from './endpoint.ts';
import type { ApiProvider } from './model-name.ts';
import { UnusableAnswer } from './retries.ts';

/** Settings that some models refuse. */
export type Setting = 'temperature' | 'seed' | 'schema';

/** Settings that are sent with a request. */
export interface Asked {
  readonly temperature?: number;
  readonly seed?: number;
  readonly schema?: object;
}

/** What of a request's settings is sent: those that the model is not known to refuse. */
export function settingsOf(
  { temperature, seed, schema }: ChatRequest,
  provider: ApiProvider,
  refused: ReadonlySet<Setting>,
): Asked {
  return {
    ...(refused.has('temperature') ? {} : { temperature }),
    // Anthropic has no seed. The others take it in 31 bits.
    ...(refused.has('seed') || provider === 'anthropic' ? {} : { seed: seed & 0x7fffffff }),
    ...(refused.has('schema') || schema === undefined ? {} : { schema }),
  };
}

/** The setting that a refusal is about, if it is one that was sent. */
export function refusedSetting(
  { status, text }: { readonly status: number; readonly text: string },
  asked: Asked,
): Setting | null {
  if (status !== 400 && status !== 422) return null;
  const signs: readonly (readonly [Setting, RegExp])[] = [
    ['temperature', /\btemperature\b/i],
    ['seed', /\bseed\b/i],
    ['schema', /\bresponse_?(?:format|schema)|json_?schema|output_(?:format|config)\b/i],
  ];
  const found = signs.find(([setting, sign]) => asked[setting] !== undefined && sign.test(text));
  return found?.[0] ?? null;
}

/**
 * System messages apart from the others, as providers take them. Only those at the start can be: a later one would
 * be refused by some and moved by others. Throws InvalidInputError.
 */
export function splitSystem({ messages }: ChatRequest): {
  system: string;
  messages: { role: 'user' | 'assistant'; content: string }[];
} {
  const first = messages.findIndex(({ role }) => role !== 'system');
  const start = first === -1 ? messages.length : first;
  const rest = messages.slice(start).map(({ role, content }) => {
    if (role === 'system') {
      throw new InvalidInputError(
        'chat: expected system messages only at the start, got a later one',
      );
    }
    return { role, content };
  });
  if (rest.length === 0) {
    throw new InvalidInputError('chat: expected a message that is no system message, got none');
  }
  const system = messages.slice(0, start).map(({ content }) => content);
  return { system: system.join('\n\n'), messages: rest };
}

/** The model with its reply held to a schema. The text comes as it is: who asked for it reads it. */
export function heldTo(schema: object, model: SdkModel): SdkModel {
  return wrapLanguageModel({
    model,
    middleware: {
      specificationVersion: 'v3',
      transformParams: ({ params }) =>
        Promise.resolve({ ...params, responseFormat: { type: 'json', schema } }),
    },
  });
}

/** The request's name as a header can carry it; one that can't goes as its hash. */
export function headerKey(key: string): string {
  return /^[\x21-\x7e]{1,255}$/.test(key) ? key : createHash('sha256').update(key).digest('hex');
}

/** Throws UnusableAnswer when there is no text and no reason for that. */
export function stopReasonOf(reason: string, text: string): ChatReply['stopReason'] {
  if (reason === 'length') return 'length';
  if (reason === 'content-filter') return 'filter';
  // Servers that only look like a provider's often name no reason that the SDK knows.
  if (reason === 'stop' || (text !== '' && reason !== 'error')) return 'end';
  throw new UnusableAnswer(`an answer without text (it ended with "${reason}")`);
}

/**
 * Tokens as the provider counts them, else a quarter of the bytes, rounded up. A count that is none is not booked: a
 * negative one would give a budget money back.
 */
export function usageOf(
  request: ChatRequest,
  text: string,
  counted: { inputTokens: number | undefined; outputTokens: number | undefined },
): Usage {
  const estimate = (texts: readonly string[]): number =>
    Math.ceil(texts.reduce((sum, part) => sum + Buffer.byteLength(part), 0) / 4);
  return {
    read: count(counted.inputTokens) ?? estimate(request.messages.map(({ content }) => content)),
    written: count(counted.outputTokens) ?? estimate([text]),
  };
}

/** A number of tokens; null for what is none. 0 stands for "not counted" with servers that fill it in uncounted. */
function count(tokens: number | undefined): number | null {
  return Number.isSafeInteger(tokens) && Number(tokens) > 0 ? Number(tokens) : null;
}
