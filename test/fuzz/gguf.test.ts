import fc from 'fast-check';
import { expect } from 'vitest';

import { readControlVector } from '../../src/formats/control-vector.ts';
import { readGgufHeader } from '../../src/formats/gguf.ts';
import { fuzz } from './harness.ts';
import { changes, mutated, type Part, part } from './mutators.ts';

const text = (value: string): Part[] => [part.u64(Buffer.byteLength(value)), part.bytes(value)];
const padding = (length: number, to: number): Part =>
  part.bytes(Buffer.alloc((to - (length % to)) % to));
const lengthOf = (parts: readonly Part[]): number =>
  parts.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** Metadata values by type id, as the format's description lists them. */
const values: readonly (() => Part[])[] = [
  () => [part.u32(4), part.u32(7)],
  () => [part.u32(0), part.bytes(Buffer.from([9]))],
  () => [part.u32(3), part.bytes(Buffer.from([1, 2]))],
  () => [part.u32(6), part.u32(0x3f000000)],
  () => [part.u32(7), part.bytes(Buffer.from([1]))],
  () => [part.u32(8), ...text('wörter')],
  () => [part.u32(10), part.u64(3)],
  () => [part.u32(12), part.u64(0x3ff0000000000000n)],
  () => [part.u32(9), part.u32(8), part.u64(3), ...text('a'), ...text(''), ...text('ccc')],
  () => [part.u32(9), part.u32(5), part.u64(4), part.bytes(Buffer.alloc(16))],
  () => [
    part.u32(9),
    part.u32(9),
    part.u64(2),
    part.u32(4),
    part.u64(1),
    part.u32(1),
    part.u32(8),
    part.u64(1),
    ...text('b'),
  ],
];

interface Tensor {
  readonly name: string;
  readonly sides: readonly number[];
  readonly type: number;
  /** Bytes of its data. */
  readonly data: Buffer;
}

/** A whole file: header, keys, the table of tensors, padding and data, each tensor after the one before. */
function layOut(version: number, keys: readonly Part[][], tensors: readonly Tensor[]): Part[] {
  const head = [
    part.bytes('GGUF'),
    part.u32(version),
    part.u64(tensors.length),
    part.u64(keys.length),
    ...keys.flat(),
  ];
  const data: Part[] = [];
  for (const { name, sides, type, data: bytes } of tensors) {
    head.push(...text(name), part.u32(sides.length), ...sides.map((side) => part.u64(side)));
    head.push(part.u32(type), part.u64(lengthOf(data)));
    data.push(part.bytes(bytes), padding(bytes.length, 32));
  }
  return [...head, padding(lengthOf(head), 32), ...data];
}

const key = (name: string, value: readonly Part[]): Part[] => [...text(name), ...value];
const number = (value: number): Part[] => [part.u32(4), part.u32(value)];

/** F32, F16, Q4_0 and Q8_0: bytes of a block of 32 values. */
const blocks: readonly (readonly [number, number])[] = [
  [0, 128],
  [1, 64],
  [2, 18],
  [8, 34],
];

const model = fc
  .record({
    version: fc.constantFrom(2, 3),
    architecture: fc.constantFrom('llama', 'gemma3', 'qwen2'),
    extra: fc.array(fc.nat(values.length - 1), { maxLength: 5 }),
    split: fc.boolean(),
    tensors: fc.array(fc.tuple(fc.nat(blocks.length - 1), fc.integer({ min: 1, max: 3 })), {
      maxLength: 4,
    }),
  })
  .map(({ version, architecture, extra, split, tensors }) =>
    layOut(
      version,
      [
        key('general.architecture', [part.u32(8), ...text(architecture)]),
        key('general.name', [part.u32(8), ...text('Tiny')]),
        key(`${architecture}.block_count`, number(12)),
        key(`${architecture}.embedding_length`, number(64)),
        key(`${architecture}.context_length`, number(2048)),
        key('general.alignment', number(32)),
        ...(split ? [key('split.count', [part.u32(2), part.bytes(Buffer.from([2, 0]))])] : []),
        ...extra.map((kind, i) => key(`extra.${i}`, values[kind]?.() ?? [])),
      ],
      tensors.map(([kind, rows], i): Tensor => {
        const [type, bytes] = blocks[kind] ?? [0, 128];
        return {
          name: i % 2 === 0 ? `blk.${i}.attn_norm.weight` : `blk.${i}.x`,
          sides: [32, rows],
          type,
          data: Buffer.alloc(bytes * rows, i),
        };
      }),
    ),
  );

const models = fc
  .tuple(model, model, changes)
  .map(([own, donor, list]) => mutated(own, list, donor));

fuzz('the header of any broken model file', models, {
  name: 'model.gguf',
  read: (path, size) => {
    const header = readGgufHeader(path);
    for (const value of [header.blocks, header.width, header.contextLength])
      expect(
        value === null || (Number.isSafeInteger(value) && value >= 0),
        `a count of ${value}`,
      ).toBe(true);
    expect(
      Number.isSafeInteger(header.splitCount) &&
        header.splitCount >= 1 &&
        header.splitCount < 100_000,
      'split',
    ).toBe(true);
    expect(
      Number.isSafeInteger(header.expectedBytes) && header.expectedBytes <= size,
      'bytes',
    ).toBe(true);
    let held = 0;
    for (const { offset, bytes } of header.norms) {
      expect(
        Number.isSafeInteger(offset) && Number.isSafeInteger(bytes) && offset + bytes <= size,
        'norm',
      ).toBe(true);
      held += bytes;
    }
    // Whoever reads them all reads no byte twice.
    expect(held).toBeLessThanOrEqual(size);
  },
});

const vector = fc
  .record({
    version: fc.constantFrom(2, 3),
    width: fc.integer({ min: 1, max: 9 }),
    layers: fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 }),
    isHalf: fc.boolean(),
    extra: fc.array(fc.nat(values.length - 1), { maxLength: 3 }),
  })
  .map(({ version, width, layers, isHalf, extra }) =>
    layOut(
      version,
      [
        key('general.architecture', [part.u32(8), ...text('controlvector')]),
        key('controlvector.model_hint', [part.u32(8), ...text('llama')]),
        key('controlvector.layer_count', number(layers.length)),
        ...extra.map((kind, i) => key(`extra.${i}`, values[kind]?.() ?? [])),
      ],
      layers.map((layer): Tensor => ({
        name: `direction.${layer}`,
        sides: [width],
        type: isHalf ? 1 : 0,
        data: Buffer.alloc(width * (isHalf ? 2 : 4), 0x3c),
      })),
    ),
  );

const vectors = fc
  .tuple(vector, vector, changes)
  .map(([own, donor, list]) => mutated(own, list, donor));

fuzz('any broken control vector', vectors, {
  name: 'control.gguf',
  read: (path, size) => {
    for (const convention of ['repeng', 'cvector-generator'] as const) {
      const { directions } = readControlVector(path, convention);
      const widths = new Set([...directions.values()].map(({ length }) => length));
      expect(widths.size).toBe(1);
      let held = 0;
      for (const [layer, direction] of directions) {
        expect(Number.isInteger(layer) && layer >= 0).toBe(true);
        expect(direction.every(Number.isFinite)).toBe(true);
        held += direction.length;
      }
      expect(held * 2).toBeLessThanOrEqual(size);
    }
  },
});
