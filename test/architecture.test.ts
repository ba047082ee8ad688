import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

import { expect, test } from 'vitest';

/** Folders of src/, lowest first. A folder may import itself and any folder below it. */
const layers = [
  ['errors.ts'],
  ['math', 'api'],
  ['formats', 'charts'],
  ['engine', 'store'],
  ['capture'],
  ['vectors'],
  ['steering'],
  ['providers'],
  ['studies'],
  ['queue', 'server'],
  ['cli', 'index.ts'],
];

const rank = new Map(layers.flatMap((names, level) => names.map((name) => [name, level])));
const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
);
const top = (file: string): string => file.split('/')[0]!;

function importsOf(file: string): string[] {
  const text = readFileSync(join('src', file), 'utf8');
  return [...text.matchAll(/from '(\.[^']+)'/g)].map((match) =>
    normalize(join(dirname(file), match[1]!)),
  );
}

test.each(files)('%s imports only its own folder and lower layers', (file) => {
  expect(rank.has(top(file)), `src/${top(file)} has no layer`).toBe(true);
  const upward = importsOf(file).filter(
    (target) => top(target) !== top(file) && rank.get(top(target))! >= rank.get(top(file))!,
  );
  expect(upward).toEqual([]);
});

test.each(files)('%s is at most 400 lines', (file) => {
  const lines = readFileSync(join('src', file), 'utf8').split('\n').length;
  expect(lines).toBeLessThanOrEqual(400);
});
