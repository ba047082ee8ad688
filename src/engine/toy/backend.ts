/**
 * @file The toy engine: a real, tiny, seeded transformer (pre-norm, rotary attention, gated MLP, residual
 * stream), so that every path runs in seconds without a model. Its words mean nothing.
 */
import { EngineError, InvalidInputError, ShapeError } from '../../errors.ts';
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
    this.#plan = plan;
    this.#caches.clear();
  }

  decode(batch: Batch): void {
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
      if (layer < 1 || layer >= blocks)
        throw new InvalidInputError(
          `steer: expected a layer from 1 to ${blocks - 1}, got ${layer}`,
        );
      if (vector.length !== width) throw new ShapeError('steer', width, vector.length);
    }
    this.#steering = new Map(vectors ?? []);
  }

  copySequence(from: number, to: number, length: number): void {
    const copy = this.#cacheOf(from).map(({ keys, values }) => ({
      keys: keys.slice(0, length),
      values: values.slice(0, length),
    }));
    this.#caches.set(to, copy);
  }

  removeSequence(sequence: number): void {
    this.#caches.delete(sequence);
  }

  grammar(): never {
    throw new InvalidInputError('grammar: the toy engine has none');
  }

  dispose(): void {
    this.#caches.clear();
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
