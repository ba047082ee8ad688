/**
 * @file The loops that run for every token, in WebAssembly with four numbers at once: readings (dot products of all
 * directions with a residual) and the log-sum-exp of the logits. Plain loops over the same numbers take three to
 * eight times as long; see docs/performance.md.
 */
import { ShapeError } from '../errors.ts';
import { kernelsWasm } from './kernels-wasm.ts';

interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** The part of Node's global that is used here: its types come with those of the browser. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

interface Kernels {
  readonly memory: Memory;
  readonly project: (
    directions: number,
    count: number,
    stride: number,
    row: number,
    out: number,
  ) => void;
  readonly maximum: (at: number, bytes: number) => number;
  readonly sumExp: (at: number, bytes: number, top: number) => number;
}

const floatBytes = 4;
const pageBytes = 65_536;
/** Numbers in the step of the inner loop of `project`, and directions in the step of the outer one. */
const rowStep = 8;
const countStep = 4;

let compiled: object | undefined;

/** A memory of its own with room for so many bytes, and the loops over it. */
function instantiate(bytes: number): Kernels {
  compiled ??= new WebAssembly.Module(Buffer.from(kernelsWasm, 'base64'));
  const kernels = new WebAssembly.Instance(compiled).exports as Kernels;
  grow(kernels, bytes);
  return kernels;
}

function grow({ memory }: Kernels, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / pageBytes));
}

/** Directions that rows are projected on, kept where the loop reads them. */
export class Projection {
  readonly width: number;
  readonly count: number;
  readonly #kernels: Kernels;
  readonly #stride: number;
  readonly #row: Float32Array;
  readonly #out: Float32Array;
  readonly #padded: number;

  /** `directions` is [count, width], row-major, and copied. Throws ShapeError if it is not whole rows. */
  constructor(directions: Float32Array, width: number) {
    if (directions.length % width !== 0)
      throw new ShapeError(
        'directions',
        Math.ceil(directions.length / width) * width,
        directions.length,
      );
    this.width = width;
    this.count = directions.length / width;
    this.#stride = roundUp(width, rowStep);
    this.#padded = roundUp(this.count, countStep);
    const size = this.#padded * this.#stride;
    const bytes = (size + this.#stride + this.#padded) * floatBytes;
    this.#kernels = instantiate(bytes);
    const { buffer } = this.#kernels.memory;
    const all = new Float32Array(buffer, 0, size);
    for (let k = 0; k < this.count; k++)
      all.set(directions.subarray(k * width, (k + 1) * width), k * this.#stride);
    this.#row = new Float32Array(buffer, size * floatBytes, width);
    this.#out = new Float32Array(buffer, (size + this.#stride) * floatBytes, this.count);
  }

  /** Dot products of one row [width] with all directions, [count]; a view that the next call overwrites. */
  of(row: Float32Array): Float32Array {
    this.#row.set(row);
    this.#kernels.project(
      0,
      this.#padded,
      this.#stride * floatBytes,
      this.#row.byteOffset,
      this.#out.byteOffset,
    );
    return this.#out;
  }
}

let shared: Kernels | undefined;

/** Copies values to where the loops read them, -Infinity after them to a whole step; null if there are none. */
function shown(values: Float32Array): { kernels: Kernels; bytes: number } | null {
  const padded = roundUp(values.length, countStep);
  const bytes = padded * floatBytes;
  if (bytes === 0) return null;
  shared ??= instantiate(bytes);
  grow(shared, bytes);
  const room = new Float32Array(shared.memory.buffer, 0, padded);
  room.set(values);
  room.fill(-Infinity, values.length);
  return { kernels: shared, bytes };
}

/** log(sum(exp(values))), in nats, right to about 1e-7 of it; -Infinity if all are. */
export function logSumExp(values: Float32Array): number {
  const inside = shown(values);
  if (inside === null) return -Infinity;
  const { kernels, bytes } = inside;
  const top = kernels.maximum(0, bytes);
  return top === -Infinity ? top : top + Math.log(kernels.sumExp(0, bytes, top));
}

/** Index of the largest value, the first of equals; -1 if there is none. */
export function indexOfLargest(values: Float32Array): number {
  const inside = shown(values);
  return inside === null ? -1 : values.indexOf(inside.kernels.maximum(0, inside.bytes));
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
