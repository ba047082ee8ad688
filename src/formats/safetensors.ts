/** @file The safetensors format: 8 bytes of header length, a JSON header, raw tensors. F32 and F16 only. */
import { readFileSync, statSync } from 'node:fs';

import { z } from 'zod';

import { FormatError, InvalidInputError } from '../errors.ts';
import { fromHalf, toHalf } from './half.ts';
import { jsonRoom, parsePlainJson } from './stranger-json.ts';
import { writeWholeFile } from './whole-file.ts';

export interface Tensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array;
}

export interface TensorFile {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Node reads 2 GiB at once; packs are below 100 MB. */
const fileLimit = 2 ** 31 - 1;
/** Headers of packs are below 100 kB. */
const headerLimit = 10_000_000;
/** A tensor's entry has about ten values. */
const valueLimit = 1_000_000;
/** Beyond it a number has no half; such a tensor is written as F32. */
const mostHalf = 65_504;

const whole = z.number().int().nonnegative();
const entrySchema = z.object({
  dtype: z.enum(['F32', 'F16']),
  shape: z.array(whole).max(8),
  data_offsets: z.tuple([whole, whole]),
});
type Dtype = 'F32' | 'F16';

/**
 * Writes the tensors in the order given; the file appears only when it is whole. With F16, tensors that hold a number
 * beyond 65504 are F32 all the same. Throws UnavailableError if the disk refuses it.
 */
export function writeTensors(path: string, file: TensorFile, precision: Dtype): void {
  const header: Record<string, unknown> = { __metadata__: file.metadata };
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, { shape, data }] of file.tensors) {
    const dtype = data.some((value) => Math.abs(value) > mostHalf) ? 'F32' : precision;
    const bytes = encode(data, dtype);
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  let json = JSON.stringify(header);
  json += ' '.repeat((8 - (Buffer.byteLength(json) % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));
  writeWholeFile(path, length, json, ...parts);
}

function encode(data: Float32Array, dtype: Dtype): Buffer {
  return dtype === 'F32'
    ? Buffer.from(data.slice().buffer)
    : Buffer.from(Uint16Array.from(data, toHalf).buffer);
}

/**
 * Reads a whole file, whose numbers are finite, but for tensors in which NaN says that something was not measured.
 * Throws FormatError with the offset of what is wrong, InvalidInputError if there is no file.
 */
export function readTensors(
  path: string,
  mayBeUnmeasured: (name: string) => boolean = () => false,
): TensorFile {
  const bytes = readAll(path);
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
  const header = parseHeader(path, bytes.toString('utf8', 8, 8 + headerLength));
  const data = bytes.subarray(8 + headerLength);
  const places = Object.entries(header).flatMap(([name, entry]) =>
    name === '__metadata__' ? [] : [placeOf(path, { name, entry, size: data.length })],
  );
  assertApart(path, places);
  const tensors = new Map(
    places.map(({ name, shape, dtype, from, to }) => {
      const values = decode(data.subarray(from, to), dtype);
      const bad = values.findIndex(
        (value) => !Number.isFinite(value) && !(Number.isNaN(value) && mayBeUnmeasured(name)),
      );
      if (bad >= 0)
        throw new FormatError(
          path,
          8 + headerLength + from + bad * sizeOf(dtype),
          `tensor ${name}: expected finite values, got ${values[bad]}`,
        );
      return [name, { shape, data: values }];
    }),
  );
  return { tensors, metadata: metadataOf(path, header['__metadata__'] ?? {}) };
}

function readAll(path: string): Buffer {
  let size = 0;
  try {
    size = statSync(path).size;
    if (size <= fileLimit) return readFileSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new InvalidInputError(`${path}: expected a readable file, got ${code}`, { cause });
  }
  throw new FormatError(path, 0, `expected at most ${fileLimit} bytes, got ${size}`);
}

function parseHeader(path: string, json: string): Readonly<Record<string, unknown>> {
  const where = 'header: ';
  const header = parsePlainJson(json, { path, offset: 8, where }, jsonRoom(valueLimit));
  if (isRecord(header)) return header;
  throw new FormatError(path, 8, 'expected a JSON header of tensors');
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One by one, as a schema of them all would complain of each. */
function metadataOf(path: string, metadata: unknown): Record<string, string> {
  const texts: [string, string][] = [];
  for (const [key, value] of Object.entries(isRecord(metadata) ? metadata : { '': metadata })) {
    if (typeof value !== 'string')
      throw new FormatError(path, 8, `__metadata__ ${key}: expected a text`);
    texts.push([key, value]);
  }
  return Object.fromEntries(texts);
}

interface Place {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** From the start of the data. */
  readonly from: number;
  readonly to: number;
}

function placeOf(
  path: string,
  { name, entry, size }: { name: string; entry: unknown; size: number },
): Place {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success)
    throw new FormatError(path, 8, `tensor ${name}: expected F32 or F16 with a shape`);
  const { dtype, shape, data_offsets } = parsed.data;
  const [from, to] = data_offsets;
  const count = shape.reduce((product, side) => product * side, 1);
  if (to - from !== count * sizeOf(dtype) || to > size) {
    throw new FormatError(
      path,
      8,
      `tensor ${name}: expected ${count} values of ${dtype}, got ${to - from} bytes`,
    );
  }
  return { name, shape, dtype, from, to };
}

/** Refuses tensors that share bytes, before any is copied: a thousand of them would be a thousand files. */
function assertApart(path: string, places: readonly Place[]): void {
  let end = 0;
  for (const { name, from, to } of places.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    if (from < end)
      throw new FormatError(
        path,
        8,
        `tensor ${name}: expected bytes of its own, got those of another tensor`,
      );
    end = to;
  }
}

function sizeOf(dtype: Dtype): number {
  return dtype === 'F32' ? 4 : 2;
}

function decode(bytes: Buffer, dtype: Dtype): Float32Array {
  const copy = new Uint8Array(bytes);
  return dtype === 'F32'
    ? new Float32Array(copy.buffer)
    : Float32Array.from(new Uint16Array(copy.buffer), fromHalf);
}
