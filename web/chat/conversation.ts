/** @file What happens to a conversation: replies, forks, readings that are added later. */
import type { Client } from '../client/client.ts';
import type { Store } from '../client/store.ts';
import { addReadings, splitPrompt, splitReading } from '../reading/align.ts';
import { activeDoses } from '../reading/doses.ts';
import type { Token } from '../reading/token.ts';
import type { Display } from './display.ts';
import { measureFrames } from './frames.ts';
import {
  createMessage,
  isForked,
  type Item,
  type Message,
  messagesOf,
  plainMessages,
  setTokens,
  type Side,
} from './message.ts';
import { chatRequest, type Sampling, type Steering } from './settings.ts';
import { streamReply } from './stream-reply.ts';

export interface Conversation {
  readonly client: Client;
  /** Name of the model that the page was loaded for. */
  readonly model: string;
  readonly display: Display;
  readonly items: Store<readonly Item[]>;
  readonly sampling: Store<Sampling>;
  readonly steering: Store<Steering>;
  readonly isBusy: Store<boolean>;
  /** A seed for a reply where the person set none. */
  readonly drawSeed: () => number;
  readonly nextId: () => string;
  /** Its name in the server's log. */
  name: string;
  controller: AbortController | null;
}

/** Strongest emotions that each read token keeps for the inspector. */
const detail = 5;

/** Emotions that the next request must read. */
export function wantedEmotions({ display, steering }: Conversation): string[] {
  const { doses, thermostat } = steering.get();
  return [
    ...new Set([
      ...display.shown.get(),
      display.colour.get(),
      ...Object.keys(activeDoses(doses)),
      ...(thermostat.isOn ? [thermostat.watch, thermostat.with] : []),
    ]),
  ];
}

/** Gives the readings of a prompt to those messages that have none yet. */
function giveReadings(messages: readonly Message[], prompt: readonly Token[]): void {
  const contents = messages.map(({ content }) => content);
  for (const [i, part] of splitPrompt(prompt, contents).entries()) {
    const message = messages[i];
    if (message && message.tokens.length === 0 && part.length > 0) setTokens(message, part);
  }
}

/** The items with the system message first that is set now, or without any. */
export function withSystem(items: readonly Item[], system: string, id: string): readonly Item[] {
  const isSystem = (item: Item): boolean =>
    item.kind === 'message' && item.message.role === 'system';
  const old = items.find(isSystem);
  if (old?.kind === 'message' && old.message.content === system) return items;
  const rest = items.filter((item) => !isSystem(item));
  if (system.trim() === '') return rest;
  return [
    { kind: 'message', message: createMessage(id, { role: 'system', content: system }) },
    ...rest,
  ];
}

interface ReplyPlan {
  readonly side: Side;
  readonly message: Message;
  readonly seed: number;
  readonly signal: AbortSignal;
}

async function reply(conversation: Conversation, plan: ReplyPlan): Promise<void> {
  const { client, model, items, sampling, steering, name } = conversation;
  const { side, message, seed, signal } = plan;
  const before = messagesOf(items.get(), side).filter((other) => other !== message);
  const forked = isForked(items.get());
  const isSteered = side === 'steered';
  message.steer = isSteered ? activeDoses(steering.get().doses) : {};
  message.seed = seed;
  await streamReply(message, {
    client,
    signal,
    request: chatRequest({
      model,
      messages: plainMessages(before),
      sampling: { ...sampling.get(), seed },
      steering: isSteered ? steering.get() : null,
      emotions: wantedEmotions(conversation),
      conversation: forked ? `${name}-${side}` : name,
    }),
    onPrompt: (prompt) => {
      // What both sides share is shown as it reads without steering.
      if (!forked || !isSteered) giveReadings(before, prompt);
    },
  });
}

/** Appends the reply, or both sides of a fork, and streams until they end. */
export async function answer(conversation: Conversation): Promise<void> {
  const { items, steering, sampling, isBusy, nextId } = conversation;
  const both = steering.get().isSideBySide || isForked(items.get());
  const create = (): Message =>
    createMessage(nextId(), { role: 'assistant', content: '' }, 'waiting');
  const steered = create();
  const unsteered = both ? create() : null;
  items.set([
    ...items.get(),
    unsteered
      ? { kind: 'fork', unsteered, steered, chosen: null }
      : { kind: 'message', message: steered },
  ]);
  const controller = new AbortController();
  // One side of a fork may still be written when the other has failed and is asked for again.
  conversation.controller?.abort();
  conversation.controller = controller;
  const { signal } = controller;
  // One seed for both sides, so that only the steering differs.
  const seed = sampling.get().seed ?? conversation.drawSeed();
  isBusy.set(true);
  const endMeasuring = measureFrames();
  await Promise.all([
    reply(conversation, { side: 'steered', message: steered, seed, signal }),
    ...(unsteered
      ? [reply(conversation, { side: 'unsteered', message: unsteered, seed, signal })]
      : []),
  ]);
  endMeasuring();
  if (conversation.controller !== controller) return;
  conversation.controller = null;
  isBusy.set(false);
  if (steered.status === 'stopped') await readUnread(conversation);
}

/** A reply that is stopped brings no readings of its prompt, so what has none is read by itself. */
async function readUnread(conversation: Conversation): Promise<void> {
  const messages = messagesOf(conversation.items.get(), 'unsteered');
  if (messages.every(({ tokens, content }) => tokens.length > 0 || content === '')) return;
  // Colours of the question are worth a try, not a message about a failure.
  await readInto(conversation, messages, wantedEmotions(conversation)).catch(() => undefined);
}

/** Takes the last item off and returns it. */
export function dropLast({ items, display }: Conversation): Item | undefined {
  const all = items.get();
  display.selection.set(null);
  items.set(all.slice(0, -1));
  return all.at(-1);
}

/** Whether a message has a text and was not read for all of the emotions. */
export function lacksReading({ content, tokens }: Message, emotions: readonly string[]): boolean {
  const readouts = tokens[0]?.readouts;
  return content.trim() !== '' && !emotions.every((emotion) => readouts?.[emotion] !== undefined);
}

/** Reads emotions into messages that lack them, as the model reads the text without steering. */
export async function readInto(
  { client }: Conversation,
  messages: readonly Message[],
  emotions: readonly string[],
): Promise<void> {
  const readable = messages.filter(({ content }) => content.trim() !== '');
  if (readable.length === 0) return;
  const request = { messages: plainMessages(readable), emotions, top: detail };
  for (const [i, part] of splitReading(await client.read(request)).entries()) {
    const message = readable[i];
    if (!message || part.length === 0 || !lacksReading(message, emotions)) continue;
    if (message.tokens.length === 0) {
      setTokens(message, part);
    } else {
      message.reread = new Set([...message.reread, ...emotions]);
      setTokens(message, addReadings(message.tokens, part));
    }
  }
}
