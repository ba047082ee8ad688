/**
 * @file Replies as cells of a run: what was said, what it cost, and, of a local model, what was read inside.
 * A reply that a provider never gives is a cell too, with the reason, so that it is counted and not asked again.
 */
import { ReplyError } from '../errors.ts';
import type { ChatModel, ChatReply, ChatRequest } from '../providers/chat-model.ts';
import type { Recorder } from './study.ts';

export interface Said {
  readonly text: string;
  readonly stop: ChatReply['stopReason'];
  /** The model that said it, for the account of a run that goes on. */
  readonly by: string;
  /** Tokens. */
  readonly read: number;
  readonly written: number;
  readonly tries: number;
  /** Why there is no reply; the text is then empty. */
  readonly missing?: string;
}

/** Asks once, also over a kill and a new start. `options.key` names both the cell and the request. */
export async function ask(
  model: ChatModel,
  request: ChatRequest,
  { recorder, signal }: { readonly recorder: Recorder; readonly signal: AbortSignal },
): Promise<Said> {
  return recorder.cell(request.key, () =>
    orMissing(model.name, async () => saidBy(model.name, await model.reply(request, signal))),
  );
}

/** A reply as a cell keeps it. */
export function saidBy(by: string, reply: ChatReply): Said {
  const { text, stopReason, usage, tries } = reply;
  const said: Said = {
    text,
    stop: stopReason,
    by,
    read: usage.read,
    written: usage.written,
    tries,
  };
  return stopReason === 'filter' && text.trim() === ''
    ? { ...said, missing: 'withheld by the provider' }
    : said;
}

/** What was said, or why this one reply can't be had; what ends the whole run is thrown on. */
export async function orMissing<T extends Said>(
  by: string,
  say: () => Promise<T>,
): Promise<T | Said> {
  try {
    return await say();
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    const { message } = error;
    return { text: '', stop: 'end', by, read: 0, written: 0, tries: 1, missing: message };
  }
}
