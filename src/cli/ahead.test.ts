import { PassThrough } from 'node:stream';

import { expect, test } from 'vitest';

import { answerTo } from './ahead.ts';

/** Asks, and answers with what is typed; `null` is the end of the input. */
function typed(text: string | null): Promise<string> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const answer = answerTo('go on? ', { input, output, terminal: true });
  if (text === null) input.end();
  else input.write(text);
  return answer;
}

test('answerTo gives the line that is typed', async () => {
  expect(await typed('yes\r')).toBe('yes');
});

test('answerTo comes to its end after Ctrl-C and where the input ends', async () => {
  await expect(typed('y\u0003')).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  await expect(typed(null)).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
}, 10_000);
