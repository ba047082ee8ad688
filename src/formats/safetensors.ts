/** @file The safetensors format: 8 bytes of header length, a JSON header, raw tensors. F32 and F16 only. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';

import { z } from 'zod';

import { FormatError } from '../errors.ts';
import { fromHalf, toHalf } from './half.ts';

export interface Tensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array;
}

export interface TensorFile {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Header of 100 MB is the limit of the format's own reference reader. */
const headerLimit = 100_000_000;

const entrySchema = z.object({
  dtype: z.enum(['F32', 'F16']),
  shape: z.array(z.number().int().nonnegative()).max(8),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
});
const headerSchema = z
  .object({ __metadata__: z.record(z.string(), z.string()).optional() })
  .catchall(z.union([entrySchema, z.record(z.string(), z.string())]));

/** Writes the tensors in the order given; the file appears only when it is whole. */
export function writeTensors(path: string, file: TensorFile, precision: 'F32' | 'F16'): void {
  const size = precision === 'F32' ? 4 : 2;
  const header: Record<string, unknown> = { __metadata__: file.metadata };
  let offset = 0;
  for (const [name, { shape, data }] of file.tensors) {
    header[name] = { dtype: precision, shape, data_offsets: [offset, offset + data.length * size] };
    offset += data.length * size;
  }
  let json = JSON.stringify(header);
  json += ' '.repeat((8 - (Buffer.byteLength(json) % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));
  const parts = [length, Buffer.from(json)];
  for (const { data } of file.tensors.values()) {
    parts.push(
      precision === 'F32'
        ? Buffer.from(data.slice().buffer)
        : Buffer.from(Uint16Array.from(data, toHalf).buffer),
    );
  }
  writeFileSync(`${path}.tmp`, Buffer.concat(parts));
  renameSync(`${path}.tmp`, path);
}

/** Reads a whole file; throws FormatError with the offset of what is wrong. */
export function readTensors(path: string): TensorFile {
  const bytes = readFileSync(path);
  if (bytes.length < 8)
    throw new FormatError(path, 0, `expected a safetensors file, got ${bytes.length} bytes`);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  if (headerLength > headerLimit || headerLength > bytes.length - 8) {
    throw new FormatError(
      path,
      0,
      `expected a header within the file, got a length of ${headerLength}`,
    );
  }
  const header = parseHeader(path, bytes.subarray(8, 8 + headerLength).toString());
  const start = 8 + headerLength;
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const parsed = entrySchema.safeParse(entry);
    if (!parsed.success)
      throw new FormatError(path, 8, `tensor ${name}: expected F32 or F16 with a shape`);
    const {
      dtype,
      shape,
      data_offsets: [from, to],
    } = parsed.data;
    const count = shape.reduce((product, side) => product * side, 1);
    if (to - from !== count * (dtype === 'F32' ? 4 : 2) || start + to > bytes.length) {
      throw new FormatError(
        path,
        start + from,
        `tensor ${name}: expected ${count} values of ${dtype}, got ${to - from} bytes`,
      );
    }
    tensors.set(name, { shape, data: decode(bytes.subarray(start + from, start + to), dtype) });
  }
  return { tensors, metadata: header['__metadata__'] ?? {} };
}

function parseHeader(path: string, json: string): z.infer<typeof headerSchema> {
  try {
    return headerSchema.parse(JSON.parse(json));
  } catch (cause) {
    throw new FormatError(path, 8, 'expected a JSON header of tensors', { cause });
  }
}

function decode(bytes: Buffer, dtype: 'F32' | 'F16'): Float32Array {
  const copy = new Uint8Array(bytes);
  return dtype === 'F32'
    ? new Float32Array(copy.buffer)
    : Float32Array.from(new Uint16Array(copy.buffer), fromHalf);
}
