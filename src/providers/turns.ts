/**
 * @file Several models on the same processor cores take turns. Each engine keeps a thread busy on every core, and two
 * that compute at once wait for each other's threads at every step: together far slower than one after the other.
 */
import { setMaxListeners } from 'node:events';

/** Whose turn it is; shared by all models of one process. */
export class Turns {
  #holder: object | null = null;
  #running = 0;
  readonly #waiting: { readonly who: object; readonly start: () => void }[] = [];

  /**
   * Runs when no other model computes. What the holder of the turn is asked meanwhile runs at once, beside its other
   * work, so that batches stay full; the turn goes on when it has nothing left to do. Rejects with the reason of the
   * signal while it waits.
   */
  async take<T>(who: object, run: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#turnOf(who, signal);
    try {
      return await run();
    } finally {
      this.#running--;
      if (this.#running === 0) this.#passOn();
    }
  }

  async #turnOf(who: object, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running === 0 || this.#holder === who) {
      this.#holder = who;
      this.#running++;
      return;
    }
    // As many listeners as replies that wait.
    setMaxListeners(0, signal);
    await new Promise<void>((resolve, reject) => {
      const entry = {
        who,
        start: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(entry);
    });
  }

  /** Gives the turn to whoever has waited longest, with all that waits for the same model. */
  #passOn(): void {
    const next = this.#waiting[0]?.who;
    if (next === undefined) return;
    this.#holder = next;
    const starting = this.#waiting.filter(({ who }) => who === next);
    for (const entry of starting) this.#waiting.splice(this.#waiting.indexOf(entry), 1);
    this.#running = starting.length;
    for (const { start } of starting) start();
  }
}
