/**
 * @file What a hostile hand does to a valid file. Binary files are lists of parts, JSON files are values; a change is
 * three numbers, so that a failing input shrinks to few and small ones.
 */
import fc from 'fast-check';

/** One field of a binary file. A number is one that the reader trusts unless it is careful: a length, count, offset, type. */
export interface Part {
  readonly bytes: Buffer;
  readonly isNumber: boolean;
}

export interface Change {
  readonly kind: number;
  readonly at: number;
  readonly what: number;
}

/** No change in a quarter of the files, so that what is valid is read too. */
export const changes = fc.oneof(fc.constant<Change[]>([]), {
  arbitrary: fc.array(fc.record({ kind: fc.nat(), at: fc.nat(), what: fc.nat() }), {
    minLength: 1,
    maxLength: 4,
  }),
  weight: 3,
});

/** Rarely any, where each of many things in a file has the chance. */
export const rareChanges = fc.oneof({ arbitrary: fc.constant<Change[]>([]), weight: 3 }, changes);

/** Little-endian parts of a binary file. */
export const part = {
  u16: (value: number): Part => number(2, (bytes) => bytes.writeUInt16LE(value)),
  u32: (value: number): Part => number(4, (bytes) => bytes.writeUInt32LE(value)),
  u64: (value: number | bigint): Part =>
    number(8, (bytes) => bytes.writeBigUInt64LE(BigInt(value))),
  bytes: (value: string | Buffer): Part => ({ bytes: Buffer.from(value), isNumber: false }),
};

function number(size: number, write: (bytes: Buffer) => void): Part {
  const bytes = Buffer.alloc(size);
  write(bytes);
  return { bytes, isNumber: true };
}

/** Sizes at which a count, a product or a conversion goes wrong, and the bits of numbers that are none. */
const extremes = [
  0n,
  1n,
  2n,
  7n,
  255n,
  65_535n,
  1_000_000n,
  1_000_001n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 61n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n - 32n,
  // NaN, infinity and -1 as float32 and as float64.
  0x7fc00000n,
  0x7f800000n,
  0xbf800000n,
  0x7ff8000000000000n,
  0x7ff0000000000000n,
  0xbff0000000000000n,
];

type BinaryMutator = (parts: Part[], change: Change, donor: readonly Part[]) => void;

/** An index of something of this length; 0 of nothing. */
const within = (value: number, length: number): number => (length === 0 ? 0 : value % length);

/** The number that 2, 4 or 8 bytes hold. */
const littleEndian = (bytes: Buffer): bigint =>
  bytes.length === 8 ? bytes.readBigUInt64LE() : BigInt(bytes.readUIntLE(0, bytes.length));

function changeNumber(
  parts: Part[],
  { at }: Change,
  to: (old: bigint, size: number) => bigint,
): void {
  const places = parts.flatMap(({ isNumber }, i) => (isNumber ? [i] : []));
  const place = places[within(at, places.length)];
  const old = place === undefined ? undefined : parts[place]?.bytes;
  if (place === undefined || old === undefined) return;
  const bits = old.length * 8;
  const value = littleEndian(old);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(bits, to(value, old.length)));
  parts[place] = { bytes: bytes.subarray(0, old.length), isNumber: true };
}

const binaryMutators: readonly BinaryMutator[] = [
  (parts, change) =>
    changeNumber(parts, change, () => extremes[within(change.what, extremes.length)] ?? 0n),
  // A length, count or offset that lies by a little.
  (parts, change) => changeNumber(parts, change, (old) => old + BigInt(change.what % 17) - 8n),
  // A number that another field holds: two tensors at one place, a count where a length belongs.
  (parts, change, donor) => {
    const numbers = [...parts, ...donor].filter(({ isNumber }) => isNumber);
    const { bytes } = numbers[within(change.what, numbers.length)] ?? { bytes: Buffer.alloc(8) };
    changeNumber(parts, change, () => littleEndian(bytes));
  },
  // The order of bytes of another machine.
  (parts, change) =>
    changeNumber(parts, change, (old, size) =>
      littleEndian(Buffer.from(old.toString(16).padStart(2 * size, '0'), 'hex')),
    ),
  // Parts that stand twice, are gone, changed places, or come from another file.
  (parts, { at, what }) => {
    const from = within(at, parts.length);
    parts.splice(within(what, parts.length + 1), 0, ...parts.slice(from, from + 1 + (what % 6)));
  },
  (parts, { at, what }) => void parts.splice(within(at, parts.length), 1 + (what % 4)),
  (parts, { at, what }) =>
    void parts.splice(within(what, parts.length), 0, ...parts.splice(within(at, parts.length), 1)),
  (parts, { at, what }, donor) => {
    const from = within(what, donor.length);
    parts.splice(
      within(at, parts.length),
      1 + (what % 3),
      ...donor.slice(from, from + 1 + (at % 5)),
    );
  },
];

const byteMutators: readonly ((bytes: Buffer, change: Change) => Buffer)[] = [
  (bytes, { at, what }) => {
    const copy = Buffer.from(bytes);
    if (copy.length > 0) copy[within(at, copy.length)]! ^= 1 << (what % 8);
    return copy;
  },
  (bytes, { at }) => bytes.subarray(0, within(at, bytes.length + 1)),
  (bytes, { at, what }) => {
    const place = within(at, bytes.length + 1);
    return Buffer.concat([
      bytes.subarray(0, place),
      Buffer.alloc(1 + (what % 64), what),
      bytes.subarray(place),
    ]);
  },
  // A piece repeated, so that what follows is shifted.
  (bytes, { at, what }) => {
    const place = within(at, bytes.length + 1);
    return Buffer.concat([
      bytes.subarray(0, place),
      bytes.subarray(Math.max(0, place - (what % 200))),
    ]);
  },
];

/** The bytes of the parts after the changes; `donor` is another valid file, to take parts from. */
export function mutated(
  parts: readonly Part[],
  list: readonly Change[],
  donor: readonly Part[],
): Buffer {
  const changed = [...parts];
  const kinds = binaryMutators.length + byteMutators.length;
  const onBytes: Change[] = [];
  for (const change of list) {
    const mutator = binaryMutators[change.kind % kinds];
    if (mutator === undefined) onBytes.push(change);
    else mutator(changed, change, donor);
  }
  return onBytes.reduce<Buffer>(
    (bytes, change) =>
      byteMutators[(change.kind % kinds) - binaryMutators.length]?.(bytes, change) ?? bytes,
    Buffer.concat(changed.map(({ bytes }) => bytes)),
  );
}

/** JSON that JSON.stringify can't write: numbers beyond range, keys that stand twice, depth. */
class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const hostileValues: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  7,
  2 ** 31,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 63),
  1e308,
  new Raw('1e999'),
  new Raw('-1e999'),
  new Raw('NaN'),
  new Raw('-0'),
  new Raw('1e-999'),
  new Raw(`1${'0'.repeat(400)}`),
  '',
  '1',
  '../../../etc/passwd',
  '/dev/zero',
  'a/b\\c',
  'x'.repeat(5000),
  '\u{1b}[2J\u{7}\r\n\0',
  '\u{202e}evil',
  new Raw(String.raw`"\ud800"`),
  new Raw(String.raw`"\udc00\ud800"`),
  '__proto__',
  [],
  {},
  [[]],
  [null],
  new Raw('['.repeat(40) + ']'.repeat(40)),
  new Raw('['.repeat(5000) + ']'.repeat(5000)),
  new Raw('{"a":'.repeat(3000) + '0' + '}'.repeat(3000)),
  new Raw('['.repeat(5000)),
  new Raw('{"__proto__":{"x":1},"constructor":5}'),
  new Raw('{"a":1,"a":2}'),
  Array.from({ length: 2000 }, () => 0),
  new Raw(`[${'{},'.repeat(3000)}0]`),
];

type Key = string | number;
type Holder = Record<Key, unknown>;

/** Every place of a value, as the thing that holds it and the key there. */
function placesIn(value: unknown): { holder: Holder; key: Key }[] {
  if (typeof value !== 'object' || value === null || value instanceof Raw) return [];
  return Object.keys(value).flatMap((key) => [
    { holder: value as Holder, key },
    ...placesIn((value as Holder)[key]),
  ]);
}

const jsonMutators: readonly ((places: { holder: Holder; key: Key }[], change: Change) => void)[] =
  [
    (places, { at, what }) => {
      const place = places[within(at, places.length)];
      if (place)
        place.holder[place.key] = structuredCopy(hostileValues[within(what, hostileValues.length)]);
    },
    (places, { at }) => {
      const place = places[within(at, places.length)];
      if (place && Array.isArray(place.holder)) place.holder.splice(Number(place.key), 1);
      else if (place) delete place.holder[place.key];
    },
    // A value that another place holds, perhaps a whole branch.
    (places, { at, what }) => {
      const [to, from] = [places[within(at, places.length)], places[within(what, places.length)]];
      if (to && from) to.holder[to.key] = structuredCopy(from.holder[from.key]);
    },
    (places, { at, what }) => {
      const { holder, key } = places[within(at, places.length)] ?? { holder: {}, key: '' };
      if (Array.isArray(holder))
        holder.push(
          ...Array.from({ length: 1 + (what % 40) }, () => structuredCopy(holder[Number(key)])),
        );
      else
        holder[
          ['__proto__', 'x', 'constructor', '', '\u{1b}[31m', 'toString', '../x', 'y'.repeat(3000)][
            what % 8
          ] ?? ''
        ] = 1;
    },
    // A number a little off.
    (places, { at, what }) => {
      const numbers = places.filter(({ holder, key }) => typeof holder[key] === 'number');
      const place = numbers[within(at, numbers.length)];
      if (place) place.holder[place.key] = Number(place.holder[place.key]) + (what % 17) - 8;
    },
  ];

function structuredCopy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(structuredCopy);
  if (typeof value !== 'object' || value === null || value instanceof Raw) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, structuredCopy(inner)]),
  );
}

/** JSON text of the value after the changes. The value stays as it is. */
export function mutatedJson(value: unknown, list: readonly Change[]): string {
  const root = { value: structuredCopy(value) };
  for (const change of list)
    jsonMutators[change.kind % jsonMutators.length]?.(placesIn(root), change);
  return textOf(root.value);
}

function textOf(value: unknown): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, inner]) => `${JSON.stringify(key)}:${textOf(inner)}`)
      .join(',')}}`;
  return JSON.stringify(value) ?? 'null';
}

/** Bytes that the list changes as a stranger's editor, disk or network would. */
export function mutatedBytes(bytes: Buffer, list: readonly Change[]): Buffer {
  return list.reduce(
    (now, change) => byteMutators[change.kind % byteMutators.length]?.(now, change) ?? now,
    bytes,
  );
}
