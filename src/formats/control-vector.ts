/**
 * @file Control vectors in GGUF, as llama.cpp's `--control-vector` and repeng use them: one F32 tensor
 * `direction.N` of shape [width] a layer.
 *
 * What N means, read in the sources of llama.cpp and repeng (ggml-org/llama.cpp, vgel/repeng):
 * - llama.cpp's loader (common/common.cpp) copies direction.N to row N - 1 of a buffer and refuses N = 0;
 *   src/llama-adapter.cpp hands row il - 1 to block il, from block 1 on; the graphs (src/models/llama.cpp) add it
 *   to what block il puts out, right before that is named l_out-il. So direction.N steers the output of block N.
 * - repeng (repeng/extract.py) computes the direction of layer N from hidden_states[N + 1], which is the output
 *   of block N, adds it there (repeng/control.py) and names it direction.N. The two agree.
 * - llama.cpp's cvector-generator collects l_out-0, l_out-1, ... and names the k-th of them, from 0,
 *   direction.{k + 1} (pca.hpp, mean.hpp). Its direction.N comes from the output of block N - 1, and llama.cpp adds it
 *   one block later than where it was measured.
 *
 * A layer here is the 0-based block whose output is steered or read, so N = layer for the first two.
 */
import { readFileSync, statSync } from 'node:fs';

import { FormatError, InvalidInputError } from '../errors.ts';
import { Cursor, padded, text, u32, u64, valueType } from './gguf-bytes.ts';
import { fromHalf } from './half.ts';
import { writeWholeFile } from './whole-file.ts';

export interface ControlVector {
  /** What the vector was made for: llama.cpp's architecture or Hugging Face's model type; '' if the file does not say. */
  readonly modelHint: string;
  /** Layer to direction, [width] each, all of one width; a file need not hold every layer. */
  readonly directions: ReadonlyMap<number, Float32Array>;
}

/** Who wrote a file: it says from which block's output direction.N was computed, N or N - 1. */
export type Convention = 'repeng' | 'cvector-generator';

const architecture = 'controlvector';
const defaultAlignment = 32;
/** 126 layers of 16384 values, the widest open model, are 8 MB; ten times that is refused. */
const fileLimit = 100_000_000;
const floatType = 0;
const halfType = 1;

/**
 * Writes a control vector; the file appears only when it is whole. Throws InvalidInputError for no direction, a layer
 * below 1 (llama.cpp cannot steer block 0), differing widths, or a value that is no number.
 */
export function writeControlVector(path: string, vector: ControlVector): void {
  const directions = [...vector.directions].toSorted(([a], [b]) => a - b);
  assertWritable(directions);
  const header = [
    Buffer.from('GGUF'),
    u32(3),
    u64(directions.length),
    u64(3),
    text('general.architecture'),
    u32(valueType.text),
    text(architecture),
    text(`${architecture}.model_hint`),
    u32(valueType.text),
    text(vector.modelHint),
    text(`${architecture}.layer_count`),
    u32(valueType.int32),
    u32(directions.length),
  ];
  const data: Buffer[] = [];
  let offset = 0;
  for (const [layer, values] of directions) {
    header.push(
      text(`direction.${layer}`),
      u32(1),
      u64(values.length),
      u32(floatType),
      u64(offset),
    );
    const bytes = Buffer.alloc(padded(values.length * 4, defaultAlignment));
    for (const [k, value] of values.entries()) bytes.writeFloatLE(value, k * 4);
    data.push(bytes);
    offset += bytes.length;
  }
  const head = Buffer.concat(header);
  const gap = Buffer.alloc(padded(head.length, defaultAlignment) - head.length);
  writeWholeFile(path, head, gap, ...data);
}

function assertWritable(directions: readonly (readonly [number, Float32Array])[]): void {
  const width = directions[0]?.[1].length ?? 0;
  if (width === 0)
    throw new InvalidInputError(
      'control vector: expected at least one direction with values, got none',
    );
  for (const [layer, values] of directions) {
    if (!Number.isInteger(layer) || layer < 1) {
      throw new InvalidInputError(
        `control vector: expected layers from 1 on, got ${layer} (llama.cpp cannot steer the first block)`,
      );
    }
    if (values.length !== width) {
      throw new InvalidInputError(
        `control vector: expected ${width} values at layer ${layer}, got ${values.length}`,
      );
    }
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new InvalidInputError(
        `control vector: expected finite values at layer ${layer}, got ${values[bad]} at index ${bad}`,
      );
    }
  }
}

/**
 * Reads a control vector, layers ascending. With 'repeng' a direction.N is of layer N, where llama.cpp steers with it;
 * with 'cvector-generator' of layer N - 1, where it was measured, so that layer 0 can occur. Throws FormatError with
 * the offset of what is wrong, InvalidInputError if there is no file.
 * @param convention @default 'repeng'
 */
export function readControlVector(path: string, convention: Convention = 'repeng'): ControlVector {
  const cursor = new Cursor(path, readAll(path));
  const magic = cursor.take(4).toString('latin1');
  if (magic !== 'GGUF') cursor.fail(0, 'expected a GGUF control vector, got something else');
  const version = cursor.u32();
  if (version !== 2 && version !== 3)
    cursor.fail(4, `expected GGUF version 2 or 3, got ${version}`);
  const tensorCount = cursor.count('tensors');
  const keyCount = cursor.count('metadata keys');
  const metadata = readMetadata(cursor, keyCount);
  const modelHint = checkMetadata(cursor, metadata, tensorCount);
  const places = Array.from({ length: tensorCount }, () => readPlace(cursor));
  if (places.length === 0) cursor.fail(8, 'expected tensors named direction.N, got none');
  const start = padded(cursor.offset, alignmentOf(cursor, metadata));
  const shift = convention === 'repeng' ? 0 : 1;
  assertOneWidth(cursor, places, start);
  const directions = new Map(
    places
      .toSorted((a, b) => a.number - b.number)
      .map((place) => [place.number - shift, readValues(cursor, place, start)]),
  );
  return { modelHint, directions };
}

function readAll(path: string): Buffer {
  let size = 0;
  try {
    size = statSync(path).size;
    if (size <= fileLimit) return readFileSync(path);
  } catch (cause) {
    throw new InvalidInputError(`control vector: expected a readable file at ${path}, found none`, {
      cause,
    });
  }
  throw new FormatError(path, 0, `expected a control vector below ${fileLimit} bytes, got ${size}`);
}

interface Entry {
  /** A text or a number; null for an array. */
  readonly value: string | number | null;
  /** Where the value begins. */
  readonly offset: number;
}
type Metadata = ReadonlyMap<string, Entry>;

function readMetadata(cursor: Cursor, count: number): Metadata {
  const metadata = new Map<string, Entry>();
  for (let i = 0; i < count; i++) {
    const at = cursor.offset;
    const key = cursor.text();
    if (metadata.has(key)) cursor.fail(at, `expected each metadata key once, got ${key} twice`);
    const type = cursor.u32();
    metadata.set(key, { offset: cursor.offset, value: cursor.value(type) });
  }
  return metadata;
}

/** Refuses what is no control vector; the model hint of what is. */
function checkMetadata(cursor: Cursor, metadata: Metadata, tensorCount: number): string {
  const kind = metadata.get('general.architecture');
  if (kind?.value !== architecture) {
    cursor.fail(
      kind?.offset ?? 24,
      `expected general.architecture to be ${architecture}, got ${kind?.value ?? 'none'}`,
    );
  }
  const layers = metadata.get(`${architecture}.layer_count`);
  // Writers mean the number of directions or that of the model's blocks; llama.cpp does not look. Fewer fits neither.
  if (layers !== undefined && !(Number(layers.value) >= tensorCount)) {
    cursor.fail(
      layers.offset,
      `expected a layer count of at least the ${tensorCount} directions, got ${layers.value}`,
    );
  }
  const hint = metadata.get(`${architecture}.model_hint`);
  if (hint !== undefined && typeof hint.value !== 'string')
    cursor.fail(hint.offset, 'expected the model hint to be a text');
  return typeof hint?.value === 'string' ? hint.value : '';
}

function alignmentOf(cursor: Cursor, metadata: Metadata): number {
  const entry = metadata.get('general.alignment');
  if (entry === undefined) return defaultAlignment;
  const alignment = Number(entry.value);
  if (!Number.isInteger(Math.log2(alignment)) || alignment < 1 || alignment > 1 << 20)
    cursor.fail(entry.offset, `expected an alignment that is a power of two, got ${entry.value}`);
  return alignment;
}

interface Place {
  readonly name: string;
  /** N of direction.N, from 1. */
  readonly number: number;
  readonly width: number;
  /** F32 is 4, F16 is 2. */
  readonly bytesPerValue: number;
  /** From the start of the data. */
  readonly from: number;
  /** Where the entry of the tensor begins in the file. */
  readonly entryOffset: number;
}

function readPlace(cursor: Cursor): Place {
  const entryOffset = cursor.offset;
  const name = cursor.text();
  const match = /^direction\.([1-9]\d{0,4})$/.exec(name);
  if (match === null) {
    cursor.fail(
      entryOffset,
      `expected a tensor named direction.N with N from 1, got ${name.slice(0, 60)}`,
    );
  }
  const sides = cursor.u32();
  if (sides < 1 || sides > 4)
    cursor.fail(cursor.offset - 4, `${name}: expected 1 dimension, got ${sides}`);
  const shape = Array.from({ length: sides }, () => cursor.u64());
  const [width = 0, ...rest] = shape;
  // ggml counts dimensions without trailing ones.
  if (width < 1 || rest.some((side) => side !== 1))
    cursor.fail(entryOffset, `${name}: expected the shape [width], got [${shape.join(', ')}]`);
  const type = cursor.u32();
  if (type !== floatType && type !== halfType)
    cursor.fail(cursor.offset - 4, `${name}: expected F32 or F16, got tensor type ${type}`);
  const bytesPerValue = type === floatType ? 4 : 2;
  return { name, number: Number(match[1]), width, bytesPerValue, from: cursor.u64(), entryOffset };
}

/** Refuses differing widths, a layer given twice, and more data than the file has, before anything is copied. */
function assertOneWidth(cursor: Cursor, places: readonly Place[], start: number): void {
  const seen = new Set<number>();
  const width = places[0]?.width ?? 0;
  let total = 0;
  for (const place of places) {
    const { name, number, entryOffset } = place;
    if (seen.has(number))
      cursor.fail(entryOffset, `expected each direction once, got ${name} twice`);
    seen.add(number);
    if (place.width !== width)
      cursor.fail(entryOffset, `${name}: expected ${width} values, got ${place.width}`);
    const bytes = width * place.bytesPerValue;
    total += bytes;
    const end = start + place.from + bytes;
    if (end > cursor.size || start + total > cursor.size) {
      cursor.fail(
        entryOffset,
        `${name}: expected ${width} values within the file's ${cursor.size} bytes, got an end at ${Math.max(end, start + total)}`,
      );
    }
  }
}

function readValues(cursor: Cursor, place: Place, start: number): Float32Array {
  const { name, width, bytesPerValue } = place;
  cursor.offset = start + place.from;
  const bytes = cursor.take(width * bytesPerValue);
  const values = new Float32Array(width);
  for (let k = 0; k < width; k++) {
    const at = k * bytesPerValue;
    const value = bytesPerValue === 4 ? bytes.readFloatLE(at) : fromHalf(bytes.readUInt16LE(at));
    if (!Number.isFinite(value))
      cursor.fail(start + place.from + at, `${name}: expected finite values, got ${value}`);
    values[k] = value;
  }
  return values;
}
