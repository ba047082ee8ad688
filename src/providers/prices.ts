/**
 * @file What a model's tokens cost: list prices of `data/prices.json`, or those that the user gives. Prices change
 * without notice, so that the user's own go before the list.
 */
import { readFileSync } from 'node:fs';

import { z } from 'zod';

import { InvalidInputError } from '../errors.ts';
import type { Usage } from './chat-model.ts';
import { formatModelName, parseModelName } from './model-name.ts';

const rateSchema = z.object({ read: z.number().min(0), written: z.number().min(0) });

const priceSchema = rateSchema.extend({
  long: rateSchema.extend({ above: z.number().int().min(1) }).optional(),
});

const listedSchema = priceSchema.extend({
  name: z.string(),
  checked: z.iso.date(),
  source: z.url(),
  note: z.string().optional(),
});

/** US dollars per million tokens, at least 0. */
export interface Price {
  readonly read: number;
  readonly written: number;
  /** What holds for the whole of a request that reads more than `above` tokens. */
  readonly long?:
    | { readonly above: number; readonly read: number; readonly written: number }
    | undefined;
}

export interface ListedPrice extends Price {
  /** With its provider: `openai:gpt-4.1-mini`. */
  readonly name: string;
  /** Day on which the source was read, YYYY-MM-DD. */
  readonly checked: string;
  readonly source: string;
  readonly note?: string | undefined;
}

/** What `--price` says. */
export interface GivenPrices {
  /** Of every model of an API that has none of its own. */
  readonly all: Price | null;
  /** By full name. */
  readonly byName: ReadonlyMap<string, Price>;
}

export const free: Price = { read: 0, written: 0 };

/** All list prices that are known here. They may be out of date. */
export function listedPrices(): readonly ListedPrice[] {
  const file = new URL('../../data/prices.json', import.meta.url);
  return z.object({ prices: z.array(listedSchema) }).parse(JSON.parse(readFileSync(file, 'utf8')))
    .prices;
}

/** The price of a model: as given for it, free if it runs here, as given for all, as listed, else null. */
export function priceOf(name: string, given?: GivenPrices): Price | null {
  const model = parseModelName(name);
  const fullName = formatModelName(model);
  const own = given?.byName.get(fullName);
  if (own !== undefined) return own;
  if (model.provider === 'local') return free;
  return given?.all ?? listedPrices().find((price) => price.name === fullName) ?? null;
}

/** Cost of a request in US dollars. */
export function costOf(price: Price, usage: Usage): number {
  const { long } = price;
  const rate = long !== undefined && usage.read > long.above ? long : price;
  return (usage.read * rate.read + usage.written * rate.written) / 1e6;
}

/**
 * Reads `--price`: `READ,WRITTEN` in dollars per million tokens for all models of an API, or
 * `NAME=READ,WRITTEN` for one, several apart by `;`. Throws InvalidInputError.
 */
export function parsePrices(text: string): GivenPrices {
  let all: Price | null = null;
  const byName = new Map<string, Price>();
  for (const part of text.split(';').map((piece) => piece.trim())) {
    if (part === '' && text.trim() !== '') continue;
    // The last =, as an address may have one.
    const at = part.lastIndexOf('=');
    const price = parsePrice(part.slice(at + 1), part);
    if (at === -1) all = price;
    else byName.set(formatModelName(parseModelName(part.slice(0, at))), price);
  }
  return { all, byName };
}

function parsePrice(text: string, part: string): Price {
  const numbers = text
    .split(',')
    .map((piece) => (/^\s*[\d.]+\s*$/.test(piece) ? Number(piece) : Number.NaN));
  const [read, written] = numbers;
  const isWhole = numbers.length === 2 && numbers.every((number) => Number.isFinite(number));
  if (!isWhole || read === undefined || written === undefined) {
    throw new InvalidInputError(
      `--price: expected READ,WRITTEN or NAME=READ,WRITTEN in dollars per million tokens, got "${part}"`,
      { hint: 'for example --price 2.5,10 or --price "openai:x=2.5,10;anthropic:y=3,15"' },
    );
  }
  return { read, written };
}
