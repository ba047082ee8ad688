import { expect, test } from 'vitest';

import { addReadings, splitPrompt, splitReading } from './align.ts';
import type { Token } from './token.ts';

function tokens(...texts: string[]): Token[] {
  return texts.map((text, i) => ({ text, readouts: { calm: i } }));
}
const texts = (parts: readonly Token[][]): string[][] =>
  parts.map((part) => part.map(({ text }) => text));

test('splitPrompt finds each message between the tokens of the template', () => {
  const prompt = tokens(
    '<s>',
    'user',
    '\n',
    'Hi',
    ' there',
    '<e>',
    '<s>',
    'assistant',
    '\n',
    'Yes',
    '.',
  );
  expect(texts(splitPrompt(prompt, ['Hi there', 'Yes.']))).toEqual([
    ['Hi', ' there'],
    ['Yes', '.'],
  ]);
});

test('splitPrompt is not misled by a short message within the system text of a template', () => {
  const prompt = tokens(
    '<s>',
    'system',
    '\n',
    'You',
    ' think',
    '<e>',
    '<s>',
    'user',
    '\n',
    'hi',
    '<e>',
  );
  expect(texts(splitPrompt(prompt, ['hi']))).toEqual([['hi']]);
  expect(splitPrompt(prompt, ['hi'])[0]?.[0]?.readouts).toEqual({ calm: 9 });
});

test('splitPrompt cuts a token that reaches beyond the message, and gives none to what is missing', () => {
  const prompt = tokens('<s>', 'Hi\n', 'x');
  expect(texts(splitPrompt(prompt, ['Hi', 'absent', '']))).toEqual([['Hi'], [], []]);
});

test('splitReading takes what lies between starts and ends', () => {
  const reading = { tokens: tokens('<s>', 'a', '<e>', 'b', 'c'), starts: [1, 3], ends: [2, 5] };
  expect(texts(splitReading(reading))).toEqual([['a'], ['b', 'c']]);
});

test('addReadings joins texts that were cut into other tokens', () => {
  const own: Token[] = [
    { text: 'ab', readouts: { sad: 1 } },
    { text: 'c', readouts: { sad: 2, calm: 9 } },
  ];
  const read = tokens('a', 'b', 'c');
  expect(addReadings(own, read).map(({ readouts }) => readouts)).toEqual([
    { sad: 1, calm: 1 },
    { sad: 2, calm: 9 },
  ]);
});
