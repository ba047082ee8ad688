/**
 * @file Who is next: a bounded number of requests run, the others wait, and a place that becomes free goes
 * to the waiting clients in turn, so that one client with a hundred requests does not hold up another with one.
 */
import { Refusal } from './refusal.ts';

export interface QueueLimits {
  /** Requests in the engine at once. */
  readonly running: number;
  /** Requests that wait; one more is refused. */
  readonly waiting: number;
  /** Longest wait. */
  readonly waitMs: number;
}

interface Waiter {
  readonly admit: () => void;
}

export class FairQueue {
  readonly #limits: QueueLimits;
  /** Waiting requests of each client, in the order of the clients' turns. */
  readonly #turns = new Map<string, Waiter[]>();
  #running = 0;
  #waiting = 0;
  readonly #whenIdle: (() => void)[] = [];

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Runs the task when its turn comes. Rejects with a Refusal when too many wait or the wait was too long,
   * and with the signal's reason when it aborts during the wait.
   */
  async run<T>(client: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    await this.#enter(client, signal);
    try {
      return await task();
    } finally {
      this.#running--;
      this.#admitNext();
      if (this.#running === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
    }
  }

  /** Resolves when nothing runs, and so nothing waits. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  async #enter(client: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running < this.#limits.running && this.#waiting === 0) {
      this.#running++;
      return;
    }
    if (this.#waiting >= this.#limits.waiting)
      throw new Refusal(
        'rate_limit_exceeded',
        `server: expected at most ${this.#limits.waiting} waiting requests, got one more`,
        { hint: 'try again later', headers: { 'retry-after': '5' } },
      );
    await this.#wait(client, signal);
  }

  #wait(client: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#waiting--;
      };
      const waiter: Waiter = {
        admit: () => {
          end();
          this.#running++;
          resolve();
        },
      };
      const leave = (error: Error): void => {
        end();
        this.#remove(client, waiter);
        reject(error);
      };
      const onAbort = (): void => leave(signal.reason as Error);
      const timer = setTimeout(() => {
        leave(
          new Refusal(
            'queue_timeout',
            `server: no place became free within ${this.#limits.waitMs / 1000} s`,
            { headers: { 'retry-after': '10' } },
          ),
        );
      }, this.#limits.waitMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting++;
      const own = this.#turns.get(client);
      if (own === undefined) this.#turns.set(client, [waiter]);
      else own.push(waiter);
    });
  }

  #remove(client: string, waiter: Waiter): void {
    const rest = this.#turns.get(client)?.filter((other) => other !== waiter) ?? [];
    if (rest.length === 0) this.#turns.delete(client);
    else this.#turns.set(client, rest);
  }

  #admitNext(): void {
    const [turn] = this.#turns;
    if (turn === undefined || this.#running >= this.#limits.running) return;
    const [client, waiters] = turn;
    const [first, ...rest] = waiters;
    this.#turns.delete(client);
    if (rest.length > 0) this.#turns.set(client, rest);
    first?.admit();
  }
}
