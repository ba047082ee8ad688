import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { keepThreads, keptThreads } from './kept-threads.ts';

const home = mkdtempSync(join(tmpdir(), 'limbic-threads-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

test('what was measured for a file is kept for this file', () => {
  const model = join(home, 'a.gguf');
  writeFileSync(model, 'one');
  expect(keptThreads(model, home)).toBeUndefined();
  keepThreads(model, 3, home);
  keepThreads(join(home, 'b.gguf'), 5, home);
  expect(keptThreads(model, home)).toBe(3);
  expect(keptThreads(join(home, 'b.gguf'), home)).toBe(5);
  expect(readdirSync(home).toSorted()).toEqual(['a.gguf', 'threads.json']);
  // Another model under the same name.
  writeFileSync(model, 'another');
  expect(keptThreads(model, home)).toBeUndefined();
});

test('a damaged file counts as none, and a folder that cannot be written fails nothing', () => {
  const model = join(home, 'c.gguf');
  writeFileSync(join(home, 'threads.json'), '{"x": "many"');
  expect(keptThreads(model, home)).toBeUndefined();
  const notAFolder = join(home, 'a.gguf');
  expect(() => keepThreads(model, 2, notAFolder)).not.toThrow();
  expect(keptThreads(model, notAFolder)).toBeUndefined();
});
