import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { FormatError, InvalidInputError } from '../errors.ts';
import { readControlVector, writeControlVector } from './control-vector.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-control-'));
let written = 0;
const file = (content: Buffer): string => {
  const path = join(folder, `${written++}.gguf`);
  writeFileSync(path, content);
  return path;
};

/**
 * The bytes that gguf-py 0.19.0 wrote for the calls of repeng's export_gguf: model_hint 'mistral', layer_count as
 * uint32, and the directions of layers 3, 2, 1 in that order, each of 5 values.
 */
const fromRepeng = Buffer.from(
  [
    '474755460300000003000000000000000300000000000000140000000000000067656e6572616c2e6172636869746563',
    '74757265080000000d00000000000000636f6e74726f6c766563746f721800000000000000636f6e74726f6c76656374',
    '6f722e6d6f64656c5f68696e740800000007000000000000006d69737472616c1900000000000000636f6e74726f6c76',
    '6563746f722e6c617965725f636f756e7404000000030000000b00000000000000646972656374696f6e2e3301000000',
    '05000000000000000000000000000000000000000b00000000000000646972656374696f6e2e32010000000500000000',
    '0000000000000020000000000000000b00000000000000646972656374696f6e2e310100000005000000000000000000',
    '00004000000000000000000000000000000000000000000000000000000000000000003f0000a0bf0000004000000000',
    '000040400000000000000000000000006f12833a0000e040000040bf000080400000a0c0000000000000000000000000',
    '00001041000000410000e0400000c0400000b040000000000000000000000000',
  ].join(''),
  'hex',
);

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const text = (value: string): Buffer => Buffer.concat([u64(value.length), Buffer.from(value)]);
const key = (name: string, value: string): Buffer =>
  Buffer.concat([text(name), u32(8), text(value)]);

interface Part {
  readonly name?: string;
  readonly shape?: readonly number[];
  readonly type?: number;
  readonly data?: Buffer;
  readonly offset?: number;
}
interface Layout {
  readonly version?: number;
  readonly keys?: readonly Buffer[];
  readonly tensors?: readonly Part[];
  readonly counts?: readonly [tensors: number | bigint, keys: number | bigint];
}

const floats = (...values: number[]): Buffer =>
  Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatLE(value);
      return bytes;
    }),
  );
const kind = key('general.architecture', 'controlvector');

/** A control vector by hand from the description of the format, whole or broken; two directions of two values. */
function build(layout: Layout = {}): Buffer {
  const keys = layout.keys ?? [kind];
  const tensors = layout.tensors ?? [{}, { name: 'direction.2', offset: 32 }];
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(layout.version ?? 3),
    u64(layout.counts?.[0] ?? tensors.length),
    u64(layout.counts?.[1] ?? keys.length),
    ...keys,
    ...tensors.map(({ name = 'direction.1', shape = [2], type = 0, offset = 0 }) =>
      Buffer.concat([text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset)]),
    ),
  ]);
  const parts = tensors.map(({ data = floats(1, 2) }) =>
    Buffer.concat([data, Buffer.alloc(32 - data.length)]),
  );
  return Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32), ...parts]);
}

test('readControlVector reads a file of repeng: direction.N is layer N', () => {
  expect(fromRepeng).toHaveLength(416);
  const { modelHint, directions } = readControlVector(file(fromRepeng));
  expect(modelHint).toBe('mistral');
  expect([...directions]).toEqual([
    [1, Float32Array.of(9, 8, 7, 6, 5.5)],
    [2, Float32Array.of(1e-3, 7, -0.75, 4, -5)],
    [3, Float32Array.of(0.5, -1.25, 2, 0, 3)],
  ]);
});

test('readControlVector of a file of cvector-generator takes direction.N as layer N - 1', () => {
  const keys = [
    kind,
    key('controlvector.model_hint', 'llama'),
    Buffer.concat([text('controlvector.layer_count'), u32(5), u32(2)]),
  ];
  const path = file(
    build({ keys, tensors: [{}, { name: 'direction.2', offset: 32, data: floats(3, 4) }] }),
  );
  const { modelHint, directions } = readControlVector(path, 'cvector-generator');
  expect(modelHint).toBe('llama');
  expect([...directions]).toEqual([
    [0, Float32Array.of(1, 2)],
    [1, Float32Array.of(3, 4)],
  ]);
  expect([...readControlVector(path).directions.keys()]).toEqual([1, 2]);
});

test('writeControlVector writes what readControlVector reads, for any widths and layers', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 99_999 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 40 }),
      fc.string({ unit: 'grapheme' }),
      (layers, width, modelHint) => {
        const directions = new Map(
          layers.map((layer) => [
            layer,
            Float32Array.from({ length: width }, (_, k) => Math.sin(layer + k)),
          ]),
        );
        const path = join(folder, 'any.gguf');
        writeControlVector(path, { modelHint, directions });
        const read = readControlVector(path);
        expect(read.modelHint).toBe(modelHint);
        expect([...read.directions]).toEqual([...directions].toSorted(([a], [b]) => a - b));
      },
    ),
  );
});

test('writeControlVector writes the bytes of gguf-py, but for the signed type of the layer count', () => {
  const path = join(folder, 'same.gguf');
  const { directions } = readControlVector(file(fromRepeng));
  writeControlVector(path, { modelHint: 'mistral', directions });
  // The same tensors from layer 3 down, as repeng holds them.
  const mine = readFileSync(path);
  expect(mine).toHaveLength(416);
  const [third, second, first] = [0, 1, 2].map((k) =>
    fromRepeng.subarray(320 + k * 32, 352 + k * 32),
  );
  expect(mine.subarray(320)).toEqual(Buffer.concat([first!, second!, third!]));
  const count = fromRepeng.indexOf('layer_count') + 'layer_count'.length;
  expect(mine.subarray(0, count)).toEqual(fromRepeng.subarray(0, count));
  expect(mine.readUInt32LE(count)).toBe(5);
  expect(mine.readInt32LE(count + 4)).toBe(3);
});

test('writeControlVector refuses layer 0, differing widths, and values that are no numbers', () => {
  const path = join(folder, 'never.gguf');
  const write = (directions: [number, Float32Array][]) => () =>
    writeControlVector(path, { modelHint: '', directions: new Map(directions) });
  expect(write([[0, Float32Array.of(1)]])).toThrow(
    new InvalidInputError(
      'control vector: expected layers from 1 on, got 0 (llama.cpp cannot steer the first block)',
    ),
  );
  expect(write([])).toThrow(/expected at least one direction with values, got none/);
  expect(
    write([
      [1, Float32Array.of(1, 2)],
      [2, Float32Array.of(1)],
    ]),
  ).toThrow(/expected 2 values at layer 2, got 1/);
  expect(write([[3, Float32Array.of(1, NaN)]])).toThrow(/got NaN at index 1/);
});

test('readControlVector takes F16, and trailing dimensions of one', () => {
  const half = Buffer.from([0x00, 0x3c, 0x00, 0xc0]);
  const path = file(build({ tensors: [{ type: 1, shape: [2, 1], data: half }] }));
  expect([...readControlVector(path).directions]).toEqual([[1, Float32Array.of(1, -2)]]);
});

const arrays = Buffer.concat([
  text('a'),
  u32(9),
  u32(9),
  u64(1),
  u32(8),
  u64(2),
  text('x'),
  text(''),
]);
const aligned = Buffer.concat([text('general.alignment'), u32(4), u32(64)]);

test('readControlVector skips arrays and follows general.alignment', () => {
  const head = build({ keys: [kind, arrays, aligned], tensors: [] }).length;
  expect(head % 32).toBe(0);
  const bytes = build({ keys: [kind, arrays, aligned], tensors: [{}] });
  const at = bytes.length - 32;
  const moved = Buffer.concat([
    bytes.subarray(0, at),
    Buffer.alloc((64 - (at % 64)) % 64),
    bytes.subarray(at),
  ]);
  expect([...readControlVector(file(moved)).directions]).toEqual([[1, Float32Array.of(1, 2)]]);
});

const layerCount = (value: number): Buffer =>
  Buffer.concat([text('controlvector.layer_count'), u32(5), u32(value)]);
/** Magic, version, counts and the architecture are 24 + 53 bytes; a tensor's entry is 43. */
const entries = 24 + kind.length;
const broken: [string, Buffer, RegExp, number][] = [
  ['an empty file', Buffer.alloc(0), /expected 4 more bytes, got 0: the file is truncated/, 0],
  [
    'another magic',
    Buffer.from('GGML1234'),
    /expected a GGUF control vector, got something else/,
    0,
  ],
  ['version 1', build({ version: 1 }), /expected GGUF version 2 or 3, got 1/, 4],
  ['big-endian', build({ version: 0x03000000 }), /version 2 or 3, got 50331648/, 4],
  ['many tensors', build({ counts: [1e6, 1] }), /at most 10000 tensors, got 1000000/, 8],
  [
    '2^64 - 1 keys',
    build({ counts: [1, 2n ** 64n - 1n] }),
    /expected a size that a file can have/,
    16,
  ],
  ['no tensors', build({ tensors: [] }), /expected tensors named direction.N, got none/, 8],
  [
    'a model',
    build({ keys: [key('general.architecture', 'llama')] }),
    /to be controlvector, got llama/,
    56,
  ],
  ['no architecture', build({ keys: [] }), /to be controlvector, got none/, 24],
  ['a key twice', build({ keys: [kind, kind] }), /got general.architecture twice/, entries],
  [
    'a type of metadata',
    build({ keys: [kind, Buffer.concat([text('x'), u32(13)])] }),
    /from 0 to 12, got 13/,
    entries + 9,
  ],
  [
    'a long text',
    build({ keys: [Buffer.concat([u64(1e9), Buffer.from('x')])] }),
    /expected 1000000000 more bytes/,
    32,
  ],
  [
    'a long array',
    build({ keys: [Buffer.concat([text('x'), u32(9), u32(4), u64(1e12)])] }),
    /expected 4000000000000 more bytes/,
    24 + 25,
  ],
  [
    'an odd alignment',
    build({ keys: [kind, Buffer.concat([text('general.alignment'), u32(4), u32(48)])] }),
    /power of two, got 48/,
    entries + 29,
  ],
  [
    'too few layers',
    build({ keys: [kind, layerCount(1)] }),
    /layer count of at least the 2 directions, got 1/,
    entries + 37,
  ],
  [
    'another tensor',
    build({ tensors: [{ name: 'output.weight' }] }),
    /named direction.N with N from 1, got output.weight/,
    entries,
  ],
  [
    'direction.0',
    build({ tensors: [{ name: 'direction.0' }] }),
    /N from 1, got direction.0/,
    entries,
  ],
  [
    'direction.01',
    build({ tensors: [{ name: 'direction.01' }] }),
    /N from 1, got direction.01/,
    entries,
  ],
  ['a layer twice', build({ tensors: [{}, {}] }), /got direction.1 twice/, entries + 43],
  [
    'two dimensions',
    build({ tensors: [{ shape: [1, 2] }] }),
    /expected the shape \[width\], got \[1, 2\]/,
    entries,
  ],
  [
    'no dimension',
    build({ tensors: [{ shape: [] }] }),
    /expected 1 dimension, got 0/,
    entries + 19,
  ],
  ['width 0', build({ tensors: [{ shape: [0] }] }), /got \[0\]/, entries],
  [
    'two widths',
    build({ tensors: [{}, { name: 'direction.2', shape: [3], offset: 32 }] }),
    /direction.2: expected 2 values, got 3/,
    entries + 43,
  ],
  [
    'Q8_0',
    build({ tensors: [{ type: 8 }] }),
    /expected F32 or F16, got tensor type 8/,
    entries + 31,
  ],
  [
    'data beyond the end',
    build({ tensors: [{ offset: 4096 }] }),
    /expected 2 values within the file's/,
    entries,
  ],
  [
    'a huge width',
    build({ tensors: [{ shape: [2 ** 40] }] }),
    /expected 1099511627776 values within/,
    entries,
  ],
  [
    'a NaN',
    build({ tensors: [{ data: floats(1, NaN) }] }),
    /direction.1: expected finite values, got NaN/,
    160 + 4 - 32,
  ],
];

test.each(broken)(
  'readControlVector of %s throws FormatError with the offset',
  (_, bytes, message, offset) => {
    const path = file(bytes);
    try {
      readControlVector(path);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError);
      expect((error as FormatError).message).toMatch(message);
      expect((error as FormatError).path).toBe(path);
      expect((error as FormatError).offset).toBe(offset);
    }
  },
);

test('readControlVector of 2000 tensors over the same bytes copies nothing', () => {
  const width = 10_000;
  const tensors = Array.from({ length: 2000 }, (_, k) => ({
    name: `direction.${k + 1}`,
    shape: [width],
    data: Buffer.alloc(32),
  }));
  expect(() => readControlVector(file(build({ tensors })))).toThrow(
    /direction.2: expected 10000 values within the file's \d+ bytes, got an end at/,
  );
});

test('readControlVector without a file is an InvalidInputError', () => {
  expect(() => readControlVector('/nowhere.gguf')).toThrow(InvalidInputError);
});

test('readControlVector of any damaged file throws FormatError or reads finite values', () => {
  fc.assert(
    fc.property(fc.nat(415), fc.nat(255), fc.nat(416), (at, byte, length) => {
      const bad = Buffer.from(fromRepeng.subarray(0, length));
      if (at < bad.length) bad[at] = byte;
      try {
        for (const values of readControlVector(file(bad)).directions.values())
          expect(values.every(Number.isFinite)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
    { numRuns: 500 },
  );
});
