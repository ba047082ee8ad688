/** @file Conversations as OpenAI messages in JSON lines: one message a line, or `{"messages": [...]}` a line. */
import type { Turn } from '../../src/api/lab.ts';

type Role = Turn['role'];

export interface PlainMessage {
  readonly role: Role;
  readonly content: string;
}

/** A file that isn't a transcript; the message names the line. */
class TranscriptError extends Error {
  override name = 'TranscriptError';
}

const roles: ReadonlyMap<unknown, Role> = new Map([
  ['system', 'system'],
  ['developer', 'system'],
  ['user', 'user'],
  ['assistant', 'assistant'],
]);

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function contentOf(content: unknown): string | undefined {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  const texts = content.map((part: unknown) =>
    isRecord(part) && typeof part['text'] === 'string' ? part['text'] : undefined,
  );
  return texts.includes(undefined) ? undefined : texts.join('');
}

function parseMessage(value: unknown, place: string): PlainMessage {
  if (!isRecord(value)) throw new TranscriptError(`${place}: expected a message, an object`);
  const role = roles.get(value['role']);
  if (!role) {
    const got = JSON.stringify(value['role']) ?? 'none';
    throw new TranscriptError(`${place}: role: expected system, user or assistant, got ${got}`);
  }
  const content = contentOf(value['content']);
  if (content === undefined) throw new TranscriptError(`${place}: content: expected text`);
  return { role, content };
}

function parseLine(line: string, place: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    const start = line.length > 40 ? `${line.slice(0, 40)}…` : line;
    throw new TranscriptError(`${place}: not JSON: ${start}`);
  }
}

/** The conversations of a file, at least one; throws TranscriptError with the line that is wrong. */
export function parseTranscript(text: string): PlainMessage[][] {
  const loose: PlainMessage[] = [];
  const whole: PlainMessage[][] = [];
  for (const [i, raw] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const line = raw.trim();
    if (line === '') continue;
    const place = `line ${i + 1}`;
    const value = parseLine(line, place);
    const list = isRecord(value) ? value['messages'] : value;
    if (Array.isArray(list)) {
      whole.push(list.map((item, k) => parseMessage(item, `${place}, message ${k + 1}`)));
    } else {
      loose.push(parseMessage(value, place));
    }
  }
  const conversations = [...(loose.length > 0 ? [loose] : []), ...whole].filter(
    (messages) => messages.length > 0,
  );
  if (conversations.length === 0) throw new TranscriptError('the file has no messages');
  return conversations;
}

/** One message a line; what parseTranscript reads back. */
export function formatTranscript(messages: readonly PlainMessage[]): string {
  return messages.map(({ role, content }) => `${JSON.stringify({ role, content })}\n`).join('');
}
