import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { expect } from 'vitest';

import { type ChatMessage, formatChat } from '../../src/engine/chat-template.ts';
import { openToyModel } from '../../src/engine/toy/model.ts';
import { fuzz } from './harness.ts';
import { changes, mutated, type Part, part } from './mutators.ts';

await using toy = openToyModel();

/** In the ways of templates in circulation, written for this test. */
const templates = [
  "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] | trim }}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
  "{%- if messages[0].role == 'system' -%}{% set first = messages[0].content %}{% set rest = messages[1:] %}{%- else -%}{% set first = 'Be brief.' %}{% set rest = messages %}{%- endif -%}{{ bos_token }}[{{ first }}]{% for m in rest %}{{ m.role | upper }}: {{ m.content }}{{ eos_token }}{% endfor %}",
  "{% macro one(m, i) %}{% if (m.role == 'user') != (i % 2 == 0) and m.role != 'system' %}{{ raise_exception('in turn, please') }}{% endif %}({{ i }}) {{ m.content ~ '.' }}{% endmacro %}{% for m in messages %}{{ one(m, loop.index0) }}{% if not loop.last %}, {% endif %}{% endfor %}",
  "{% set ns = namespace(n=0, text='') %}{% for m in messages if m.content is defined %}{% set ns.n = ns.n + 1 %}{% set ns.text = ns.text ~ m.content | replace('a', 'b') %}{% endfor %}{{ ns.n }} {{ ns.text | length }} {{ messages | tojson }}{{ ns.text.split(' ')[-1] }}",
];
/** What a template has no use for. */
const hostile = [
  '{% for i in range(50) %}',
  '{% endfor %}',
  "{% set ns = namespace(text='x') %}{% for i in range(22) %}{% set ns.text = ns.text ~ ns.text %}{% endfor %}{{ ns.text }}",
  '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}',
  '{{ messages.constructor }}',
  "{{ ''.__proto__.x }}",
  "{{ messages[99999999999] }}{{ messages[-1]['content'][::-1] }}",
  '{{ 1 / 0 }}{{ 10 ** 400 }}{{ -1 % 0 }}',
  "{{ 'x' * 100000000 }}",
  '{{ range(0, 10, 0) | list }}',
  '{{ undefined_name.a.b }}',
  "{% include '/etc/passwd' %}",
  "{{ messages | map(attribute='content') | join('\u{1b}[2J') }}",
  '{# never closed',
];

/** Marks, words, numbers and texts as parts, so that what is moved about is mostly a template still. */
const partsOf = (template: string): Part[] =>
  (template.match(/\{[{%#]-?|-?[}%#]\}|'[^']*'|\w+|\s+|./gsu) ?? []).map((token) =>
    part.bytes(token),
  );
const template = fc
  .tuple(
    fc.constantFrom(...templates),
    fc.option(fc.tuple(fc.constantFrom(...hostile), fc.nat()), { freq: 3 }),
  )
  .map(([own, more]) => {
    const parts = partsOf(own);
    if (more !== null) parts.splice(more[1] % (parts.length + 1), 0, part.bytes(more[0]));
    return parts;
  });
const files = fc
  .tuple(template, template, changes)
  .map(([own, donor, list]) => mutated(own, list, donor));

const conversations: readonly (readonly ChatMessage[])[] = [
  [{ role: 'user', content: 'A banana, please.' }],
  [
    { role: 'system', content: 'Answer in a word. {{ bos_token }}' },
    { role: 'user', content: 'Is it late? \u{1f34c}' },
    { role: 'assistant', content: '' },
    { role: 'user', content: '{% for %}' },
  ],
];

fuzz('any broken chat template', files, {
  name: 'template.jinja',
  isNoFile: true,
  // A rendering is stopped after five.
  seconds: 6,
  read: (path) => {
    const chatTemplate = readFileSync(path, 'utf8');
    const info = { ...toy.info, chatTemplate, bosText: '<s>', eosText: '</s>' };
    for (const messages of conversations) {
      const text = formatChat(info, messages);
      expect(typeof text).toBe('string');
      expect(text.length).toBeLessThan(1_001_000);
    }
    // No template changes what another one makes.
    const after = { ...info, chatTemplate: '{{ messages[0].content }}{{ ns is defined }}' };
    expect(formatChat(after, conversations[0]!)).toBe('A banana, please.false');
  },
});
