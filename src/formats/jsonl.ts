/** @file One JSON value a line. */
import { readFileSync } from 'node:fs';

import type { z } from 'zod';

import { FormatError, InvalidInputError } from '../errors.ts';

/** Parses every line by the schema; throws FormatError naming the line. Empty lines are skipped. */
export function readJsonLines<T>(path: string, schema: z.ZodType<T>): T[] {
  const content = readText(path);
  const values: T[] = [];
  let offset = 0;
  for (const [i, line] of content.split('\n').entries()) {
    if (line.trim() !== '') values.push(parseLine(path, schema, { line, number: i + 1, offset }));
    offset += Buffer.byteLength(line) + 1;
  }
  return values;
}

function parseLine<T>(
  path: string,
  schema: z.ZodType<T>,
  at: { line: string; number: number; offset: number },
): T {
  try {
    return schema.parse(JSON.parse(at.line));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? 'not JSON' : issueOf(cause);
    throw new FormatError(path, at.offset, `line ${at.number}: ${why}`, { cause });
  }
}

function issueOf(error: unknown): string {
  const issues = (error as z.ZodError).issues ?? [];
  const [first] = issues;
  return first === undefined
    ? String(error)
    : `${first.path.join('.') || 'value'}: ${first.message}`;
}

/** A text file's content; a missing or unreadable file is an InvalidInputError. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new InvalidInputError(`${path}: expected a readable file, got ${code}`, { cause });
  }
}
