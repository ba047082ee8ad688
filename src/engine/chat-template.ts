/** @file Messages to the text that a model was trained on, through the template in its file. */
import { createContext, runInContext } from 'node:vm';

import { Template } from '@huggingface/jinja';

import { InvalidInputError, shown } from '../errors.ts';
import type { Model, ModelInfo } from './engine.ts';

/** One message of a conversation. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** Longest template that we render; those in circulation stay below 20,000 characters. */
const templateLimit = 100_000;

/** Characters that a template may make of a conversation: its messages this often, and as many more of its own. */
const mostOfMessages = 8;
const mostOfItsOwn = 1_000_000;

/** Longest time for one rendering, in milliseconds; those in circulation take a few for a long conversation, but a busy machine may keep one waiting. */
const timeLimit = 5000;
const job: { render: () => string } = { render: () => '' };
const timed = createContext(job);

/** Runs `render` to its end or, whatever loop it is in, to the time limit. */
function withinTime(render: () => string): string {
  job.render = render;
  return String(runInContext('render()', timed, { timeout: timeLimit }));
}

/**
 * The conversation as one text. With `forReply` (default) it ends where the model's reply begins.
 * A base model without a template gets a plain transcript. Tokenize with `parseSpecial`, without
 * `addSpecial` if the text begins with the model's own begin-of-sequence token.
 */
export function formatChat(
  info: ModelInfo,
  messages: readonly ChatMessage[],
  options: { forReply?: boolean } = {},
): string {
  const forReply = options.forReply ?? true;
  if (messages.length === 0)
    throw new InvalidInputError('chat: expected at least one message, got none');
  if (info.chatTemplate === null) return plainTranscript(messages, forReply);
  if (info.chatTemplate.length > templateLimit) {
    throw new InvalidInputError(
      `chat template: expected at most ${templateLimit} characters, got ${info.chatTemplate.length}`,
    );
  }
  const given = messages.reduce((sum, { content }) => sum + content.length, 0);
  const most = mostOfItsOwn + mostOfMessages * given;
  try {
    const { chatTemplate } = info;
    const text = withinTime(() =>
      new Template(chatTemplate).render({
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: forReply,
        bos_token: info.bosText,
        eos_token: info.eosText,
      }),
    );
    if (text.length > most)
      throw new InvalidInputError(`expected at most ${most} characters, got ${text.length}`);
    return text;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new InvalidInputError(
        `chat template: expected that of ${shown(info.name)} to end within ${timeLimit / 1000} s, but it goes on`,
        { hint: 'the file may be damaged or hostile; get it from its maker' },
      );
    throw new InvalidInputError(
      `chat template: ${shown(info.name)} refused these messages (${shown(cause instanceof Error ? cause.message : String(cause))})`,
      {
        cause,
        hint: 'some templates accept no system message, or want user and assistant in turn',
      },
    );
  }
}

/** Tokens of a conversation that ends where the reply begins, or without `forReply` with its last message. */
export async function chatTokens(
  model: Model,
  messages: readonly ChatMessage[],
  options: { forReply?: boolean } = {},
): Promise<Int32Array> {
  const prompt = formatChat(model.info, messages, options);
  return model.tokenize(prompt, {
    addSpecial: !beginsWithBos(model.info, prompt),
    parseSpecial: true,
  });
}

function beginsWithBos(info: ModelInfo, prompt: string): boolean {
  return info.bosText !== '' && prompt.startsWith(info.bosText);
}

function plainTranscript(messages: readonly ChatMessage[], forReply: boolean): string {
  const names = { system: 'Note', user: 'User', assistant: 'Assistant' };
  const lines = messages.map(({ role, content }) => `${names[role]}: ${content}`);
  return forReply ? `${lines.join('\n')}\nAssistant:` : lines.join('\n');
}
