/** @file `limbic read`. */
import { once } from 'node:events';

import { z } from 'zod';

import { wantsColour } from '../charts/terminal.ts';
import { type ChatMessage, chatTokens } from '../engine/chat-template.ts';
import type { Model } from '../engine/engine.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { readJsonLines, readText as readFile } from '../formats/jsonl.ts';
import { type LongInput, type LongReading, readLong } from '../studies/long-reading.ts';
import type { VectorPack } from '../vectors/pack.ts';
import {
  type Command,
  type Context,
  jsonOption,
  list,
  modelOptions,
  packOption,
  text,
  wholeNumber,
} from './command.ts';
import { openWithPack } from './make-pack.ts';
import { writePieces } from './out-file.ts';
import { createProgress } from './progress.ts';
import { htmlPieces, jsonPieces, showReading, terminalPieces } from './reading-output.ts';

const messageSchema = z.object({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.string(),
});
const chatLine = z.union([
  messageSchema.transform((message) => [message]),
  z.object({ messages: z.array(messageSchema) }).transform(({ messages }) => messages),
]);

export const readCommand: Command = {
  name: 'read',
  summary: 'read the emotions of a text or a conversation, token by token',
  usage: '(--text T | --file F | --chat messages.jsonl) [--emotions a,b | --top 8]',
  description: [
    'A text longer than the context is read in windows of the context that overlap by half, in constant memory; the',
    'output says so. --context sets their size.',
  ].join('\n'),
  options: {
    ...modelOptions,
    text: { type: 'string', value: 'T', summary: 'the text to read' },
    file: { type: 'string', value: 'F', summary: 'a text file' },
    chat: {
      type: 'string',
      value: 'F',
      summary: 'JSONL of {role, content}, or of {messages: [...]}',
    },
    emotions: {
      type: 'string',
      value: 'a,b',
      summary: 'paint these (default: the strongest of the passage)',
    },
    top: { type: 'string', value: 'N', summary: 'how many of the strongest to list (default 8)' },
    layer: { type: 'string', value: 'L', summary: "layer to read (default: the pack's best)" },
    ...packOption,
    html: { type: 'string', value: 'OUT', summary: 'write an offline page' },
    ...jsonOption,
  },
  examples: [
    'limbic read --text "The stairs creaked. Nobody else was home." --emotions afraid,calm',
    'limbic read --chat messages.jsonl --top 5 --html reading.html',
  ],
  run: async (context) => {
    const input = inputOf(context);
    const top = wholeNumber(context.values, 'top', { min: 1, max: 1000, fallback: 8 });
    const { model: opened, pack } = await openWithPack(context);
    await using model = opened;
    const layer = wholeNumber(context.values, 'layer', {
      min: 0,
      max: model.info.blocks - 2,
      fallback: pack.bestLayer,
    });
    const asked = emotionsOf(context, pack);
    const tokens = await tokensOf(model, input);
    using reading = await read(model, pack, { tokens, layer, signal: context.signal });
    const shown = showReading(reading, { model: model.info.name, asked, top });
    await print(
      context.values['json'] === true
        ? jsonPieces(shown)
        : terminalPieces(shown, wantsColour(process.stdout, process.env)),
    );
    const out = text(context.values, 'html');
    if (out !== undefined) {
      await writePieces(out, htmlPieces(shown));
      console.error(`wrote ${out}`);
    }
  },
};

/** `--emotions`; undefined without it. Throws NotFoundError for one that the pack lacks. */
function emotionsOf({ values }: Context, { emotions }: VectorPack): string[] | undefined {
  const asked = list(values, 'emotions');
  for (const name of asked ?? [])
    if (!emotions.includes(name)) throw new NotFoundError('emotion', name, emotions);
  return asked;
}

async function tokensOf(model: Model, input: string | ChatMessage[]): Promise<LongInput> {
  return typeof input === 'string'
    ? { tokens: await model.tokenize(input), beforeReply: false }
    : { tokens: await chatTokens(model, input), beforeReply: true };
}

/** Reads the text, with a bar if it takes several windows. */
async function read(
  model: Model,
  pack: VectorPack,
  { tokens: input, layer, signal }: { tokens: LongInput; layer: number; signal: AbortSignal },
): Promise<LongReading> {
  const { length } = input.tokens;
  if (length <= model.info.contextLength) return readLong(model, pack, input, { layer, signal });
  const bar = createProgress(`reading ${length} tokens`);
  try {
    return await readLong(model, pack, input, {
      layer,
      signal,
      onProgress: (done) => bar.update(done / length),
    });
  } finally {
    bar.end();
  }
}

/** Writes to standard output as fast as its reader takes it. */
async function print(pieces: AsyncIterable<string>): Promise<void> {
  for await (const piece of pieces)
    if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
}

function inputOf({ values }: Context): string | ChatMessage[] {
  const given = ['text', 'file', 'chat'].filter((name) => text(values, name) !== undefined);
  if (given.length !== 1) {
    throw new InvalidInputError(
      `read: expected one of --text, --file or --chat, got ${given.length}`,
    );
  }
  const chat = text(values, 'chat');
  if (chat !== undefined) return readJsonLines(chat, chatLine).flat();
  const file = text(values, 'file');
  const input = file === undefined ? (text(values, 'text') ?? '') : readFile(file);
  if (input.trim() === '') throw new InvalidInputError('read: expected a text, got an empty one');
  return input;
}
