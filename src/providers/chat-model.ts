/**
 * @file A model that is talked to, wherever it runs: behind an API or in our engine. What a study sees of it is
 * the same, so that one study serves both. Whoever opens one closes it.
 */
import type { ChatMessage } from '../engine/chat-template.ts';

export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  /** Longest reply, in tokens. */
  readonly maxTokens: number;
  /** 0 to 2. */
  readonly temperature: number;
  /** Passed on where a model takes one; the same seed need not give the same reply behind an API. */
  readonly seed: number;
  /** JSON schema that the reply is held to where the model can be; all others see the messages only. */
  readonly schema?: object;
  /** Names the request: the same for every try of it, so that a server which knows the key charges once. */
  readonly key: string;
}

/** Tokens as the model's own tokenizer counts them. */
export interface Usage {
  readonly read: number;
  /** Thinking that is not shown included. */
  readonly written: number;
}

export interface ChatReply {
  readonly text: string;
  /** `filter`: the provider refused or cut the reply; the text may be empty. */
  readonly stopReason: 'end' | 'length' | 'filter';
  readonly usage: Usage;
  /** Tries that it took, at least 1. */
  readonly tries: number;
}

export interface ChatModel extends AsyncDisposable {
  /** As it was asked for, with its provider: `openai:gpt-5-mini`, `local:smollm2-135m`. */
  readonly name: string;
  /** Requests that are worth having under way at once, at most. */
  readonly width: number;
  /**
   * One reply. Waits and tries again by itself where that helps. Throws UnavailableError when the provider
   * can't be reached or does not let us in, and ReplyError when this one request never gets a usable answer.
   */
  reply(request: ChatRequest, signal: AbortSignal): Promise<ChatReply>;
}
