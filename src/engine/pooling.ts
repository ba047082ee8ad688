/**
 * @file Adds up residual rows while they are still in native memory. Several means with different first
 * positions cost no more than one: each row is added to one segment, and segments are joined at the end.
 */
import { InvalidInputError } from '../errors.ts';
import type { Backend } from './backend.ts';
import type { Captured, CaptureOptions } from './engine.ts';

/** A stretch of one sequence inside a batch. */
export interface Span {
  readonly index: number;
  readonly sequence: number;
  /** Position of its first token in the sequence. */
  readonly from: number;
  /** Row of its first token in the batch. */
  readonly row: number;
  readonly count: number;
}

/** Collects one sequence. */
export interface Pool {
  /** Takes the rows of a stretch from the decode that just ran. */
  add(span: Span): void;
  end(): Captured;
}

/** First positions for a text of `length` tokens, each clipped to its last position. */
function startsOf({ pooling, starts = [0] }: CaptureOptions, length: number): number[] {
  if (pooling === 'all') return [0];
  if (pooling === 'last') return [length - 1];
  const isAscending = starts.every((start, i) => start >= 0 && start >= (starts[i - 1] ?? 0));
  if (starts.length === 0 || !isAscending)
    throw new InvalidInputError(
      `capture: expected ascending first positions from 0 on, got [${starts.join(', ')}]`,
    );
  return starts.map((start) => Math.min(start, length - 1));
}

/** A pool for a sequence of `length` tokens. Throws InvalidInputError if the starts do not ascend. */
export function createPool(backend: Backend, length: number, options: CaptureOptions): Pool {
  const { width } = backend.info;
  const { layers, pooling } = options;
  const starts = startsOf(options, length);
  const size = layers.length * width;
  const rows = new Float32Array((pooling === 'all' ? length : starts.length) * size);
  const norms = new Float32Array(starts.length * layers.length);
  return {
    add(span: Span): void {
      for (const [slot, layer] of layers.entries()) {
        const residual = backend.residual(layer);
        for (let i = 0; i < span.count; i++) {
          const position = span.from + i;
          const segment = starts.findLastIndex((start) => start <= position);
          if (segment < 0) continue;
          const at = (pooling === 'all' ? position : segment) * size + slot * width;
          const norm = addRow(residual, rows, { from: (span.row + i) * width, at, width });
          const k = segment * layers.length + slot;
          norms[k] = (norms[k] ?? 0) + norm;
        }
      }
    },
    end(): Captured {
      joinSegments(norms, layers.length, starts, length);
      if (pooling === 'mean') joinSegments(rows, size, starts, length);
      return { rows, norms };
    },
  };
}

/** target[at..] += source[from..] over `width` values; returns the norm of what was added. */
function addRow(
  source: Float32Array,
  target: Float32Array,
  { from, at, width }: { from: number; at: number; width: number },
): number {
  // Hot loop: indices stay in range, so the casts replace a branch a value.
  let square = 0;
  for (let k = 0; k < width; k++) {
    const value = source[from + k] as number;
    square += value * value;
    target[at + k] = (target[at + k] as number) + value;
  }
  return Math.sqrt(square);
}

/** Sums of segments to means from each start to the end, in place; [starts, size]. */
function joinSegments(
  sums: Float32Array,
  size: number,
  starts: readonly number[],
  length: number,
): void {
  for (let s = starts.length - 2; s >= 0; s--)
    for (let k = 0; k < size; k++)
      sums[s * size + k] = (sums[s * size + k] ?? 0) + (sums[(s + 1) * size + k] ?? 0);
  for (const [s, start] of starts.entries())
    for (let k = 0; k < size; k++)
      sums[s * size + k] = (sums[s * size + k] ?? 0) / (length - start);
}
