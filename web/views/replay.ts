/** @file A transcript that was opened for replay, kept while the person looks at other views. */
import type { ReadResponse } from '../../src/api/lab.ts';
import { createMessage, type Message, setTokens } from '../chat/message.ts';
import type { PlainMessage } from '../client/transcript.ts';
import { splitReading } from '../reading/align.ts';

export interface Replay {
  readonly file: string;
  readonly conversations: readonly (readonly PlainMessage[])[];
  readonly chosen: number;
  /** Of the chosen conversation, once it was read. */
  readonly messages: readonly Message[] | null;
  readonly beforeReply: Readonly<Record<string, number>> | null;
}

/** The messages of a conversation with what was read; a template's own tokens are left out. */
export function messagesOfReading(
  id: string,
  plain: readonly PlainMessage[],
  reading: Pick<ReadResponse, 'tokens' | 'starts' | 'ends'>,
): Message[] {
  const parts = splitReading(reading);
  return plain.map((message, i) => {
    const created = createMessage(`${id}-${i}`, message);
    setTokens(created, parts[i] ?? []);
    return created;
  });
}
