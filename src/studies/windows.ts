/**
 * @file A text longer than the context, read in windows that overlap: each position is read with at least half a
 * window of text before it, or with all that the text has. Every window begins as the text does, with the model's
 * begin-of-sequence token where it has one, since a text without it is none that the model was trained on.
 */
import type { Model, Probe } from '../engine/engine.ts';
import { sharedLength } from './positions.ts';

/** How a long text was read. */
export interface Windowing {
  /** Positions of a window, the begin-of-sequence token included. */
  readonly size: number;
  /** Positions from one window to the next; what a window adds. */
  readonly stride: number;
  readonly count: number;
}

/** A stretch of the text that is read at once. */
interface Window {
  /** First position of the text in it. */
  readonly start: number;
  /** First position whose reading is taken from it: at least half a window after `start`, but for the first window. */
  readonly from: number;
  /** After its last position. */
  readonly end: number;
}

/**
 * The windows of a text, which lie so that every position is taken from exactly one. The last one reaches back as far
 * as it can, and so is full as well.
 * @param prefix tokens that each window but the first needs at its beginning
 */
export function windowsOf(length: number, size: number, prefix: number): Window[] {
  const windows: Window[] = [{ start: 0, from: 0, end: Math.min(length, size) }];
  const stride = strideOf(size, prefix);
  for (let from = size; from < length; from += stride) {
    const end = Math.min(from + stride, length);
    windows.push({ start: end - (size - prefix), from, end });
  }
  return windows;
}

/** What a window adds: all of it but the beginning and the half that only serves to be read before. */
function strideOf(size: number, prefix: number): number {
  return size - prefix - Math.ceil(size / 2);
}

/** The tokens that the model's tokenizer puts before every text. */
async function beginningOf(model: Model, tokens: Int32Array): Promise<Int32Array> {
  const special = await model.tokenize('');
  return special.subarray(0, sharedLength(special, tokens));
}

/** What a reading in windows takes. */
export interface WindowOptions {
  readonly signal?: AbortSignal;
  /** Called after each window with the number of positions that are read. */
  readonly onProgress?: (done: number) => void;
}

/** Readings of neighbouring positions. */
interface WindowReadings {
  /** First position. */
  readonly from: number;
  /** [positions, directions] */
  readonly values: Float32Array;
}

/**
 * How a text of so many tokens is read: null if it fits the context, so that one pass reads it all. The context is the
 * one that was asked for or the one that the model was trained on, whichever is smaller.
 */
export async function windowingOf(model: Model, tokens: Int32Array): Promise<Windowing | null> {
  const size = model.info.contextLength;
  if (tokens.length <= size) return null;
  const prefix = (await beginningOf(model, tokens)).length;
  const { length: count } = windowsOf(tokens.length, size, prefix);
  return { size, stride: strideOf(size, prefix), count };
}

/**
 * Reads a text of any length, one window in memory at a time.
 * @yields the readings of each window's own positions, in order
 */
export async function* readWindows(
  model: Model,
  tokens: Int32Array,
  probe: Probe,
  { signal, onProgress }: WindowOptions = {},
): AsyncGenerator<WindowReadings> {
  const size = model.info.contextLength;
  const prefix = tokens.length > size ? await beginningOf(model, tokens) : new Int32Array(0);
  const columns = probe.bias.length;
  for (const { start, from, end } of windowsOf(tokens.length, size, prefix.length)) {
    const own = tokens.subarray(start, end);
    const given = start === 0 ? own : Int32Array.from([...prefix, ...own]);
    const [values = new Float32Array(0)] = await model.project([given], {
      probes: [probe],
      ...(signal === undefined ? {} : { signal }),
    });
    // Counted from the end, so the beginning may or may not be there.
    yield { from, values: values.subarray(values.length - (end - from) * columns) };
    onProgress?.(end);
  }
}
