/** @file A small chat study and a model behind an HTTP server, for tests that count what is paid for. */
import { z } from 'zod';

import { BudgetError, ReplyError } from '../src/errors.ts';
import type { ChatModel } from '../src/providers/chat-model.ts';
import { type ChatLab, defineChatStudy } from '../src/studies/chat-study.ts';

/** `c0` has keys that begin like those of `c01`, as keys of real studies may. */
const keysOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `c${String(i).padStart(1 + (i % 2), '0')}`);

/** Conversations of some turns, each one reply. */
export const talkingStudy = defineChatStudy({
  name: 'talking',
  summary: 'for tests',
  source: 'nowhere',
  params: z.object({
    conversations: z.number().int().min(1).default(4),
    turns: z.number().int().min(1).default(3),
  }),
  quick: {},
  plan: ({ conversations }) => {
    const none = { replies: 0, read: 0, written: 0 };
    return { conversations, model: none, judge: none, secondJudge: none };
  },
  conversations: ({ conversations }) => keysOf(conversations),
  play: async (conversation, { turns }, { lab, recorder }) => {
    const said: string[] = [];
    for (let turn = 0; turn < turns; turn++) {
      const key = `${conversation}/${turn}`;
      const messages = said.map((content) => ({ role: 'user' as const, content }));
      const request = { messages, maxTokens: 8, temperature: 0, seed: 1, key };
      const { text } = await recorder.cell(key, () => lab.chat.reply(request, lab.signal));
      said.push(text);
    }
    return { said };
  },
  result: () => ({ verdict: '', measures: [], sections: [] }),
});

/** A model that asks the server for each reply, with the request's key as the header that names it. */
function httpModel(server: string): ChatModel {
  return {
    name: 'test:http',
    width: 8,
    reply: async ({ key, messages }, signal) => {
      const body = JSON.stringify(messages);
      const headers = { 'Idempotency-Key': key };
      const answer = await fetch(server, { method: 'POST', body, headers, signal });
      const text = await answer.text();
      if (answer.status === 402) throw new BudgetError(text);
      if (answer.status === 422) throw new ReplyError(text);
      return { text, stopReason: 'end', usage: { read: 1, written: 1 }, tries: 1 };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A lab of that model alone. */
export function httpLab(server: string): ChatLab & AsyncDisposable {
  return {
    chat: httpModel(server),
    judge: null,
    secondJudge: null,
    local: null,
    data: (name) => name,
    signal: new AbortController().signal,
    [Symbol.asyncDispose]: async () => {},
  };
}
