import { expect, test } from 'vitest';

import { formatChat } from '../engine/chat-template.ts';
import type { ModelInfo } from '../engine/engine.ts';
import { openToyModel } from '../engine/toy/model.ts';
import { messageSpans, passageOf } from './passage.ts';

const { info } = openToyModel();
const chatml = info.chatTemplate!;
const withTemplate = (chatTemplate: string | null): ModelInfo => ({ ...info, chatTemplate });

/** Pieces of three characters, so that tokens lie across the borders of messages; their joined texts by span. */
function textsOf(
  model: ModelInfo,
  messages: Parameters<typeof formatChat>[1],
  size = 3,
  before: string[] = [],
): string[] {
  const text = formatChat(model, messages);
  const pieces = [...before, ...(text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [])];
  return messageSpans(model, messages, pieces).map(({ start, end }) =>
    pieces.slice(start, end).join(''),
  );
}

test('messageSpans tells messages with the same words apart', () => {
  const messages = [
    { role: 'user', content: 'user' },
    { role: 'assistant', content: 'user' },
    { role: 'user', content: 'user' },
  ] as const;
  expect(textsOf(info, messages, 1)).toEqual(['user', 'user', 'user']);
  const pieces = formatChat(info, messages).split('');
  const starts = messageSpans(info, messages, pieces).map(({ start }) => start);
  // By hand: "<|im_start|>user\n" is 17 characters; "user<|im_end|>\n" 15, "<|im_start|>assistant\n" 22.
  expect(starts).toEqual([17, 17 + 15 + 22, 17 + 15 + 22 + 15 + 17]);
});

test('messageSpans skips a system message that the template adds, even one with the same words', () => {
  const model = withTemplate(
    `{% if messages[0]['role'] != 'system' %}<|im_start|>system\nHello<|im_end|>\n{% endif %}${chatml}`,
  );
  const messages = [{ role: 'user', content: 'Hello' }] as const;
  const [span] = messageSpans(model, messages, formatChat(model, messages).split(''));
  expect(span).toEqual({ start: 20 + 5 + 11 + 16, end: 20 + 5 + 11 + 16 + 5 });
});

test('messageSpans follows templates that trim, drop or shorten contents', () => {
  const trimming = withTemplate(
    "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] | trim }}\n{% endfor %}",
  );
  const messages = [
    { role: 'system', content: '  quiet \n' },
    { role: 'user', content: 'quiet' },
    { role: 'user', content: '' },
    { role: 'user', content: 'end' },
  ] as const;
  expect(textsOf(trimming, messages, 1)).toEqual(['quiet', 'quiet', '', 'end']);
  const dropping = withTemplate(
    "{% for m in messages %}{% if m['role'] != 'system' %}[{{ m['content'] }}]{% endif %}{% endfor %}",
  );
  expect(textsOf(dropping, messages, 1)).toEqual(['', 'quiet', '', 'end']);
  const shortening = withTemplate(
    "{% for m in messages %}[{{ m['content'].split('</think>')[-1] }}]{% endfor %}",
  );
  const thought = [
    { role: 'assistant', content: 'hm</think>yes' },
    { role: 'user', content: 'why' },
  ] as const;
  expect(textsOf(shortening, thought, 1)).toEqual(['yes', 'why']);
});

test('messageSpans takes in a token that lies across the border of a message', () => {
  const messages = [{ role: 'user', content: 'abcdef' }] as const;
  // The content begins at character 17: tokens of 3 characters begin at 15 and 21.
  expect(textsOf(info, messages, 3)).toEqual(['r\nabcdef<']);
});

test('messageSpans passes over tokens that the text lacks', () => {
  const messages = [{ role: 'user', content: 'abc' }] as const;
  expect(textsOf(info, messages, 1, ['<|bos|>'])).toEqual(['abc']);
  const spaced = withTemplate("{% for m in messages %}{{ m['content'] }}{% endfor %}");
  expect(messageSpans(spaced, messages, ['<s>', ' ab', 'c'])).toEqual([{ start: 1, end: 3 }]);
});

test('messageSpans of a model without a template follows the plain transcript', () => {
  const messages = [
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'two' },
  ] as const;
  expect(textsOf(withTemplate(null), messages, 1)).toEqual(['one', 'two']);
});

test('passageOf refuses both and neither of text and messages', () => {
  expect(() => passageOf({})).toThrow('one of text and messages');
  expect(() => passageOf({ text: 'a', messages: [] })).toThrow('one of text and messages');
});
