/**
 * @file The sequences of an engine's context: who writes in which, and what earlier conversations left
 * there. A prompt may take over positions that were computed from the same tokens under the same steering
 * and read by the same probes, never others.
 */
import type { Backend } from './backend.ts';
import type { SequenceUse } from './engine.ts';

/** Shorter common prefixes are not worth a copy. */
const shortestReuse = 8;

/** One sequence with what its cache holds. */
export interface Sequence {
  readonly id: number;
  /** Tokens whose positions the cache holds; kept only for those that may be reused. */
  tokens: number[];
  /** Steering under which each position was computed. */
  steering: string[];
  /** Probes that read the positions. */
  probes: string;
  /** Readings of the positions, [tokens, directions]; grows by doubling. */
  readings: Float32Array;
  /** Positions that a living reply may fill; null when nobody writes here. */
  reserved: number | null;
  usedAt: number;
}

export interface Wanted {
  readonly tokens: Int32Array;
  /** Steering of the prompt's positions. */
  readonly steering: string;
  readonly probes: string;
  /** Positions in all, prompt and longest reply. */
  readonly size: number;
  readonly reuse: boolean;
}

export class SequencePool {
  readonly #backend: Backend;
  readonly #sequences = new Map<number, Sequence>();
  #clock = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get use(): SequenceUse {
    let held = 0;
    for (const { reserved } of this.#sequences.values()) if (reserved !== null) held++;
    return { held, kept: this.#sequences.size - held };
  }

  /** A sequence whose first `reused` positions hold the prompt's; null while there is no room. */
  acquire(wanted: Wanted): { sequence: Sequence; reused: number } | null {
    const source = wanted.reuse ? this.#bestSource(wanted) : null;
    // A conversation that goes on takes its sequence over; one that branches off copies what it shares,
    // as long as nobody has to go for that.
    const isIdle = source !== null && source.sequence.reserved === null;
    const losesNothing = isIdle && source.length === source.sequence.tokens.length;
    const taken = losesNothing || (isIdle && !this.#fits(wanted.size, null)) ? source : null;
    if (!this.#makeRoom(wanted.size, source?.sequence ?? null, taken?.sequence ?? null))
      return null;
    if (taken !== null) {
      const kept = this.#truncate(taken.sequence, taken.length);
      taken.sequence.reserved = wanted.size;
      return { sequence: taken.sequence, reused: kept };
    }
    const sequence = this.#create(wanted);
    // Its room may have been needed for the new one.
    if (source === null || this.#sequences.get(source.sequence.id) !== source.sequence)
      return { sequence, reused: 0 };
    return { sequence, reused: this.#copy(source.sequence, sequence, source.length) };
  }

  /**
   * What others have computed of the prompt since the sequence was acquired, copied into it: of prompts that came
   * together and begin alike only the first is read from its beginning. Returns how many positions it holds now.
   */
  catchUp(sequence: Sequence, wanted: Wanted): number {
    const held = sequence.tokens.length;
    const source = this.#bestSource(wanted, sequence);
    if (source === null || source.length < held + shortestReuse) return held;
    this.#backend.removeSequence(sequence.id);
    sequence.tokens = [];
    sequence.steering = [];
    return this.#copy(source.sequence, sequence, source.length);
  }

  /** Ends a reply's hold. With `keep` a later prompt may reuse what the sequence holds. */
  release(sequence: Sequence, keep: boolean): void {
    sequence.reserved = null;
    sequence.usedAt = ++this.#clock;
    if (!keep || sequence.tokens.length === 0) this.#drop(sequence);
  }

  /** All sequences are gone from the backend. */
  forget(): void {
    this.#sequences.clear();
  }

  #bestSource(wanted: Wanted, own?: Sequence): { sequence: Sequence; length: number } | null {
    let best: { sequence: Sequence; length: number } | null = null;
    for (const sequence of this.#sequences.values()) {
      if (sequence === own || sequence.probes !== wanted.probes) continue;
      const length = commonLength(sequence, wanted);
      if (length >= shortestReuse && length > (best?.length ?? 0)) best = { sequence, length };
    }
    return best;
  }

  /** Drops idle sequences, oldest first and `spared` last, until there is a free one and enough positions. */
  #makeRoom(size: number, spared: Sequence | null, taken: Sequence | null): boolean {
    const idle = [...this.#sequences.values()]
      .filter((sequence) => sequence.reserved === null && sequence !== taken)
      .toSorted((a, b) => Number(a === spared) - Number(b === spared) || a.usedAt - b.usedAt);
    while (!this.#fits(size, taken)) {
      const oldest = idle.shift();
      if (oldest === undefined) return false;
      this.#drop(oldest);
    }
    return true;
  }

  /** Whether there is room for so many positions more, in a new sequence or in the one taken over. */
  #fits(size: number, taken: Sequence | null): boolean {
    const { contextLength, maxSequences } = this.#backend.info;
    const isNew = taken === null ? 1 : 0;
    if (this.#sequences.size + isNew > maxSequences) return false;
    let used = size;
    for (const sequence of this.#sequences.values())
      if (sequence !== taken) used += sequence.reserved ?? sequence.tokens.length;
    return used <= contextLength;
  }

  #create(wanted: Wanted): Sequence {
    let id = 0;
    while (this.#sequences.has(id)) id++;
    const sequence: Sequence = {
      id,
      tokens: [],
      steering: [],
      probes: wanted.probes,
      readings: new Float32Array(0),
      reserved: wanted.size,
      usedAt: ++this.#clock,
    };
    this.#sequences.set(id, sequence);
    return sequence;
  }

  #truncate(sequence: Sequence, length: number): number {
    if (sequence.tokens.length === length) return length;
    if (!this.#backend.truncateSequence(sequence.id, length)) {
      this.#backend.removeSequence(sequence.id);
      sequence.tokens = [];
      sequence.steering = [];
      return 0;
    }
    sequence.tokens.length = length;
    sequence.steering.length = length;
    return length;
  }

  #copy(from: Sequence, to: Sequence, length: number): number {
    if (!this.#backend.copySequence(from.id, to.id, length)) return 0;
    to.tokens = from.tokens.slice(0, length);
    to.steering = from.steering.slice(0, length);
    to.readings = from.readings.slice();
    return length;
  }

  #drop(sequence: Sequence): void {
    this.#backend.removeSequence(sequence.id);
    this.#sequences.delete(sequence.id);
  }
}

/** Positions that a prompt shares with a sequence; the prompt's last is always computed, for its logits. */
function commonLength(sequence: Sequence, { tokens, steering }: Wanted): number {
  const most = Math.min(sequence.tokens.length, tokens.length - 1);
  let length = 0;
  while (
    length < most &&
    sequence.tokens[length] === tokens[length] &&
    sequence.steering[length] === steering
  )
    length++;
  return length;
}

/** Notes one more position with its readings. */
export function remember(
  sequence: Sequence,
  at: { token: number; steering: string; readings: Float32Array },
): void {
  const { readings } = at;
  const start = sequence.tokens.length * readings.length;
  if (start + readings.length > sequence.readings.length) {
    const grown = new Float32Array(Math.max(64 * readings.length, 2 * sequence.readings.length));
    grown.set(sequence.readings);
    sequence.readings = grown;
  }
  sequence.readings.set(readings, start);
  sequence.tokens.push(at.token);
  sequence.steering.push(at.steering);
}
