/** @file One JSON value a line. */
import { readFileSync, statSync } from 'node:fs';

import type { z } from 'zod';

import { FormatError, InvalidInputError } from '../errors.ts';
import { jsonRoom, parsePlainJson } from './stranger-json.ts';

/** Files in circulation stay below 10 MB; what is over this does not fit in memory once it is parsed. */
const fileLimit = 200e6;
/** Values of one line; a schema complains of each that does not fit, at 500 bytes. */
const lineValues = 1_000_000;
const newline = 10;

/** Parses every line by the schema; throws FormatError naming the line. Empty lines are skipped. */
export function readJsonLines<T>(path: string, schema: z.ZodType<T>): T[] {
  const bytes = readBytes(path);
  const values: T[] = [];
  const room = jsonRoom(lineValues);
  let number = 1;
  for (let offset = 0; offset < bytes.length; number++) {
    const found = bytes.indexOf(newline, offset);
    const end = found === -1 ? bytes.length : found;
    const line = bytes.toString('utf8', offset, end);
    if (line.trim() !== '') {
      const where = `line ${number}: `;
      const value = parsePlainJson(line, { path, offset, where }, room);
      values.push(fitted(schema, value, { path, offset, where }));
    }
    offset = end + 1;
  }
  return values;
}

function fitted<T>(
  schema: z.ZodType<T>,
  value: unknown,
  { path, offset, where }: { path: string; offset: number; where: string },
): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  const why = `${first?.path.join('.') || 'value'}: ${first?.message ?? 'does not fit'}`;
  throw new FormatError(path, offset, `${where}${why}`, { cause: parsed.error });
}

/** A text file's content; a missing, unreadable or huge file is an InvalidInputError. */
export function readText(path: string): string {
  return readBytes(path).toString();
}

function readBytes(path: string): Buffer {
  let size = 0;
  try {
    size = statSync(path).size;
    if (size <= fileLimit) return readFileSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new InvalidInputError(`${path}: expected a readable file, got ${code}`, { cause });
  }
  throw new InvalidInputError(
    `${path}: expected at most ${fileLimit / 1e6} MB, got ${Math.ceil(size / 1e6)} MB`,
  );
}
