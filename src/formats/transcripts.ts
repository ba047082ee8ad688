/**
 * @file Conversations that somebody else kept: OpenAI messages as one object a line, a JSON array of such objects,
 * or a log of Inspect AI as JSON. Told apart by their first line, since names of files say nothing reliable.
 */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';

import { z } from 'zod';

import { FormatError, InvalidInputError } from '../errors.ts';
import { assertPlainJson, type JsonPlace, type JsonRoom, jsonRoom } from './stranger-json.ts';

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

const textPartSchema = z.object({ type: z.literal('text'), text: z.string() });
// A picture, a call of a tool, a thought: nothing that the reader of the reply saw as its text.
const otherPartSchema = z.looseObject({ type: z.string() });
const messageSchema = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.union([z.string(), z.array(z.unknown())]).nullish(),
});
const conversationSchema = z.object({ messages: z.array(z.unknown()) });
const sampleSchema = conversationSchema.extend({
  id: z.union([z.string(), z.number()]),
  epoch: z.number().int().default(1),
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
  const room = jsonRoom();
  const head = await firstLine(lines);
  if (head === null) throw new FormatError(path, 0, 'expected conversations, got an empty file');
  const value = valueOf(path, head, room);
  if (isRecord(value) && 'messages' in value) {
    const transcripts = await oneEachLine(path, { head, value, room }, lines);
    return { sha256: hash.digest('hex'), transcripts };
  }
  await lines.return(undefined);
  const bytes = readFileSync(path);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { sha256, transcripts: allInOne(path, { head, value }, bytes) };
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
  { head, value, room }: { readonly head: Line; readonly value: unknown; readonly room: JsonRoom },
  rest: AsyncGenerator<Line>,
): Promise<Transcript[]> {
  const transcripts = [conversationIn(path, head, value)];
  for await (const line of rest)
    if (line.text.trim() !== '')
      transcripts.push(conversationIn(path, line, valueOf(path, line, room)));
  return transcripts;
}

function conversationIn(path: string, { number, offset }: Line, value: unknown): Transcript {
  const name = `line ${number}`;
  if (value === undefined) throw new FormatError(path, offset, `${name}: not JSON`);
  return { name, messages: messagesOf(value, { path, offset, where: `${name}: ` }) };
}

/** A file that is one JSON value: an array of conversations, a log, or one conversation over several lines. */
function allInOne(
  path: string,
  { head, value }: { readonly head: Line; readonly value: unknown },
  bytes: Buffer,
): Transcript[] {
  const { offset, number } = head;
  if (!/^\s*[[{]/.test(head.text))
    throw new FormatError(path, offset, `line ${number}: expected { or [, got other text`, {
      hint: 'a log of Inspect in its .eval format becomes JSON with: inspect log dump LOG.eval > LOG.json',
    });
  const text = bytes.toString('utf8', offset).replace(/^\u{FEFF}/u, '');
  const after = text.slice(head.text.length);
  const more = /\S/.test(after);
  // One line alone, or objects a line whose first one is torn, for which the parser would blame the second.
  const isTorn =
    value === undefined &&
    (!more || (/^\s*\{\s*"messages"/.test(head.text) && /^\s*\{\s*"messages"/.test(after)));
  if (isTorn) throw new FormatError(path, offset, `line ${number}: not JSON`);
  if (value !== undefined && more)
    throw new FormatError(
      path,
      offset,
      `line ${number}: ${isRecord(value) ? 'expected "messages", got none' : 'expected the whole file in it, got more lines'}`,
    );
  const all = value ?? parsedWhole(path, head, { bytes, text });
  return Array.isArray(all) ? entriesOf(path, all) : samplesOf(path, all);
}

/** Parses the text from the line on as one value; FormatError, at the line where that fails if the parser says where. */
function parsedWhole(
  path: string,
  { offset, number }: Line,
  { bytes, text }: { readonly bytes: Buffer; readonly text: string },
): unknown {
  assertPlainJson(text, { path, offset });
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const { message } = cause as Error;
    const place = /end of JSON input/.test(message)
      ? text.trimEnd().length
      : /at position (\d+)/.exec(message)?.[1];
    if (place === undefined)
      throw new FormatError(path, 0, `not JSON, neither as a whole nor line by line`, { cause });
    let [line, at] = [number, offset];
    let end = text.indexOf('\n');
    for (; end !== -1 && end < Number(place); end = text.indexOf('\n', end + 1)) {
      line += 1;
      at = bytes.indexOf(newline, at) + 1;
    }
    throw new FormatError(path, at, `line ${line}: not JSON`, { cause });
  }
}

function entriesOf(path: string, entries: readonly unknown[]): Transcript[] {
  return entries.map((entry, k) => {
    const name = `entry ${k + 1}`;
    return { name, messages: messagesOf(entry, { path, offset: 0, where: `${name}: ` }) };
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
  return value['samples'].map((sample: unknown, k) => {
    const place = { path, offset: 0, where: `samples.${k}.` };
    const { id, epoch } = fitted(sampleSchema, sample, place);
    const shown = whole(String(id).slice(0, nameLength)).replaceAll(/\p{Cc}/gu, '\u{FFFD}');
    return {
      name: `sample ${shown}${epoch === 1 ? '' : `, epoch ${epoch}`}`,
      messages: messagesOf(sample, place),
    };
  });
}

/** The messages of a conversation, one by one: a schema of them all would complain of each that does not fit. */
function messagesOf(conversation: unknown, place: JsonPlace): TranscriptMessage[] {
  const { where = '' } = place;
  return fitted(conversationSchema, conversation, place).messages.map((message, k) => {
    const at = { ...place, where: `${where}messages.${k}.` };
    const { role, content } = fitted(messageSchema, message, at);
    return { role: plainRole(role), text: whole(textOf(content ?? '', at)) };
  });
}

function textOf(content: string | readonly unknown[], place: JsonPlace): string {
  if (typeof content === 'string') return content;
  const { where = '' } = place;
  return content
    .flatMap((part, k) => {
      if (typeof part === 'string') return [part];
      const text = textPartSchema.safeParse(part).data?.text;
      if (text === undefined)
        fitted(otherPartSchema, part, { ...place, where: `${where}content.${k}.` });
      return text ?? [];
    })
    .join('\n');
}

/** The value by its schema; FormatError with the first thing that does not fit. */
function fitted<T>(
  schema: z.ZodType<T>,
  value: unknown,
  { path, offset, where = '' }: JsonPlace,
): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  const field = first?.path.join('.') ?? '';
  const at = field === '' ? where.replace(/\.$/, ': ') : `${where}${field}: `;
  throw new FormatError(path, offset, `${at || 'value: '}${first?.message ?? 'does not fit'}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of a line, or undefined if it is no JSON, which no JSON has. */
function valueOf(path: string, { text, number, offset }: Line, room: JsonRoom): unknown {
  assertPlainJson(text, { path, offset, where: `line ${number}: ` }, room);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
