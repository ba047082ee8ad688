/**
 * @file JSON that a stranger wrote. A parser turns two bytes into a value of fifty, and whoever walks a value of great
 * depth runs out of stack, so both are counted before anything is parsed.
 */
import { FormatError } from '../errors.ts';

/** Files in circulation stay below 20 levels; what writes JSON again walks a few thousand at most. */
const depthLimit = 100;
/** Values of a file, at most: an array of so many objects takes about 1 GB once it is parsed. */
const valueLimit = 10_000_000;

/** Where a text stands, for errors. */
export interface JsonPlace {
  readonly path: string;
  /** Byte at which the text begins. */
  readonly offset: number;
  /** What comes before the message, such as `line 3: `. */
  readonly where?: string;
}

/** Values that may still come; the lines of one file share it. */
export interface JsonRoom {
  values: number;
  /** Values of one text, at most. */
  readonly each: number;
}

/** Room for the values of a file. @param each @default 10 million, as many as the whole file may have */
export function jsonRoom(each: number = valueLimit): JsonRoom {
  return { values: valueLimit, each };
}

/**
 * Takes the values of a text out of the room without parsing it. Throws FormatError where it is deeper than 100 levels
 * or holds more values than there is room for.
 */
export function assertPlainJson(text: string, place: JsonPlace, room: JsonRoom = jsonRoom()): void {
  let depth = 0;
  const before = Math.min(room.values, room.each);
  let left = before;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) i = endOfText(text, i);
    else if (code === 0x2c) left -= 1;
    else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      left -= 1;
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
    if (depth > depthLimit) refuse(place, `expected JSON at most ${depthLimit} levels deep`);
    if (left < 0) refuse(place, `expected JSON of at most ${before} values`);
  }
  room.values -= before - left;
}

/** Where the closing quote of the text that begins at `start` is; the whole length if it has none. */
function endOfText(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes += 1;
    if (slashes % 2 === 0) return at;
  }
  return text.length;
}

function refuse({ path, offset, where = '' }: JsonPlace, message: string): never {
  throw new FormatError(path, offset, `${where}${message}`);
}

/** The value of a text. Throws FormatError for what assertPlainJson refuses, and `not JSON` for what is none. */
export function parsePlainJson(text: string, place: JsonPlace, room?: JsonRoom): unknown {
  assertPlainJson(text, place, room);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new FormatError(place.path, place.offset, `${place.where ?? ''}not JSON`, { cause });
  }
}
