import { expect, test } from 'vitest';

import type { MonitorEvent } from '../../src/api/chat.ts';
import { createMessage } from '../chat/message.ts';
import { axisRoom, countTokens, offsetsOf, placeAt, positionOf, thermostatSpans } from './track.ts';

const unread = createMessage('a', { role: 'user', content: 'eight ch' });
const reply = createMessage('b', { role: 'assistant', content: 'x' });
reply.tokens = ['x', 'y', 'z'].map((text) => ({ text, readouts: {} }));
const messages = [unread, reply];

test('offsetsOf leaves room for a message that is not read yet', () => {
  expect(offsetsOf(messages)).toEqual([0, 2, 5]);
  expect(countTokens(messages)).toBe(3);
});

test('placeAt and positionOf undo each other', () => {
  expect(placeAt(messages, 3)).toEqual({ message: reply, index: 1 });
  expect(positionOf(messages, { message: reply, index: 1 })).toBe(3);
  expect(placeAt(messages, 0)).toBeNull();
  expect(placeAt(messages, 5)).toBeNull();
  expect(positionOf([unread], { message: reply, index: 0 })).toBeNull();
});

test('thermostatSpans go from on to off, and to the end of a reply that ended with it on', () => {
  const at = (index: number, kind: MonitorEvent['kind']): MonitorEvent => ({
    index,
    kind,
    rule: '',
    emotion: 'calm',
    value: 0,
  });
  const events = [at(0, 'rule'), at(0, 'thermostat-on'), at(1, 'stop'), at(1, 'thermostat-off')];
  expect(thermostatSpans({ ...reply, events })).toEqual([[0, 1]]);
  const on = at(2, 'thermostat-on');
  expect(thermostatSpans({ ...reply, events: [...events, on] })).toEqual([
    [0, 1],
    [2, 3],
  ]);
  expect(thermostatSpans(reply)).toEqual([]);
});

test('axisRoom holds the tokens and changes rarely', () => {
  const rooms = new Set(Array.from({ length: 1000 }, (_, count) => axisRoom(count)));
  expect(rooms.size).toBeLessThan(8);
  for (const count of [0, 120, 121, 999]) expect(axisRoom(count)).toBeGreaterThanOrEqual(count);
});
