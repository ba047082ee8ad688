import fc from 'fast-check';
import { expect, test } from 'vitest';

import { cutFields, jsonBytes } from './cut-json.ts';

test('jsonBytes counts UTF-8', () => {
  // {"a":"é"} is 9 characters, one of them two bytes long.
  expect(jsonBytes({ a: 'é' })).toBe(10);
});

test('cutFields of what fits is the same object', () => {
  const fields = { a: [1, 2, 3], b: 'x' };
  expect(cutFields(fields, 256)).toBe(fields);
});

test('a short field stays whole beside a long one, in the order that it had', () => {
  const list = Array.from({ length: 1000 }, (_, i) => i);
  const cut = cutFields({ long: list, name: 'first try', mean: 0.5 }, 400);
  expect(Object.keys(cut)).toEqual(['long', 'name', 'mean']);
  expect(cut).toMatchObject({ name: 'first try', mean: 0.5 });
  const shown = cut['long'] as unknown[];
  expect(shown.slice(0, -1)).toEqual(list.slice(0, shown.length - 1));
  expect(shown.at(-1)).toBe(`left out: ${1000 - (shown.length - 1)} of 1000 items`);
  // Most of the room is used: 400 bytes less 64 for the note, less the other fields' 40.
  expect(jsonBytes(cut)).toBeGreaterThan(280);
});

test('rows of a table stay whole, and each cut list says what is missing of it', () => {
  const table = Array.from({ length: 8 }, () => Array.from({ length: 80 }, () => 0.125));
  const { table: rows } = cutFields({ table }, 1440) as { table: unknown[][] };
  // A row is 481 bytes: two are whole, the third ends in a note, and five are not there.
  expect(rows.slice(0, 2)).toEqual(table.slice(0, 2));
  expect(rows[2]!.at(-1)).toMatch(/^left out: \d+ of 80 items$/);
  expect(rows[3]).toBe('left out: 5 of 8 items');
});

test('a text keeps its beginning', () => {
  const { text } = cutFields({ text: 'é'.repeat(5000) }, 500) as { text: string };
  expect(text).toMatch(/^é{150,} \[left out: \d+ of 5000 characters\]$/);
});

test('more fields than there is room for are counted', () => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`emotion ${i}`, i]));
  const cut = cutFields(many, 1000);
  const kept = Object.keys(cut).length - 1;
  expect(kept).toBeGreaterThan(20);
  expect(cut['left out']).toBe(`${5000 - kept} of 5000 fields`);
});

test('whatever the value, the result fits, and no list of numbers is shorter without saying so', () => {
  const isHonest = (before: unknown, after: unknown): boolean => {
    if (!Array.isArray(before) || !Array.isArray(after)) return true;
    const last: unknown = after.at(-1);
    return after.length === before.length || String(last).startsWith('left out: ');
  };
  const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { minKeys: 1 });
  fc.assert(
    fc.property(object, fc.integer({ min: 256, max: 2000 }), (made, limit) => {
      const value = JSON.parse(JSON.stringify(made)) as Record<string, unknown>;
      const numbers = Array.from({ length: limit }, (_, i) => i / 8);
      const variants: Record<string, unknown>[] = [
        value,
        { ...value, numbers },
        { deep: { value, numbers } },
      ];
      for (const fields of variants) {
        const cut = cutFields(fields, limit);
        expect(jsonBytes(cut)).toBeLessThanOrEqual(limit);
        for (const [name, field] of Object.entries(cut))
          expect(isHonest(fields[name], field)).toBe(true);
      }
    }),
    { seed: 7, numRuns: 300 },
  );
});
