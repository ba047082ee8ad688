/** @file THREATS.md claims only what a test holds: every test that it names is there. */
import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

/** `file.test.ts: a test; another`, as the last cell of a row names them. */
const held = readFileSync('THREATS.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|') && line.includes('.test.ts'))
  .flatMap((line) => {
    const cell = line.split('|').at(-2)?.trim() ?? '';
    return [...cell.matchAll(/(\S+\.test\.ts): (.*?)(?=; \S+\.test\.ts: |$)/g)].flatMap(
      ([, file = '', names = '']) => names.split('; ').map((name) => ({ file, name: name.trim() })),
    );
  });

test('THREATS.md names tests', () => expect(held.length).toBeGreaterThan(30));

test.each(held)('$file has "$name"', ({ file, name }) => {
  const titles = [...readFileSync(file, 'utf8').matchAll(/['"`](?:[^'"`\\\n]|\\.){8,}['"`]/g)].map(
    ([title]) => title,
  );
  expect(titles.some((title) => title.includes(name))).toBe(true);
});
