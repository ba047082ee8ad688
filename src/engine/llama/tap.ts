/**
 * @file Reads the residual stream through llama.cpp's tensor callback (`cb_eval`), on any architecture.
 * The callback is asked once per graph node, thousands of times a pass, so nodes are recognised by
 * their ordinal once a graph of the same shape was seen; names are read only while learning.
 *
 * A pass of many positions stops at each layer that is read. A pass of few, as while a model writes, stops nowhere
 * where `HeldRows` can hold its residuals; and as the library uses a graph again as long as it fits, the callback is
 * then taken away until the library builds another graph, which brings it back by itself.
 */
import koffi from 'koffi';

import { EngineError } from '../../errors.ts';
import { type Binding, type Pointer, tensorOffsets } from './binding.ts';
import { HeldRows, heldPositions } from './held-rows.ts';

/** What is known of graphs of one shape. */
interface Graph {
  /** Ordinal of a node -> the layer whose residual it is. */
  readonly layers: Map<number, number>;
  /** Whether residuals of passes of few positions may be held. */
  canHold: boolean;
}

export class Tap {
  readonly #binding: Binding;
  readonly #width: number;
  readonly #callback: unknown;
  /** Layers that can be read: 0 to this - 1. */
  readonly #readable: number;
  readonly #held: HeldRows;
  #context: Pointer | undefined;
  readonly #learned = new Map<string, Graph>();
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
  #shape = '';
  #graph: Graph = { layers: new Map(), canHold: false };
  /** Whether this pass is the first of its shape, and the addresses of the residuals in it, to find views of them. */
  #isLearning = false;
  readonly #residuals = new Set<Pointer>();
  /** Whether this pass holds its residuals, and how many of them the callback has pointed at our memory. */
  #holds = false;
  #pointed = 0;
  /** Whether the graph that the library has now computes its residuals into our memory. */
  #isPointed = false;
  /** Whether the callback was taken away, since the graph of the last pass does without. */
  #isAway = false;

  /** For a model of so many blocks. `attach` tells which context it taps. */
  constructor(binding: Binding, { blocks, width }: { blocks: number; width: number }) {
    this.#binding = binding;
    this.#width = width;
    this.#readable = blocks - 1;
    this.#held = new HeldRows(binding, this.#readable, width);
    this.#callback = koffi.register(
      (tensor: Pointer, ask: boolean): boolean => (ask ? this.#ask(tensor) : this.#take(tensor)),
      'LimbicEvalCallback*',
    );
  }

  get callback(): unknown {
    return this.#callback;
  }

  attach(context: Pointer): void {
    this.#context = context;
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
    this.#pointed = 0;
    // A pass that ends early shows only a part of the graph: learn it for this depth alone.
    this.#shape = this.#earlyExit ? `${shape}:${this.#deepest}` : shape;
    const known = this.#learned.get(this.#shape);
    this.#isLearning = known === undefined;
    this.#graph = known ?? { layers: new Map(), canHold: !this.#earlyExit };
    this.#residuals.clear();
    this.#holds = !this.#isLearning && this.#graph.canHold && tokens <= heldPositions;
    const isAsked = this.#holds ? !this.#isPointed : this.#wanted.size > 0;
    if (this.#isAway && (isAsked || this.#isLearning)) this.#setCallback(this.#callback);
  }

  /** Call after each decode; keeps what was learned if the pass ran to its end. */
  settle(): void {
    if (this.#isLearning && this.#graph.layers.size > 0)
      this.#learned.set(this.#shape, this.#graph);
    this.#settleGraph();
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

  dispose(): void {
    this.#held.dispose();
  }

  /** Takes the rows of a pass that held them, and the callback from a graph that needs none. */
  #settleGraph(): void {
    // The library gives every new graph the callback.
    const wasAsked = this.#ordinal > 0;
    if (wasAsked) {
      this.#isAway = false;
      this.#isPointed = this.#holds && this.#pointed === this.#readable;
    }
    if (this.#holds && this.#isPointed)
      for (const layer of this.#wanted) this.#rows.set(layer, this.#held.rows(layer, this.#tokens));
    const needsNothing = this.#holds ? this.#isPointed : this.#wanted.size === 0;
    if (wasAsked && needsNothing && !this.#isLearning) this.#setCallback(null);
  }

  /** Gives the scheduler the callback, or takes it away until the library builds another graph. */
  #setCallback(callback: unknown): void {
    const scheduler = this.#binding.scheduler(this.#context);
    this.#binding.setEvalCallback(scheduler, callback, null);
    this.#isAway = callback === null;
  }

  #ask(tensor: Pointer): boolean {
    const ordinal = this.#ordinal++;
    if (this.#isLearning) return this.#learn(tensor, ordinal);
    this.#asked = this.#graph.layers.get(ordinal) ?? -1;
    if (!this.#holds) return this.#wanted.has(this.#asked);
    if (this.#asked >= 0 && this.#asked < this.#readable) this.#hold(tensor, this.#asked);
    return false;
  }

  #learn(tensor: Pointer, ordinal: number): boolean {
    const graph = this.#graph;
    const layer = this.#layerOf(tensor);
    this.#asked = layer;
    if (layer < 0) {
      const viewed = graph.canHold ? this.#held.viewed(tensor) : null;
      if (viewed !== null && this.#residuals.has(viewed)) graph.canHold = false;
      return false;
    }
    graph.layers.set(ordinal, layer);
    if (layer < this.#readable && graph.canHold) {
      this.#residuals.add(tensor);
      graph.canHold = this.#held.fits(tensor);
    }
    return this.#wanted.has(layer);
  }

  #hold(tensor: Pointer, layer: number): void {
    if (!this.#isResidual(tensor, layer)) {
      this.#learned.delete(this.#shape);
      return;
    }
    this.#held.hold(tensor, layer);
    this.#pointed += 1;
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
      this.#learned.delete(this.#shape);
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
      Number(koffi.decode(tensor, tensorOffsets.rows, 'int64')) === this.#tokens
    );
  }
}
