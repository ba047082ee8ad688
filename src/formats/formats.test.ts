import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as streamText } from 'node:stream/consumers';

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';

import { tinyGguf } from '../../test/tiny-gguf.ts';
import { FormatError } from '../errors.ts';
import { readGgufHeader } from './gguf.ts';
import { fromHalf, toHalf } from './half.ts';
import { readJsonLines } from './jsonl.ts';
import { readTensors, writeTensors } from './safetensors.ts';
import { openZipMember } from './zip.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-formats-'));
const file = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

test('toHalf gives the bits of IEEE 754 half precision', () => {
  // Known encodings: 1, -2, 65504 (largest), 2^-24 (smallest), 1/3.
  const known: [number, number][] = [
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [2 ** -24, 0x0001],
    [1 / 3, 0x3555],
    [0, 0],
    [1e6, 0x7c00],
    [65520, 0x7c00],
    [2 ** -26, 0],
  ];
  for (const [value, bits] of known) expect(toHalf(value), String(value)).toBe(bits);
  // 1 + 2^-11 lies between two halves: the even one is 1; 1 + 3 * 2^-11 goes up to 1 + 2^-9.
  expect(toHalf(1 + 2 ** -11)).toBe(0x3c00);
  expect(toHalf(1 + 3 * 2 ** -11)).toBe(0x3c02);
});

test('fromHalf of toHalf is within 2^-11 of a normal number', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-4, max: 6e4, noNaN: true }),
      (x) => Math.abs(fromHalf(toHalf(x)) - x) <= x * 2 ** -11 * 1.0001,
    ),
  );
});

test('readTensors gives back what writeTensors wrote', () => {
  const path = join(folder, 'a.safetensors');
  const tensors = new Map([
    ['x', { shape: [2, 2], data: Float32Array.of(1, -2, 0.5, 3) }],
    ['y', { shape: [1], data: Float32Array.of(9) }],
  ]);
  for (const precision of ['F16', 'F32'] as const) {
    writeTensors(path, { tensors, metadata: { who: 'test' } }, precision);
    const read = readTensors(path);
    expect([...read.tensors]).toEqual([...tensors]);
    expect(read.metadata).toEqual({ who: 'test' });
  }
});

test('readTensors of a broken file throws FormatError and nothing else', () => {
  const path = join(folder, 'good.safetensors');
  writeTensors(
    path,
    { tensors: new Map([['x', { shape: [2], data: Float32Array.of(1, 2) }]]), metadata: {} },
    'F32',
  );
  const good = readFileSync(path);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
      const bad = Buffer.from(good.subarray(0, length));
      if (at < bad.length) bad[at] = byte;
      try {
        readTensors(file('bad.safetensors', bad));
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
    { numRuns: 300 },
  );
});

test('readGgufHeader reads shape and template of a small file', () => {
  const header = readGgufHeader(file('tiny.gguf', tinyGguf()));
  expect(header).toMatchObject({
    architecture: 'llama',
    blocks: 2,
    width: 8,
    contextLength: 64,
    tensorCount: 2,
    splitCount: 1,
    hasChatTemplate: true,
  });
});

test('readGgufHeader names what is wrong with a text, a truncated file and absurd counts', () => {
  const good = tinyGguf();
  expect(() => readGgufHeader(file('t.gguf', 'hello, this is no model'))).toThrow(
    /expected a GGUF model file, got something else/,
  );
  expect(() => readGgufHeader(file('c.gguf', good.subarray(0, good.length - 4)))).toThrow(
    /truncated/,
  );
  expect(() => readGgufHeader(file('h.gguf', good.subarray(0, 60)))).toThrow(
    /ends inside its header/,
  );
  const absurd = Buffer.from(good);
  absurd.writeBigUInt64LE(2n ** 60n, 8);
  expect(() => readGgufHeader(file('n.gguf', absurd))).toThrow(/expected at most 1000000 tensors/);
  expect(() => readGgufHeader(join(folder, 'none.gguf'))).toThrow(/expected a readable file/);
});

test('readGgufHeader of a damaged header throws FormatError and nothing else', () => {
  const good = tinyGguf();
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (changes) => {
        const bad = Buffer.from(good);
        for (const [at, byte] of changes) bad[at] = byte;
        try {
          readGgufHeader(file('fuzz.gguf', bad));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('readJsonLines names the line that is wrong', () => {
  const schema = z.object({ a: z.number() });
  expect(readJsonLines(file('g.jsonl', '{"a":1}\n\n{"a":2}\n'), schema)).toEqual([
    { a: 1 },
    { a: 2 },
  ]);
  expect(() => readJsonLines(file('b.jsonl', '{"a":1}\n{"a":'), schema)).toThrow(
    /line 2: not JSON \(at byte 8\)/,
  );
  expect(() => readJsonLines(file('s.jsonl', '{"a":"x"}'), schema)).toThrow(/line 1: a: /);
});

test('openZipMember reads stored and deflated members that Python wrote', async () => {
  const path = join(folder, 'w.whl');
  const script =
    "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1],'w')\nz.writestr('a/b.txt','hello '*500,zipfile.ZIP_DEFLATED)\nz.writestr('c.txt','plain')\nz.close()";
  execFileSync('python3', ['-c', script, path]);
  expect(await streamText(openZipMember(path, 'a/b.txt'))).toBe('hello '.repeat(500));
  expect(await streamText(openZipMember(path, 'c.txt'))).toBe('plain');
  expect(() => openZipMember(path, 'd.txt')).toThrow(/expected a member d.txt/);
});
