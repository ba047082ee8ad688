/**
 * @file Runs many replies side by side over one backend, in order of arrival, and lets calls that need
 * the engine for themselves in between. Steering belongs to the whole context of the engine, so replies
 * under the same steering share a decode and each other steering costs one more.
 */
import type { Backend } from './backend.ts';
import type { Generated, GenerateOptions, GenerateRequest } from './engine.ts';
import { bare, Reply } from './reply.ts';
import { breathe } from './runner.ts';
import { remember, SequencePool } from './sequence-pool.ts';

/** Prompt tokens per decode while others write, so that they do not stand still. */
const politeChunk = 128;

interface Settling<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}
type Entry =
  | { readonly kind: 'reply'; readonly reply: Reply; readonly settling: Settling<Generated> }
  | { readonly kind: 'alone'; readonly run: () => Promise<void> };
interface Live {
  readonly reply: Reply;
  readonly settling: Settling<Generated>;
}

export class Scheduler {
  readonly #backend: Backend;
  readonly #pool: SequencePool;
  readonly #waiting: Entry[] = [];
  #live: Live[] = [];
  #layers: readonly number[] | null = null;
  #steering: string | null = null;
  #runs = false;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#pool = new SequencePool(backend);
  }

  /** Writes one reply; `index` marks its tokens. */
  async submit(
    request: GenerateRequest,
    options: GenerateOptions,
    index: number,
  ): Promise<Generated> {
    const reply = new Reply(this.#backend, request, options, index);
    return new Promise<Generated>((resolve, reject) => {
      this.#enter({ kind: 'reply', reply, settling: { resolve, reject } });
    });
  }

  /** Runs something that uses the backend as it likes, with nothing else beside it. */
  async alone<T>(run: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const wrapped = async (): Promise<void> => {
        try {
          resolve(await run());
        } catch (error) {
          reject(error);
        }
      };
      this.#enter({ kind: 'alone', run: wrapped });
    });
  }

  #enter(entry: Entry): void {
    this.#waiting.push(entry);
    if (!this.#runs) void this.#run();
  }

  async #run(): Promise<void> {
    this.#runs = true;
    while (this.#waiting.length > 0 || this.#live.length > 0) {
      this.#dropAborted();
      const head = this.#waiting[0];
      if (head?.kind === 'alone' && this.#live.length === 0) {
        this.#waiting.shift();
        this.#reset();
        await head.run();
        continue;
      }
      this.#admit();
      if (this.#live.length === 0) continue;
      await breathe(undefined);
      try {
        this.#step();
      } catch (error) {
        // A failed decode leaves the cache in an unknown state.
        for (const { settling } of this.#live) settling.reject(error);
        for (const { reply } of this.#live) reply.dispose();
        this.#live = [];
        this.#reset();
      }
    }
    this.#steerTo(bare, null);
    // Here and not in a later microtask: who is told of the last reply may ask for the next at once.
    this.#runs = false;
  }

  #admit(): void {
    try {
      while (this.#admitNext());
    } catch (error) {
      const head = this.#waiting.shift();
      if (head?.kind === 'reply') head.settling.reject(error);
    }
  }

  #reset(): void {
    this.#pool.forget();
    this.#layers = null;
    this.#steering = null;
  }

  #dropAborted(): void {
    for (const live of this.#live)
      if (live.reply.options.signal?.aborted) {
        live.settling.reject(live.reply.options.signal.reason);
        this.#leave(live);
      }
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const entry = this.#waiting[i];
      if (entry?.kind !== 'reply' || !entry.reply.options.signal?.aborted) continue;
      this.#waiting.splice(i, 1);
      entry.settling.reject(entry.reply.options.signal.reason);
    }
  }

  /** Lets the first in the queue in if it is a reply and there is room; true if one left the queue. */
  #admitNext(): boolean {
    const head = this.#waiting[0];
    if (head?.kind !== 'reply') return false;
    const { reply, settling } = head;
    if (!this.#planFor(reply)) return false;
    const acquired = this.#pool.acquire({
      tokens: reply.given,
      steering: reply.promptSteering,
      probes: reply.probesKey,
      size: reply.request.prompt.length + reply.request.maxTokens,
      reuse: reply.options.reuse ?? false,
    });
    if (acquired === null) return false;
    this.#waiting.shift();
    // Steering of the reply's own positions may differ from the prompt's: only the prompt is reused.
    const { sequence } = acquired;
    reply.reused = acquired.reused;
    reply.fed = acquired.reused;
    reply.sequence = sequence;
    const known = Math.min(reply.fed, reply.request.prompt.length) * reply.reader.count;
    reply.promptReadings.set(sequence.readings.subarray(0, known));
    this.#live.push({ reply, settling });
    try {
      reply.start();
    } catch (error) {
      settling.reject(error);
      this.#leave({ reply, settling });
    }
    return true;
  }

  /** Makes the backend read what the reply and the living ones want; false if it must wait for them. */
  #planFor({ reader }: Reply): boolean {
    const { info } = this.#backend;
    const taps = (layers: readonly number[]): boolean =>
      info.reading === 'tensor-callback' && layers.length > 0;
    const union = new Set(this.#live.flatMap(({ reply }) => reply.reader.layers));
    for (const layer of reader.layers) union.add(layer);
    const layers = [...union].toSorted((a, b) => a - b);
    if (this.#layers === null || taps(this.#layers) !== taps(layers)) {
      if (this.#live.length > 0) return false;
      this.#pool.forget();
      this.#backend.begin({ layers, earlyExit: false });
    } else if (layers.join() !== this.#layers.join()) {
      this.#backend.replan(layers);
    }
    this.#layers = layers;
    return true;
  }

  #step(): void {
    const feeding = this.#live.find(({ reply }) => reply.fed < reply.given.length);
    const writing = this.#live.filter(({ reply }) => reply.pending !== null);
    if (feeding !== undefined) this.#feed(feeding.reply, writing.length > 0);
    for (const group of this.#groups(writing)) this.#decodeGroup(group);
    for (const live of this.#live)
      if (live.reply.fed === live.reply.given.length && live.reply.pending === null) {
        live.settling.resolve(live.reply.end());
        this.#leave(live);
      }
  }

  /** Living replies by the steering of their next position. */
  #groups(writing: readonly Live[]): Live[][] {
    const groups = new Map<string, Live[]>();
    for (const live of writing) {
      const key = live.reply.steeringAt(live.reply.position);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [live]);
      else group.push(live);
    }
    return [...groups.values()];
  }

  #decodeGroup(group: readonly Live[]): void {
    // The last token of a reply is decoded only if somebody reads its residual.
    const fed = group.filter(({ reply }) => reply.reader.count > 0 || reply.stopReason === null);
    const [first] = fed;
    if (first !== undefined) {
      const { position } = first.reply;
      this.#steerTo(first.reply.steeringAt(position), first.reply.vectorsAt(position));
      this.#backend.decode({
        tokens: Int32Array.from(fed, ({ reply }) => reply.pending?.token ?? 0),
        positions: Int32Array.from(fed, ({ reply }) => reply.position),
        sequences: Int32Array.from(fed, ({ reply }) => reply.sequence?.id ?? 0),
        wantsLogits: new Uint8Array(fed.length).fill(1),
      });
    }
    for (const { reply } of group) {
      const row = fed.findIndex((live) => live.reply === reply);
      const steering = reply.steeringAt(reply.position);
      const token = reply.settle(row);
      if (token === null) continue;
      if (row >= 0 && reply.options.reuse && reply.sequence !== null)
        remember(reply.sequence, { token: token.token, steering, readings: token.readings });
      reply.options.onToken?.(token);
      if (reply.stopReason === null) reply.choose(this.#backend.logits(row));
    }
  }

  /** Decodes the next stretch of what a reply was given. */
  #feed(reply: Reply, isPolite: boolean): void {
    const { given, request, fed, sequence } = reply;
    const size = isPolite ? politeChunk : this.#backend.info.batchSize;
    // A stretch never crosses from the prompt to the reply: their steering may differ.
    const border = fed < request.prompt.length ? request.prompt.length : given.length;
    const tokens = given.slice(fed, Math.min(border, fed + size));
    const wantsLogits = new Uint8Array(tokens.length);
    wantsLogits[tokens.length - 1] = 1;
    const steering = reply.steeringAt(fed);
    this.#steerTo(steering, reply.vectorsAt(fed));
    this.#backend.decode({
      tokens,
      positions: tokens.map((_, i) => fed + i),
      sequences: new Int32Array(tokens.length).fill(sequence?.id ?? 0),
      wantsLogits,
    });
    const readings = new Float32Array(reply.reader.count);
    for (const [i, token] of tokens.entries()) {
      if (reply.reader.count > 0) reply.reader.read(i, readings, 0);
      if (fed + i < request.prompt.length)
        reply.promptReadings.set(readings, (fed + i) * readings.length);
      if (reply.options.reuse && sequence !== null)
        remember(sequence, { token, steering, readings });
    }
    reply.fed += tokens.length;
    if (reply.fed === given.length) reply.choose(this.#backend.logits(tokens.length - 1));
  }

  #steerTo(key: string, vectors: ReadonlyMap<number, Float32Array> | null): void {
    if (key === this.#steering) return;
    this.#backend.steer(vectors);
    this.#steering = key;
  }

  #leave(live: Live): void {
    const { reply } = live;
    reply.dispose();
    if (reply.sequence !== null) this.#pool.release(reply.sequence, reply.options.reuse ?? false);
    this.#live = this.#live.filter((other) => other.reply !== reply);
  }
}

/** Writes all replies; if one fails the others stop. See Model.generate. */
export async function generate(
  scheduler: Scheduler,
  requests: readonly GenerateRequest[],
  options: GenerateOptions,
): Promise<Generated[]> {
  const failed = new AbortController();
  const signal =
    options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  let done = 0;
  const one = async (request: GenerateRequest, index: number): Promise<Generated> => {
    const reply = await scheduler.submit(request, { ...options, signal }, index);
    options.onProgress?.(++done);
    return reply;
  };
  try {
    return await Promise.all(requests.map(one));
  } catch (error) {
    failed.abort(error);
    throw error;
  }
}
