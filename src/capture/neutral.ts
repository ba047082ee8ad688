/**
 * @file Texts without emotion, and what the residual stream holds on them: the mean where a reply begins,
 * which is the zero point of readings there, and rows whose components are not emotion ("Emotion
 * Concepts...", 2026, methods).
 */
import { z } from 'zod';

import { type ChatMessage, chatTokens } from '../engine/chat-template.ts';
import type { Captured, Model } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';
import { readJsonLines } from '../formats/jsonl.ts';

const messageSchema = z.object({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.string().min(1),
});
const neutralSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('dialogue'),
    subject: z.string(),
    messages: z.array(messageSchema).min(2),
  }),
  z.object({ kind: z.literal('passage'), subject: z.string(), text: z.string().min(1) }),
]);
export type NeutralText = z.infer<typeof neutralSchema>;

/** Reads neutral texts; InvalidInputError if the file has no dialogue. */
export function loadNeutral(path: string): NeutralText[] {
  const texts = readJsonLines(path, neutralSchema);
  if (!texts.some(({ kind }) => kind === 'dialogue'))
    throw new InvalidInputError(
      `${path}: expected neutral dialogues, got ${texts.length} texts without any`,
    );
  return texts;
}

/** Reads neutral texts, or transcripts with one `{"messages": [...]}` a line. */
export function loadTranscripts(path: string): NeutralText[] {
  const transcript = z
    .object({ messages: z.array(messageSchema).min(1) })
    .transform(({ messages }) => ({ kind: 'dialogue' as const, subject: '', messages }));
  const texts = readJsonLines(path, z.union([neutralSchema, transcript]));
  if (texts.length === 0)
    throw new InvalidInputError(`${path}: expected at least one text, got an empty file`);
  return texts;
}

export interface NeutralOptions {
  readonly layers: readonly number[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Residuals at the last token before the first reply of each neutral dialogue: a table [dialogues, width] a layer. */
export async function captureReplyRows(
  model: Model,
  texts: readonly NeutralText[],
  { layers, signal, onProgress }: NeutralOptions,
): Promise<Float32Array[]> {
  const tokens = await Promise.all(
    texts.flatMap((text) =>
      text.kind === 'dialogue' ? [chatTokens(model, beforeReply(text.messages))] : [],
    ),
  );
  const captured = await model.capture(tokens, {
    layers,
    pooling: 'last',
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined
      ? {}
      : { onProgress: (done: number) => onProgress(done, tokens.length) }),
  });
  return tablesOf(captured, layers, model.info.width);
}

/** Pooled rows of all neutral texts from position `from` on: a table [texts, width] a layer. */
export async function captureNeutral(
  model: Model,
  texts: readonly NeutralText[],
  { layers, signal, from }: NeutralOptions & { from: number },
): Promise<Float32Array[]> {
  const tokens = await Promise.all(
    texts.map((text) =>
      text.kind === 'passage' ? model.tokenize(text.text) : chatTokens(model, text.messages),
    ),
  );
  const captured = await model.capture(tokens, {
    layers,
    pooling: 'mean',
    starts: [from],
    ...(signal === undefined ? {} : { signal }),
  });
  return tablesOf(captured, layers, model.info.width);
}

function beforeReply(messages: readonly ChatMessage[]): ChatMessage[] {
  const end = messages.findIndex(({ role }) => role === 'assistant');
  return messages.slice(0, end < 0 ? messages.length : end);
}

/** Rows [layers, width] of each text as one table [texts, width] a layer. */
export function tablesOf(
  captured: readonly Captured[],
  layers: readonly number[],
  width: number,
): Float32Array[] {
  return layers.map((_, slot) => {
    const table = new Float32Array(captured.length * width);
    for (const [i, { rows }] of captured.entries())
      table.set(rows.subarray(slot * width, (slot + 1) * width), i * width);
    return table;
  });
}
