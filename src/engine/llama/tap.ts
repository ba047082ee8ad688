/**
 * @file Reads the residual stream through llama.cpp's tensor callback (`cb_eval`), on any architecture.
 * The callback is asked once per graph node, thousands of times a pass, so nodes are recognised by
 * their ordinal once a graph of the same shape was seen; names are read only while learning.
 */
import koffi from 'koffi';

import { EngineError } from '../../errors.ts';
import type { Binding, Pointer } from './binding.ts';

/** Byte offset of `ne[1]` (rows) in ggml_tensor: type, buffer, ne[0] come before it. */
const rowsOffset = 24;

export class Tap {
  readonly #binding: Binding;
  readonly #width: number;
  readonly #callback: unknown;
  /** Graph shape -> ordinal -> layer. */
  readonly #learned = new Map<string, Map<number, number>>();
  readonly #rows = new Map<number, Float32Array>();
  #wanted: ReadonlySet<number> = new Set();
  #deepest = -1;
  #earlyExit = false;
  #ordinal = 0;
  #current: Map<number, number> | undefined;
  #learning: Map<number, number> | undefined;
  #seen = '';

  constructor(binding: Binding, width: number) {
    this.#binding = binding;
    this.#width = width;
    this.#callback = koffi.register(
      (tensor: Pointer, ask: boolean): boolean => (ask ? this.#ask(tensor) : this.#take(tensor)),
      'LimbicEvalCallback*',
    );
  }

  get callback(): unknown {
    return this.#callback;
  }

  plan(layers: readonly number[], earlyExit: boolean): void {
    this.#wanted = new Set(layers);
    this.#deepest = Math.max(-1, ...layers);
    this.#earlyExit = earlyExit;
  }

  /** Call before each decode. `shape` must differ where the library builds a different graph. */
  arm(shape: string): void {
    this.#rows.clear();
    this.#ordinal = 0;
    // A pass that ends early shows only a part of the graph: learn it for this depth alone.
    this.#seen = this.#earlyExit ? `${shape}:${this.#deepest}` : shape;
    this.#current = this.#learned.get(this.#seen);
    this.#learning = this.#current === undefined ? new Map() : undefined;
  }

  /** Call after each decode of so many tokens; keeps what was learned if the pass ran to its end. */
  settle(tokens: number): void {
    if (this.#learning !== undefined && this.#learning.size > 0) {
      this.#learned.set(this.#seen, this.#learning);
    }
    for (const layer of this.#wanted) {
      const rows = this.#rows.get(layer)?.length ?? 0;
      if (rows !== tokens * this.#width) {
        throw new EngineError(
          `reading: expected the residual of layer ${layer} at ${tokens} positions, got ${rows / this.#width}`,
        );
      }
    }
  }

  rows(layer: number): Float32Array {
    const rows = this.#rows.get(layer);
    if (rows === undefined) throw new EngineError(`reading: layer ${layer} was not planned`);
    return rows;
  }

  #ask(tensor: Pointer): boolean {
    const ordinal = this.#ordinal++;
    if (this.#current !== undefined) {
      const layer = this.#current.get(ordinal);
      return layer !== undefined && this.#wanted.has(layer);
    }
    const layer = this.#layerOf(tensor);
    if (layer < 0) return false;
    this.#learning?.set(ordinal, layer);
    return this.#wanted.has(layer);
  }

  #layerOf(tensor: Pointer): number {
    const name = String(this.#binding.tensorName(tensor));
    return name.startsWith('l_out-') ? Number(name.slice(6)) : -1;
  }

  #take(tensor: Pointer): boolean {
    const layer = this.#layerOf(tensor);
    if (layer < 0) {
      // A graph of this shape was built differently from the one we learned from: learn it anew.
      this.#learned.delete(this.#seen);
      return true;
    }
    const count = Number(koffi.decode(tensor, rowsOffset, 'int64')) * this.#width;
    const rows = new Float32Array(count);
    this.#binding.tensorGet(tensor, rows, 0, count * 4);
    this.#rows.set(layer, rows);
    return !(this.#earlyExit && layer === this.#deepest);
  }
}
