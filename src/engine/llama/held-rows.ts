/**
 * @file Keeps the residuals of a small pass where they are computed, so that nothing has to stop for them.
 *
 * llama.cpp computes a graph in one go unless its tensor callback asks for a node; then all threads wait for each
 * other at that node. But the callback is asked about every node before the first of them is computed, and at that
 * moment a tensor's `data` may still be pointed elsewhere: the node is then written there, and those that read it
 * look there too. This holds where a node's address is all that the processor looks at: in memory of the CPU, for
 * tensors that no other is a view of. docs/decisions/015-residuals-in-place.md says more.
 */
import koffi from 'koffi';

import { type Binding, type Pointer, tensorOffsets } from './binding.ts';

/** Positions of a pass up to which residuals are held: a pass of more is long beside its stops. */
export const heldPositions = 16;

const alignment = 64;

export class HeldRows {
  readonly #binding: Binding;
  readonly #width: number;
  readonly #layers: number;
  #block: Pointer | undefined;
  #start = 0n;
  #rows = new Float32Array();

  /** For layers 0 to `layers` - 1 of a residual stream of this width. */
  constructor(binding: Binding, layers: number, width: number) {
    this.#binding = binding;
    this.#layers = layers;
    this.#width = width;
  }

  /** Whether this tensor may be pointed elsewhere: it lies in plain memory of the CPU, at the address that we read. */
  fits(tensor: Pointer): boolean {
    const buffer = koffi.decode(tensor, tensorOffsets.buffer, 'void*') as Pointer | null;
    return (
      buffer !== null &&
      this.#binding.bufferName(buffer) === 'CPU' &&
      this.#binding.tensorData(tensor) === koffi.decode(tensor, tensorOffsets.data, 'void*')
    );
  }

  /** The tensor that this one is a view of. */
  viewed(tensor: Pointer): Pointer | null {
    return koffi.decode(tensor, tensorOffsets.view, 'void*') as Pointer | null;
  }

  /** Makes the library compute this tensor, [positions, width], where `rows(layer)` sees it. */
  hold(tensor: Pointer, layer: number): void {
    this.#allocate();
    const address = this.#start + BigInt(layer * heldPositions * this.#width * 4);
    koffi.encode(tensor, tensorOffsets.data, 'uint64_t', address);
  }

  /** Residuals of the last pass after a layer, [positions, width]; the next pass overwrites them. */
  rows(layer: number, positions: number): Float32Array {
    const first = layer * heldPositions * this.#width;
    return this.#rows.subarray(first, first + positions * this.#width);
  }

  dispose(): void {
    if (this.#block !== undefined) koffi.free(this.#block);
    this.#block = undefined;
  }

  #allocate(): void {
    if (this.#block !== undefined) return;
    const bytes = this.#layers * heldPositions * this.#width * 4;
    this.#block = koffi.alloc('uint8_t', bytes + alignment) as Pointer;
    const address = koffi.address(this.#block);
    const skipped = (alignment - Number(address % BigInt(alignment))) % alignment;
    this.#start = address + BigInt(skipped);
    this.#rows = new Float32Array(koffi.view(this.#start, bytes));
  }
}
