/** Cuts a GGUF file into two as llama.cpp's own tool does: all metadata in the first part, split.* keys in both. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

import { valueBytes } from '../src/formats/gguf-bytes.ts';

interface Info {
  /** The entry without its offset. */
  readonly head: Buffer;
  readonly data: Buffer;
}

/** Writes `stem-00001-of-00002.gguf` and the second part; returns the first path. */
export function splitGguf(path: string, stem: string): string {
  const file = readFileSync(path);
  const tensorCount = Number(file.readBigUInt64LE(8));
  const keyCount = Number(file.readBigUInt64LE(16));
  let at = 24;
  const text = (): number => (at += 8 + Number(file.readBigUInt64LE(at)));
  const value = (type: number): void => {
    if (type === 8) text();
    else if (type === 9) {
      const inner = file.readUInt32LE(at);
      const count = Number(file.readBigUInt64LE(at + 4));
      at += 12;
      for (let i = 0; i < count; i++) value(inner);
    } else at += valueBytes[type]!;
  };
  for (let i = 0; i < keyCount; i++) {
    text();
    at += 4;
    value(file.readUInt32LE(at - 4));
  }
  const keys = file.subarray(24, at);
  const entries: { head: Buffer; offset: number }[] = [];
  for (let i = 0; i < tensorCount; i++) {
    const start = at;
    text();
    at += 4 + 8 * file.readUInt32LE(at) + 4;
    entries.push({ head: file.subarray(start, at), offset: Number(file.readBigUInt64LE(at)) });
    at += 8;
  }
  const dataStart = Math.ceil(at / 32) * 32;
  const ends = entries.map(({ offset }) => offset).toSorted((a, b) => a - b);
  const infos: Info[] = entries.map(({ head, offset }) => {
    const next = ends.find((other) => other > offset) ?? file.length - dataStart;
    return { head, data: file.subarray(dataStart + offset, dataStart + next) };
  });
  const middle = Math.floor(infos.length / 2);
  const first = `${stem}-00001-of-00002.gguf`;
  writePart(first, { no: 0, keys, keyCount, infos: infos.slice(0, middle), total: infos.length });
  writePart(`${stem}-00002-of-00002.gguf`, {
    no: 1,
    keys: Buffer.alloc(0),
    keyCount: 0,
    infos: infos.slice(middle),
    total: infos.length,
  });
  return first;
}

function writePart(
  path: string,
  part: { no: number; keys: Buffer; keyCount: number; infos: readonly Info[]; total: number },
): void {
  const key = (name: string, type: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(8 + name.length + 4);
    head.writeBigUInt64LE(BigInt(name.length));
    head.write(name, 8);
    head.writeUInt32LE(type, 8 + name.length);
    return Buffer.concat([head, value]);
  };
  const u16 = (n: number): Buffer => Buffer.from([n % 256, Math.floor(n / 256)]);
  const i32 = Buffer.alloc(4);
  i32.writeInt32LE(part.total);
  const own = [
    key('split.no', 2, u16(part.no)),
    key('split.count', 2, u16(2)),
    key('split.tensors.count', 5, i32),
  ];
  const start = Buffer.alloc(24);
  start.write('GGUF');
  start.writeUInt32LE(3, 4);
  start.writeBigUInt64LE(BigInt(part.infos.length), 8);
  start.writeBigUInt64LE(BigInt(part.keyCount + own.length), 16);
  let offset = 0;
  const infos = part.infos.map(({ head, data }) => {
    const place = Buffer.alloc(8);
    place.writeBigUInt64LE(BigInt(offset));
    offset += Math.ceil(data.length / 32) * 32;
    return Buffer.concat([head, place]);
  });
  const header = Buffer.concat([start, part.keys, ...own, ...infos]);
  const padded = (bytes: Buffer): Buffer =>
    Buffer.concat([bytes, Buffer.alloc((32 - (bytes.length % 32)) % 32)]);
  const file = openSync(path, 'w');
  writeSync(file, padded(header));
  for (const { data } of part.infos) writeSync(file, padded(data));
  closeSync(file);
}
