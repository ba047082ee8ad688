/** @file Reads a text or a conversation: every emotion at every position, for the passage and before the reply. */
import { type ChatMessage, chatTokens } from '../engine/chat-template.ts';
import type { Model } from '../engine/engine.ts';
import { makeProbe, replyBaseline, replySpread, type VectorPack } from '../vectors/pack.ts';
import { sinksOf } from './positions.ts';
import { readWindows, type Windowing, windowingOf } from './windows.ts';

/** What was read of one text, at one layer. */
export interface Reading {
  readonly layer: number;
  readonly emotions: readonly string[];
  readonly tokens: readonly string[];
  /** [positions, emotions]: projection of the centred residual as a share of the mean residual norm. */
  readonly values: Float32Array;
  /** Readings where the reply would begin, against neutral messages; null if the text ends elsewhere. */
  readonly beforeReply: ReplyReadings | null;
  /** How a text longer than the context was read; null if one pass read it all. */
  readonly windows: Windowing | null;
}

/** One value an emotion, in the order of the reading. */
export interface ReplyReadings {
  /** Reading minus its mean over neutral messages, as a share of the mean residual norm. */
  readonly values: Float32Array;
  /** The same in standard deviations over neutral messages. */
  readonly z: Float32Array;
}

/** Compares readings at the place where a reply begins with those after neutral messages. */
export function againstNeutral(
  pack: VectorPack,
  emotions: readonly string[],
  reading: { layer: number; values: Float32Array },
): ReplyReadings {
  const baseline = replyBaseline(pack, makeProbe(pack, emotions, reading.layer));
  const values = reading.values.map((value, k) => value - (baseline[k] ?? 0));
  const z = values.map((value, k) => value / replySpread(pack, emotions[k] ?? '', reading.layer));
  return { values, z };
}

export interface ReadOptions {
  /** @default all emotions of the pack */
  readonly emotions?: readonly string[];
  /** @default pack.bestLayer */
  readonly layer?: number;
  readonly signal?: AbortSignal;
}

/** Reads a plain text, in windows if it is longer than the context. Of what memory can't hold, see readLong. */
export async function readText(
  model: Model,
  pack: VectorPack,
  text: string,
  options: ReadOptions = {},
): Promise<Reading> {
  return readTokens(
    model,
    pack,
    { tokens: await model.tokenize(text), beforeReply: false },
    options,
  );
}

/** Reads a conversation up to the place where the next reply begins, in windows if it is longer than the context. */
export async function readChat(
  model: Model,
  pack: VectorPack,
  messages: readonly ChatMessage[],
  options: ReadOptions = {},
): Promise<Reading> {
  return readTokens(
    model,
    pack,
    { tokens: await chatTokens(model, messages), beforeReply: true },
    options,
  );
}

async function readTokens(
  model: Model,
  pack: VectorPack,
  input: { tokens: Int32Array; beforeReply: boolean },
  options: ReadOptions,
): Promise<Reading> {
  const layer = options.layer ?? pack.bestLayer;
  const emotions = options.emotions ?? pack.emotions;
  const values = new Float32Array(input.tokens.length * emotions.length);
  const probe = makeProbe(pack, emotions, layer);
  const { signal } = options;
  const listening = signal === undefined ? {} : { signal };
  for await (const part of readWindows(model, input.tokens, probe, listening))
    values.set(part.values, part.from * emotions.length);
  const tokens = await model.pieces(input.tokens);
  const last = values.subarray(values.length - emotions.length);
  const beforeReply = input.beforeReply
    ? againstNeutral(pack, emotions, { layer, values: last })
    : null;
  const windows = await windowingOf(model, input.tokens);
  return { layer, emotions, tokens, values, beforeReply, windows };
}

/** Value of one emotion at every position. */
export function traceOf(reading: Reading, emotion: string): number[] {
  const index = reading.emotions.indexOf(emotion);
  return reading.tokens.map(
    (_, position) => reading.values[position * reading.emotions.length + index] ?? NaN,
  );
}

/** Attention sinks, which are left out of means and painted as nothing. */
function sinkPositions({ values, emotions }: Pick<Reading, 'values' | 'emotions'>): boolean[] {
  return sinksOf({ values, columns: emotions.length, at: 0, count: emotions.length });
}

/** Values to paint of one emotion: its trace, with 0 at attention sinks. */
export function paintedTrace(reading: Reading, emotion: string): number[] {
  const sinks = sinkPositions(reading);
  return traceOf(reading, emotion).map((value, position) => (sinks[position] ? 0 : value));
}

/** An emotion and its value. */
export interface Ranked {
  readonly emotion: string;
  readonly value: number;
}

/** All emotions by their mean over the positions, strongest first; attention sinks are left out. */
export function strongestOver(reading: Reading, from = 1, to = reading.tokens.length): Ranked[] {
  const first = Math.min(from, to - 1);
  const sinks = sinkPositions(reading);
  const isCounted = (position: number): boolean => sinks[position] !== true || first === to - 1;
  const counted = Array.from({ length: to - first }, (_, i) => first + i).filter(isCounted);
  return reading.emotions
    .map((emotion, k) => {
      let sum = 0;
      for (const position of counted)
        sum += reading.values[position * reading.emotions.length + k] ?? 0;
      return { emotion, value: sum / counted.length };
    })
    .toSorted((a, b) => b.value - a.value);
}

/** All emotions right before the reply by their distance from neutral messages, strongest first; `value` in standard deviations. */
export function strongestBeforeReply(reading: Pick<Reading, 'emotions' | 'beforeReply'>): Ranked[] {
  return reading.emotions
    .map((emotion, k) => ({ emotion, value: reading.beforeReply?.z[k] ?? NaN }))
    .toSorted((a, b) => b.value - a.value);
}

/** Value that the display paints in full colour: the 99th percentile of the sizes, without attention sinks. */
export function displayMax(reading: Reading, emotion: string): number {
  const sinks = sinkPositions(reading);
  const sizes = traceOf(reading, emotion)
    .filter((_, position) => sinks[position] !== true)
    .map(Math.abs)
    .toSorted((a, b) => a - b);
  return sizes[Math.floor(0.99 * (sizes.length - 1))] ?? 1;
}
