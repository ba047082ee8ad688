/** @file One reply that is being written: what is chosen, what is read, what steers it. */
import { createHash } from 'node:crypto';

import { InvalidInputError, ShapeError } from '../errors.ts';
import { logSumExp, peak } from '../math/kernels.ts';
import { type Random, randomFrom } from '../math/random.ts';
import type { Backend, GrammarState } from './backend.ts';
import type {
  Generated,
  GeneratedToken,
  GenerateOptions,
  GenerateRequest,
  Probe,
  Thermostat,
} from './engine.ts';
import { Reader } from './reader.ts';
import { alternatives, largest, pick } from './sampling.ts';
import type { Sequence } from './sequence-pool.ts';

type Vectors = ReadonlyMap<number, Float32Array>;

/** Most probable tokens that a grammar is asked about before all others. */
const likely = 64;

/** Steering without vectors. */
export const bare = 'bare';

/** Names vectors by their content. */
function keyOfVectors(vectors: Vectors | null): string {
  if (vectors === null || vectors.size === 0) return bare;
  const hash = createHash('sha1');
  for (const [layer, vector] of vectors) hash.update(`${layer}:`).update(bytesOf(vector));
  return hash.digest('base64');
}

/** Names probes by their content. */
function keyOfProbes(probes: readonly Probe[]): string {
  const hash = createHash('sha1');
  for (const { layer, directions, bias, scale } of probes)
    hash.update(`${layer}:${scale}:`).update(bytesOf(directions)).update(bytesOf(bias));
  return hash.digest('base64');
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Refuses what would fail in the middle of a decode and take the other replies with it. */
function checkRequest(backend: Backend, request: GenerateRequest, options: GenerateOptions): void {
  const { contextLength, vocabulary } = backend.info;
  const { prompt, maxTokens, written = new Int32Array(0) } = request;
  if (prompt.length === 0)
    throw new InvalidInputError('generate: expected a prompt, got no tokens');
  if (prompt.length + maxTokens > contextLength)
    throw new InvalidInputError(
      `generate: expected prompt and reply within ${contextLength} tokens, got ${prompt.length} + ${maxTokens}`,
      { hint: 'raise --context or lower --max-tokens' },
    );
  if (written.length > maxTokens)
    throw new InvalidInputError(
      `generate: expected at most ${maxTokens} written tokens, got ${written.length}`,
    );
  for (const tokens of [prompt, written])
    for (const token of tokens)
      if (token < 0 || token >= vocabulary)
        throw new InvalidInputError(
          `generate: expected tokens from 0 to ${vocabulary - 1}, got ${token}`,
        );
  checkVectors(backend, options.steering?.vectors);
  checkVectors(backend, options.thermostat?.vectors);
}

function checkVectors({ info }: Backend, vectors: Vectors | undefined): void {
  for (const [layer, vector] of vectors ?? []) {
    if (!Number.isInteger(layer) || layer < 1 || layer >= info.blocks)
      throw new InvalidInputError(
        `steer: expected a layer from 1 to ${info.blocks - 1}, got ${layer}`,
      );
    if (vector.length !== info.width) throw new ShapeError('steer', info.width, vector.length);
  }
}

export class Reply {
  readonly request: GenerateRequest;
  readonly options: GenerateOptions;
  /** Prompt and what was written before. */
  readonly given: Int32Array;
  readonly reader: Reader;
  readonly probesKey: string;
  readonly promptReadings: Float32Array;
  readonly tokens: GeneratedToken[] = [];
  /** Positions of `given` that are in the cache. */
  fed = 0;
  reused = 0;
  sequence: Sequence | null = null;
  /** The token chosen last, not yet decoded. */
  pending: Omit<GeneratedToken, 'readings' | 'dose'> | null = null;
  stopReason: Generated['stopReason'] | null = null;
  readonly #index: number;
  readonly #backend: Backend;
  readonly #random: Random;
  readonly #decoder = new TextDecoder();
  readonly #baseKey: string;
  readonly #thermostatKey: string;
  #grammar: GrammarState | null = null;
  #text = '';
  #writtenLength = 0;
  /** Smoothed reading of the thermostat. */
  #level: number | null = null;
  #dose = 0;

  /** Throws InvalidInputError for a request that can never run. */
  constructor(backend: Backend, request: GenerateRequest, options: GenerateOptions, index: number) {
    checkRequest(backend, request, options);
    this.#backend = backend;
    this.#index = index;
    this.request = request;
    this.options = options;
    this.given = Int32Array.from([...request.prompt, ...(request.written ?? [])]);
    this.reader = new Reader(backend, options.probes ?? []);
    this.promptReadings = new Float32Array(request.prompt.length * this.reader.count);
    this.probesKey = options.reuse ? keyOfProbes(options.probes ?? []) : '';
    this.#random = randomFrom(request.seed ?? 0);
    this.#baseKey = keyOfVectors(options.steering?.vectors ?? null);
    this.#thermostatKey = keyOfVectors(options.thermostat?.vectors ?? null);
  }

  /** Names the steering of the positions of the prompt. */
  get promptSteering(): string {
    return this.options.steering?.phase === 'reply' ? bare : this.#baseKey;
  }

  /** Names the steering under which position `at` is computed now. */
  steeringAt(at: number): string {
    if (at < this.request.prompt.length) return this.promptSteering;
    return this.#dose === 0
      ? this.#baseKey
      : `${this.#baseKey} ${this.#thermostatKey} ${this.#dose}`;
  }

  /** The vectors of `steeringAt`. */
  vectorsAt(at: number): Vectors | null {
    const { steering, thermostat } = this.options;
    const base = steering?.vectors ?? null;
    if (at < this.request.prompt.length) return steering?.phase === 'reply' ? null : base;
    if (this.#dose === 0 || thermostat == null) return base;
    return added(base, thermostat.vectors, this.#dose);
  }

  /**
   * Takes a sequence whose first `reused` positions hold the prompt's, and takes up what was written
   * before: text, grammar and randomness stand where they stood. InvalidInputError for a malformed grammar.
   */
  begin(sequence: Sequence, reused: number): void {
    this.sequence = sequence;
    this.takeOver(reused);
    const { request } = this;
    if (request.grammar !== undefined) this.#grammar = this.#backend.grammar(request.grammar);
    for (const token of request.written ?? []) {
      this.#grammar?.accept(token);
      this.#text += this.#decoder.decode(this.#backend.piece(token), { stream: true });
      if ((request.temperature ?? 0) > 0) this.#random();
    }
    this.#writtenLength = this.#text.length;
  }

  /** Counts the first `reused` positions of its sequence as read. */
  takeOver(reused: number): void {
    this.reused = reused;
    this.fed = reused;
    const readings = this.sequence?.readings.subarray(0, reused * this.reader.count);
    if (readings !== undefined) this.promptReadings.set(readings);
  }

  /** Position of the pending token. */
  get position(): number {
    return this.given.length + this.tokens.length;
  }

  /** Moves the pending token to the reply; row -1 means that it was not decoded. */
  settle(row: number): GeneratedToken | null {
    if (this.pending === null) return null;
    const readings = new Float32Array(this.reader.count);
    if (row >= 0) this.reader.read(row, readings, 0);
    const { onToken, thermostat, reuse } = this.options;
    // Nobody looks at them before the reply ends, unless it is shown, pushed or remembered as it goes.
    if (onToken !== undefined || thermostat != null || reuse === true) this.reader.flush();
    const token: GeneratedToken = { ...this.pending, readings, dose: this.#dose };
    this.tokens.push(token);
    this.pending = null;
    if (row >= 0) this.regulate(readings);
    return token;
  }

  /** Sets the dose of the next position by the readings of this one. */
  regulate(readings: Float32Array): void {
    const { thermostat } = this.options;
    if (thermostat == null) return;
    this.#level = smoothed(thermostat, this.#level, readings[thermostat.reading] ?? NaN);
    this.#dose = doseFor(thermostat, this.#level);
  }

  /** Samples the next token into `pending`, or ends the reply. */
  choose(logits: Float32Array): void {
    const { request } = this;
    const index = (request.written?.length ?? 0) + this.tokens.length;
    if (index >= request.maxTokens) {
      this.stopReason = 'length';
      return;
    }
    const { token, total } = this.#chosen(logits);
    if (this.#backend.isEnd(token)) {
      this.stopReason = 'end';
      return;
    }
    this.#grammar?.accept(token);
    const text = this.#decoder.decode(this.#backend.piece(token), { stream: true });
    if (this.#cutAtStop(text)) return;
    this.pending = {
      sequence: this.#index,
      index,
      token,
      text,
      logprob: (logits[token] ?? -Infinity) - total,
      alternatives: alternatives(logits, request.topLogprobs ?? 0, (id) =>
        Buffer.from(this.#backend.piece(id)).toString(),
      ),
    };
    if (index + 1 >= request.maxTokens) this.stopReason = 'length';
  }

  end(): Generated {
    this.reader.flush();
    return {
      text: this.#text.slice(this.#writtenLength),
      takenBack: Math.max(0, this.#writtenLength - this.#text.length),
      tokens: this.tokens,
      stopReason: this.stopReason ?? 'length',
      promptReadings: this.promptReadings,
      reused: this.reused,
    };
  }

  dispose(): void {
    this.#grammar?.dispose();
    this.#grammar = null;
  }

  /** The next token, and the log-sum-exp of the logits. */
  #chosen(logits: Float32Array): { token: number; total: number } {
    const { temperature = 0, logitBias } = this.request;
    const isPlain = temperature <= 0 && logitBias === undefined && this.#grammar === null;
    if (!isPlain) return { token: this.#pick(logits), total: logSumExp(logits) };
    const { index, total } = peak(logits);
    return { token: Math.max(0, index), total };
  }

  #pick(logits: Float32Array): number {
    const { request } = this;
    const biased = this.#biased(logits);
    const grammar = this.#grammar;
    if (grammar === null) return pick(biased, request, this.#random);
    // To ask the grammar about every token of the vocabulary takes longer than to decode one.
    if ((request.temperature ?? 0) <= 0) {
      const best = largest(biased, likely).filter((token) => biased[token] !== -Infinity);
      const first = firstAllowed(grammar, Int32Array.from(best));
      if (first !== undefined) return first;
    }
    const allowed = grammar.allowed(Int32Array.from(biased, (_, token) => token));
    const masked = biased.map((logit, token) => (allowed[token] === 1 ? logit : -Infinity));
    return pick(masked, request, this.#random);
  }

  #biased(logits: Float32Array): Float32Array {
    const { logitBias } = this.request;
    if (logitBias === undefined) return logits;
    const biased = logits.slice();
    for (const [token, bias] of logitBias) biased[token] = (biased[token] ?? -Infinity) + bias;
    return biased;
  }

  /** Adds text; true (and the text cut) if a stop string is complete now. */
  #cutAtStop(text: string): boolean {
    this.#text += text;
    for (const stop of this.request.stop ?? []) {
      const from = Math.max(0, this.#text.length - text.length - stop.length);
      const at = stop === '' ? -1 : this.#text.indexOf(stop, from);
      if (at < 0) continue;
      this.#text = this.#text.slice(0, at);
      this.stopReason = 'stop-string';
      return true;
    }
    return false;
  }
}

function firstAllowed(grammar: GrammarState, tokens: Int32Array): number | undefined {
  const allowed = grammar.allowed(tokens);
  return tokens.find((_, i) => allowed[i] === 1);
}

/** The exponential mean that halves the weight of a reading every `halfLife` tokens. */
function smoothed(
  { halfLife }: Pick<Thermostat, 'halfLife'>,
  level: number | null,
  reading: number,
): number {
  if (level === null) return reading;
  const kept = 0.5 ** (1 / halfLife);
  return level * kept + reading * (1 - kept);
}

/** Dose in proportion to the excess, from 0 to the limit, in steps of 0.001 so that it settles. */
function doseFor(
  { threshold, gain, limit }: Pick<Thermostat, 'threshold' | 'gain' | 'limit'>,
  level: number,
): number {
  const dose = Math.min(limit, Math.max(0, gain * (level - threshold)));
  return Math.round(dose * 1000) / 1000 || 0;
}

/** base + dose * vectors, layer by layer. */
function added(base: Vectors | null, vectors: Vectors, dose: number): Vectors {
  const sum = new Map<number, Float32Array>();
  for (const [layer, vector] of base ?? []) sum.set(layer, vector.slice());
  for (const [layer, vector] of vectors) {
    const target = sum.get(layer) ?? new Float32Array(vector.length);
    for (const [k, value] of vector.entries()) target[k] = (target[k] ?? 0) + dose * value;
    sum.set(layer, target);
  }
  return sum;
}
