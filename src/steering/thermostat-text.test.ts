import { expect, test } from 'vitest';

import { parseThermostat } from './thermostat-text.ts';

test.each([
  [
    'calm up to 0.05 while desperate > p95',
    { with: 'calm', limit: 0.05, watch: 'desperate', above: 'p95' },
  ],
  ['calm while on edge > 0.1', { with: 'calm', limit: 0.06, watch: 'on edge', above: 0.1 }],
  [
    ' at ease up to .2 while afraid>p99.5 ',
    { with: 'at ease', limit: 0.2, watch: 'afraid', above: 'p99.5' },
  ],
])('parseThermostat reads %s', (text, expected) => {
  expect(parseThermostat(text)).toEqual(expected);
});

test.each([
  '',
  'calm',
  'calm while desperate',
  'calm up to 9 while desperate > p95',
  'calm up to 0 while desperate > p95',
  'calm while desperate < p95',
  'calm while desperate > p950',
])('parseThermostat refuses "%s" with an example', (text) => {
  expect(() => parseThermostat(text)).toThrow('thermostat: expected EMOTION');
});
