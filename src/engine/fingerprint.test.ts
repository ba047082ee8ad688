import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { tinyGguf } from '../../test/tiny-gguf.ts';
import { readAllParts } from '../formats/gguf.ts';
import { hashNorms } from './fingerprint.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-fingerprint-'));
const hashOf = (content: Buffer): string => {
  const path = join(folder, 'm.gguf');
  writeFileSync(path, content);
  return hashNorms(readAllParts(path));
};

test('hashNorms follows the norm weights and nothing else of the tensors', () => {
  const plain = hashOf(tinyGguf());
  expect(hashOf(tinyGguf('llama', { first: 3 }))).toBe(plain);
  expect(hashOf(tinyGguf('llama', { norm: 1e-6 }))).not.toBe(plain);
});
