/** @file Seeded weights of the toy transformer. */
import { gaussian, randomFrom } from '../../math/random.ts';
import { vocabulary } from './tokenizer.ts';

export interface ToyShape {
  readonly blocks: number;
  readonly width: number;
  readonly heads: number;
}

/** Matrices are [out, in], row-major. */
export interface BlockWeights {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly output: Float32Array;
  /** [2 * width, width] */
  readonly gate: Float32Array;
  readonly up: Float32Array;
  /** [width, 2 * width] */
  readonly down: Float32Array;
}

export interface ToyWeights {
  readonly shape: ToyShape;
  /** [vocabulary, width]; also the unembedding. */
  readonly embedding: Float32Array;
  readonly blocks: readonly BlockWeights[];
}

/** Gaussian weights with standard deviation 1 / sqrt(inputs), so that the residual neither dies nor explodes. */
export function makeWeights(shape: ToyShape, seed: number): ToyWeights {
  const random = randomFrom(seed);
  const { width } = shape;
  const matrix = (rows: number, columns: number): Float32Array =>
    Float32Array.from({ length: rows * columns }, () => gaussian(random) / Math.sqrt(columns));
  return {
    shape,
    embedding: matrix(vocabulary, width).map((value) => value * Math.sqrt(width) * 0.5),
    blocks: Array.from({ length: shape.blocks }, () => ({
      query: matrix(width, width),
      key: matrix(width, width),
      value: matrix(width, width),
      output: matrix(width, width),
      gate: matrix(2 * width, width),
      up: matrix(2 * width, width),
      down: matrix(width, 2 * width),
    })),
  };
}
