/**
 * @file How many requests of one model are under way at once: more while all goes well, half when the provider says
 * it is too many, none while it asks us to wait. Nobody has to know the provider's limits beforehand.
 */
import { setTimeout as wait } from 'node:timers/promises';

/** Time as the throttle and the retries see it; tests bring their own. */
export interface Clock {
  /** Milliseconds since 1970: jumps where somebody sets the clock. */
  readonly now: () => number;
  /** Milliseconds since any moment, that nobody sets. */
  readonly elapsed: () => number;
  /** Rejects with an AbortError when the signal fires. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (milliseconds, signal) => wait(milliseconds, undefined, { signal }),
};

/** The right to have one request under way. To be given back exactly once. */
export interface Permit {
  /**
   * `good`: answered; `limited`: the provider says that we ask too much; `other`: anything else, which tells nothing
   * about the pace. `pause` is how long the provider asks all of us to wait, in milliseconds.
   */
  readonly giveBack: (outcome: 'good' | 'limited' | 'other', pause?: number) => void;
}

export interface ThrottleOptions {
  /** Most requests at once, at least 1. @default 32 */
  readonly width?: number;
  /** How many at once to begin with. @default 4 */
  readonly start?: number;
  readonly clock?: Clock;
}

interface Waiter {
  readonly go: () => void;
}

/** Additive growth, halving on refusals, and pauses, shared by all requests of one model. */
export class Throttle {
  readonly width: number;
  readonly #clock: Clock;
  #limit: number;
  #inFlight = 0;
  /** Requests of an earlier epoch were sent before the last halving, and tell nothing about the pace after it. */
  #epoch = 0;
  #goodSinceChange = 0;
  /** By the clock that nobody sets. */
  #pausedUntil = -Infinity;
  #sleeper: AbortController | null = null;
  readonly #waiting: Waiter[] = [];

  constructor(options: ThrottleOptions = {}) {
    this.width = Math.max(1, Math.floor(options.width ?? 32));
    this.#limit = Math.min(this.width, Math.max(1, Math.floor(options.start ?? 4)));
    this.#clock = options.clock ?? systemClock;
  }

  /** Requests that may be under way at once now, 1 to `width`. */
  get limit(): number {
    return this.#limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Waits for a place. Those who come with `again` go before the others, so that a request that was begun gets done.
   * Rejects with the signal's reason when it fires first.
   */
  async acquire(signal: AbortSignal, options: { again?: boolean } = {}): Promise<Permit> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        if (this.#waiting.length === 0) this.#sleeper?.abort();
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        go: () => {
          signal.removeEventListener('abort', stop);
          resolve();
        },
      };
      signal.addEventListener('abort', stop, { once: true });
      if (options.again === true) this.#waiting.unshift(waiter);
      else this.#waiting.push(waiter);
      this.#fill();
    });
    return this.#permit();
  }

  #permit(): Permit {
    const epoch = this.#epoch;
    let isOut = true;
    return {
      giveBack: (outcome, pause = 0) => {
        if (!isOut) return;
        isOut = false;
        this.#inFlight--;
        if (pause > 0)
          this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.elapsed() + pause);
        if (epoch === this.#epoch) this.#learn(outcome);
        this.#fill();
      },
    };
  }

  #learn(outcome: 'good' | 'limited' | 'other'): void {
    if (outcome === 'limited') {
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
      this.#epoch++;
      this.#goodSinceChange = 0;
    } else if (outcome === 'good' && ++this.#goodSinceChange >= this.#limit) {
      this.#limit = Math.min(this.width, this.#limit + 1);
      this.#goodSinceChange = 0;
    }
  }

  #fill(): void {
    if (this.#waiting.length === 0) return;
    const pause = this.#pausedUntil - this.#clock.elapsed();
    if (pause > 0) {
      void this.#sleepThenFill(pause);
      return;
    }
    while (this.#inFlight < this.#limit) {
      const waiter = this.#waiting.shift();
      if (waiter === undefined) return;
      this.#inFlight++;
      waiter.go();
    }
  }

  async #sleepThenFill(pause: number): Promise<void> {
    // One sleeper is enough: when it wakes to a pause that has grown, it sleeps again.
    if (this.#sleeper !== null) return;
    const sleeper = new AbortController();
    this.#sleeper = sleeper;
    try {
      await this.#clock.sleep(Math.ceil(pause), sleeper.signal);
    } catch {
      // Nobody waits any more.
    }
    this.#sleeper = null;
    this.#fill();
  }
}
