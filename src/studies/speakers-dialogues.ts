/**
 * @file Dialogues in which one of the two speakers feels something (data/corpus/speakers.jsonl): where each
 * message lies among the tokens, and what the residual stream holds there. The turns of the speaker who feels
 * nothing are read twice: after the other's words, and after a filler in their place. What only the first
 * shows comes from the context, not from the words of the turn.
 */
import { z } from 'zod';

import { type ChatMessage, chatTokens } from '../engine/chat-template.ts';
import type { Model, Probe } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';
import { readJsonLines } from '../formats/jsonl.ts';
import { quantile } from '../math/stats.ts';
import { addInto, dot, norm, scale } from '../math/vector.ts';
import { sharedLength, sinkFactor } from './positions.ts';
import { rounded } from './recorder.ts';
import type { StudyLab } from './study.ts';

const dialogueSchema = z.object({
  emotion: z.string().min(1),
  /** Who feels it. */
  speaker: z.enum(['user', 'assistant']),
  messages: z
    .array(z.object({ role: z.enum(['user', 'assistant']), content: z.string().min(1) }))
    .min(2)
    .refine((messages) => messages.every(({ role }, i) => role === roleAt(i)), {
      error: 'expected user and assistant in turn',
    })
    .refine((messages) => messages.length % 2 === 0, { error: 'expected a reply at the end' }),
});
export type Dialogue = z.infer<typeof dialogueSchema>;

const roleAt = (i: number): 'user' | 'assistant' => (i % 2 === 0 ? 'user' : 'assistant');

export function loadDialogues(path: string): Dialogue[] {
  return readJsonLines(path, dialogueSchema);
}

/** Positions of a message's own text, the end not included. */
interface Range {
  readonly start: number;
  readonly end: number;
}

interface Turns {
  readonly tokens: Int32Array;
  /** One a message, without the marks of the template. */
  readonly ranges: readonly Range[];
}

/** Texts that begin and end unlike each other, so that a message is unlike one of them at both ends. */
const changed = ['0', '#'];

/**
 * The tokens of a conversation and of each of its messages: those that change when the message's text does.
 * A token that holds the end of a message and a mark behind it counts as the message's.
 * InvalidInputError if the template leaves a message out.
 */
export async function findTurns(
  model: Model,
  messages: readonly ChatMessage[],
  options: { forReply: boolean },
): Promise<Turns> {
  const tokensOf = (list: readonly ChatMessage[]): Promise<Int32Array> =>
    chatTokens(model, list, options);
  const tokens = await tokensOf(messages);
  const ranges = await Promise.all(
    messages.map(async ({ role }, i) => {
      const others = await Promise.all(
        changed.map((content) => tokensOf(messages.with(i, { role, content }))),
      );
      const start = Math.min(...others.map((other) => sharedLength(tokens, other)));
      const behind = Math.min(
        ...others.map((other) => sharedLength(tokens.toReversed(), other.toReversed())),
      );
      const end = tokens.length - Math.min(behind, tokens.length - start);
      if (end <= start)
        throw new InvalidInputError(
          `speakers: expected the chat template to show message ${i + 1} of ${messages.length}, found no token of it`,
        );
      return { start, end };
    }),
  );
  return { tokens, ranges };
}

/** One dialogue as it is recorded. Rows are mean residuals [width], float32 in base64. */
export interface DialogueReading {
  /** Over the turns of the speaker who feels. */
  readonly own: string;
  /** Over the other speaker's turns after the first one who feels has spoken; null if there is none. */
  readonly other: string | null;
  /** Over the same turns, with a filler in the place of each message of the speaker who feels. */
  readonly alone: string | null;
  /** Mean reading over each message, [messages][emotions]. */
  readonly turns: number[][];
  /** At the last token of the last user's message, [directions]. */
  readonly user: number[];
  /** Right before the reply to it, at the last token of the template's opening, [directions]. */
  readonly reply: number[];
}

/** Stands for what the speaker who feels has said. */
const filler = { user: 'Please go on.', assistant: 'Noted.' } as const;

/** Reads dialogues at the probe's layer; the first `emotions` directions are those of `turns`. */
export async function readDialogues(
  { model, signal }: StudyLab,
  dialogues: readonly Dialogue[],
  { probe, emotions }: { probe: Probe; emotions: number },
): Promise<DialogueReading[]> {
  const { width } = model.info;
  const versions = await Promise.all(
    dialogues.flatMap(({ messages, speaker }) => [
      findTurns(model, messages, { forReply: false }),
      findTurns(
        model,
        messages.map(({ role, content }) => ({
          role,
          content: role === speaker ? filler[role] : content,
        })),
        { forReply: false },
      ),
    ]),
  );
  const captured = await model.capture(
    versions.map(({ tokens }) => tokens),
    { layers: [probe.layer], pooling: 'all', signal },
  );
  const read = (residual: Float32Array, count: number): number[] =>
    readRow(probe, residual).slice(0, count);
  return dialogues.map(({ messages, speaker }, i) => {
    const [full, bare] = [2 * i, 2 * i + 1].map((k) => ({
      rows: rowsOf(captured[k]?.rows ?? new Float32Array(0), width),
      ranges: versions[k]?.ranges ?? [],
    }));
    if (full === undefined || bare === undefined) throw new TypeError('no rows');
    const own = full.ranges.filter((_, m) => messages[m]?.role === speaker);
    const isOther = (_: Range, m: number): boolean => messages[m]?.role !== speaker && m > 0;
    const other = full.ranges.filter(isOther);
    const all = probe.bias.length;
    const at = (position: number): number[] =>
      read(full.rows[position] ?? new Float32Array(width), all);
    return {
      own: encodeRow(meanOver(full.rows, own)),
      other: other.length === 0 ? null : encodeRow(meanOver(full.rows, other)),
      alone:
        other.length === 0 ? null : encodeRow(meanOver(bare.rows, bare.ranges.filter(isOther))),
      turns: full.ranges.map((range) => read(meanOver(full.rows, [range]), emotions)),
      user: at((full.ranges.at(-2)?.end ?? 1) - 1),
      reply: at((full.ranges.at(-1)?.start ?? 1) - 1),
    };
  });
}

/** Readings of one residual on every direction of a probe. */
function readRow({ directions, bias, scale: unit }: Probe, row: Float32Array): number[] {
  return Array.from(bias, (zero, k) => {
    const direction = directions.subarray(k * row.length, (k + 1) * row.length);
    return rounded((dot(row, direction) - zero) * unit);
  });
}

function rowsOf(table: Float32Array, width: number): Float32Array[] {
  return Array.from({ length: table.length / width }, (_, i) =>
    table.subarray(i * width, (i + 1) * width),
  );
}

/** Mean over positions, attention sinks left out unless there is nothing else. */
export function meanOver(rows: readonly Float32Array[], ranges: readonly Range[]): Float32Array {
  const usual = quantile(rows.map(norm), 0.5);
  const inside = ranges.flatMap(({ start, end }) => rows.slice(start, end));
  const sound = inside.filter((row) => norm(row) <= sinkFactor * usual);
  const counted = sound.length === 0 ? inside : sound;
  const sum = new Float32Array(rows[0]?.length ?? 0);
  for (const row of counted) addInto(sum, row);
  return scale(sum, 1 / counted.length);
}

function encodeRow(row: Float32Array): string {
  return Buffer.from(row.buffer, row.byteOffset, row.byteLength).toString('base64');
}

export function decodeRow(text: string): Float32Array {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  return new Float32Array(bytes.buffer);
}
