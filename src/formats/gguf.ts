/**
 * @file The header of a GGUF file, read with limits before the native library sees the file: magic,
 * version, metadata, and the bytes that the tensors need, so that a truncated file is found early.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

import { FormatError, InvalidInputError } from '../errors.ts';
import { readScalar, valueBytes } from './gguf-bytes.ts';
import { tensorTypes, typeNames } from './gguf-types.ts';

export interface GgufHeader {
  readonly architecture: string;
  readonly name: string | null;
  readonly blocks: number | null;
  readonly width: number | null;
  readonly contextLength: number | null;
  readonly hasChatTemplate: boolean;
  /** Parts of a split file; 1 for a whole one. */
  readonly splitCount: number;
  readonly tensorCount: number;
  /** Bytes that a complete file has at least. */
  readonly expectedBytes: number;
  /** Type that holds most of the bytes, as llama.cpp names it: `Q4_K`, `Q8_0`, `F16`, … */
  readonly quantisation: string;
  /** The float32 norm weights, which quantisation leaves as they are, with offsets in the file. */
  readonly norms: readonly TensorPlace[];
}

interface Value {
  readonly value: string | number;
  /** Where it begins in the file. */
  readonly offset: number;
}
type Metadata = ReadonlyMap<string, Value>;

interface TensorPlace {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Headers in circulation stay below 30 MB (vocabularies of 260,000 tokens); ten times that is refused. */
const headerLimit = 300_000_000;
/** Counts in circulation stay below 3,000 tensors and 100 keys. */
const countLimit = 1_000_000;
/** Parts are counted with five digits in their names. */
const partLimit = 99_999;
const alignmentLimit = 1 << 20;
const stringLimit = 10_000_000;

/** Reads and checks the header. Throws FormatError with the offset, InvalidInputError if there is no file. */
export function readGgufHeader(path: string): GgufHeader {
  const reader = new Reader(path);
  try {
    return parse(path, reader);
  } finally {
    reader.close();
  }
}

function parse(path: string, reader: Reader): GgufHeader {
  const magic = reader.bytes(4).toString('latin1');
  if (magic !== 'GGUF')
    throw new FormatError(path, 0, 'expected a GGUF model file, got something else');
  const version = reader.u32();
  if (version !== 2 && version !== 3)
    throw new FormatError(path, 4, `expected GGUF version 2 or 3, got ${version}`);
  const tensorCount = reader.count('tensors');
  const keyCount = reader.count('metadata keys');
  const metadata = new Map<string, Value>();
  for (let i = 0; i < keyCount; i++) {
    const key = reader.string();
    const offset = reader.offset;
    const value = reader.value(reader.u32());
    if (value !== null) metadata.set(key, { value, offset });
  }
  const { dataBytes, norms, quantisation } = tensorTable(path, reader, tensorCount);
  const alignment = alignmentOf(path, metadata);
  const dataStart = Math.ceil(reader.offset / alignment) * alignment;
  const expectedBytes = dataStart + dataBytes;
  if (reader.size < expectedBytes) {
    throw new FormatError(
      path,
      reader.size,
      `expected ${expectedBytes} bytes, got ${reader.size}: the file is truncated`,
      {
        hint: 'fetch it again',
      },
    );
  }
  const architecture = architectureOf(path, metadata);
  const number = (key: string): number | null =>
    wholeNumber(path, metadata, { key: `${architecture}.${key}`, limit: countLimit * 1000 });
  return {
    architecture,
    name: String(metadata.get('general.name')?.value ?? '') || null,
    blocks: number('block_count'),
    width: number('embedding_length'),
    contextLength: number('context_length'),
    hasChatTemplate: metadata.has('tokenizer.chat_template'),
    splitCount: wholeNumber(path, metadata, { key: 'split.count', limit: partLimit }) || 1,
    tensorCount,
    expectedBytes,
    quantisation,
    norms: norms.map((norm) => ({ ...norm, offset: dataStart + norm.offset })),
  };
}

/** Where the data's offsets begin to count: a power of two, as the loader wants it too. */
function alignmentOf(path: string, metadata: Metadata): number {
  const key = 'general.alignment';
  const alignment = wholeNumber(path, metadata, { key, limit: alignmentLimit }) ?? 32;
  if (!Number.isInteger(Math.log2(alignment)))
    throw new FormatError(
      path,
      metadata.get(key)?.offset ?? 0,
      `expected ${key} to be a power of two, got ${alignment}`,
    );
  return alignment;
}

/** A number of things; null if the file gives none or a list, one a block. */
function wholeNumber(
  path: string,
  metadata: Metadata,
  { key, limit }: { key: string; limit: number },
): number | null {
  const { value, offset = 0 } = metadata.get(key) ?? {};
  if (typeof value !== 'number') return null;
  if (Number.isInteger(value) && value >= 0 && value <= limit) return value;
  throw new FormatError(
    path,
    offset,
    `expected ${key} to be a whole number of at most ${limit}, got ${value}`,
  );
}

/** Empty for the later parts of a split model, which hold tensors and no metadata. */
function architectureOf(path: string, metadata: Metadata): string {
  const isLaterPart = Number(metadata.get('split.no')?.value ?? 0) > 0;
  const architecture =
    metadata.get('general.architecture')?.value ?? (isLaterPart ? '' : undefined);
  if (typeof architecture !== 'string')
    throw new FormatError(path, 24, 'expected general.architecture, found none');
  return architecture;
}

/**
 * Headers of all files of a model, which is one unless it is split. Throws FormatError or InvalidInputError
 * for a part that is broken or missing.
 */
export function readAllParts(path: string): { path: string; header: GgufHeader }[] {
  const header = readGgufHeader(path);
  const match = /^(.*)-00001-of-(\d{5})\.gguf$/.exec(path);
  if (header.splitCount < 2 || match === null) return [{ path, header }];
  const later = Array.from({ length: header.splitCount - 1 }, (_, i) => {
    const part = `${match[1]}-${String(i + 2).padStart(5, '0')}-of-${match[2]}.gguf`;
    return { path: part, header: readGgufHeader(part) };
  });
  return [{ path, header }, ...later];
}

/** Length of the data in bytes, and the norm weights with offsets from its start. */
function tensorTable(
  path: string,
  reader: Reader,
  count: number,
): { dataBytes: number; norms: TensorPlace[]; quantisation: string } {
  let dataBytes = 0;
  const bytesOf = new Map<number, number>();
  const places: TensorPlace[] = [];
  const norms: TensorPlace[] = [];
  for (let i = 0; i < count; i++) {
    const name = reader.string();
    const sides = reader.u32();
    if (sides > 4)
      throw new FormatError(
        path,
        reader.offset,
        `tensor ${name}: expected at most 4 dimensions, got ${sides}`,
      );
    const shape = Array.from({ length: sides }, () => reader.u64());
    const values = shape.reduce((product, side) => product * side, 1);
    const type = reader.u32();
    const offset = reader.u64();
    const [block, bytes] = tensorTypes[type] ?? [1, 0];
    const size = (values / block) * bytes;
    if ((shape[0] ?? 1) % block !== 0 || !Number.isSafeInteger(offset + size)) {
      throw new FormatError(
        path,
        reader.offset,
        `tensor ${name}: expected a size that a file can have`,
      );
    }
    dataBytes = Math.max(dataBytes, offset + size);
    places.push({ name, offset, bytes: size });
    bytesOf.set(type, (bytesOf.get(type) ?? 0) + size);
    if (type === 0 && name.endsWith('norm.weight')) norms.push({ name, offset, bytes: size });
  }
  assertApart(path, places, reader.offset);
  const [most = 0] = [...bytesOf.keys()].toSorted(
    (a, b) => (bytesOf.get(b) ?? 0) - (bytesOf.get(a) ?? 0),
  );
  return { dataBytes, norms, quantisation: typeNames[most] ?? `type ${most}` };
}

/** Refuses tensors that share bytes: whoever reads them all would read more than the file has. */
function assertApart(path: string, places: readonly TensorPlace[], offset: number): void {
  let end = 0;
  const held = places.filter(({ bytes }) => bytes > 0);
  for (const place of held.toSorted((a, b) => a.offset - b.offset)) {
    if (place.offset < end)
      throw new FormatError(
        path,
        offset,
        `tensor ${place.name}: expected bytes of its own, got those of another tensor`,
      );
    end = place.offset + place.bytes;
  }
}

/** Reads forward through a window, so that a header of any size costs little memory. */
class Reader {
  readonly size: number;
  offset = 0;
  readonly #path: string;
  readonly #file: number;
  #window = Buffer.alloc(0);
  #windowStart = 0;

  constructor(path: string) {
    this.#path = path;
    try {
      // Before it is opened, as opening a pipe waits for somebody to write.
      if (!statSync(path).isFile())
        throw new InvalidInputError(`model: expected a file at ${path}, found something else`);
      this.#file = openSync(path, 'r');
    } catch (cause) {
      if (cause instanceof InvalidInputError) throw cause;
      throw new InvalidInputError(`model: expected a readable file at ${path}, found none`, {
        cause,
        hint: 'limbic models lists what is here',
      });
    }
    this.size = fstatSync(this.#file).size;
  }

  close(): void {
    closeSync(this.#file);
  }

  bytes(length: number): Buffer {
    if (this.offset + length > this.size) {
      throw new FormatError(
        this.#path,
        this.offset,
        'expected a GGUF model file, got one that ends inside its header',
        {
          hint: 'the file is truncated or no model; fetch it again',
        },
      );
    }
    if (this.offset + length > headerLimit) {
      throw new FormatError(
        this.#path,
        this.offset,
        `expected a header below ${headerLimit} bytes`,
      );
    }
    const from = this.offset - this.#windowStart;
    if (from + length > this.#window.length) {
      const window = Buffer.alloc(Math.min(Math.max(length, 1 << 20), this.size - this.offset));
      const got = readSync(this.#file, window, 0, window.length, this.offset);
      this.#window = window.subarray(0, got);
      this.#windowStart = this.offset;
      this.offset += length;
      return this.#window.subarray(0, length);
    }
    this.offset += length;
    return this.#window.subarray(from, from + length);
  }

  u32(): number {
    return this.bytes(4).readUInt32LE(0);
  }

  u64(): number {
    return Number(this.bytes(8).readBigUInt64LE(0));
  }

  count(what: string): number {
    const count = this.u64();
    if (count > countLimit) {
      throw new FormatError(
        this.#path,
        this.offset - 8,
        `expected at most ${countLimit} ${what}, got ${count}`,
      );
    }
    return count;
  }

  string(): string {
    const length = this.u64();
    if (length > stringLimit) {
      throw new FormatError(
        this.#path,
        this.offset - 8,
        `expected a text of at most ${stringLimit} bytes, got ${length}`,
      );
    }
    return this.bytes(length).toString();
  }

  /** A scalar as number or text; null for an array, which is skipped. */
  value(type: number): string | number | null {
    if (type === 8) return this.string();
    if (type === 9) return this.#skipArray(0);
    const size = valueBytes[type];
    if (size === undefined)
      throw new FormatError(
        this.#path,
        this.offset,
        `expected a metadata type from 0 to 12, got ${type}`,
      );
    return readScalar(type, this.bytes(size));
  }

  #skipArray(depth: number): null {
    const type = this.u32();
    const count = this.u64();
    const size = valueBytes[type];
    if (depth > 4 || count > 100_000_000)
      throw new FormatError(this.#path, this.offset, 'expected an array of sane size');
    if (size !== undefined) this.#skip(count * size);
    else if (type === 8) for (let i = 0; i < count; i++) this.#skip(this.u64());
    else if (type === 9) for (let i = 0; i < count; i++) this.#skipArray(depth + 1);
    else
      throw new FormatError(
        this.#path,
        this.offset,
        `expected an array type from 0 to 12, got ${type}`,
      );
    return null;
  }

  #skip(length: number): void {
    if (this.offset + length > Math.min(this.size, headerLimit)) {
      throw new FormatError(this.#path, this.offset, 'expected a header that ends within the file');
    }
    this.offset += length;
    if (this.offset > this.#windowStart + this.#window.length) {
      this.#window = Buffer.alloc(0);
      this.#windowStart = this.offset;
    }
  }
}
