/** @file Templates come with model files, so from anybody: they end in time, and their faults are told in a sentence. */
import { performance } from 'node:perf_hooks';

import { expect, test } from 'vitest';

import { InvalidInputError } from '../errors.ts';
import { formatChat } from './chat-template.ts';
import { openToyModel } from './toy/model.ts';

await using toy = openToyModel();
const infoWith = (chatTemplate: string): Parameters<typeof formatChat>[0] => ({
  ...toy.info,
  chatTemplate,
  bosText: '<s>',
});
const messages = [
  { role: 'user', content: 'How are you?' },
  { role: 'assistant', content: 'Well.' },
] as const;

test('a template is rendered with the messages, the marks and what asks for a reply', () => {
  const template =
    '{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}';
  expect(formatChat(infoWith(template), messages)).toBe(
    '<s>[user] How are you?\n[assistant] Well.\n[assistant]',
  );
  expect(formatChat(infoWith(template), messages, { forReply: false })).toBe(
    '<s>[user] How are you?\n[assistant] Well.\n',
  );
});

test.each([
  ['loops in loops', `${'{% for i in range(100000) %}'.repeat(3)}x${'{% endfor %}'.repeat(3)}`],
  [
    'a macro that calls itself twice, 60 deep',
    '{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}',
  ],
])('%s end in time, and the next rendering is right', (_, template) => {
  const started = performance.now();
  expect(() => formatChat(infoWith(template), messages)).toThrow(InvalidInputError);
  expect(performance.now() - started).toBeLessThan(15_000);
  expect(formatChat(infoWith('{{ messages[0].content }}'), messages)).toBe('How are you?');
});

test.each([
  ['does not parse', '{% for m in messages %}'],
  ['refuses the messages', '{{ raise_exception("no assistant first") }}'],
  ['calls itself for ever', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}'],
])('a template that %s is an InvalidInputError with the model in it', (_, template) => {
  expect(() => formatChat(infoWith(template), messages)).toThrow(InvalidInputError);
  expect(() => formatChat(infoWith(template), messages)).toThrow(toy.info.name);
});

test('a template that makes gigabytes of a word is refused by the length of what it makes', () => {
  const doubling = (times: number): string =>
    `{% set ns = namespace(x='x') %}{% for i in range(${times}) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}`;
  expect(formatChat(infoWith(doubling(10)), messages)).toHaveLength(1024);
  for (const times of [24, 29, 60])
    expect(() => formatChat(infoWith(doubling(times)), messages), String(times)).toThrow(
      /expected at most 1000136 characters, got 16777216|string length/,
    );
});

test('what a template or a name says is shown without what a terminal obeys, and cut', () => {
  const info = {
    ...infoWith(`{{ raise_exception("\u{1b}[2J${'x'.repeat(3000)}") }}`),
    name: 'a\u{7}b',
  };
  let message = '';
  try {
    formatChat(info, messages);
  } catch (error) {
    ({ message } = error as Error);
  }
  expect(message).toMatch(/^chat template: a\uFFFDb refused these messages \(\uFFFD\[2Jx+/);
  expect(message.length).toBeLessThan(600);
});
