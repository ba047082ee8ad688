/** @file Messages laid end to end on one axis of tokens. */
import type { Message } from '../chat/message.ts';

export interface Place {
  readonly message: Message;
  readonly index: number;
}

/** Characters of a token of English text, roughly. */
const charactersPerToken = 4;

/**
 * Places of a message on the axis: its tokens, or about as many as it will have once it is read, so that the
 * reply's lines hardly move when that happens.
 */
export function lengthOf({ role, tokens, content }: Message): number {
  if (tokens.length > 0 || role === 'assistant') return tokens.length;
  return Math.ceil(content.length / charactersPerToken);
}

/** Tokens that are there, of all messages. */
export function countTokens(messages: readonly Message[]): number {
  return messages.reduce((sum, { tokens }) => sum + tokens.length, 0);
}

/** Position of each message's first token, and the number of places at the end. */
export function offsetsOf(messages: readonly Message[]): number[] {
  const offsets = [0];
  for (const message of messages) offsets.push((offsets.at(-1) ?? 0) + lengthOf(message));
  return offsets;
}

/** The token at a position of the axis, or null beyond the end. */
export function placeAt(messages: readonly Message[], position: number): Place | null {
  let start = 0;
  for (const message of messages) {
    const index = position - start;
    if (index >= 0 && index < message.tokens.length) return { message, index };
    start += lengthOf(message);
  }
  return null;
}

/** The position of a token on the axis; null if its message isn't there. */
export function positionOf(messages: readonly Message[], place: Place | null): number | null {
  if (!place) return null;
  let start = 0;
  for (const message of messages) {
    if (message === place.message) return start + place.index;
    start += lengthOf(message);
  }
  return null;
}

/** Stretches of a message's tokens with the thermostat on: the first, and the one after the last. */
export function thermostatSpans({
  events,
  tokens,
}: Pick<Message, 'events' | 'tokens'>): (readonly [start: number, end: number])[] {
  const spans: (readonly [number, number])[] = [];
  let start: number | null = null;
  for (const { kind, index } of events) {
    if (kind === 'thermostat-on') start = index;
    if (kind !== 'thermostat-off' || start === null) continue;
    spans.push([start, index]);
    start = null;
  }
  return start === null ? spans : [...spans, [start, tokens.length]];
}

/** Room on the axis for `count` tokens, in steps, so that the lines don't move with each token. */
export function axisRoom(count: number): number {
  let room = 120;
  while (room < count) room = Math.ceil((room * 1.5) / 60) * 60;
  return room;
}
