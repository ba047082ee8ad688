/**
 * @file Work that talks to models: what it will cost, said before the start, and what it has cost, for commands
 * that must not pay for anything twice.
 */
import { z } from 'zod';

import type { Budget } from '../providers/budget.ts';
import { sideBySide } from '../providers/local.ts';
import { costOf, free, type GivenPrices, priceOf } from '../providers/prices.ts';
import type { ChatWork } from '../studies/chat-study.ts';
import { askToGoOn, secondsFor } from './ahead.ts';
import { givenPrices, type OpenModels } from './chat-lab.ts';
import type { Values } from './command.ts';
import { formatSeconds } from './progress.ts';

/** Dearer work asks first, in US dollars. */
export const askBeyondDollars = 1;

/** What one model has to do. */
export interface ModelWork {
  readonly name: string;
  readonly work: ChatWork;
}

/** Most that the work can cost in US dollars; models without a known price count nothing. */
export function dollarsFor(parts: readonly ModelWork[], prices: GivenPrices | undefined): number {
  return parts.reduce((sum, { name, work }) => {
    const price = priceOf(name, prices);
    return sum + (price === null ? 0 : costOf(price, work));
  }, 0);
}

/**
 * Says how much work and money it is; asks where either is much and somebody is there to answer.
 * @param about.isPriceAgreed the money was asked about before, together with that of other runs
 */
export async function announceWork(
  parts: readonly ModelWork[],
  about: {
    readonly conversations: number;
    readonly lab: Pick<OpenModels, 'here' | 'budget' | 'signal'>;
    readonly values: Values;
    readonly isPriceAgreed?: boolean;
  },
): Promise<void> {
  const { conversations, lab, values, isPriceAgreed = false } = about;
  const prices = givenPrices(values);
  let seconds = 0;
  const lines: string[] = [];
  for (const { name, work } of parts) {
    const price = priceOf(name, prices);
    const here = lab.here.get(name);
    if (here !== undefined) seconds += await secondsFor(here, work, lab.signal, sideBySide);
    const dear =
      price === null ? ', price unknown' : `, about $${costOf(price, work).toFixed(2)} at most`;
    const said = here === undefined ? dear : '';
    lines.push(
      `${name}: ${work.replies} replies, ${work.read} tokens to read, ${work.written} to write at most${said}`,
    );
  }
  console.error(`${conversations} conversations\n${lines.join('\n')}`);
  if (seconds > 0)
    console.error(`about ${formatSeconds(seconds)} here if every reply is as long as it may be`);
  if (Number.isFinite(lab.budget.limit))
    console.error(`budget $${lab.budget.limit}: never exceeded`);
  const dollars = isPriceAgreed ? 0 : dollarsFor(parts, prices);
  await askToGoOn({
    isAgreed: values['yes'] === true,
    seconds,
    ...(dollars > askBeyondDollars ? { dollars } : {}),
  });
}

const paidSchema = z.object({ by: z.string(), read: z.number(), written: z.number() });

/** Books what the cells of a run have cost already, so that it counts against the budget. */
export function restoreSpending(
  budget: Budget,
  known: ReadonlyMap<string, object>,
  prices: GivenPrices | undefined,
): void {
  for (const data of known.values()) {
    const paid = paidSchema.safeParse(data);
    if (!paid.success) continue;
    const { by, read, written } = paid.data;
    budget.restore(priceOf(by, prices) ?? free, { read, written });
  }
}

/** Requests and money so far, for the line of progress; empty before the first request. */
export function countsInWords({ budget, counts }: Pick<OpenModels, 'budget' | 'counts'>): string {
  const { requests, retries, rateLimited, inFlight, limit } = counts();
  if (requests === 0) return '';
  const parts = [`${inFlight} of ${limit} under way`];
  if (retries > 0) parts.push(`${retries} tried again (${rateLimited} for the rate limit)`);
  if (budget.spent > 0) parts.push(`$${budget.spent.toFixed(3)}`);
  return parts.join(', ');
}
