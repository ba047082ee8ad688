/**
 * @file A cell of a study as a sample of Inspect AI (EvalSample in inspect_ai/log/_log.py). Texts go where the
 * viewer shows them, outcome and single numbers become scores, and all else is metadata, cut where it is long.
 */
import { z } from 'zod';

import { cutFields, jsonBytes } from './cut-json.ts';

/** Bytes of a sample's metadata at most: the viewer is slow on more, and the run folder has the whole. */
export const metadataLimit = 20_000;
/** More single numbers than this are a table, not scores. */
const scoreLimit = 12;
/** Numbers that say how a cell was made and not what came out. */
const settings = new Set([
  'seed',
  'layer',
  'dose',
  'n',
  'index',
  'turn',
  'position',
  'temperature',
]);

type Data = Readonly<Record<string, unknown>>;

const messageSchema = z.looseObject({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string(),
});
const messagesSchema = z.array(messageSchema).min(1);
const textSchema = z.string();
const replySchema = z.union([
  z.string(),
  z.object({ reply: z.string() }).transform(({ reply }) => reply),
  z.object({ text: z.string() }).transform(({ text }) => text),
  z.object({ content: z.string() }).transform(({ content }) => content),
]);
const repliesSchema = z.array(replySchema).min(1);
const targetSchema = z.union([z.string(), z.array(z.string())]);
const scoreSchema = z.union([z.string(), z.number(), z.boolean()]);

interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
}

/** The sample of a cell; `uuid` names it among all samples of all logs. */
export function sampleOf(cell: { key: string; data: Data; uuid: string; model: string }): object {
  const { key, data, uuid, model } = cell;
  const { input, messages, replies, shown } = talkOf(data);
  const scores = scoresOf(data);
  const target = targetSchema.safeParse(data['target']).data;
  const rest = Object.entries(data).filter(
    ([name]) => !shown.has(name) && (name !== 'target' || target === undefined),
  );
  return {
    id: key,
    epoch: 1,
    input,
    target: target ?? '',
    messages: messages.map(({ role, content }, i) => ({ id: `${uuid}-${i}`, role, content })),
    output: {
      model,
      choices: replies.map((content) => ({
        message: { role: 'assistant', content, source: 'generate', model },
        stop_reason: 'unknown',
      })),
      completion: replies[0] ?? '',
    },
    ...(Object.keys(scores).length === 0 ? {} : { scores }),
    metadata: fit(Object.fromEntries(rest)),
    store: {},
    events: [],
    model_usage: {},
    role_usage: {},
    uuid,
    attachments: {},
  };
}

/** Scores of a cell: `outcome` if it is a text, number or yes or no, and up to 12 numbers that stand alone. */
export function scoresOf(data: Data): Record<string, object> {
  const outcome = scoreSchema.safeParse(data['outcome']).data;
  const numbers = Object.entries(data).filter(
    ([name, value]) => name !== 'outcome' && Number.isFinite(value) && !settings.has(name),
  );
  const entries: [string, unknown][] = [
    ...(outcome === undefined ? [] : ([['outcome', outcome]] as [string, unknown][])),
    ...(numbers.length > scoreLimit ? [] : numbers),
  ];
  return Object.fromEntries(entries.map(([name, value]) => [name, { value, history: [] }]));
}

interface Talk {
  /** What the model was given before its first reply. */
  readonly input: string | readonly Message[];
  readonly messages: readonly Message[];
  /** The reply; several where one prompt was answered several times. */
  readonly replies: readonly string[];
  /** Fields that these show whole, so that the metadata need not repeat them. */
  readonly shown: ReadonlySet<string>;
}

/** Conversation of a cell, with each reply in it once. */
function talkOf(data: Data): Talk {
  const { asked, written, shown } = textsOf(data);
  const inside = asked.flatMap(({ role, content }) => (role === 'assistant' ? [content] : []));
  const isOver = asked.at(-1)?.role === 'assistant';
  // Replies that the conversation holds already. One alone may be a repetition of an earlier turn's.
  const areTurns =
    written.length > (isOver ? 0 : 1) &&
    written.every((content, i) => content === inside.at(i - written.length));
  const added = areTurns ? [] : written;
  return {
    input: inputOf(asked),
    messages: [...asked, ...added.map((content) => ({ role: 'assistant', content }) as const)],
    replies: added.length === 0 && (isOver || areTurns) ? inside.slice(-1) : added,
    shown,
  };
}

interface Texts {
  readonly asked: readonly Message[];
  /** What the model wrote. */
  readonly written: readonly string[];
  readonly shown: ReadonlySet<string>;
}

/** The texts of a cell from `messages`, `prompt`, `text`, `reply`, `replies` and `attempts`. */
function textsOf(data: Data): Texts {
  const shown = new Set<string>();
  const take = <T>(name: string, schema: z.ZodType<T>): T | undefined => {
    const value = schema.safeParse(data[name]).data;
    if (value !== undefined && isPlain(data[name])) shown.add(name);
    return value;
  };
  const user = (content: string | undefined): Message[] =>
    content === undefined ? [] : [{ role: 'user', content }];
  const reply = take('reply', textSchema);
  const replies = reply === undefined ? take('replies', repliesSchema) : [reply];
  const written = replies ?? take('attempts', repliesSchema) ?? [];
  const asked = take('messages', messagesSchema) ?? user(take('prompt', textSchema));
  // A text beside a prompt is what the model wrote; alone, or beside a reply, it is what it read.
  if (asked.length === 0) return { asked: user(take('text', textSchema)), written, shown };
  if (written.length > 0) return { asked, written, shown };
  const text = take('text', textSchema);
  return { asked, written: text === undefined ? [] : [text], shown };
}

/** The messages before the first reply; the text alone where it is one user's message. */
function inputOf(asked: readonly Message[]): string | readonly Message[] {
  const first = asked.findIndex(({ role }) => role === 'assistant');
  const input = first < 0 ? asked : asked.slice(0, first);
  const [only] = input;
  if (only === undefined) return '';
  return input.length === 1 && only.role === 'user'
    ? only.content
    : input.map(({ role, content }) => ({ role, content }));
}

/** Whether nothing is lost of a field by showing its text: a text, texts, or messages without more fields. */
function isPlain(value: unknown): boolean {
  if (!Array.isArray(value)) return typeof value === 'string';
  return value.every(
    (item) =>
      typeof item === 'string' ||
      Object.keys(item as object).every((name) => name === 'role' || name === 'content'),
  );
}

/** The fields within the limit, and where that cut them, a word of it. */
function fit(data: Data): Data {
  const bytes = jsonBytes(data);
  if (bytes <= metadataLimit) return data;
  const limbic_cut = {
    original_bytes: bytes,
    limit_bytes: metadataLimit,
    note: "cut where it says 'left out'; events.jsonl of the run folder has it whole",
  };
  return { ...cutFields(data, metadataLimit - jsonBytes({ limbic_cut })), limbic_cut };
}
