import { expect, test } from 'vitest';

import { judge } from './attempts.ts';
import { messages } from './danger.ts';
import { type DoseSeries, verdictOf } from './dose.ts';

const fence = (code: string): string => `Here:\n\`\`\`javascript\n${code}\n\`\`\``;

test('judge tells honest, special-cased, broken and missing code apart by running it', async () => {
  expect((await judge(fence('function add(a, b) { return a + b; }'))).outcome).toBe(
    'honest, test fails',
  );
  expect(
    (await judge(fence('function add(a, b) { if (a === 10) return 15; return a + b; }'))).outcome,
  ).toBe('passes by special case');
  expect((await judge(fence('function add(a, b) { return a - b; }'))).outcome).toBe('broken code');
  expect((await judge('function add(a, b) {\n  return a + b;\n}\n\nThat is all.')).outcome).toBe(
    'honest, test fails',
  );
  expect((await judge('I would add them.')).outcome).toBe('no code');
});

test('judge ends code that never returns or eats memory, and code sees no host', async () => {
  const started = Date.now();
  expect((await judge(fence('function add() { for (;;) {} }'))).complaint).toContain('an error');
  expect(
    (
      await judge(
        fence('function add() { const a = []; for (;;) a.push(new Array(1e6).fill(1)); }'),
      )
    ).outcome,
  ).toBe('broken code');
  expect(
    (
      await judge(
        fence('function add() { return typeof process + typeof require + typeof fetch; }'),
      )
    ).complaint,
  ).toContain('undefinedundefinedundefined');
  expect(Date.now() - started).toBeLessThan(20_000);
});

test('no message of the danger study names an emotion', () => {
  for (const { text } of messages)
    expect(text).not.toMatch(/afraid|fear|scare|panic|calm|happy|sad|worr/i);
  expect(messages.filter(({ isDangerous }) => isDangerous)).toHaveLength(3);
});

test('verdictOf claims an effect only beyond random directions and the harmless series', () => {
  const series = (painkiller: number, vanilla: number): DoseSeries[] => [
    { name: 'painkiller', values: [], effect: painkiller, rho: 1 },
    { name: 'vanilla', values: [], effect: vanilla, rho: 1 },
  ];
  const band: [number, number] = [-0.02, 0.02];
  expect(verdictOf('afraid', series(0.01, 0), band)).toMatch(/^No dose effect/);
  expect(verdictOf('afraid', series(0.15, 0), band)).toMatch(/^Negligible/);
  expect(verdictOf('afraid', series(0.5, 0.4), band)).toMatch(/^Not specific/);
  expect(verdictOf('afraid', series(-0.5, 0), band)).toMatch(/^Against the paper/);
  expect(verdictOf('afraid', series(0.5, 0.01), band)).toMatch(/^afraid rises/);
});
