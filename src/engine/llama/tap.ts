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
  /** Rows of this pass, in buffers that are used again for passes of as many tokens. */
  readonly #rows = new Map<number, Float32Array>();
  readonly #buffers = new Map<number, Float32Array>();
  #wanted: ReadonlySet<number> = new Set();
  #deepest = -1;
  #earlyExit = false;
  #ordinal = 0;
  /** Layer that was asked about last, and is handed over next. */
  #asked = -1;
  #tokens = 0;
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

  /** Call before each decode of so many tokens. `shape` must differ where the library builds a different graph. */
  arm(shape: string, tokens: number): void {
    this.#rows.clear();
    this.#tokens = tokens;
    this.#ordinal = 0;
    // A pass that ends early shows only a part of the graph: learn it for this depth alone.
    this.#seen = this.#earlyExit ? `${shape}:${this.#deepest}` : shape;
    this.#current = this.#learned.get(this.#seen);
    this.#learning = this.#current === undefined ? new Map() : undefined;
  }

  /** Call after each decode; keeps what was learned if the pass ran to its end. */
  settle(): void {
    if (this.#learning !== undefined && this.#learning.size > 0) {
      this.#learned.set(this.#seen, this.#learning);
    }
    for (const layer of this.#wanted) {
      if (!this.#rows.has(layer))
        throw new EngineError(
          `reading: expected the residual of layer ${layer} at ${this.#tokens} positions, got none`,
        );
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
      this.#asked = this.#current.get(ordinal) ?? -1;
      return this.#wanted.has(this.#asked);
    }
    this.#asked = this.#layerOf(tensor);
    if (this.#asked < 0) return false;
    this.#learning?.set(ordinal, this.#asked);
    return this.#wanted.has(this.#asked);
  }

  #layerOf(tensor: Pointer): number {
    const name = String(this.#binding.tensorName(tensor));
    return name.startsWith('l_out-') ? Number(name.slice(6)) : -1;
  }

  #take(tensor: Pointer): boolean {
    const layer = this.#asked;
    // Names are slow to read: where the first and the deepest are right, those between are.
    const isChecked = this.#rows.size === 0 || layer === this.#deepest;
    if (isChecked && !this.#isResidual(tensor, layer)) {
      // A graph of this shape was built differently from the one we learned from: learn it anew.
      this.#learned.delete(this.#seen);
      return true;
    }
    const count = this.#tokens * this.#width;
    const known = this.#buffers.get(layer);
    const rows = known?.length === count ? known : new Float32Array(count);
    this.#buffers.set(layer, rows);
    this.#binding.tensorGet(tensor, rows, 0, count * 4);
    this.#rows.set(layer, rows);
    return !(this.#earlyExit && layer === this.#deepest);
  }

  /** Whether a tensor is the residual of the layer at all positions of this pass. */
  #isResidual(tensor: Pointer, layer: number): boolean {
    return (
      this.#layerOf(tensor) === layer &&
      Number(koffi.decode(tensor, rowsOffset, 'int64')) === this.#tokens
    );
  }
}
