/** @file The page's one conversation with the model: what was said, what is set, and what a person can do. */
import type { LabState } from '../../src/api/lab.ts';
import type { Client } from '../client/client.ts';
import { createStore, type Store } from '../client/store.ts';
import type { PlainMessage } from '../client/transcript.ts';
import {
  answer,
  type Conversation,
  dropLast,
  lacksReading,
  readInto,
  wantedEmotions,
  withSystem,
} from './conversation.ts';
import { createDisplay } from './display.ts';
import { createMessage, isForked, type Item, messagesOf, type Side } from './message.ts';
import { defaultSampling, defaultSteering } from './settings.ts';

export interface Session extends Pick<
  Conversation,
  'items' | 'sampling' | 'steering' | 'isBusy' | 'display' | 'client'
> {
  readonly lab: LabState;
  readonly send: (text: string) => Promise<void>;
  readonly stop: () => void;
  /** Asks for the last reply again, with what is set now. */
  readonly regenerate: () => Promise<void>;
  /** Takes back the last message of the person and returns its text. */
  readonly takeBack: () => string;
  readonly clear: () => void;
  readonly load: (messages: readonly PlainMessage[]) => Promise<void>;
  /** Goes on with one side of all forks. */
  readonly choose: (side: Side) => void;
  /** Reads an emotion where it is missing, without steering; after the reply that is being written, if there is one. */
  readonly readMissing: (emotion: string) => Promise<void>;
}

interface SessionSources {
  /** A name for a new conversation in the server's log. */
  readonly nameConversation: () => string;
  readonly drawSeed: () => number;
}

function createConversation(client: Client, lab: LabState, sources: SessionSources): Conversation {
  const scale = new Map(lab.emotions.map(({ name, median, spread }) => [name, { median, spread }]));
  const display = createDisplay(
    scale,
    lab.emotions.map(({ name }) => name),
    lab.shown,
  );
  let count = 0;
  return {
    client,
    model: lab.model.name,
    display,
    items: createStore<readonly Item[]>([]),
    sampling: createStore(defaultSampling),
    steering: createStore(defaultSteering(display.names)),
    isBusy: createStore(false),
    drawSeed: sources.drawSeed,
    nextId: () => `m${(count += 1)}`,
    name: sources.nameConversation(),
    controller: null,
  };
}

/** Waits for the reply that is being written: a text is read whole, and has the engine to itself. */
function untilIdle(isBusy: Store<boolean>): Promise<void> {
  return new Promise((resolve) => {
    if (!isBusy.get()) {
      resolve();
      return;
    }
    const end = isBusy.subscribe(() => {
      if (isBusy.get()) return;
      end();
      resolve();
    });
  });
}

export function createSession(client: Client, lab: LabState, sources: SessionSources): Session {
  const conversation = createConversation(client, lab, sources);
  const { items, sampling, steering, isBusy, display, nextId } = conversation;
  const restart = (next: readonly Item[]): void => {
    conversation.controller?.abort();
    conversation.controller = null;
    isBusy.set(false);
    display.selection.set(null);
    items.set(next);
    conversation.name = sources.nameConversation();
  };
  return {
    client,
    lab,
    items,
    sampling,
    steering,
    isBusy,
    display,
    send: async (text) => {
      const message = createMessage(nextId(), { role: 'user', content: text });
      const before = withSystem(items.get(), sampling.get().system, nextId());
      items.set([...before, { kind: 'message', message }]);
      await answer(conversation);
    },
    stop: () => conversation.controller?.abort(),
    regenerate: async () => {
      const last = items.get().at(-1);
      if (last && (last.kind === 'fork' || last.message.role === 'assistant')) {
        dropLast(conversation);
      }
      await answer(conversation);
    },
    takeBack: () => {
      for (let last = dropLast(conversation); last; last = dropLast(conversation)) {
        if (last.kind === 'message' && last.message.role === 'user') return last.message.content;
      }
      return '';
    },
    clear: () => restart([]),
    load: async (messages) => {
      const loaded = messages.map((plain) => createMessage(nextId(), plain));
      const system = loaded.find(({ role }) => role === 'system')?.content ?? '';
      sampling.set({ ...sampling.get(), system });
      restart(loaded.map((message) => ({ kind: 'message', message })));
      await readInto(conversation, loaded, wantedEmotions(conversation));
    },
    choose: (side) =>
      items.set(
        items
          .get()
          .map((item) =>
            item.kind === 'fork' && item.chosen === null ? { ...item, chosen: side } : item,
          ),
      ),
    readMissing: async (emotion) => {
      await untilIdle(isBusy);
      const sides: readonly Side[] = isForked(items.get()) ? ['steered', 'unsteered'] : ['steered'];
      for (const side of sides) {
        const messages = messagesOf(items.get(), side);
        const isMissing = messages.some((message) => lacksReading(message, [emotion]));
        if (isMissing) await readInto(conversation, messages, [emotion]);
      }
    },
  };
}
