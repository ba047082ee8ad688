/** @file One streamed reply, from the request to the last token, into a message that is already on the page. */
import type { ChatChunk, ChatRequestInput, ReadToken } from '../../src/api/chat.ts';
import { isAbort, problemOf, type Client } from '../client/client.ts';
import { oncePerFrame } from './frames.ts';
import type { Message } from './message.ts';

function addChunk(message: Message, chunk: ChatChunk): void {
  const { limbic, choices } = chunk;
  message.content += choices[0]?.delta.content ?? '';
  if (!limbic) return;
  message.warning = limbic.warning ?? message.warning;
  if (limbic.tokens) message.tokens.push(...limbic.tokens);
  if (limbic.events) message.events.push(...limbic.events);
}

interface ReplyOptions {
  readonly client: Client;
  readonly request: ChatRequestInput;
  readonly signal: AbortSignal;
  /** Called once with the readings of the prompt's tokens. */
  readonly onPrompt: (tokens: readonly ReadToken[]) => void;
}

/** Ends when the reply does; a failure is written into the message, never thrown. */
export async function streamReply(message: Message, options: ReplyOptions): Promise<void> {
  const { client, request, signal, onPrompt } = options;
  const frame = oncePerFrame(message.changed.emit);
  try {
    for await (const chunk of client.chat(request, signal)) {
      if (message.status === 'waiting') message.status = 'streaming';
      if (chunk.limbic?.prompt) onPrompt(chunk.limbic.prompt);
      addChunk(message, chunk);
      frame.schedule();
    }
    message.status = 'whole';
  } catch (error) {
    message.status = isAbort(error) ? 'stopped' : 'failed';
    if (!isAbort(error)) message.problem = problemOf(error);
  } finally {
    frame.flush();
  }
}
