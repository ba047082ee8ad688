/**
 * @file Our engine's model as one that is talked to, with what only it can do: readings inside beside each
 * reply, and replies under steering or a thermostat.
 */
import { chatTokens } from '../engine/chat-template.ts';
import type { Generated, Model, Probe, Steering, Thermostat } from '../engine/engine.ts';
import { grammarOfSchema } from '../engine/json-grammar.ts';
import type { ChatModel, ChatReply, ChatRequest } from './chat-model.ts';
import { Turns } from './turns.ts';

/** What is done to the residual stream while a reply is read and written. */
export interface Treatment {
  readonly steering?: Steering | null;
  /** Its reading is an index among the probes' directions. */
  readonly thermostat?: Thermostat | null;
}

interface InsideReply extends ChatReply {
  /** Readings of all directions at the last position before the reply. */
  readonly before: Float32Array;
  /** Their means over the reply's tokens; NaN for an empty reply. */
  readonly during: Float32Array;
}

export interface LocalChat extends ChatModel {
  /** A reply with readings of the probes, under a treatment. */
  replyInside(
    request: ChatRequest,
    options: { readonly probes: readonly Probe[]; readonly signal: AbortSignal } & Treatment,
  ): Promise<InsideReply>;
}

/**
 * Share of the probability that a token is drawn from. Small quantised models give their long tail too much, and at
 * temperature 1 a whole reply seldom stays clear of it.
 */
const nucleus = 0.9;
/** Replies that the engine writes side by side. */
export const sideBySide = 8;

/**
 * Talks to an open model. `reuse` keeps what the cache holds of a beginning that requests share (a judge's
 * instructions), at the price of other rounding. Models that compute on the same cores share their `turns`. Closing
 * it closes the model.
 */
export function chatWithLocal(
  model: Model,
  { reuse = false, turns = new Turns() }: { reuse?: boolean; turns?: Turns } = {},
): LocalChat {
  const generate = async (
    { messages, maxTokens, temperature, seed, schema }: ChatRequest,
    options: Treatment & { probes?: readonly Probe[]; signal: AbortSignal },
  ): Promise<Written> => {
    const prompt = await chatTokens(model, messages);
    const grammar = schema === undefined ? {} : { grammar: grammarOfSchema(schema) };
    const request = { prompt, maxTokens, temperature, topP: nucleus, seed, ...grammar };
    const write = async (): Promise<Generated[]> =>
      model.generate([request], { ...options, reuse });
    const [reply] = await turns.take(model, write, options.signal);
    if (reply === undefined) throw new Error('one request gives one reply');
    return { reply, read: prompt.length };
  };
  return {
    name: `local:${model.info.name}`,
    width: sideBySide,
    reply: async (request, signal) => replyOf(await generate(request, { signal })),
    replyInside: async (request, options) => {
      const written = await generate(request, options);
      const { reply } = written;
      const count = options.probes.reduce((sum, { bias }) => sum + bias.length, 0);
      return {
        ...replyOf(written),
        before: reply.promptReadings.slice(reply.promptReadings.length - count),
        during: meanReadings(reply, count),
      };
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

interface Written {
  readonly reply: Generated;
  /** Tokens of the prompt. */
  readonly read: number;
}

function replyOf({ reply, read }: Written): ChatReply {
  return {
    text: reply.text,
    stopReason: reply.stopReason === 'length' ? 'length' : 'end',
    usage: { read, written: reply.tokens.length },
    tries: 1,
  };
}

function meanReadings({ tokens }: Generated, count: number): Float32Array {
  const sums = new Float64Array(count);
  for (const { readings } of tokens)
    for (let k = 0; k < count; k++) sums[k] = (sums[k] ?? 0) + (readings[k] ?? NaN);
  return Float32Array.from(sums, (sum) => sum / tokens.length);
}
