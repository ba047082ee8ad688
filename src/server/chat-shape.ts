/** @file Replies in the shapes of the OpenAI API. */
import type { ChatChunk, ChatRequest, ChatResponse, LimbicResponse } from '../api/chat.ts';
import type { GeneratedToken, TokenChoice } from '../engine/engine.ts';
import type { ReplyPlan } from './reply-plan.ts';
import { logprobOf, type ReplyEnd, type ReplyUpdate } from './reply.ts';

type Logprobs = ChatResponse['choices'][number]['logprobs'];

/** What all messages about one reply have in common. */
interface ReplyHead {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

export interface ShapeOptions {
  readonly head: ReplyHead;
  readonly body: Pick<ChatRequest, 'logprobs' | 'stream_options'>;
  readonly plan: Pick<ReplyPlan, 'isReported' | 'head'>;
}

/** The first message of a stream: who speaks, and how it is steered. */
export function firstChunk({ head, body, plan }: ShapeOptions): ChatChunk {
  return {
    ...head,
    object: 'chat.completion.chunk',
    choices: [
      {
        index: 0,
        delta: { role: 'assistant', content: '' },
        logprobs: null,
        finish_reason: null,
      },
    ],
    ...withoutUsage(body),
    ...(plan.isReported ? { limbic: plan.head } : {}),
  };
}

/** A message of a stream with what is new; the last one says how the reply ended. */
export function chunkOf(
  { head, body, plan }: ShapeOptions,
  update: ReplyUpdate | ReplyEnd,
): ChatChunk {
  const limbic = limbicOf(plan, update);
  return {
    ...head,
    object: 'chat.completion.chunk',
    choices: [
      {
        index: 0,
        delta: update.text === '' && 'finish' in update ? {} : { content: update.text },
        logprobs: body.logprobs === true ? logprobsOf(update.chosen) : null,
        finish_reason: 'finish' in update ? update.finish : null,
      },
    ],
    ...withoutUsage(body),
    ...(limbic === null ? {} : { limbic }),
  };
}

/** A client that wants the usage gets it in a message of its own; the others say that they have none. */
function withoutUsage({ stream_options: options }: ShapeOptions['body']): { usage?: null } {
  return options?.include_usage === true ? { usage: null } : {};
}

export function usageChunk({ head }: ShapeOptions, end: ReplyEnd): ChatChunk {
  return { ...head, object: 'chat.completion.chunk', choices: [], usage: usageOf(end) };
}

/** The whole reply; `update` is everything together. */
export function responseOf(
  { head, body, plan }: ShapeOptions,
  update: ReplyUpdate,
  end: ReplyEnd,
): ChatResponse {
  const limbic = limbicOf(plan, { ...end, ...update });
  return {
    ...head,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: update.text, refusal: null },
        logprobs: body.logprobs === true ? logprobsOf(update.chosen) : null,
        finish_reason: end.finish,
      },
    ],
    usage: usageOf(end),
    ...(limbic === null && !plan.isReported ? {} : { limbic: { ...plan.head, ...limbic } }),
  };
}

/** Events go to every client, since one of them may have ended the reply. */
function limbicOf(
  plan: ShapeOptions['plan'],
  update: ReplyUpdate | ReplyEnd,
): LimbicResponse | null {
  const events = update.events.length === 0 ? null : { events: [...update.events] };
  if (!plan.isReported) return events;
  const prompt =
    'prompt' in update && update.prompt !== undefined ? { prompt: [...update.prompt] } : {};
  return { tokens: [...update.tokens], ...events, ...prompt };
}

function usageOf({
  promptTokens,
  completionTokens,
  cachedTokens,
}: ReplyEnd): ChatResponse['usage'] {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...(cachedTokens === null ? {} : { prompt_tokens_details: { cached_tokens: cachedTokens } }),
  };
}

function logprobsOf(tokens: readonly GeneratedToken[]): NonNullable<Logprobs> {
  return {
    content: tokens.map((token) => ({
      ...choiceOf(token),
      top_logprobs: token.alternatives.map(choiceOf),
    })),
    refusal: null,
  };
}

/** Bytes of a character that several tokens share are those of the token that completes it. */
function choiceOf({ text, logprob }: TokenChoice): {
  token: string;
  logprob: number;
  bytes: number[];
} {
  return { token: text, logprob: logprobOf(logprob), bytes: [...Buffer.from(text)] };
}
