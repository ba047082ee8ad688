import { expect, test } from 'vitest';

import {
  createMessage,
  isForked,
  type Item,
  messageOfTurn,
  messagesOf,
  seriesOf,
  setTokens,
  turnOfMessage,
} from './message.ts';

const scale = new Map([['calm', { median: 0, spread: 0.5 }]]);

test('seriesOf grows with the message and begins again with other tokens', () => {
  const message = createMessage('m1', { role: 'assistant', content: '' }, 'streaming');
  message.tokens.push({ text: 'a', readouts: { calm: 1 } });
  expect(seriesOf(message, 'calm', scale)).toEqual([2]);
  message.tokens.push({ text: 'b', readouts: {} });
  expect(seriesOf(message, 'calm', scale)).toEqual([2, Number.NaN]);
  setTokens(message, [{ text: 'c', readouts: { calm: -1 } }]);
  expect(seriesOf(message, 'calm', scale)).toEqual([-2]);
});

test('messagesOf follows one side until a fork was decided', () => {
  const question = createMessage('q', { role: 'user', content: 'q' });
  const plain = createMessage('u', { role: 'assistant', content: 'u' });
  const pushed = createMessage('s', { role: 'assistant', content: 's' });
  const fork: Item = { kind: 'fork', unsteered: plain, steered: pushed, chosen: null };
  const items: Item[] = [{ kind: 'message', message: question }, fork];
  expect(messagesOf(items, 'unsteered')).toEqual([question, plain]);
  expect(isForked(items)).toBe(true);
  const decided: Item[] = [items[0] ?? fork, { ...fork, chosen: 'unsteered' }];
  expect(messagesOf(decided, 'steered')).toEqual([question, plain]);
  expect(isForked(decided)).toBe(false);
});

test('turnOfMessage gives back the turn that a message was made of', () => {
  const turn = {
    role: 'assistant' as const,
    content: 'a',
    tokens: [{ text: 'a', readouts: { calm: 1 } }],
    steer: { calm: 0.1 },
  };
  expect(turnOfMessage(messageOfTurn('t', turn))).toEqual(turn);
});
