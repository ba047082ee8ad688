/** @file Views on native memory: the library reads and writes these bytes in place. */
import koffi from 'koffi';

import type { Batch } from '../backend.ts';
import type { Binding, NativeBatch, Pointer } from './binding.ts';

/** Views kept at most; a decode needs one for each layer that is read and each row of logits. */
const keptViews = 512;

/**
 * Float32 views of native memory, each made once: a new one for every token would tell the garbage collector of so
 * much memory outside that it works all the time.
 */
export class NativeFloats {
  readonly #views = new Map<bigint, Float32Array>();

  /** A view of `count` numbers, valid as long as the library keeps the buffer. */
  at(pointer: Pointer, count: number): Float32Array {
    const address = koffi.address(pointer);
    const known = this.#views.get(address);
    if (known?.length === count) return known;
    if (this.#views.size >= keptViews) this.#views.clear();
    const view = new Float32Array(koffi.view(pointer, count * 4));
    this.#views.set(address, view);
    return view;
  }
}

/** One llama_batch in native memory, filled anew for each decode. */
export class BatchMemory {
  readonly native: NativeBatch;
  readonly #tokens: Int32Array;
  readonly #positions: Int32Array;
  readonly #wantsLogits: Int8Array;
  readonly #sequences: Int32Array[] = [];

  constructor(binding: Binding, capacity: number) {
    this.native = binding.batchInit(capacity, 0, 1) as NativeBatch;
    const ints = (pointer: Pointer): Int32Array =>
      new Int32Array(koffi.view(pointer, capacity * 4));
    this.#tokens = ints(this.native.token);
    this.#positions = ints(this.native.pos);
    ints(this.native.n_seq_id).fill(1);
    this.#wantsLogits = new Int8Array(koffi.view(this.native.logits, capacity));
    for (let i = 0; i < capacity; i++) {
      const entry = koffi.decode(this.native.seq_id, i * 8, 'void*') as Pointer;
      this.#sequences.push(new Int32Array(koffi.view(entry, 4)));
    }
  }

  fill(batch: Batch): void {
    this.#tokens.set(batch.tokens);
    this.#positions.set(batch.positions);
    this.#wantsLogits.set(batch.wantsLogits);
    for (const [i, sequence] of batch.sequences.entries()) {
      const slot = this.#sequences[i];
      if (slot !== undefined) slot[0] = sequence;
    }
    this.native.n_tokens = batch.tokens.length;
  }
}
