/**
 * @file One member of a zip file (a Python wheel is one), through its central directory. A wheel comes from a
 * registry, so from anybody: sizes are held against the file before anything is read, the member's bytes against the
 * size and the checksum that the directory gives, and no name of the file ever becomes a path.
 */
import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';

import { FormatError } from '../errors.ts';

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;
const endBytes = 22;
const entryBytes = 46;
const localBytes = 30;
/** The end record and a comment of at most 65,535 bytes. */
const endSearch = endBytes + 65_535;
/** A wheel has tens of members of some hundred bytes. */
const directoryLimit = 16e6;
/** What deflate makes of a byte at most. */
const mostInflated = 1032;
/** Stands in fields whose value is in a record of zip64. */
const inZip64 = 0xffffffff;
const encrypted = 1;
/** The sizes stand behind the data, and the local header has none. */
const sizesBehind = 8;
const methods = { stored: 0, deflated: 8 } as const;

export interface ZipOptions {
  /** Bytes that the member may have. @default any that the file can hold */
  readonly most?: number;
}

interface Entry {
  /** Of its local header. */
  readonly local: number;
  /** Bytes in the file. */
  readonly stored: number;
  /** Bytes of the member. */
  readonly size: number;
  readonly checksum: number;
  readonly method: number;
  readonly flags: number;
}

/**
 * The member's bytes, inflated. Throws FormatError if the file is no zip, has no such member or holds it in a way
 * that is not read (zip64, encryption, methods other than deflate), or if it is larger than `most`. The stream ends
 * with a FormatError where the bytes are not those that the directory promises; what came before is then worth nothing.
 */
export function openZipMember(path: string, member: string, options: ZipOptions = {}): Readable {
  const file = openSync(path, 'r');
  try {
    const about = fstatSync(file);
    if (!about.isFile()) throw new FormatError(path, 0, 'expected a file, got something else');
    const take = (at: number, length: number): Buffer => {
      const buffer = Buffer.alloc(Math.min(length, Math.max(0, about.size - at)));
      return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, at));
    };
    const zip = { path, size: about.size, take };
    const directory = directoryOf(zip);
    const entry = entryOf(zip, directory, member);
    const from = dataOf(zip, { entry, member, end: directory.from });
    if (entry.size > (options.most ?? Infinity))
      throw new FormatError(
        path,
        entry.local,
        `expected at most ${options.most} bytes of ${member}, got ${entry.size}`,
      );
    return Readable.from(contentOf(path, { entry, member, from }), { objectMode: false });
  } finally {
    closeSync(file);
  }
}

interface Zip {
  readonly path: string;
  readonly size: number;
  /** Bytes from a place on; fewer where the file ends. */
  readonly take: (at: number, length: number) => Buffer;
}

interface Directory {
  readonly bytes: Buffer;
  /** Of its first byte. */
  readonly from: number;
  readonly entries: number;
}

/** The last end record whose comment ends with the file, and the directory that it names. */
function directoryOf({ path, size, take }: Zip): Directory {
  const start = Math.max(0, size - endSearch);
  const tail = take(start, endSearch);
  let end = tail.length - endBytes;
  while (
    end >= 0 &&
    (tail.readUInt32LE(end) !== endSignature ||
      end + endBytes + tail.readUInt16LE(end + 20) !== tail.length)
  )
    end--;
  if (end < 0) throw new FormatError(path, start, 'expected a zip file, found no directory');
  const at = start + end;
  const entries = tail.readUInt16LE(end + 10);
  const length = tail.readUInt32LE(end + 12);
  const from = tail.readUInt32LE(end + 16);
  if (entries === 0xffff || length === inZip64 || from === inZip64)
    throw new FormatError(path, at, 'expected a zip file of less than 4 GB, got zip64');
  if (tail.readUInt32LE(end + 4) !== 0 || tail.readUInt16LE(end + 8) !== entries)
    throw new FormatError(path, at, 'expected a zip file in one part, got one of several');
  if (length > directoryLimit || from + length > at)
    throw new FormatError(path, at, `expected a directory before this, got ${length} at ${from}`);
  return { bytes: take(from, length), from, entries };
}

/** The one entry of that name. */
function entryOf({ path }: Zip, { bytes, from, entries }: Directory, member: string): Entry {
  let found: Entry | null = null;
  let at = 0;
  for (let i = 0; i < entries; i++) {
    if (at + entryBytes > bytes.length || bytes.readUInt32LE(at) !== entrySignature)
      throw new FormatError(path, from + at, `expected entry ${i + 1} of ${entries}, found none`);
    const nameEnd = at + entryBytes + bytes.readUInt16LE(at + 28);
    const next = nameEnd + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    if (next > bytes.length)
      throw new FormatError(path, from + at, `expected entry ${i + 1} within the directory`);
    if (bytes.toString('utf8', at + entryBytes, nameEnd) === member) {
      if (found !== null)
        throw new FormatError(path, from + at, `expected one member ${member}, found two`);
      found = {
        flags: bytes.readUInt16LE(at + 8),
        method: bytes.readUInt16LE(at + 10),
        checksum: bytes.readUInt32LE(at + 16),
        stored: bytes.readUInt32LE(at + 20),
        size: bytes.readUInt32LE(at + 24),
        local: bytes.readUInt32LE(at + 42),
      };
      checkEntry(path, from + at, found);
    }
    at = next;
  }
  if (found === null) throw new FormatError(path, from, `expected a member ${member}, found none`);
  return found;
}

function checkEntry(path: string, at: number, { flags, method, stored, size, local }: Entry): void {
  if ([stored, size, local].includes(inZip64))
    throw new FormatError(path, at, 'expected a member of less than 4 GB, got zip64');
  if ((flags & encrypted) !== 0)
    throw new FormatError(path, at, 'expected a member that is not encrypted');
  const isStored = method === methods.stored;
  if (!isStored && method !== methods.deflated)
    throw new FormatError(path, at, `expected a member that is deflated, got method ${method}`);
  if (isStored ? size !== stored : size > stored * mostInflated)
    throw new FormatError(
      path,
      at,
      isStored
        ? `expected ${stored} bytes as they are stored, got ${size}`
        : `expected at most ${stored * mostInflated} bytes of ${stored} deflated ones, got ${size}`,
    );
}

/** Where the member's bytes begin, by its local header, which must say what the directory says. */
function dataOf(
  { path, take }: Zip,
  { entry, member, end }: { entry: Entry; member: string; end: number },
): number {
  const { local, stored, size, method, flags } = entry;
  const header = take(local, localBytes);
  if (header.length < localBytes || header.readUInt32LE(0) !== localSignature)
    throw new FormatError(path, Math.min(local, end), `expected the header of ${member}`);
  const nameLength = header.readUInt16LE(26);
  const name = take(local + localBytes, nameLength).toString();
  const sizes = [header.readUInt32LE(18), header.readUInt32LE(22)];
  // A writer that did not know the size ahead leaves room for one of zip64.
  const isElsewhere = (flags & sizesBehind) !== 0 || sizes.every((value) => value === inZip64);
  if (
    name !== member ||
    header.readUInt16LE(8) !== method ||
    (!isElsewhere && (sizes[0] !== stored || sizes[1] !== size))
  )
    throw new FormatError(path, local, `expected a header of ${member} that fits the directory`);
  const from = local + localBytes + nameLength + header.readUInt16LE(28);
  if (from + stored > end)
    throw new FormatError(path, local, `expected ${stored} bytes of ${member} before ${end}`);
  return from;
}

/** Without its own pipe of errors a file that can't be read would leave the reader waiting. */
function inflated(raw: Readable): Readable {
  const inflate = createInflateRaw();
  raw.on('error', (error) => inflate.destroy(error));
  return raw.pipe(inflate);
}

/**
 * Nothing is opened before the first chunk is asked for.
 * @yields the member's bytes, in their order
 */
async function* contentOf(
  path: string,
  { entry, member, from }: { entry: Entry; member: string; from: number },
): AsyncGenerator<Buffer> {
  const { stored, size, checksum, method } = entry;
  let [done, sum] = [0, 0];
  if (stored > 0) {
    const raw = createReadStream(path, { start: from, end: from + stored - 1 });
    const source: AsyncIterable<Buffer> = method === methods.stored ? raw : inflated(raw);
    try {
      for await (const chunk of source) {
        done += chunk.length;
        if (done > size) break;
        sum = crc32(chunk, sum);
        yield chunk;
      }
    } catch (cause) {
      // Those of inflating have codes of their own; a disk that fails is no fault of the file.
      if ((cause as NodeJS.ErrnoException).code?.startsWith('Z_') !== true) throw cause;
      throw new FormatError(path, from, `expected deflated bytes of ${member}`, { cause });
    } finally {
      raw.destroy();
    }
  }
  if (done !== size || sum !== checksum)
    throw new FormatError(
      path,
      from,
      `expected ${size} bytes of ${member} with checksum ${checksum}, got ${done > size ? 'more' : done} with ${sum}`,
    );
}
