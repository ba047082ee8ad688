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
import { readAllParts, readGgufHeader } from './gguf.ts';
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

/** tinyGguf with other bytes `after` places after a name; 17 letters of that may be another key's. */
const patched = (name: string, after: number, bytes: Buffer, newName = name): string => {
  const bad = tinyGguf();
  const at = bad.indexOf(name);
  bad.write(newName, at);
  bytes.copy(bad, at + name.length + after);
  return file('patched.gguf', bad);
};

test('readGgufHeader of two tensors over the same bytes throws, so that no norm is read a thousand times', () => {
  // Behind the name: a side count, a side, a type, then the offset.
  const path = patched('output_norm.weight', 16, Buffer.alloc(8));
  expect(() => readGgufHeader(path)).toThrow(/output_norm.weight: expected bytes of its own/);
});

test('readGgufHeader of counts that are no numbers throws at their place', () => {
  const nan = Buffer.from('060000000000c07f', 'hex');
  const infinite = Buffer.from('060000000000807f', 'hex');
  const path = patched('llama.block_count', 0, nan);
  expect(() => readGgufHeader(path)).toThrow(/llama.block_count to be a whole number .*, got NaN/);
  // Made the expected size NaN, which no size is below.
  patched('llama.block_count', 0, infinite, 'general.alignment');
  expect(() => readGgufHeader(path)).toThrow(/general.alignment to be a whole number .*Infinity/);
  patched('llama.block_count', 4, Buffer.from([3]), 'general.alignment');
  expect(() => readGgufHeader(path)).toThrow(/general.alignment to be a power of two, got 3/);
});

test('readAllParts of a model in 2^63 parts throws FormatError', () => {
  const u64 = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return bytes;
  };
  const key = (name: string, type: number, value: Buffer): Buffer =>
    Buffer.concat([
      u64(BigInt(name.length)),
      Buffer.from(name),
      Buffer.from([type, 0, 0, 0]),
      value,
    ]);
  // 31 and 33 bytes, so that the data stays aligned.
  const keys = [key('split.count', 10, u64(2n ** 63n)), key('x'.repeat(20), 0, Buffer.alloc(1))];
  const good = tinyGguf();
  good.writeBigUInt64LE(8n, 16);
  const bad = Buffer.concat([good.subarray(0, 24), ...keys, good.subarray(24)]);
  expect(() => readAllParts(file('m-00001-of-00002.gguf', bad))).toThrow(
    /split.count to be a whole/,
  );
});

test('readGgufHeader of a folder is an InvalidInputError', () => {
  expect(() => readGgufHeader(folder)).toThrow(/expected a file at .*, found something else/);
});

/** A file of tensors with this header. */
const tensorsOf = (header: string, data = Buffer.alloc(0)): string => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return file('bad.safetensors', Buffer.concat([length, Buffer.from(header), data]));
};

test('readTensors of 2000 tensors over the same bytes copies nothing', () => {
  const entry = { dtype: 'F32', shape: [100_000], data_offsets: [0, 400_000] };
  const header = Object.fromEntries(Array.from({ length: 2000 }, (_, k) => [`t${k}`, entry]));
  const path = tensorsOf(JSON.stringify(header), Buffer.alloc(400_000));
  expect(() => readTensors(path)).toThrow(/tensor t1: expected bytes of its own/);
});

test('readTensors of a NaN names its byte', () => {
  const header = '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
  const path = tensorsOf(header, Buffer.from('0000803f0000c07f', 'hex'));
  expect(() => readTensors(path)).toThrow(
    `tensor x: expected finite values, got NaN (at byte ${8 + header.length + 4})`,
  );
});

test('readTensors of a header that is deep, or wrong a 100,000 times, is refused at its first fault', () => {
  const deep = tensorsOf('['.repeat(200_000));
  expect(() => readTensors(deep)).toThrow(/header: expected JSON at most 100 levels deep/);
  const wrong = Array.from({ length: 100_000 }, (_, k) => `"t${k}":0`).join(',');
  expect(() => readTensors(tensorsOf(`{${wrong}}`))).toThrow(/tensor t0: expected F32 or F16/);
  expect(() => readTensors(tensorsOf('{"__metadata__":{"a":5}}'))).toThrow(/__metadata__ a: /);
});

test('a FormatError shows the beginning of a name, without what a terminal obeys', () => {
  const name = `\\u001b[2J\\u202e${'x'.repeat(5000)}`;
  const path = tensorsOf(`{"${name}":0}`);
  const refused = (): unknown => readTensors(path);
  expect(refused).toThrow(FormatError);
  expect(refused).toThrow(/^[^\p{Cc}\u{202e}]{1,600}$/u);
});

test('writeTensors keeps a tensor whose numbers no half holds', () => {
  const path = join(folder, 'large.safetensors');
  const tensors = new Map([
    ['large', { shape: [2], data: Float32Array.of(1e6, -1) }],
    ['small', { shape: [1], data: Float32Array.of(2) }],
  ]);
  writeTensors(path, { tensors, metadata: {} }, 'F16');
  expect([...readTensors(path).tensors]).toEqual([...tensors]);
});

test('readJsonLines refuses depth that a schema passes over', () => {
  const line = `{"a":1,"b":${'['.repeat(5000)}${']'.repeat(5000)}}`;
  expect(() => readJsonLines(file('d.jsonl', line), z.looseObject({}))).toThrow(
    /line 1: expected JSON at most 100 levels deep/,
  );
  // Brackets in a text are no depth, whatever is escaped there.
  const text = { a: `\\"${'['.repeat(500)}\\` };
  expect(readJsonLines(file('t.jsonl', JSON.stringify(text)), z.looseObject({}))).toEqual([text]);
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

/** A zip file that Python writes by these lines, which see it as `z`. */
function pythonZip(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  const script = [
    'import sys,zipfile',
    "z=zipfile.ZipFile(sys.argv[1],'w')",
    ...lines,
    'z.close()',
  ];
  execFileSync('python3', ['-W', 'ignore', '-c', script.join('\n'), path]);
  return path;
}

test('openZipMember reads stored and deflated members that Python wrote', async () => {
  const path = pythonZip('w.whl', [
    "z.writestr('a/b.txt','hello '*500,zipfile.ZIP_DEFLATED)",
    "z.writestr('c.txt','plain')",
    "z.writestr('empty','')",
    "with z.open('unsized','w',force_zip64=True) as f: f.write(b'later')",
    "z.comment=b'PK\\x05\\x06 and more of what looks like an end'",
  ]);
  expect(await streamText(openZipMember(path, 'a/b.txt'))).toBe('hello '.repeat(500));
  expect(await streamText(openZipMember(path, 'c.txt'))).toBe('plain');
  expect(await streamText(openZipMember(path, 'empty'))).toBe('');
  expect(await streamText(openZipMember(path, 'unsized'))).toBe('later');
  expect(await streamText(openZipMember(path, 'c.txt', { most: 5 }))).toBe('plain');
  expect(() => openZipMember(path, 'c.txt', { most: 4 })).toThrow(
    /at most 4 bytes of c.txt, got 5/,
  );
  expect(() => openZipMember(path, 'd.txt')).toThrow(/expected a member d.txt/);
});

test('openZipMember of a file that lies is a FormatError, before or while it is read', async () => {
  const path = pythonZip('bomb.whl', ["z.writestr('m','a'*1000000,zipfile.ZIP_DEFLATED)"]);
  const good = readFileSync(path);
  const entry = good.indexOf(Buffer.from('PK\x01\x02'));
  const end = good.indexOf(Buffer.from('PK\x05\x06'));
  const changed = (change: (bytes: Buffer) => void): string => {
    const bytes = Buffer.from(good);
    change(bytes);
    return file('changed.whl', bytes);
  };
  const read = async (from: string): Promise<string> => streamText(openZipMember(from, 'm'));
  expect((await read(path)).length).toBe(1_000_000);
  const wrong: readonly (readonly [(bytes: Buffer) => void, RegExp])[] = [
    // Both headers say less than there is: it ends at the size that was told, not at the disk's.
    [
      (b) => void [22, entry + 24].map((at) => b.writeUInt32LE(1000, at)),
      /1000 bytes of m .* more/,
    ],
    [(b) => void [22, entry + 24].map((at) => b.writeUInt32LE(4e9, at)), /at most \d+ bytes/],
    [(b) => b.writeUInt32LE(1, entry + 16), /checksum 1, got 1000000/],
    [(b) => b.writeUInt8(b[500]! ^ 0xff, 500), /deflated bytes of m|checksum/],
    [
      (b) => void [18, entry + 20].map((at) => b.writeUInt32LE(b.readUInt32LE(at) - 9, at)),
      /deflated bytes of m/,
    ],
    [(b) => b.writeUInt32LE(0xffffffff, entry + 42), /got zip64/],
    [(b) => b.writeUInt32LE(entry, entry + 42), /the header of m/],
    [(b) => b.writeUInt16LE(1, entry + 8), /not encrypted/],
    [(b) => b.writeUInt16LE(12, entry + 10), /got method 12/],
    [(b) => b.writeUInt16LE(2, end + 8) + b.writeUInt16LE(2, end + 10), /entry 2 of 2, found none/],
    [(b) => b.writeUInt32LE(end, end + 16), /expected a directory before this/],
    [(b) => b.write('n', 30), /fits the directory/],
  ];
  for (const [change, message] of wrong) {
    const failure: unknown = await read(changed(change)).catch((error: unknown) => error);
    expect(failure, String(message)).toBeInstanceOf(FormatError);
    expect((failure as FormatError).message).toMatch(message);
  }
  const twice = pythonZip('twice.whl', ["z.writestr('m','one')", "z.writestr('m','two')"]);
  await expect(read(twice)).rejects.toThrow(/expected one member m, found two/);
  await expect(read(folder)).rejects.toThrow(/expected a file/);
  await expect(read(file('empty.whl', ''))).rejects.toThrow(/found no directory/);
});
