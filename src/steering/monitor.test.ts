import fc from 'fast-check';
import { expect, test } from 'vitest';

import { type Fired, Monitor, parseRule, quietTokens } from './monitor.ts';

/** Runs one rule with the threshold 1 over readings; returns what fired. */
function watch(text: string, readings: readonly number[]): Fired[] {
  const monitor = new Monitor([{ rule: parseRule(text), threshold: 1 }]);
  return readings.flatMap((reading, index) => monitor.add(() => reading, index));
}
const indexes = (fired: readonly Fired[]): number[] => fired.map(({ index }) => index);
const times = (count: number, value: number): number[] =>
  Array.from({ length: count }, () => value);

test('parseRule reads every part of a rule', () => {
  expect(parseRule(' desperate > p95 for 20 tokens -> stop ')).toEqual({
    text: 'desperate > p95 for 20 tokens -> stop',
    emotion: 'desperate',
    above: true,
    threshold: { kind: 'percentile', share: 0.95 },
    tokens: 20,
    action: 'stop',
  });
});

test('parseRule of a bare rule is one token and a note in the log', () => {
  expect(parseRule('calm < -0.1')).toMatchObject({
    emotion: 'calm',
    above: false,
    threshold: { kind: 'reading', value: -0.1 },
    tokens: 1,
    action: 'log',
  });
});

test.each([
  ['on edge > p99', 'on edge', { kind: 'percentile', share: 0.99 }],
  ['grief-stricken>p99.5->log', 'grief-stricken', { kind: 'percentile', share: 0.995 }],
  ['at ease < .25 for 1 token', 'at ease', { kind: 'reading', value: 0.25 }],
  ['p95 > 2', 'p95', { kind: 'reading', value: 2 }],
  ['sad > +1e-3 -> stop', 'sad', { kind: 'reading', value: 0.001 }],
])('parseRule of "%s" watches "%s"', (text, emotion, threshold) => {
  expect(parseRule(text)).toMatchObject({ emotion, threshold });
});

test.each([
  '',
  'desperate',
  'desperate >',
  '> p95',
  '  < 0.1',
  'desperate >= 0.1',
  'desperate > p101',
  'desperate > p',
  'desperate > P95',
  'desperate > 1e999',
  'desperate > NaN',
  'desperate > 0.1 for 0 tokens',
  'desperate > 0.1 for 9999999 tokens',
  'desperate > 0.1 for 2.5 tokens',
  'desperate > 0.1 for 5',
  'desperate > 0.1for 5 tokens',
  'desperate > 0.1 -> halt',
  'desperate > 0.1 -> stop -> log',
  'desperate > 0.1, calm < 0.1',
  'desperate > 0.1 < 0.2',
  `${'a'.repeat(300)} > 1`,
])('parseRule refuses "%s" with an example', (text) => {
  expect(() => parseRule(text)).toThrow(
    expect.objectContaining({
      code: 'invalid-input',
      message: expect.stringMatching(/^rule: expected EMOTION/) as string,
      hint: expect.stringContaining('desperate > p95 for 20 tokens -> stop') as string,
    }),
  );
});

test('parseRule of the text of a parsed rule is the same rule', () => {
  const part = fc.record({
    emotion: fc.constantFrom('calm', 'on edge', 'grief-stricken'),
    sign: fc.constantFrom('<', '>'),
    threshold: fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => `${value}`),
      fc.integer({ min: 0, max: 99 }).map((value) => `p${value}`),
    ),
    stretch: fc.constantFrom('', ' for 3 tokens'),
    action: fc.constantFrom('', ' -> log', ' -> stop'),
  });
  fc.assert(
    fc.property(part, ({ emotion, sign, threshold, stretch, action }) => {
      const rule = parseRule(`${emotion} ${sign} ${threshold}${stretch}${action}`);
      expect(rule).toMatchObject({ emotion, above: sign === '>', tokens: stretch === '' ? 1 : 3 });
      if (rule.threshold.kind === 'reading') expect(rule.threshold.value).toBe(Number(threshold));
      expect(parseRule(rule.text)).toEqual(rule);
    }),
  );
});

test('a rule fires at the token that completes its stretch, with the mean reading over it', () => {
  const fired = watch('sad > 1 for 3 tokens', [2, 2, 0, 2, 3, 7, 9]);
  expect(fired).toHaveLength(1);
  // (2 + 3 + 7) / 3
  expect(fired[0]).toMatchObject({ index: 5, value: 4, rule: { emotion: 'sad' } });
});

test('a reading at the threshold is neither above nor below it', () => {
  expect(watch('sad > 1', [1, 1])).toEqual([]);
  expect(watch('sad < 1', [1, 1])).toEqual([]);
  expect(indexes(watch('sad < 1', [1, 0.5]))).toEqual([1]);
});

test('a rule that fired is quiet until its condition was false for 5 tokens in a row', () => {
  expect(quietTokens).toBe(5);
  expect(indexes(watch('sad > 1', [2, ...times(20, 2)]))).toEqual([0]);
  expect(indexes(watch('sad > 1', [2, ...times(4, 0), 2, ...times(4, 0), 2]))).toEqual([0]);
  expect(indexes(watch('sad > 1', [2, ...times(5, 0), 2]))).toEqual([0, 6]);
  expect(indexes(watch('sad > 1 for 2 tokens', [2, 2, ...times(5, 0), 2, 2]))).toEqual([1, 8]);
});

test('a NaN reading ends a stretch, and counts toward the end of the quiet', () => {
  expect(watch('sad > 1 for 2 tokens', [2, NaN, 2, NaN])).toEqual([]);
  expect(watch('sad < 1 for 2 tokens', [0, NaN, 0, NaN])).toEqual([]);
  expect(indexes(watch('sad > 1', [2, ...times(5, NaN), 2]))).toEqual([0, 6]);
});

test('reset begins a new reply: no stretch and no quiet are carried over', () => {
  const monitor = new Monitor([
    { rule: parseRule('sad > 1 for 2 tokens'), threshold: 1 },
    { rule: parseRule('sad > 1'), threshold: 1 },
  ]);
  const add = (index: number): string[] => monitor.add(() => 2, index).map(({ rule }) => rule.text);
  expect(add(0)).toEqual(['sad > 1']);
  monitor.reset();
  expect(add(0)).toEqual(['sad > 1']);
  expect(add(1)).toEqual(['sad > 1 for 2 tokens']);
});

test('each rule reads its own emotion against its own threshold', () => {
  const monitor = new Monitor([
    { rule: parseRule('calm < p5 -> stop'), threshold: -0.1 },
    { rule: parseRule('sad > p95'), threshold: 0.2 },
  ]);
  const readings = [
    { calm: 0, sad: 0.3 },
    { calm: -0.2, sad: 0.3 },
  ];
  const fired = readings.flatMap((reading, index) =>
    monitor.add((emotion) => reading[emotion as keyof typeof reading], index),
  );
  expect(fired.map(({ index, rule, value }) => [index, rule.emotion, value])).toEqual([
    [0, 'sad', 0.3],
    [1, 'calm', -0.2],
  ]);
});
