/**
 * @file Probes travel to the engine's process once: all layers and emotions are many megabytes, and a study asks for
 * the same readings thousands of times.
 */
import type { Probe } from '../engine.ts';

/** A probe by its number, with what it is if the other side does not have it yet. */
interface NumberedProbe {
  readonly number: number;
  readonly probe?: Probe;
}

export interface ProbeMessage {
  readonly probes: readonly NumberedProbe[];
  /** Numbers of probes that will not be asked for again. */
  readonly dropped: readonly number[];
}

/** Numbers in the directions that are kept at most, besides those of the call itself: 64 MB. */
const keptNumbers = 16_000_000;

/** What one child has been sent, the least recently used first. */
export class SentProbes {
  readonly #numbers = new Map<Probe, number>();
  #next = 1;

  message(probes: readonly Probe[]): ProbeMessage {
    const numbered = probes.map((probe) => {
      const known = this.#numbers.get(probe);
      const number = known ?? this.#next++;
      this.#numbers.delete(probe);
      this.#numbers.set(probe, number);
      return known === undefined ? { number, probe } : { number };
    });
    return { probes: numbered, dropped: this.#drop(new Set(probes)) };
  }

  #drop(inUse: ReadonlySet<Probe>): number[] {
    let size = 0;
    for (const { directions } of this.#numbers.keys()) size += directions.length;
    const dropped: number[] = [];
    for (const [probe, number] of this.#numbers) {
      if (size <= keptNumbers) break;
      if (inUse.has(probe)) continue;
      size -= probe.directions.length;
      this.#numbers.delete(probe);
      dropped.push(number);
    }
    return dropped;
  }
}

/** The child's side. */
export class ReceivedProbes {
  readonly #probes = new Map<number, Probe>();

  /** The probes of a message; TypeError for a number that was never sent. */
  of({ probes, dropped }: ProbeMessage): Probe[] {
    for (const number of dropped) this.#probes.delete(number);
    return probes.map(({ number, probe }) => {
      if (probe !== undefined) this.#probes.set(number, probe);
      const kept = this.#probes.get(number);
      if (kept === undefined) throw new TypeError(`probe ${number} was not sent`);
      return kept;
    });
  }
}
