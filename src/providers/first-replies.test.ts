import { expect, test } from 'vitest';

import { ReplyError, UnavailableError } from '../errors.ts';
import type { ChatModel } from './chat-model.ts';
import { mostInVain, withFirstReplies } from './first-replies.ts';

const { signal } = new AbortController();
const request = { messages: [], maxTokens: 1, temperature: 0, seed: 0, key: 'k' };

/** Answers the requests whose number, from 1, is in the set. */
function answering(numbers: ReadonlySet<number>): ChatModel & { asked: number } {
  const model = {
    name: 'fake',
    width: 1,
    asked: 0,
    reply: async () => {
      model.asked += 1;
      if (!numbers.has(model.asked)) throw new ReplyError(`no to ${model.asked}`);
      return { text: 'yes', stopReason: 'end' as const, usage: { read: 1, written: 1 }, tries: 1 };
    },
    [Symbol.asyncDispose]: async () => {},
  };
  return model;
}

test('a model that never replies is given up after ten requests, with its last reason', async () => {
  const model = withFirstReplies(answering(new Set()));
  for (let k = 1; k < mostInVain; k++)
    await expect(model.reply(request, signal)).rejects.toBeInstanceOf(ReplyError);
  const last = model.reply(request, signal);
  await expect(last).rejects.toBeInstanceOf(UnavailableError);
  await expect(last).rejects.toThrow('no to 10');
});

test('one reply is enough to take all later refusals one by one', async () => {
  const model = withFirstReplies(answering(new Set([mostInVain - 1])));
  for (let k = 1; k <= 3 * mostInVain; k++)
    if (k === mostInVain - 1)
      await expect(model.reply(request, signal)).resolves.toMatchObject({ text: 'yes' });
    else await expect(model.reply(request, signal)).rejects.toBeInstanceOf(ReplyError);
});
