/**
 * @file Keeps conversations in a run. Clients of the OpenAI API send the whole conversation each time, so
 * only what is new since the last request of the same conversation is appended.
 */
import { createHash } from 'node:crypto';

import type { MonitorEvent, TokenEvent } from '../api/chat.ts';
import type { ChatMessage } from '../engine/chat-template.ts';
import type { Run } from '../store/runs.ts';
import type { Metrics } from './metrics.ts';

interface LoggedReply {
  readonly content: string;
  readonly tokens: readonly TokenEvent[];
  readonly events: readonly MonitorEvent[];
  readonly steer?: Readonly<Record<string, number>> | undefined;
}

/** Conversations whose messages are remembered; an older one that goes on is logged whole once more. */
const keptConversations = 1000;

export class ConversationLog {
  readonly #run: Pick<Run, 'append'>;
  readonly #clock: { now(): number };
  readonly #metrics: Metrics;
  /** Digests of the messages of each conversation that are in the run. */
  readonly #known = new Map<string, readonly string[]>();

  constructor(
    run: Pick<Run, 'append'>,
    { clock, metrics }: { clock: { now(): number }; metrics: Metrics },
  ) {
    this.#run = run;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /** Appends the messages that the run lacks. */
  addMessages(conversation: string, messages: readonly ChatMessage[]): void {
    const digests = messages.map(digestOf);
    const known = this.#known.get(conversation) ?? [];
    const differing = digests.findIndex((digest, i) => digest !== known[i]);
    const from = differing < 0 ? messages.length : differing;
    for (const message of messages.slice(from)) this.#append(conversation, { ...message });
    this.#remember(conversation, digests);
  }

  /** Appends the reply to the messages. */
  addReply(conversation: string, messages: readonly ChatMessage[], reply: LoggedReply): void {
    const { content, tokens, events, steer } = reply;
    const turn = { role: 'assistant', content } as const;
    this.#append(conversation, {
      ...turn,
      tokens,
      ...(steer === undefined ? {} : { steer }),
      ...(events.length === 0 ? {} : { events }),
    });
    this.#remember(conversation, [...messages, turn].map(digestOf));
  }

  #append(conversation: string, turn: object): void {
    const time = new Date(this.#clock.now()).toISOString();
    try {
      this.#run.append({ type: 'turn', conversation, ...turn, time });
    } catch {
      // A full disk must not end the conversations that are going on; /metrics shows it.
      this.#metrics.add('limbic_log_failures_total');
    }
  }

  #remember(conversation: string, digests: readonly string[]): void {
    this.#known.delete(conversation);
    this.#known.set(conversation, digests);
    const [oldest] = this.#known.keys();
    if (this.#known.size > keptConversations && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** Clients trim replies before they send them back. */
function digestOf({ role, content }: ChatMessage): string {
  return createHash('sha256').update(`${role}\n${content.trim()}`).digest('base64');
}

/** Name of a conversation without one: the same client that begins with the same words goes on with it. */
export function conversationName(client: string, messages: readonly ChatMessage[]): string {
  const first = messages.find(({ role }) => role === 'user') ?? messages[0];
  const text = `${client}\n${first?.content ?? ''}`;
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
