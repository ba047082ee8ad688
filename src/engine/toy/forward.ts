/** @file One position through one block of the toy transformer. */
import type { BlockWeights, ToyWeights } from './weights.ts';

/** Keys and values of one sequence at one block, by position. */
export interface BlockState {
  readonly keys: Float32Array[];
  readonly values: Float32Array[];
}

/** Added under the root of the mean square, as in llama's norm. */
const epsilon = 1e-5;

/** Adds attention and MLP of a block to the residual [width], in place, and grows the cache. */
export function applyBlock(
  residual: Float32Array,
  block: BlockWeights,
  at: { position: number; state: BlockState; heads: number },
): void {
  const normed = rmsNorm(residual);
  const query = rotate(multiply(block.query, normed), at.position, at.heads);
  at.state.keys[at.position] = rotate(multiply(block.key, normed), at.position, at.heads);
  at.state.values[at.position] = multiply(block.value, normed);
  addTo(residual, multiply(block.output, attend(query, at)));
  const second = rmsNorm(residual);
  const gate = multiply(block.gate, second);
  const up = multiply(block.up, second);
  addTo(
    residual,
    multiply(
      block.down,
      gate.map((value, k) => (value / (1 + Math.exp(-value))) * (up[k] ?? 0)),
    ),
  );
}

/** Logits [vocabulary] of a residual through the final norm and the tied unembedding. */
export function logitsOf(weights: ToyWeights, residual: Float32Array): Float32Array {
  return multiply(weights.embedding, rmsNorm(residual));
}

function rmsNorm(x: Float32Array): Float32Array {
  let square = 0;
  for (const value of x) square += value * value;
  const factor = 1 / Math.sqrt(square / x.length + epsilon);
  return x.map((value) => value * factor);
}

function multiply(matrix: Float32Array, x: Float32Array): Float32Array {
  const columns = x.length;
  return Float32Array.from({ length: matrix.length / columns }, (_, row) => {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += (matrix[row * columns + k] ?? 0) * (x[k] ?? 0);
    return sum;
  });
}

function addTo(target: Float32Array, x: Float32Array): void {
  for (let k = 0; k < target.length; k++) target[k] = (target[k] ?? 0) + (x[k] ?? 0);
}

/** Rotary position: pairs (2j, 2j + 1) of each head turn by position / 10000^(2j / size). */
function rotate(x: Float32Array, position: number, heads: number): Float32Array {
  const size = x.length / heads;
  const result = x.slice();
  for (let k = 0; k < x.length; k += 2) {
    const angle = position / 10_000 ** ((k % size) / size);
    const [a, b] = [x[k] ?? 0, x[k + 1] ?? 0];
    result[k] = a * Math.cos(angle) - b * Math.sin(angle);
    result[k + 1] = a * Math.sin(angle) + b * Math.cos(angle);
  }
  return result;
}

/** Causal attention of one query over the positions so far. */
function attend(
  query: Float32Array,
  at: { position: number; state: BlockState; heads: number },
): Float32Array {
  const size = query.length / at.heads;
  const result = new Float32Array(query.length);
  for (let start = 0; start < query.length; start += size) {
    const scores: number[] = [];
    for (let p = 0; p <= at.position; p++) {
      let sum = 0;
      for (let k = start; k < start + size; k++)
        sum += (query[k] ?? 0) * (at.state.keys[p]?.[k] ?? 0);
      scores.push(sum / Math.sqrt(size));
    }
    const top = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - top));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [p, weight] of weights.entries()) {
      for (let k = start; k < start + size; k++)
        result[k] = (result[k] ?? 0) + (weight / total) * (at.state.values[p]?.[k] ?? 0);
    }
  }
  return result;
}
