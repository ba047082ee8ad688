/**
 * @file A limit in dollars that a run can't go over: before a request is sent, the most that it can cost is set
 * aside, and what it did cost is booked afterwards. Guessing the middle instead would find out too late.
 */
import { setMaxListeners } from 'node:events';

import { BudgetError, InvalidInputError } from '../errors.ts';
import type { ChatModel, ChatRequest, Usage } from './chat-model.ts';
import { costOf, free, type Price } from './prices.ts';

/** What chat formats put around a message, at most, in tokens. */
const tokensAroundMessage = 16;

/** What providers write around a schema for the model to read, at most, in tokens. */
const tokensAroundSchema = 1024;

/** A model and its price, as far as a budget has to know it. */
export interface PricedModel {
  readonly name: string;
  readonly price: Price;
}

/** An amount set aside for one request. */
export interface Reservation {
  readonly price: Price;
  /** US dollars. */
  readonly amount: number;
}

/**
 * The most tokens that a request can read and write. A tokenizer that works on bytes has at most one token a byte,
 * so that no tokenizer has to be known.
 */
export function upperBound({ messages, schema, maxTokens }: ChatRequest): Usage {
  const texts = messages.map(({ content }) => Buffer.byteLength(content) + tokensAroundMessage);
  if (schema !== undefined) {
    texts.push(Buffer.byteLength(JSON.stringify(schema)) + tokensAroundSchema);
  }
  return { read: texts.reduce((sum, tokens) => sum + tokens, 0), written: maxTokens };
}

/** Money for all models of a run together. Amounts in US dollars. */
export class Budget {
  readonly limit: number;
  /** In whole billionths of a dollar, as sums of fractions drift. */
  #spent = 0;
  readonly #open = new Map<Reservation, number>();
  readonly #waiting = new Set<() => void>();

  /** `limit` is at least 0; Infinity is no limit. Throws InvalidInputError. */
  constructor(limit: number) {
    if (Number.isNaN(limit) || limit < 0) {
      throw new InvalidInputError(`budget: expected an amount of at least 0 dollars, got ${limit}`);
    }
    this.limit = limit;
  }

  get spent(): number {
    return this.#spent / 1e9;
  }

  /** Set aside for requests that are under way. */
  get reserved(): number {
    return this.#reserved() / 1e9;
  }

  /**
   * Sets the most aside that the request can cost. Throws BudgetError when that, what was spent and what is set aside
   * already come to more than the limit.
   */
  reserve(model: PricedModel, request: ChatRequest): Reservation {
    const amount = costOf(model.price, upperBound(request));
    const most = billionths(amount);
    if (!this.#fits(most + this.#reserved())) {
      throw new BudgetError(
        `budget: ${model.name} could cost ${dollars(amount)} with its next request, ` +
          `got ${dollars(Math.max(0, this.limit - this.spent - this.reserved))} left of ${dollars(this.limit)}`,
        { hint: 'give a higher --budget and start again; replies that were paid for are kept' },
      );
    }
    const reservation = { price: model.price, amount };
    this.#open.set(reservation, most);
    return reservation;
  }

  /**
   * As `reserve`, but when only what is set aside for others is in the way it waits for them: they mostly cost less
   * than the most that they could. Throws BudgetError, or the signal's reason.
   */
  async reserveInTurn(
    model: PricedModel,
    request: ChatRequest,
    signal: AbortSignal,
  ): Promise<Reservation> {
    const most = billionths(costOf(model.price, upperBound(request)));
    while (this.#open.size > 0 && this.#fits(most) && !this.#fits(most + this.#reserved())) {
      await this.#change(signal);
    }
    return this.reserve(model, request);
  }

  /** Books what a request did cost in place of what was set aside for it. The second time it does nothing. */
  settle(reservation: Reservation, usage: Usage): void {
    if (!this.#open.delete(reservation)) return;
    this.#spent += billionths(costOf(reservation.price, usage));
    this.#tell();
  }

  /**
   * Frees what was set aside for a request that came to nothing. A try that broke off may have been charged all the
   * same; providers do not tell, so nothing is booked for it.
   */
  release(reservation: Reservation): void {
    if (this.#open.delete(reservation)) this.#tell();
  }

  /** Books what an earlier part of the run has spent. */
  restore(price: Price, usage: Usage): void {
    this.#spent += billionths(costOf(price, usage));
  }

  #fits(more: number): boolean {
    return this.#spent + more <= Math.floor(this.limit * 1e9);
  }

  #reserved(): number {
    let sum = 0;
    for (const amount of this.#open.values()) sum += amount;
    return sum;
  }

  #tell(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  }

  /** Until something that was set aside is free again. */
  async #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // All requests of a run share its signal, which would be taken for a leak at the eleventh.
    setMaxListeners(0, signal);
    await new Promise<void>((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const stop = (): void => {
        this.#waiting.delete(go);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', stop, { once: true });
      this.#waiting.add(go);
    });
  }
}

/**
 * The model with its requests paid from a budget. Without a price, null, only a budget without a limit will do, and
 * nothing is booked. Throws InvalidInputError; `reply` also BudgetError.
 */
export function withBudget(model: ChatModel, budget: Budget, price: Price | null): ChatModel {
  if (price === null && budget.limit !== Infinity) {
    throw new InvalidInputError(
      `budget: expected a price for ${model.name}, got none, so that ${dollars(budget.limit)} can't be kept to`,
      {
        hint: `give dollars per million tokens read and written: --price "${model.name}=2.5,10", or drop --budget`,
      },
    );
  }
  const priced = { name: model.name, price: price ?? free };
  return {
    name: model.name,
    width: model.width,
    reply: async (request, signal) => {
      const reservation = await budget.reserveInTurn(priced, request, signal);
      try {
        const reply = await model.reply(request, signal);
        budget.settle(reservation, reply.usage);
        return reply;
      } finally {
        budget.release(reservation);
      }
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

function billionths(amount: number): number {
  // Up, so that rounding never spends more than is booked; the small step down takes back what floating point added.
  return Math.ceil(amount * 1e9 - 1e-3);
}

function dollars(amount: number): string {
  return `$${amount >= 1 || amount === 0 ? amount.toFixed(2) : amount.toPrecision(2)}`;
}
