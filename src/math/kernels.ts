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
  /** Directions, count, stride, first and end of the rows, out; see kernels.wat. */
  readonly project: (...numbers: number[]) => void;
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

/**
 * One memory for the directions of all projections, since each memory of its own would reserve gigabytes of
 * addresses. It fills up and then begins anew; what is still in use is copied in again.
 */
const arena = {
  kernels: null as Kernels | null,
  /** Bytes in use. */
  used: 0,
  limit: 128 * 2 ** 20,
  /** Counts the beginnings. */
  generation: 1,
  /** Projections copied in, and rows projected, since the last beginning. */
  placed: 0,
  projected: 0,
};

/** Room for so many bytes; returns where. */
function place(bytes: number): number {
  if (arena.used > 0 && arena.used + bytes > arena.limit) {
    // Hardly used before they had to go: there are more in use than there is room for.
    if (arena.projected < 100 * arena.placed) arena.limit *= 2;
    arena.generation += 1;
    Object.assign(arena, { used: 0, placed: 0, projected: 0 });
  }
  const at = arena.used;
  arena.kernels ??= instantiate(at + bytes);
  grow(arena.kernels, at + bytes);
  arena.used += roundUp(bytes, 64);
  arena.placed += 1;
  return at;
}

/** Rows that are copied in at once. */
const rowsAtOnce = 16;

/** Directions that rows are projected on, kept where the loop reads them. */
export class Projection {
  readonly width: number;
  readonly count: number;
  readonly #directions: Float32Array;
  /** Bytes of a direction and of a row. */
  readonly #stride: number;
  readonly #padded: number;
  #generation = 0;
  #at = 0;
  #buffer: ArrayBuffer | null = null;
  #rows = new Float32Array(0);
  #products = new Float32Array(0);

  /** `directions` is [count, width], row-major, and not changed afterwards. Throws ShapeError if it is not whole rows. */
  constructor(directions: Float32Array, width: number) {
    if (directions.length % width !== 0)
      throw new ShapeError(
        'directions',
        Math.ceil(directions.length / width) * width,
        directions.length,
      );
    this.width = width;
    this.count = directions.length / width;
    this.#directions = directions;
    this.#stride = roundUp(width, rowStep) * floatBytes;
    this.#padded = roundUp(this.count, countStep);
  }

  /** Dot products of rows [n, width] with all directions, [n, count]. Several rows take far less time than one by one. */
  of(rows: Float32Array): Float32Array {
    const { width, count } = this;
    if (rows.length % width !== 0)
      throw new ShapeError('rows', Math.ceil(rows.length / width) * width, rows.length);
    const out = new Float32Array((rows.length / width) * count);
    for (let from = 0; from < rows.length; from += rowsAtOnce * width)
      this.#some(rows.subarray(from, from + rowsAtOnce * width), out, (from / width) * count);
    return out;
  }

  /** Products of at most `rowsAtOnce` rows into out[at ...]. */
  #some(rows: Float32Array, out: Float32Array, at: number): void {
    const { width, count } = this;
    const { project, memory } = this.#placed();
    if (this.#buffer !== memory.buffer) this.#look(memory.buffer);
    const n = rows.length / width;
    const floats = this.#stride / floatBytes;
    if (floats === width) this.#rows.set(rows);
    else
      for (let i = 0; i < n; i++)
        this.#rows.set(rows.subarray(i * width, (i + 1) * width), i * floats);
    const first = this.#rows.byteOffset;
    const last = first + n * this.#stride;
    project(this.#at, this.#padded, this.#stride, first, last, this.#products.byteOffset);
    arena.projected += n;
    for (let i = 0; i < n; i++)
      out.set(this.#products.subarray(i * this.#padded, i * this.#padded + count), at + i * count);
  }

  /** The loops, with the directions where they read them. */
  #placed(): Kernels {
    const { kernels, generation } = arena;
    if (kernels !== null && this.#generation === generation) return kernels;
    const at = place(
      (this.#padded + rowsAtOnce) * this.#stride + rowsAtOnce * this.#padded * floatBytes,
    );
    const placed = arena.kernels as unknown as Kernels;
    const floats = this.#stride / floatBytes;
    const all = new Float32Array(placed.memory.buffer, at, (this.#padded + rowsAtOnce) * floats);
    // Of what was there before nothing may be left: it could be no number.
    all.fill(0);
    for (let k = 0; k < this.count; k++)
      all.set(this.#directions.subarray(k * this.width, (k + 1) * this.width), k * floats);
    this.#at = at;
    this.#generation = arena.generation;
    this.#buffer = null;
    return placed;
  }

  #look(buffer: ArrayBuffer): void {
    const end = this.#at + this.#padded * this.#stride;
    this.#rows = new Float32Array(buffer, end, rowsAtOnce * (this.#stride / floatBytes));
    this.#products = new Float32Array(
      buffer,
      end + rowsAtOnce * this.#stride,
      rowsAtOnce * this.#padded,
    );
    this.#buffer = buffer;
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

/** Index of the largest value and log(sum(exp(values))) in one go; as `indexOfLargest` and `logSumExp`. */
export function peak(values: Float32Array): { readonly index: number; readonly total: number } {
  const inside = shown(values);
  if (inside === null) return { index: -1, total: -Infinity };
  const { kernels, bytes } = inside;
  const top = kernels.maximum(0, bytes);
  const index = values.indexOf(top);
  if (top === -Infinity) return { index, total: top };
  return { index, total: top + Math.log(kernels.sumExp(0, bytes, top)) };
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
