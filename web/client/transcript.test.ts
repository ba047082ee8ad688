import { expect, test } from 'vitest';

import { formatTranscript, parseTranscript } from './transcript.ts';

const hello = { role: 'user', content: 'Hello' } as const;
const answer = { role: 'assistant', content: 'Yes\nno' } as const;

test('parseTranscript reads one message a line', () => {
  expect(parseTranscript(`${JSON.stringify(hello)}\n\n${JSON.stringify(answer)}\n`)).toEqual([
    [hello, answer],
  ]);
});

test('parseTranscript reads a conversation a line, and a bare list', () => {
  const lines = [JSON.stringify({ messages: [hello, answer] }), JSON.stringify([hello])];
  expect(parseTranscript(lines.join('\n'))).toEqual([[hello, answer], [hello]]);
});

test('parseTranscript joins text parts and takes developer for system', () => {
  const content = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ];
  expect(parseTranscript(JSON.stringify({ role: 'developer', content }))).toEqual([
    [{ role: 'system', content: 'ab' }],
  ]);
});

test.each([
  ['not json', 'line 1: not JSON: not json'],
  [
    `${JSON.stringify(hello)}\n{"role":"robot"}`,
    'line 2: role: expected system, user or assistant, got "robot"',
  ],
  ['{"role":"user","content":7}', 'line 1: content: expected text'],
  [
    '{"messages":[{"role":"user","content":"a"},3]}',
    'line 1, message 2: expected a message, an object',
  ],
  ['\n \n', 'the file has no messages'],
])('parseTranscript of %j names the place', (text, message) => {
  expect(() => parseTranscript(text)).toThrow(message);
});

test('formatTranscript writes what parseTranscript reads', () => {
  expect(parseTranscript(formatTranscript([hello, answer]))).toEqual([[hello, answer]]);
});
