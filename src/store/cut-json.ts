/**
 * @file JSON values within a number of bytes. What is left out is said at its place, in words: a list of
 * numbers that ends in a text can't be taken for a whole measurement.
 */

type Fields = Readonly<Record<string, unknown>>;

/** Bytes that a note of what is left out takes at most, quotes and comma included. */
const noteBytes = 64;

/** Size of a value as JSON, in UTF-8. */
export function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/**
 * The fields of an object within `limit` bytes of JSON: short fields whole, long ones with a fair share of the
 * room and their beginning. The same object if it fits.
 * @param limit at least 256
 */
export function cutFields(fields: Fields, limit: number): Fields {
  if (jsonBytes(fields) <= limit) return fields;
  const bySize = Object.entries(fields)
    .map(([name, value]) => ({ name, value, size: jsonBytes(value) }))
    .toSorted((a, b) => a.size - b.size);
  const kept = new Map<string, unknown>();
  let room = limit - noteBytes - 2;
  for (const [i, { name, value, size }] of bySize.entries()) {
    const share = Math.floor(room / (bySize.length - i)) - jsonBytes(name) - 2;
    if (size > share && share < 2 * noteBytes) continue;
    const shown = cut(value, share);
    kept.set(name, shown);
    room -= jsonBytes(name) + 2 + jsonBytes(shown);
  }
  const names = Object.keys(fields);
  const result = names.filter((name) => kept.has(name)).map((name) => [name, kept.get(name)]);
  if (kept.size < names.length)
    result.push(['left out', `${names.length - kept.size} of ${names.length} fields`]);
  return Object.fromEntries(result) as Fields;
}

function cut(value: unknown, limit: number): unknown {
  if (jsonBytes(value) <= limit) return value;
  if (typeof value === 'string') return cutText(value, limit);
  if (Array.isArray(value)) return cutList(value, limit);
  return cutFields(value as Fields, limit);
}

function cutText(text: string, limit: number): string {
  const fits = (length: number): boolean => jsonBytes(text.slice(0, length)) <= limit - noteBytes;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low)} [left out: ${text.length - low} of ${text.length} characters]`;
}

/** The first items; the one that the room ends in is cut itself where it is worth it. */
function cutList(list: readonly unknown[], limit: number): unknown[] {
  const kept: unknown[] = [];
  let room = limit - noteBytes - 2;
  for (const item of list) {
    const isWhole = jsonBytes(item) + 1 <= room;
    if (!isWhole && (room < 4 * noteBytes || item === null || typeof item === 'number')) break;
    const shown = cut(item, room - 1);
    kept.push(shown);
    room -= jsonBytes(shown) + 1;
    if (!isWhole) break;
  }
  if (kept.length < list.length)
    kept.push(`left out: ${list.length - kept.length} of ${list.length} items`);
  return kept;
}
