/**
 * @file Runs many replies side by side over one backend, in order of arrival, and lets calls that need
 * the engine for themselves in between. Steering belongs to the whole context of the engine, so replies
 * under the same steering share a decode and each other steering costs one more.
 */
import type { Backend } from './backend.ts';
import type { Generated, GenerateOptions, GenerateRequest, SequenceUse } from './engine.ts';
import { bare, Reply } from './reply.ts';
import { breathe } from './runner.ts';
import { remember, SequencePool, type Wanted } from './sequence-pool.ts';

/** Prompt tokens per decode while others write, so that they do not stand still. */
const politeChunk = 128;

interface Settling<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}
type Entry =
  | { readonly kind: 'reply'; readonly reply: Reply; readonly settling: Settling<Generated> }
  | {
      readonly kind: 'alone';
      readonly run: () => Promise<void>;
      readonly signal: AbortSignal | undefined;
      readonly settling: Pick<Settling<never>, 'reject'>;
    };
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

  /** Sequences of the cache that replies hold, and that they left there. */
  get sequences(): SequenceUse {
    return this.#pool.use;
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
  async alone<T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settled = async (): Promise<void> => {
        try {
          resolve(await run());
        } catch (error) {
          reject(error);
        }
      };
      this.#enter({ kind: 'alone', run: settled, signal, settling: { reject } });
    });
  }

  #enter(entry: Entry): void {
    this.#waiting.push(entry);
    if (!this.#runs) void this.#run();
  }

  async #run(): Promise<void> {
    this.#runs = true;
    try {
      while (this.#waiting.length > 0 || this.#live.length > 0) await this.#turn();
      this.#steerTo(bare, null);
    } catch (error) {
      // Not the fault of a reply: nobody may wait for ever for what stands still.
      for (const { settling } of [...this.#live, ...this.#waiting]) settling.reject(error);
      this.#waiting.length = 0;
      this.#live = [];
      this.#reset();
    } finally {
      // Here and not in a later microtask: who is told of the last reply may ask for the next at once.
      this.#runs = false;
    }
  }

  async #turn(): Promise<void> {
    this.#dropAborted();
    const head = this.#waiting[0];
    if (head?.kind === 'alone' && this.#live.length === 0) {
      this.#waiting.shift();
      this.#reset();
      await head.run();
      return;
    }
    while (this.#admitNext());
    await breathe(undefined);
    try {
      this.#step();
    } catch (error) {
      // A failed decode leaves the cache in an unknown state.
      for (const { settling, reply } of this.#live) {
        settling.reject(error);
        reply.dispose();
      }
      this.#live = [];
      this.#reset();
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
    for (const entry of this.#waiting.filter((waiting) => signalOf(waiting)?.aborted)) {
      this.#waiting.splice(this.#waiting.indexOf(entry), 1);
      entry.settling.reject(signalOf(entry)?.reason);
    }
  }

  /** Lets the first in the queue in if it is a reply and there is room; true if one left the queue. */
  #admitNext(): boolean {
    const head = this.#waiting[0];
    if (head?.kind !== 'reply') return false;
    const { reply } = head;
    try {
      this.#planFor(reply);
      const acquired = this.#pool.acquire(wantedBy(reply));
      if (acquired === null) return false;
      reply.begin(acquired.sequence, acquired.reused);
      this.#live.push(head);
    } catch (error) {
      head.settling.reject(error);
      this.#leave(head);
    }
    this.#waiting.shift();
    return true;
  }

  /** Makes the backend read what the reply and the living ones want. */
  #planFor({ reader, options }: Reply): void {
    const union = new Set(this.#live.flatMap(({ reply }) => reply.reader.layers));
    for (const layer of reader.layers) union.add(layer);
    const layers = [...union].toSorted((a, b) => a - b);
    // Where in the cache a sequence lies changes how quantised kernels round, so a reply that must not
    // depend on what was before it begins with an empty one.
    const startsAnew = this.#live.length === 0 && options.reuse !== true;
    if (this.#layers === null || startsAnew) {
      this.#reset();
      this.#backend.begin({ layers, earlyExit: false });
    } else if (layers.join() !== this.#layers.join()) {
      this.#backend.replan(layers);
    }
    this.#layers = layers;
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
    for (const { reply, settling } of group) {
      const row = fed.findIndex((live) => live.reply === reply);
      const steering = reply.steeringAt(reply.position);
      const token = reply.settle(row);
      if (token === null) continue;
      if (row >= 0 && reply.options.reuse && reply.sequence !== null)
        remember(reply.sequence, { token: token.token, steering, readings: token.readings });
      try {
        reply.options.onToken?.(token);
      } catch (error) {
        // The listener's fault ends its own reply.
        settling.reject(error);
        this.#leave({ reply, settling });
        continue;
      }
      if (reply.stopReason === null) reply.choose(this.#backend.logits(row));
    }
  }

  /** Before its first stretch, a reply takes over what others have computed of its prompt meanwhile. */
  #catchUp(reply: Reply): void {
    if (!reply.options.reuse || reply.fed !== reply.reused || reply.sequence === null) return;
    reply.takeOver(this.#pool.catchUp(reply.sequence, wantedBy(reply)));
  }

  /** Decodes the next stretch of what a reply was given. */
  #feed(reply: Reply, isPolite: boolean): void {
    this.#catchUp(reply);
    const { given, request, fed, sequence } = reply;
    // What a thermostat pushed while it was written is pushed by what was read just before.
    const isRegulated = reply.options.thermostat != null && fed >= request.prompt.length;
    const size = isRegulated ? 1 : isPolite ? politeChunk : this.#backend.info.batchSize;
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
    const { count } = reply.reader;
    const readings = reply.reader.readAll(tokens.length);
    if (fed < request.prompt.length) reply.promptReadings.set(readings, fed * count);
    if (reply.options.reuse && sequence !== null)
      for (const [i, token] of tokens.entries()) {
        const own = readings.subarray(i * count, (i + 1) * count);
        remember(sequence, { token, steering, readings: own });
      }
    if (isRegulated) reply.regulate(readings);
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

function wantedBy({ request, options, promptSteering, probesKey }: Reply): Wanted {
  return {
    tokens: request.prompt,
    steering: promptSteering,
    probes: probesKey,
    size: request.prompt.length + request.maxTokens,
    reuse: options.reuse ?? false,
  };
}

function signalOf(entry: Entry): AbortSignal | undefined {
  return entry.kind === 'alone' ? entry.signal : entry.reply.options.signal;
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
