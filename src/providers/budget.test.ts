import { expect, test } from 'vitest';

import { BudgetError, InvalidInputError } from '../errors.ts';
import { Budget, upperBound, withBudget } from './budget.ts';
import type { ChatModel, ChatReply, ChatRequest } from './chat-model.ts';
import { costOf, free, listedPrices, parsePrices, priceOf } from './prices.ts';

const never = new AbortController().signal;

/** Reads at most 3 + 16 + 2 + 16 = 37 tokens: the é has two bytes. */
const request: ChatRequest = {
  messages: [
    { role: 'system', content: 'hé' },
    { role: 'user', content: 'ok' },
  ],
  maxTokens: 10,
  temperature: 1,
  seed: 1,
  key: 'k',
};

/** The request costs at most 37 * 2 + 10 * 8 = 154 millionths of a dollar. */
const model = { name: 'openai:x', price: { read: 2, written: 8 } };
const most = 154e-6;

/** Answers when it is let go on, one request at a time. */
function slowModel(usage: ChatReply['usage']): ChatModel & { readonly letGo: (() => void)[] } {
  const letGo: (() => void)[] = [];
  return {
    name: 'openai:x',
    width: 8,
    letGo,
    reply: async () => {
      await new Promise<void>((resolve) => letGo.push(resolve));
      return { text: '', stopReason: 'end', usage, tries: 1 };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('the most that a request can take is its bytes, 16 a message, and its longest reply', () => {
  expect(upperBound(request)).toEqual({ read: 37, written: 10 });
  // {"type":"object"} has 17 bytes.
  expect(upperBound({ ...request, schema: { type: 'object' } }).read).toBe(37 + 17 + 1024);
});

test('sets the most aside, and refuses what could go over the limit', () => {
  const budget = new Budget(2 * most);
  const first = budget.reserve(model, request);
  budget.reserve(model, request);
  expect(budget.reserved).toBeCloseTo(308e-6, 12);
  expect(() => budget.reserve(model, request)).toThrow(BudgetError);
  // 20 read and 5 written: 40 + 40 = 80 millionths, 74 less than was set aside.
  budget.settle(first, { read: 20, written: 5 });
  expect(budget.spent).toBeCloseTo(80e-6, 12);
  expect(() => budget.reserve(model, request)).toThrow(/openai:x could cost \$0\.00015/);
  expect(budget.reserve({ ...model, price: { read: 2, written: 0 } }, request).amount).toBeCloseTo(
    74e-6,
    12,
  );
});

test('what came to nothing costs nothing, and is freed once', () => {
  const budget = new Budget(most);
  const reservation = budget.reserve(model, request);
  budget.release(reservation);
  budget.settle(reservation, { read: 1000, written: 1000 });
  expect([budget.spent, budget.reserved]).toEqual([0, 0]);
  budget.settle(budget.reserve(model, request), { read: 37, written: 10 });
  expect(budget.spent).toBeCloseTo(most, 12);
});

test('a run that goes on counts what it has spent', () => {
  const budget = new Budget(most);
  budget.restore(model.price, { read: 0, written: 1 });
  expect(budget.spent).toBeCloseTo(8e-6, 12);
  expect(() => budget.reserve(model, request)).toThrow(BudgetError);
});

test('ten times a tenth of the limit fits exactly', () => {
  const tenth = { name: 'openai:x', price: { read: 0, written: 1e4 } };
  const budget = new Budget(1);
  for (let i = 0; i < 10; i++) {
    budget.settle(budget.reserve(tenth, request), { read: 37, written: 10 });
  }
  expect(budget.spent).toBe(1);
  expect(() => budget.reserve(tenth, request)).toThrow(BudgetError);
});

test('no limit takes all, a limit of nothing takes what is free', () => {
  new Budget(Infinity).reserve(model, { ...request, maxTokens: 1e9 });
  const nothing = new Budget(0);
  nothing.reserve({ name: 'local:x', price: free }, request);
  expect(() => nothing.reserve(model, request)).toThrow(BudgetError);
  expect(() => new Budget(-1)).toThrow(InvalidInputError);
  expect(() => new Budget(Number.NaN)).toThrow(InvalidInputError);
});

test('a request waits for money that others may not need, and is refused when they did', async () => {
  const chat = slowModel({ read: 10, written: 1 });
  // Each costs 28 millionths in truth, 154 at most: one can be under way at a time, seven in all.
  const budget = new Budget(7 * 28e-6 + most - 28e-6);
  const paid = withBudget(chat, budget, model.price);
  const ends = Array.from({ length: 9 }, () =>
    paid.reply(request, never).then(
      () => 'good',
      (error: unknown) => (error instanceof BudgetError ? 'refused' : 'broken'),
    ),
  );
  for (let i = 0; i < 20; i++) {
    await settled();
    expect(budget.spent + budget.reserved).toBeLessThanOrEqual(budget.limit);
    chat.letGo.shift()?.();
  }
  const counts = (await Promise.all(ends)).toSorted();
  expect(counts).toEqual([...Array(7).fill('good'), 'refused', 'refused']);
  expect(budget.spent).toBeCloseTo(7 * 28e-6, 12);
});

test('who waits for money can be stopped', async () => {
  const chat = slowModel({ read: 10, written: 1 });
  const paid = withBudget(chat, new Budget(most), model.price);
  const first = paid.reply(request, never);
  const stop = new AbortController();
  const second = paid.reply(request, stop.signal);
  await settled();
  stop.abort();
  await expect(second).rejects.toThrow(/abort/i);
  chat.letGo[0]!();
  await first;
});

test('a budget in dollars needs a price', () => {
  const chat = slowModel({ read: 0, written: 0 });
  expect(() => withBudget(chat, new Budget(1), null)).toThrow(InvalidInputError);
  expect(() => withBudget(chat, new Budget(1), null)).toThrow(/expected a price for openai:x/);
  try {
    withBudget(chat, new Budget(1), null);
  } catch (error) {
    expect((error as InvalidInputError).hint).toContain('--price');
  }
  expect(withBudget(chat, new Budget(Infinity), null).name).toBe('openai:x');
});

test('a long request costs its own price for all of its tokens', () => {
  const price = { read: 1, written: 2, long: { above: 1000, read: 3, written: 4 } };
  expect(costOf(price, { read: 1000, written: 10 })).toBeCloseTo(1020e-6, 12);
  expect(costOf(price, { read: 1001, written: 10 })).toBeCloseTo(3043e-6, 12);
});

test('prices of the list', () => {
  const prices = listedPrices();
  expect(new Set(prices.map(({ name }) => name)).size).toBe(prices.length);
  for (const { name, read, written, long } of prices) {
    expect(name).toMatch(/^(openai|anthropic|google):/);
    // All of them ask more for writing than for reading; a row with its numbers swapped would not.
    expect(written).toBeGreaterThan(read);
    // The bound of a request is one only if longer requests are never cheaper.
    if (long !== undefined) expect(long.read > read && long.written > written).toBe(true);
  }
  expect(priceOf('openai:gpt-4.1-mini')).toMatchObject({ read: 0.4, written: 1.6 });
});

test('given prices go before the list, and what runs here is free', () => {
  const given = parsePrices('2.5,10; openai:gpt-4.1-mini = 1,2 ;compatible:http://h/v1#m=0,0');
  expect(priceOf('openai:gpt-4.1-mini', given)).toEqual({ read: 1, written: 2 });
  expect(priceOf('anthropic:new', given)).toEqual({ read: 2.5, written: 10 });
  expect(priceOf('compatible:http://h/v1#m', given)).toEqual(free);
  expect(priceOf('smollm2-135m', given)).toEqual(free);
  expect(priceOf('local:smollm2-135m')).toEqual(free);
  expect(priceOf('openai:unheard-of')).toBeNull();
});

test.each([
  '',
  '1',
  '1,2,3',
  'x,2',
  '1,',
  '-1,2',
  'openai:x',
  'openai:x=1',
  'openai:=1,2',
  '1..2,3',
])('--price "%s" is refused', (text) => {
  expect(() => parsePrices(text)).toThrow(InvalidInputError);
});
