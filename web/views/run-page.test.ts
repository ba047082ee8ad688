import { expect, test } from 'vitest';

import { followTurns } from './run-page.tsx';

const question = { role: 'user' as const, content: 'Hi' };
const reply = (...texts: string[]): Parameters<typeof followTurns>[2][number] => ({
  role: 'assistant',
  content: texts.join(''),
  tokens: texts.map((text) => ({ text, readouts: {} })),
});

test('followTurns keeps the messages of a run that goes on', () => {
  const first = followTurns([], 'a', [question, reply('Y')]);
  const second = followTurns(first, 'a', [question, reply('Y', 'es')]);
  expect(second).toBe(first);
  expect(second[1]?.tokens).toHaveLength(2);
  const third = followTurns(second, 'a', [question, reply('Y', 'es'), question]);
  expect(third).not.toBe(second);
  expect(third[1]).toBe(second[1]);
});
