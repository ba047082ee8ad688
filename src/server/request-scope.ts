/** @file How long a request may go on: until its client leaves or its time is over. */
import type { Context } from 'hono';

import type { Lab } from './lab.ts';
import { Refusal } from './refusal.ts';

export class RequestScope implements Disposable {
  readonly #controller = new AbortController();
  readonly #client: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  readonly #leave = (): void => this.abandon();

  constructor(client: AbortSignal, limitMs: number) {
    this.#client = client;
    this.#timer = setTimeout(() => {
      this.#controller.abort(
        new Refusal('request_timeout', `server: the request took longer than ${limitMs / 1000} s`),
      );
    }, limitMs);
    client.addEventListener('abort', this.#leave, { once: true });
    if (client.aborted) this.abandon();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the request because nobody waits for its answer. */
  abandon(): void {
    this.#controller.abort(new Refusal('client_gone', 'the client left'));
  }

  /** Why it ended: the engine only says that it was told to stop. */
  explain(error: unknown): unknown {
    return this.signal.aborted ? this.signal.reason : error;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#client.removeEventListener('abort', this.#leave);
  }
}

/** Who asks, for the turns of the queue: by its own word, since addresses say little on one machine. */
export function clientOf(c: Context, user?: string | null): string {
  return user ?? c.req.header('x-limbic-client')?.slice(0, 200) ?? 'anonymous';
}

/** Runs work on the engine when it is the client's turn, and ends it with the request. */
export async function inTurn<T>(
  lab: Pick<Lab, 'queue' | 'limits'>,
  c: Context,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using scope = new RequestScope(c.req.raw.signal, lab.limits.requestMs);
  try {
    return await lab.queue.run(clientOf(c), scope.signal, () => work(scope.signal));
  } catch (error) {
    throw scope.explain(error);
  }
}
