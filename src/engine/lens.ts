/**
 * @file The logit lens by steering: a vector added after the last block goes through the model's own final
 * norm and unembedding, whatever the architecture and quantisation. The cache of the prompts stays valid,
 * since nothing after the last block enters it, so each vector costs one token a prompt. The same after an
 * earlier block shows what steering there does to the next word.
 */
import { InvalidInputError, ShapeError } from '../errors.ts';
import type { Backend } from './backend.ts';
import type { LensOptions, LensResult, TokenShift } from './engine.ts';
import { breathe } from './runner.ts';
import { largest } from './sampling.ts';

/** See Model.lens. */
export async function lens(
  backend: Backend,
  prompts: readonly Int32Array[],
  vectors: readonly Float32Array[],
  options: LensOptions,
): Promise<LensResult[]> {
  const { blocks, vocabulary } = backend.info;
  const layer = options.layer ?? blocks - 1;
  check(backend, prompts, { vectors, layer });
  const results: LensResult[] = [];
  try {
    backend.steer(null);
    backend.begin({ layers: [], earlyExit: false });
    for (const [sequence, prompt] of prompts.entries()) {
      await breathe(options.signal);
      if (prompt.length > 1) decodeOne(backend, sequence, prompt.subarray(0, -1));
    }
    const base = lastLogits(backend, prompts);
    for (const vector of vectors) {
      await breathe(options.signal);
      backend.steer(new Map([[layer, vector]]));
      for (const [sequence, prompt] of prompts.entries()) {
        // What an earlier block changes is in the cache of all later ones, at every position.
        const kept = layer === blocks - 1 ? prompt.length - 1 : 0;
        backend.truncateSequence(sequence, kept);
        if (kept === 0 && prompt.length > 1) decodeOne(backend, sequence, prompt.subarray(0, -1));
      }
      const moved = lastLogits(backend, prompts);
      let sum = 0;
      for (let k = 0; k < vocabulary; k++) {
        moved[k] = (moved[k] ?? 0) - (base[k] ?? 0);
        sum += moved[k] ?? 0;
      }
      results.push(ends(backend, moved, { mean: sum / vocabulary, count: options.count ?? 10 }));
      options.onProgress?.(results.length);
    }
  } finally {
    backend.steer(null);
  }
  return results;
}

function check(
  backend: Backend,
  prompts: readonly Int32Array[],
  { vectors, layer }: { vectors: readonly Float32Array[]; layer: number },
): void {
  const { maxSequences, batchSize, width, blocks } = backend.info;
  if (!Number.isInteger(layer) || layer < 1 || layer >= blocks)
    throw new InvalidInputError(`lens: expected a layer from 1 to ${blocks - 1}, got ${layer}`);
  if (prompts.length === 0 || prompts.length > maxSequences)
    throw new InvalidInputError(
      `lens: expected 1 to ${maxSequences} prompts, got ${prompts.length}`,
    );
  for (const { length } of prompts)
    if (length === 0 || length > batchSize)
      throw new InvalidInputError(
        `lens: expected prompts of 1 to ${batchSize} tokens, got ${length}`,
      );
  for (const vector of vectors)
    if (vector.length !== width) throw new ShapeError('lens', width, vector.length);
}

function decodeOne(backend: Backend, sequence: number, tokens: Int32Array): void {
  const wantsLogits = new Uint8Array(tokens.length);
  wantsLogits[tokens.length - 1] = 1;
  backend.decode({
    tokens,
    positions: tokens.map((_, i) => i),
    sequences: new Int32Array(tokens.length).fill(sequence),
    wantsLogits,
  });
}

/** Decodes the last token of all prompts and averages their logits, [vocabulary]. */
function lastLogits(backend: Backend, prompts: readonly Int32Array[]): Float32Array {
  backend.decode({
    tokens: Int32Array.from(prompts, (prompt) => prompt.at(-1) ?? 0),
    positions: Int32Array.from(prompts, (prompt) => prompt.length - 1),
    sequences: Int32Array.from(prompts, (_, sequence) => sequence),
    wantsLogits: new Uint8Array(prompts.length).fill(1),
  });
  const mean = new Float32Array(backend.info.vocabulary);
  for (const [i] of prompts.entries()) {
    const logits = backend.logits(i);
    for (let k = 0; k < mean.length; k++)
      mean[k] = (mean[k] ?? 0) + (logits[k] ?? 0) / prompts.length;
  }
  return mean;
}

function ends(
  backend: Backend,
  changes: Float32Array,
  { mean, count }: { mean: number; count: number },
): LensResult {
  const shiftOf = (token: number): TokenShift => ({
    token,
    text: Buffer.from(backend.piece(token)).toString(),
    change: (changes[token] ?? NaN) - mean,
  });
  return {
    raised: largest(changes, count).map(shiftOf),
    lowered: largest(
      changes.map((change) => -change),
      count,
    ).map(shiftOf),
  };
}
