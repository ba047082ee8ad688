/**
 * @file Conversations that somebody else kept: OpenAI messages as one object a line, a JSON array of such objects,
 * or a log of Inspect AI as JSON. Told apart by their first line, since names of files say nothing reliable.
 */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';

import { z } from 'zod';

import { FormatError, InvalidInputError } from '../errors.ts';

/** Larger files are refused: a text longer than this does not fit the memory that Node has by default. */
const mostBytes = 200e6;
/** Characters of a name that a log gives to a conversation, at most. */
const nameLength = 80;
const newline = 10;

interface TranscriptMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  /** Its text alone, parts joined by a line break; empty for a picture or a call of a tool. */
  readonly text: string;
}

export interface Transcript {
  /** Where it stands in the file, for people: `line 3`, `entry 3`, or a sample's id and epoch. */
  readonly name: string;
  readonly messages: readonly TranscriptMessage[];
}

export interface TranscriptFile {
  /** Of the bytes, 64 hex digits. */
  readonly sha256: string;
  readonly transcripts: readonly Transcript[];
}

const partSchema = z
  .union([
    z.string(),
    z.object({ type: z.literal('text'), text: z.string() }).transform(({ text }) => text),
    // A picture, a call of a tool, a thought: nothing that the reader of the reply saw as its text.
    z.looseObject({ type: z.string() }).transform(() => null),
  ])
  .transform((part) => (part === null ? [] : [part]));

const messageSchema = z
  .object({
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
    content: z
      .union([z.string(), z.array(partSchema).transform((parts) => parts.flat().join('\n'))])
      .nullish(),
  })
  .transform(({ role, content }): TranscriptMessage => ({
    role: plainRole(role),
    text: whole(content ?? ''),
  }));

const conversationSchema = z.object({ messages: z.array(messageSchema) });
const logSchema = z.object({
  samples: z.array(
    conversationSchema.extend({
      id: z.union([z.string(), z.number()]),
      epoch: z.number().int().default(1),
    }),
  ),
});

function plainRole(
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function',
): TranscriptMessage['role'] {
  if (role === 'developer') return 'system';
  return role === 'function' ? 'tool' : role;
}

/** The text with halves of surrogate pairs replaced, which no encoding of a request can carry. */
function whole(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '\u{FFFD}');
}

/**
 * Reads a file of conversations. One object a line is read line by line; the other formats are one value and are read
 * whole. Throws InvalidInputError for what can't be read or is larger than 200 MB, and FormatError naming the line or
 * the entry that does not fit.
 */
export async function readTranscripts(path: string): Promise<TranscriptFile> {
  assertReadable(path);
  const hash = createHash('sha256');
  const lines = linesOf(path, (chunk) => hash.update(chunk));
  const head = await firstLine(lines);
  if (head === null) throw new FormatError(path, 0, 'expected conversations, got an empty file');
  const value = parsedOrUndefined(head.text);
  const transcripts =
    isRecord(value) && 'messages' in value
      ? await oneEachLine(path, head, lines)
      : await allInOne(path, { head, value }, lines);
  return { sha256: hash.digest('hex'), transcripts };
}

function assertReadable(path: string): void {
  let about: ReturnType<typeof statSync>;
  try {
    about = statSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new InvalidInputError(`${path}: expected a readable file, got ${code}`, { cause });
  }
  if (!about.isFile()) throw new InvalidInputError(`${path}: expected a file, got something else`);
  if (about.size > mostBytes)
    throw new InvalidInputError(
      `${path}: expected at most ${mostBytes / 1e6} MB, got ${Math.ceil(about.size / 1e6)} MB`,
      { hint: 'split it; each part becomes a run of its own' },
    );
}

interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** Of its first byte. */
  readonly offset: number;
}

/**
 * The lines of a file without their ends, one in memory at a time. InvalidInputError if reading fails.
 * @yields each line, blank ones too
 */
async function* linesOf(path: string, onChunk: (chunk: Buffer) => void): AsyncGenerator<Line> {
  let [number, offset] = [1, 0];
  let pieces: Buffer[] = [];
  const take = (end: Buffer): Line => {
    const bytes = Buffer.concat([...pieces, end]);
    const line = { text: bytes.toString(), number, offset };
    pieces = [];
    number += 1;
    offset += bytes.length + 1;
    return line;
  };
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      onChunk(chunk);
      let from = 0;
      for (let to = chunk.indexOf(newline); to !== -1; to = chunk.indexOf(newline, from)) {
        yield take(chunk.subarray(from, to));
        from = to + 1;
      }
      pieces.push(chunk.subarray(from));
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    throw new InvalidInputError(`${path}: expected a readable file, got ${code}`, { cause });
  }
  if (pieces.some((piece) => piece.length > 0)) yield take(Buffer.alloc(0));
}

/** The first line that is not blank, without a byte order mark; null if there is none. */
async function firstLine(lines: AsyncGenerator<Line>): Promise<Line | null> {
  for (;;) {
    const { value, done } = await lines.next();
    if (done === true) return null;
    const text = value.text.replace(/^\u{FEFF}/u, '');
    if (text.trim() !== '') return { ...value, text };
  }
}

async function oneEachLine(
  path: string,
  head: Line,
  rest: AsyncGenerator<Line>,
): Promise<Transcript[]> {
  const transcripts = [conversationIn(path, head)];
  for await (const line of rest)
    if (line.text.trim() !== '') transcripts.push(conversationIn(path, line));
  return transcripts;
}

function conversationIn(path: string, { text, number, offset }: Line): Transcript {
  const name = `line ${number}`;
  const value = parsedOrUndefined(text);
  if (value === undefined) throw new FormatError(path, offset, `${name}: not JSON`);
  const parsed = conversationSchema.safeParse(value);
  if (!parsed.success) throw new FormatError(path, offset, `${name}: ${issueIn(parsed.error)}`);
  return { name, messages: parsed.data.messages };
}

/** A file that is one JSON value: an array of conversations, a log, or one conversation over several lines. */
async function allInOne(
  path: string,
  { head, value }: { readonly head: Line; readonly value: unknown },
  rest: AsyncGenerator<Line>,
): Promise<Transcript[]> {
  const following: Line[] = [];
  for await (const line of rest) following.push(line);
  const second = following.find(({ text }) => text.trim() !== '');
  if (!/^\s*[[{]/.test(head.text))
    throw new FormatError(
      path,
      head.offset,
      `line ${head.number}: expected { or [, got other text`,
      {
        hint: 'a log of Inspect in its .eval format becomes JSON with: inspect log dump LOG.eval > LOG.json',
      },
    );
  // One line alone, or objects a line whose first one is torn, for which the parser would blame the second.
  const begun = (line: Line): boolean => /^\s*\{\s*"messages"/.test(line.text);
  const isTorn = value === undefined && (second === undefined || (begun(head) && begun(second)));
  if (isTorn) throw new FormatError(path, head.offset, `line ${head.number}: not JSON`);
  if (value !== undefined && second !== undefined)
    throw new FormatError(
      path,
      head.offset,
      `line ${head.number}: ${isRecord(value) ? 'expected "messages", got none' : 'expected the whole file in it, got more lines'}`,
    );
  const all = value ?? parsedWhole(path, [head, ...following]);
  return Array.isArray(all) ? entriesOf(path, all) : samplesOf(path, all);
}

/** Parses the lines as one value; FormatError, at the line where that fails if the parser says where. */
function parsedWhole(path: string, lines: readonly Line[]): unknown {
  const text = lines.map((line) => line.text).join('\n');
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const { message } = cause as Error;
    const place = /end of JSON input/.test(message)
      ? text.length
      : /at position (\d+)/.exec(message)?.[1];
    if (place === undefined)
      throw new FormatError(path, 0, `not JSON, neither as a whole nor line by line`, { cause });
    const count = text.slice(0, Number(place)).split('\n').length;
    const at = lines[Math.min(lines.length, count) - 1];
    throw new FormatError(path, at?.offset ?? 0, `line ${at?.number ?? 1}: not JSON`, { cause });
  }
}

function entriesOf(path: string, entries: readonly unknown[]): Transcript[] {
  return entries.map((entry, k) => {
    const name = `entry ${k + 1}`;
    const parsed = conversationSchema.safeParse(entry);
    if (!parsed.success) throw new FormatError(path, 0, `${name}: ${issueIn(parsed.error)}`);
    return { name, messages: parsed.data.messages };
  });
}

function samplesOf(path: string, value: unknown): Transcript[] {
  if (isRecord(value) && 'messages' in value) return entriesOf(path, [value]);
  if (!isRecord(value) || !Array.isArray(value['samples']))
    throw new FormatError(
      path,
      0,
      'expected "messages", or the "samples" of an Inspect log, got neither',
      {
        hint: 'one {"messages": [...]} a line, a JSON array of such, or a log of Inspect as JSON with its samples',
      },
    );
  const parsed = logSchema.safeParse(value);
  if (!parsed.success) throw new FormatError(path, 0, issueIn(parsed.error));
  return parsed.data.samples.map(({ id, epoch, messages }) => ({
    name: `sample ${whole(String(id).slice(0, nameLength))}${epoch === 1 ? '' : `, epoch ${epoch}`}`,
    messages,
  }));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of JSON, or undefined, which no JSON has. */
function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The first thing that does not fit, with its place. */
function issueIn(error: z.ZodError): string {
  const [first] = error.issues;
  return `${first?.path.join('.') || 'value'}: ${first?.message ?? 'does not fit'}`;
}
