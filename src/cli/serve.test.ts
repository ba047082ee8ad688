import { expect, test } from 'vitest';

import { usualThermostat } from '../api/chat.ts';
import { accessOf, watchingOf } from './serve.ts';

const token = '0123456789abcdef';

test('accessOf answers to the host and to those of --allow-host, with spaces or without', () => {
  expect(accessOf({ 'allow-host': 'a, b.c:99 ,,' }, {})).toEqual({
    host: '127.0.0.1',
    token: null,
    allowedHosts: ['127.0.0.1', 'a', 'b.c:99'],
  });
});

test('accessOf adds the bracketed form of an IPv6 address, as the header Host has it', () => {
  const values = { host: 'fd00::7', token, 'allow-host': 'fd00::8' };
  expect(accessOf(values, {}).allowedHosts).toEqual([
    'fd00::7',
    '[fd00::7]',
    'fd00::8',
    '[fd00::8]',
  ]);
});

test('accessOf takes the token of the option, else that of the environment; an empty one is none', () => {
  expect(accessOf({ token: 'mine' }, { LIMBIC_TOKEN: 'other' }).token).toBe('mine');
  expect(accessOf({}, { LIMBIC_TOKEN: 'other' }).token).toBe('other');
  expect(accessOf({}, { LIMBIC_TOKEN: '' }).token).toBeNull();
  expect(() => accessOf({ host: '0.0.0.0' }, { LIMBIC_TOKEN: '' })).toThrow('got none');
});

test('watchingOf gives a thermostat of the command line the usual gain and limit', () => {
  expect(watchingOf({ thermostat: 'calm while desperate > p95' }).thermostat).toMatchObject(
    usualThermostat,
  );
});
