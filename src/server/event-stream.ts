/**
 * @file Server-sent events of one reply. Tokens that arrive close together share an event: with many
 * replies side by side the events, not the model, would otherwise keep the processor busy.
 */
import { joinUpdates, type ReplyUpdate } from './reply.ts';

/** Shorter than anybody sees, and longer than the tokens of one decode are apart. */
const gatherMs = 12;

export class EventStream {
  readonly response: Response;
  readonly #format: (update: ReplyUpdate) => object;
  readonly #encoder = new TextEncoder();
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #gathered: ReplyUpdate[] = [];
  #lastSent = -Infinity;
  #timer: NodeJS.Timeout | null = null;
  #waitsForReader = false;

  /** @param onCancel called when the reader goes away */
  constructor(format: (update: ReplyUpdate) => object, onCancel: () => void) {
    this.#format = format;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        if (this.#waitsForReader) this.#flush();
      },
      cancel: () => {
        this.#close();
        onCancel();
      },
    });
    this.response = new Response(stream, {
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      },
    });
  }

  /** Sends the update now if nothing was sent for a while, else soon and together with its neighbours. */
  push(update: ReplyUpdate): void {
    if (this.#controller === null) return;
    this.#gathered.push(update);
    if (this.#timer !== null || this.#waitsForReader) return;
    const wait = this.#lastSent + gatherMs - performance.now();
    if (wait <= 0) this.#flush();
    else
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.#flush();
      }, wait);
  }

  /** Sends what was gathered and then this, at once. */
  send(data: object | '[DONE]'): void {
    if (this.#controller === null) return;
    this.#sendGathered();
    this.#write(typeof data === 'string' ? data : JSON.stringify(data));
  }

  end(): void {
    this.#sendGathered();
    const controller = this.#controller;
    this.#close();
    controller?.close();
  }

  /** A reader that is slow gets fewer and larger events. */
  #flush(): void {
    this.#waitsForReader = (this.#controller?.desiredSize ?? 1) <= 0;
    if (!this.#waitsForReader) this.#sendGathered();
  }

  #sendGathered(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#waitsForReader = false;
    if (this.#gathered.length === 0) return;
    const update = joinUpdates(this.#gathered);
    this.#gathered = [];
    this.#lastSent = performance.now();
    this.#write(JSON.stringify(this.#format(update)));
  }

  #write(data: string): void {
    this.#controller?.enqueue(this.#encoder.encode(`data: ${data}\n\n`));
  }

  #close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#gathered = [];
    this.#controller = null;
  }
}
