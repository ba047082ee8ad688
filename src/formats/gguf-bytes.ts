/**
 * @file The bytes of small GGUF files: a cursor over a file in memory that never goes beyond its end, and the
 * encoders of a writer. gguf.ts reads the headers of models, which do not fit in memory.
 */
import { FormatError } from '../errors.ts';

/** Ids of the metadata types that are written here. */
export const valueType = { int32: 5, text: 8 } as const;
const arrayType = 9;
/** Control vectors in circulation hold fewer than 130 tensors and 10 keys. */
const countLimit = 10_000;
/** Bytes of the metadata values of fixed size, by type id; 8 is a text, 9 an array. */
export const valueBytes: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};

/** The number that the bytes of a metadata value of fixed size hold; `type` must be one of `valueBytes`. */
export function readScalar(type: number, bytes: Buffer): number {
  if (type === 6) return bytes.readFloatLE(0);
  if (type === 12) return bytes.readDoubleLE(0);
  if (type === 10) return Number(bytes.readBigUInt64LE(0));
  if (type === 11) return Number(bytes.readBigInt64LE(0));
  return type === 1 || type === 3 || type === 5
    ? bytes.readIntLE(0, bytes.length)
    : bytes.readUIntLE(0, bytes.length);
}

/** Reads forward through a file in memory; every method throws FormatError with the offset of what does not fit. */
export class Cursor {
  offset = 0;
  readonly #path: string;
  readonly #bytes: Buffer;

  constructor(path: string, bytes: Buffer) {
    this.#path = path;
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  /** Throws FormatError. */
  fail(offset: number, message: string): never {
    throw new FormatError(this.#path, offset, message);
  }

  /** The next bytes, without a copy. */
  take(length: number): Buffer {
    if (length > this.size - this.offset) {
      throw new FormatError(
        this.#path,
        this.offset,
        `expected ${length} more bytes, got ${Math.max(0, this.size - this.offset)}: the file is truncated or no control vector`,
      );
    }
    this.offset += length;
    return this.#bytes.subarray(this.offset - length, this.offset);
  }

  u32(): number {
    return this.take(4).readUInt32LE(0);
  }

  u64(): number {
    const value = Number(this.take(8).readBigUInt64LE(0));
    if (!Number.isSafeInteger(value))
      this.fail(this.offset - 8, `expected a size that a file can have, got ${value}`);
    return value;
  }

  /** A number of things, limited. */
  count(what: string): number {
    const count = this.u64();
    if (count > countLimit)
      this.fail(this.offset - 8, `expected at most ${countLimit} ${what}, got ${count}`);
    return count;
  }

  text(): string {
    return this.take(this.u64()).toString();
  }

  /** A text or a number; null for an array, which is skipped. */
  value(type: number): string | number | null {
    if (type === valueType.text) return this.text();
    if (type === arrayType) return this.#skipArray(0);
    const size = valueBytes[type];
    if (size === undefined)
      this.fail(this.offset - 4, `expected a metadata type from 0 to 12, got ${type}`);
    return readScalar(type, this.take(size));
  }

  #skipArray(depth: number): null {
    const type = this.u32();
    const count = this.u64();
    const size = valueBytes[type];
    if (depth > 4) this.fail(this.offset, 'expected arrays at most 4 deep');
    if (size !== undefined) this.take(count * size);
    else if (type === valueType.text) for (let i = 0; i < count; i++) this.text();
    else if (type === arrayType) for (let i = 0; i < count; i++) this.#skipArray(depth + 1);
    else this.fail(this.offset - 12, `expected an array type from 0 to 12, got ${type}`);
    return null;
  }
}

/** The length rounded up to a multiple of the alignment. */
export function padded(length: number, alignment: number): number {
  return Math.ceil(length / alignment) * alignment;
}

/** Four bytes, little-endian, unsigned. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** Eight bytes, little-endian, unsigned. */
export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** A text with its length in bytes before it. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}
