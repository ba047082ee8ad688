/**
 * @file The toy engine: a real, tiny, seeded transformer (pre-norm, rotary attention, gated MLP, residual
 * stream), so that every path runs in seconds without a model. Its words mean nothing.
 */
import { DisposedError, EngineError, InvalidInputError, ShapeError } from '../../errors.ts';
import type { Backend, BackendInfo, Batch, ReadingPlan } from '../backend.ts';
import { applyBlock, type BlockState, logitsOf } from './forward.ts';
import { bos, endOfTurn, tokenizeBytes, pieceOf, vocabulary } from './tokenizer.ts';
import { makeWeights, type ToyShape, type ToyWeights } from './weights.ts';

export interface ToyOptions extends Partial<ToyShape> {
  readonly seed?: number;
  readonly contextLength?: number;
}

const chatTemplate =
  "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/** Makes a toy backend; the same options give the same weights. */
export function createToyBackend(options: ToyOptions = {}): Backend {
  const shape: ToyShape = {
    blocks: options.blocks ?? 4,
    width: options.width ?? 32,
    heads: options.heads ?? 4,
  };
  if (shape.width % (2 * shape.heads) !== 0)
    throw new InvalidInputError(
      `toy: expected a width that 2 x ${shape.heads} heads divide, got ${shape.width}`,
    );
  return new ToyBackend(makeWeights(shape, options.seed ?? 1), options.contextLength ?? 1024);
}

class ToyBackend implements Backend {
  readonly info: BackendInfo;
  readonly #weights: ToyWeights;
  /** Sequence -> block -> keys and values of its positions. */
  readonly #caches = new Map<number, BlockState[]>();
  #plan: ReadingPlan = { layers: [], earlyExit: false };
  #steering: ReadonlyMap<number, Float32Array> = new Map();
  #rows = new Map<number, Float32Array>();
  #logits = new Map<number, Float32Array>();
  #isClosed = false;

  constructor(weights: ToyWeights, contextLength: number) {
    this.#weights = weights;
    this.info = {
      engine: 'toy',
      architecture: 'toy',
      blocks: weights.shape.blocks,
      width: weights.shape.width,
      vocabulary,
      contextLength,
      maxSequences: 8,
      batchSize: 128,
      chatTemplate,
      bosText: pieceText(bos),
      eosText: pieceText(endOfTurn),
      reading: 'direct',
      threads: 1,
      device: 'JavaScript',
    };
  }

  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array {
    return tokenizeBytes(text, addSpecial, parseSpecial);
  }

  piece(token: number): Uint8Array {
    return pieceOf(token);
  }

  isEnd(token: number): boolean {
    return token === endOfTurn;
  }

  begin(plan: ReadingPlan): void {
    for (const layer of plan.layers)
      if (!Number.isInteger(layer) || layer < 0 || layer >= this.info.blocks)
        throw new InvalidInputError(
          `reading: expected a layer from 0 to ${this.info.blocks - 1}, got ${layer}`,
        );
    this.#plan = plan;
    this.#caches.clear();
  }

  replan(layers: readonly number[]): void {
    this.#plan = { layers, earlyExit: false };
  }

  decode(batch: Batch): void {
    if (this.#isClosed) throw new DisposedError('the toy engine');
    this.#check(batch);
    const { width, blocks } = this.info;
    const deepest = Math.max(-1, ...this.#plan.layers);
    this.#rows = new Map(
      this.#plan.layers.map((layer) => [layer, new Float32Array(batch.tokens.length * width)]),
    );
    this.#logits.clear();
    for (const [i, token] of batch.tokens.entries()) {
      const residual = this.#weights.embedding.slice(token * width, (token + 1) * width);
      const caches = this.#cacheOf(batch.sequences[i] ?? 0);
      const last = this.#plan.earlyExit ? deepest : blocks - 1;
      for (let layer = 0; layer <= last; layer++) {
        this.#oneBlock(residual, layer, batch.positions[i] ?? 0, caches);
        this.#rows.get(layer)?.set(residual, i * width);
      }
      if (batch.wantsLogits[i] === 1 && !this.#plan.earlyExit)
        this.#logits.set(i, logitsOf(this.#weights, residual));
    }
  }

  logits(i: number): Float32Array {
    const logits = this.#logits.get(i);
    if (logits === undefined)
      throw new EngineError(`logits: none were asked for at batch index ${i}`);
    return logits;
  }

  residual(layer: number): Float32Array {
    const rows = this.#rows.get(layer);
    if (rows === undefined) throw new EngineError(`reading: layer ${layer} was not planned`);
    return rows;
  }

  steer(vectors: ReadonlyMap<number, Float32Array> | null): void {
    const { blocks, width } = this.info;
    for (const [layer, vector] of vectors ?? []) {
      if (!Number.isInteger(layer) || layer < 1 || layer >= blocks)
        throw new InvalidInputError(
          `steer: expected a layer from 1 to ${blocks - 1}, got ${layer}`,
        );
      if (vector.length !== width) throw new ShapeError('steer', width, vector.length);
    }
    this.#steering = new Map(vectors ?? []);
  }

  copySequence(from: number, to: number, length: number): boolean {
    const copy = this.#cacheOf(from).map(({ keys, values }) => ({
      keys: keys.slice(0, length),
      values: values.slice(0, length),
    }));
    this.#caches.set(to, copy);
    return true;
  }

  removeSequence(sequence: number): void {
    this.#caches.delete(sequence);
  }

  truncateSequence(sequence: number, length: number): boolean {
    return this.copySequence(sequence, sequence, length);
  }

  grammar(): never {
    throw new InvalidInputError('grammar: the toy engine has none');
  }

  dispose(): void {
    this.#isClosed = true;
    this.#caches.clear();
  }

  /** What llama.cpp refuses too: unknown tokens and sequences, gaps in positions, a full context. */
  #check({ tokens, positions, sequences }: Batch): void {
    const { maxSequences, contextLength } = this.info;
    const lengths = new Map<number, number>();
    let used = tokens.length;
    for (const [sequence, blocks] of this.#caches) {
      lengths.set(sequence, blocks[0]?.keys.length ?? 0);
      used += blocks[0]?.keys.length ?? 0;
    }
    if (used > contextLength)
      throw new EngineError(`decode: expected at most ${contextLength} positions, got ${used}`);
    for (const [i, token] of tokens.entries()) {
      const sequence = sequences[i] ?? -1;
      const next = lengths.get(sequence) ?? 0;
      if (token < 0 || token >= vocabulary)
        throw new EngineError(`decode: expected a token below ${vocabulary}, got ${token}`);
      if (sequence < 0 || sequence >= maxSequences)
        throw new EngineError(`decode: expected a sequence below ${maxSequences}, got ${sequence}`);
      if (positions[i] !== next)
        throw new EngineError(
          `decode: expected position ${next} of sequence ${sequence}, got ${positions[i]}`,
        );
      lengths.set(sequence, next + 1);
    }
  }

  #cacheOf(sequence: number): BlockState[] {
    const known = this.#caches.get(sequence);
    if (known !== undefined) return known;
    const fresh = Array.from({ length: this.info.blocks }, () => ({ keys: [], values: [] }));
    this.#caches.set(sequence, fresh);
    return fresh;
  }

  #oneBlock(residual: Float32Array, layer: number, position: number, caches: BlockState[]): void {
    const block = this.#weights.blocks[layer];
    const state = caches[layer];
    if (block === undefined || state === undefined) return;
    applyBlock(residual, block, { position, state, heads: this.#weights.shape.heads });
    const vector = this.#steering.get(layer);
    if (vector === undefined) return;
    for (let k = 0; k < residual.length; k++) residual[k] = (residual[k] ?? 0) + (vector[k] ?? 0);
  }
}

function pieceText(token: number): string {
  return Buffer.from(pieceOf(token)).toString();
}
