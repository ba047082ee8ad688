/** @file One member of a zip file (a Python wheel is one), through its central directory. */
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { createInflateRaw } from 'node:zlib';

import { FormatError } from '../errors.ts';

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
/** The end record is 22 bytes and a comment of at most 65,535. */
const endSearch = 65_557;

/** The member's bytes, inflated. Throws FormatError if the file is no zip or has no such member. */
export function openZipMember(path: string, member: string): Readable {
  const { offset, stored, method } = find(path, member);
  const raw = createReadStream(path, { start: offset, end: offset + stored - 1 });
  if (method === 0) return raw;
  const inflate = createInflateRaw();
  raw.on('error', (error) => inflate.destroy(error));
  return raw.pipe(inflate);
}

function find(path: string, member: string): { offset: number; stored: number; method: number } {
  const size = statSync(path).size;
  const file = openSync(path, 'r');
  const take = (at: number, length: number): Buffer => {
    const buffer = Buffer.alloc(Math.min(length, Math.max(0, size - at)));
    readSync(file, buffer, 0, buffer.length, at);
    return buffer;
  };
  try {
    const tailStart = Math.max(0, size - endSearch);
    const tail = take(tailStart, endSearch);
    let end = tail.length - 22;
    while (end >= 0 && tail.readUInt32LE(end) !== endSignature) end--;
    if (end < 0) throw new FormatError(path, tailStart, 'expected a zip file, found no directory');
    const directory = take(tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    for (
      let at = 0;
      at + 46 <= directory.length && directory.readUInt32LE(at) === entrySignature;
    ) {
      const nameLength = directory.readUInt16LE(at + 28);
      const skip =
        46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
      if (directory.toString('utf8', at + 46, at + 46 + nameLength) === member) {
        const local = directory.readUInt32LE(at + 42);
        const header = take(local, 30);
        const offset = local + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
        return {
          offset,
          stored: directory.readUInt32LE(at + 20),
          method: directory.readUInt16LE(at + 10),
        };
      }
      at += skip;
    }
    throw new FormatError(path, 0, `expected a member ${member}, found none`);
  } finally {
    closeSync(file);
  }
}
