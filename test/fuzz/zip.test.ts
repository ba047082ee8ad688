import { buffer } from 'node:stream/consumers';
import { crc32, deflateRawSync } from 'node:zlib';

import fc from 'fast-check';
import { expect } from 'vitest';

import { openZipMember } from '../../src/formats/zip.ts';
import { fuzz } from './harness.ts';
import { changes, mutated, type Part, part } from './mutators.ts';

const wanted = 'package/model.gguf';
const names = [
  wanted,
  'package/note.txt',
  '../../etc/passwd',
  '/dev/zero',
  'a\\b',
  'w\u00f6rter',
  '',
];

/** What a member may hold; the last ones become a thousandth when they are deflated. */
const contents = [
  Buffer.alloc(0),
  Buffer.from('plain'),
  Buffer.from('GGUF and some more words of a model, and some more words of a model'),
  Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * i * 7919) % 251)),
  Buffer.alloc(200_000),
  Buffer.alloc(2_000_000, 'ab'),
];
const deflated = contents.map((content) => deflateRawSync(content, { level: 9 }));
const sums = contents.map((content) => crc32(content));
/** Of the package's model; larger ones are refused before they are read. */
const most = 1_000_000;

interface Member {
  readonly name: number;
  readonly content: number;
  readonly isDeflated: boolean;
  readonly isBehind: boolean;
  readonly extra: number;
}

const pick = <T>(list: readonly T[], at: number): T => list[at % list.length]!;
const lengthOf = (parts: readonly Part[]): number =>
  parts.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** What both headers of a member say in the same order. */
function common({ content, isDeflated, isBehind }: Member, sizes: 'told' | 'behind'): Part[] {
  const stored = isDeflated ? deflated[content]! : contents[content]!;
  const told = sizes === 'told' ? 1 : 0;
  return [
    part.u16(20),
    part.u16(isBehind ? 8 : 0),
    part.u16(isDeflated ? 8 : 0),
    part.u16(0),
    part.u16(0),
    part.u32(told * sums[content]!),
    part.u32(told * stored.length),
    part.u32(told * contents[content]!.length),
  ];
}

/** A whole file: members one after another, the directory, the end record with its comment. */
function layOut(members: readonly Member[], comment: number, before: number): Part[] {
  const parts: Part[] = [part.bytes(Buffer.alloc(before, 'x'))];
  const directory: Part[] = [];
  for (const member of members) {
    const name = Buffer.from(pick(names, member.name));
    const { content, isDeflated, isBehind } = member;
    const stored = isDeflated ? deflated[content]! : contents[content]!;
    directory.push(part.u32(0x02014b50), part.u16(20), ...common(member, 'told'));
    directory.push(part.u16(name.length), part.u16(0), part.u16(member.extra));
    directory.push(part.u16(0), part.u16(0), part.u32(0), part.u32(lengthOf(parts)));
    directory.push(part.bytes(name), part.bytes(Buffer.alloc(member.extra, 'e')));
    parts.push(part.u32(0x04034b50), ...common(member, isBehind ? 'behind' : 'told'));
    parts.push(part.u16(name.length), part.u16(member.extra), part.bytes(name));
    parts.push(part.bytes(Buffer.alloc(member.extra, 'l')), part.bytes(stored));
    if (isBehind)
      parts.push(
        part.u32(0x08074b50),
        part.u32(sums[content]!),
        part.u32(stored.length),
        part.u32(contents[content]!.length),
      );
  }
  const from = lengthOf(parts);
  parts.push(...directory, part.u32(0x06054b50), part.u16(0), part.u16(0));
  parts.push(part.u16(members.length), part.u16(members.length), part.u32(lengthOf(directory)));
  parts.push(part.u32(from), part.u16(comment), part.bytes(Buffer.alloc(comment, 'c')));
  return parts;
}

const member = fc.record({
  name: fc.nat(names.length - 1),
  content: fc.nat(contents.length - 1),
  isDeflated: fc.boolean(),
  isBehind: fc.boolean(),
  extra: fc.constantFrom(0, 0, 4, 20),
});
const file = fc
  .record({
    own: fc.record({
      name: fc.constant(0),
      content: fc.nat(contents.length - 1),
      isDeflated: fc.boolean(),
      isBehind: fc.boolean(),
      extra: fc.constantFrom(0, 4),
    }),
    others: fc.array(member, { maxLength: 3 }),
    comment: fc.constantFrom(0, 0, 0, 22, 300),
    before: fc.constantFrom(0, 0, 0, 5),
  })
  .map(({ own, others, comment, before }) => layOut([...others, own], comment, before));
const files = fc.tuple(file, file, changes).map(([own, donor, list]) => mutated(own, list, donor));

fuzz('a member of any broken zip file', files, {
  name: 'any.whl',
  read: async (path) => {
    const bytes = await buffer(openZipMember(path, wanted, { most }));
    expect(bytes.length).toBeLessThanOrEqual(most);
    // Its checksum is right, so it is what somebody once put in.
    expect(contents.some((content) => content.equals(bytes))).toBe(true);
  },
});
