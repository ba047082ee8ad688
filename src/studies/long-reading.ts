/**
 * @file A reading of any length in constant memory: what is kept of a position is 9 bytes and its token; the values
 * of all emotions lie in a temporary file, and what is told of the whole is told from there, a part at a time.
 */
import type { Model } from '../engine/engine.ts';
import { Spool } from '../store/spool.ts';
import { makeProbe, type VectorPack } from '../vectors/pack.ts';
import { sinkFactor } from './positions.ts';
import { againstNeutral, type Ranked, type ReplyReadings } from './reading.ts';
import { readWindows, type Windowing, windowingOf, type WindowOptions } from './windows.ts';

/** Positions of a part. */
const partLength = 1024;
/** Emotions whose traces are in memory at once. */
const tracesAtOnce = 8;
/** Tokens looked back at for the bytes of a character that began before a part: it has at most four. */
const lookBack = 8;

/** What is read. */
export interface LongInput {
  readonly tokens: Int32Array;
  /** Whether the tokens end where a reply begins. */
  readonly beforeReply: boolean;
}

export interface LongOptions extends WindowOptions {
  /** @default pack.bestLayer */
  readonly layer?: number;
}

/** A stretch of neighbouring positions. */
export interface ReadingPart {
  /** First position. */
  readonly from: number;
  readonly tokens: readonly string[];
  /** [positions, emotions]: projection of the centred residual as a share of the mean residual norm. */
  readonly values: Float32Array;
}

/** All emotions of the pack at every position of a text. Disposing forgets them. */
export class LongReading implements Disposable {
  readonly layer: number;
  readonly emotions: readonly string[];
  readonly windows: Windowing | null;
  readonly beforeReply: ReplyReadings | null;
  readonly #model: Model;
  readonly #tokens: Int32Array;
  readonly #values: Spool;
  /** 1 at attention sinks, which are left out of means and painted as nothing. */
  readonly #sinks: Uint8Array;

  /** Use readLong. */
  constructor(
    about: Pick<LongReading, 'layer' | 'emotions' | 'windows' | 'beforeReply'>,
    kept: { model: Model; tokens: Int32Array; values: Spool; sinks: Uint8Array },
  ) {
    this.layer = about.layer;
    this.emotions = about.emotions;
    this.windows = about.windows;
    this.beforeReply = about.beforeReply;
    this.#model = kept.model;
    this.#tokens = kept.tokens;
    this.#values = kept.values;
    this.#sinks = kept.sinks;
  }

  /** Number of positions. */
  get length(): number {
    return this.#tokens.length;
  }

  isSink(position: number): boolean {
    return this.#sinks[position] === 1;
  }

  /**
   * The reading from its beginning. What it yields is overwritten by the next part.
   * @yields parts of at most 1024 positions
   */
  async *parts(): AsyncGenerator<ReadingPart> {
    for (const { from, values } of this.#numbers()) {
      const start = Math.max(0, from - lookBack);
      const end = from + values.length / this.emotions.length;
      const pieces = await this.#model.pieces(this.#tokens.slice(start, end));
      yield { from, tokens: pieces.slice(from - start), values };
    }
  }

  /** All emotions by their mean over the positions, strongest first; the first one and sinks are left out. */
  strongest(): Ranked[] {
    const columns = this.emotions.length;
    const sums = new Float64Array(columns);
    const first = Math.min(1, this.length - 1);
    // Of two tokens the second is all that there is.
    const isCounted = (position: number): boolean =>
      position >= first && (!this.isSink(position) || first === this.length - 1);
    let counted = 0;
    for (const { from, values } of this.#numbers())
      for (let i = 0; i < values.length / columns; i++) {
        if (!isCounted(from + i)) continue;
        counted += 1;
        for (let k = 0; k < columns; k++)
          sums[k] = (sums[k] as number) + (values[i * columns + k] as number);
      }
    return this.emotions
      .map((emotion, k) => ({ emotion, value: (sums[k] ?? NaN) / counted }))
      .toSorted((a, b) => b.value - a.value);
  }

  /** Values that the display paints in full colour: the 99th percentile of the sizes, without attention sinks. */
  displayMaxima(emotions: readonly string[]): Map<string, number> {
    const maxima = new Map<string, number>();
    for (let at = 0; at < emotions.length; at += tracesAtOnce) {
      const some = emotions.slice(at, at + tracesAtOnce);
      for (const [k, sizes] of this.#sizesOf(some).entries()) {
        sizes.sort();
        maxima.set(some[k] ?? '', sizes[Math.floor(0.99 * (sizes.length - 1))] ?? 1);
      }
    }
    return maxima;
  }

  [Symbol.dispose](): void {
    this.#values[Symbol.dispose]();
  }

  /** Absolute values of some emotions at all positions but the sinks. */
  #sizesOf(emotions: readonly string[]): Float32Array[] {
    const columns = emotions.map((emotion) => this.emotions.indexOf(emotion));
    const sizes = columns.map(() => new Float32Array(this.length));
    let count = 0;
    for (const { from, values } of this.#numbers())
      for (let i = 0; i < values.length / this.emotions.length; i++) {
        if (this.isSink(from + i)) continue;
        for (const [k, column] of columns.entries()) {
          const trace = sizes[k];
          if (trace !== undefined)
            trace[count] = Math.abs(values[i * this.emotions.length + column] ?? NaN);
        }
        count += 1;
      }
    return sizes.map((all) => all.subarray(0, count));
  }

  *#numbers(): Generator<Pick<ReadingPart, 'from' | 'values'>> {
    let from = 0;
    for (const values of this.#values.parts(partLength * this.emotions.length)) {
      yield { from, values };
      from += partLength;
    }
  }
}

/**
 * Reads all emotions of the pack at every position, in windows if the text is longer than the context. The caller
 * disposes what comes back, and keeps the model open as long as it takes parts of it.
 */
export async function readLong(
  model: Model,
  pack: VectorPack,
  { tokens, beforeReply }: LongInput,
  { layer = pack.bestLayer, ...listening }: LongOptions = {},
): Promise<LongReading> {
  const { emotions } = pack;
  const columns = emotions.length;
  const sizes = new Float32Array(tokens.length);
  let last = new Float32Array(0);
  const values = new Spool();
  try {
    const probe = makeProbe(pack, emotions, layer);
    for await (const part of readWindows(model, tokens, probe, listening)) {
      values.append(part.values);
      for (let i = 0; i < part.values.length / columns; i++)
        sizes[part.from + i] = Math.hypot(...part.values.subarray(i * columns, (i + 1) * columns));
      last = part.values.slice(-columns);
    }
    const readings = beforeReply ? againstNeutral(pack, emotions, { layer, values: last }) : null;
    const windows = await windowingOf(model, tokens);
    const about = { layer, emotions, windows, beforeReply: readings };
    return new LongReading(about, { model, tokens, values, sinks: sinksIn(sizes) });
  } catch (error) {
    values[Symbol.dispose]();
    throw error;
  }
}

/** 1 for the first position, and for any whose readings together are ten times the median size. */
function sinksIn(sizes: Float32Array): Uint8Array {
  const sorted = sizes.toSorted();
  const middle = (sorted.length - 1) / 2;
  const usual = ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
  return Uint8Array.from(sizes, (size, position) =>
    position === 0 || size > sinkFactor * usual ? 1 : 0,
  );
}
