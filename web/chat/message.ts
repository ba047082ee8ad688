/**
 * @file A message as the page holds it. Its tokens grow in place while it streams and `changed` tells who draws
 * them, once a frame, so that nothing renders the whole conversation again for a token.
 */
import type { MonitorEvent } from '../../src/api/chat.ts';
import type { Turn } from '../../src/api/lab.ts';
import { createEmitter, type Emitter } from '../client/store.ts';
import type { PlainMessage } from '../client/transcript.ts';
import { activeDoses, type Doses } from '../reading/doses.ts';
import { standardise, type Scale } from '../reading/scale.ts';
import type { Token } from '../reading/token.ts';

type Role = Turn['role'];
export type Status = 'whole' | 'waiting' | 'streaming' | 'stopped' | 'failed';
export type Side = 'unsteered' | 'steered';

export interface Message {
  readonly id: string;
  readonly role: Role;
  content: string;
  tokens: Token[];
  events: MonitorEvent[];
  steer: Doses;
  status: Status;
  /** What failed, with status `failed`. */
  problem: string | null;
  /** What the server warned of. */
  warning: string | null;
  /** Of the sampling; null for what the model didn't write here. */
  seed: number | null;
  /** Emotions that were read after the reply was written, without its steering. */
  reread: ReadonlySet<string>;
  /** Standard deviations by emotion, as far as they were asked for; see seriesOf. */
  readonly series: Map<string, number[]>;
  readonly changed: Emitter;
}

export type Item =
  | { readonly kind: 'message'; readonly message: Message }
  | {
      readonly kind: 'fork';
      readonly unsteered: Message;
      readonly steered: Message;
      /** The side that the conversation goes on with; null while both do. */
      readonly chosen: Side | null;
    };

export function createMessage(
  id: string,
  { role, content }: PlainMessage,
  status: Status = 'whole',
): Message {
  return {
    id,
    role,
    content,
    tokens: [],
    events: [],
    steer: {},
    status,
    problem: null,
    warning: null,
    seed: null,
    reread: new Set(),
    series: new Map(),
    changed: createEmitter(),
  };
}

/** A message that is drawn but never changes. */
export function messageOfTurn(id: string, turn: Turn): Message {
  const message = createMessage(id, turn);
  message.tokens = [...(turn.tokens ?? [])];
  message.events = [...(turn.events ?? [])];
  message.steer = turn.steer ?? {};
  return message;
}

/** What files and the offline page keep of a message. */
export function turnOfMessage(message: Message): Turn {
  const { role, content, tokens, events } = message;
  const steer = activeDoses(message.steer);
  return {
    role,
    content,
    ...(tokens.length > 0 ? { tokens } : {}),
    ...(Object.keys(steer).length > 0 ? { steer } : {}),
    ...(events.length > 0 ? { events } : {}),
  };
}

/** Standard deviations of an emotion for each token so far, NaN where it wasn't read; grows with the message. */
export function seriesOf(message: Message, emotion: string, scale: Scale): readonly number[] {
  let series = message.series.get(emotion);
  if (!series) {
    series = [];
    message.series.set(emotion, series);
  }
  const calibration = scale.get(emotion);
  for (let i = series.length; i < message.tokens.length; i += 1) {
    series.push(standardise(message.tokens[i]?.readouts[emotion], calibration));
  }
  return series;
}

/** Replaces a message's tokens, and forgets what was computed from the old ones. */
export function setTokens(message: Message, tokens: Token[]): void {
  message.tokens = tokens;
  message.series.clear();
  message.changed.emit();
}

/** The messages on one side of a conversation; where a fork was decided, of the side that was chosen. */
export function messagesOf(items: readonly Item[], side: Side): Message[] {
  return items.map((item) => (item.kind === 'message' ? item.message : item[item.chosen ?? side]));
}

/** What the model is given of messages: those that have a text. */
export function plainMessages(messages: readonly Message[]): PlainMessage[] {
  return messages
    .filter(({ content }) => content !== '')
    .map(({ role, content }) => ({ role, content }));
}

/** Whether the conversation stands on two sides. */
export function isForked(items: readonly Item[]): boolean {
  return items.some((item) => item.kind === 'fork' && item.chosen === null);
}
