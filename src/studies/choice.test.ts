import { expect, test } from 'vitest';

import type { Model } from '../engine/engine.ts';
import { openToyModel } from '../engine/toy/model.ts';
import { choose, ordersOf } from './choice.ts';

const messages = [{ role: 'user', content: 'Lunch?' }] as const;
const options = ['soup', 'bread', 'plums'];

/** The toy with scores of our own: by the letter, and by the option that stands under it. */
function biased(byPlace: readonly number[], byOption: Readonly<Record<string, number>>): Model {
  const toy = openToyModel();
  return {
    ...toy,
    score: async (requests) =>
      Promise.all(
        requests.map(async ({ prompt, continuation }) => {
          const text = (await toy.pieces(prompt)).join('');
          const [answer = ''] = (await toy.pieces(continuation)).slice(-1);
          const place = 'ABC'.indexOf(answer.trim());
          const option = new RegExp(`^${answer.trim()}: (.*)$`, 'm').exec(text)?.[1] ?? '';
          return Float32Array.of(Math.log((byPlace[place] ?? 0) * (byOption[option] ?? 0)));
        }),
      ),
  };
}

test('each option stands at each place once', () => {
  for (const count of [2, 3, 5]) {
    const orders = ordersOf(count);
    for (let place = 0; place < count; place++)
      expect(new Set(orders.map((order) => order[place])).size).toBe(count);
  }
});

test('a love of one letter favours no option', async () => {
  const flat = { soup: 1, bread: 1, plums: 1 };
  const { probabilities, places, mass } = await choose(biased([0.6, 0.2, 0.1], flat), {
    messages,
    question: 'Which?',
    options,
  });
  for (const value of probabilities) expect(value).toBeCloseTo(1 / 3, 6);
  expect(places.map((value) => Number(value.toFixed(3)))).toEqual([0.667, 0.222, 0.111]);
  expect(mass).toBeCloseTo(0.9, 6);
});

test('a liked option wins, also against a love of one letter', async () => {
  const { probabilities } = await choose(
    biased([0.6, 0.2, 0.1], { soup: 0.1, bread: 0.8, plums: 0.1 }),
    { messages, question: 'Which?', options },
  );
  // By hand: bread at A .8*.6, at B .8*.2, at C .8*.1, each over the sum of its order.
  const bread = (0.48 / 0.51 + 0.16 / 0.23 + 0.08 / 0.16) / 3;
  expect(probabilities[1]).toBeCloseTo(bread, 6);
  expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
});

test('one option is no choice', async () => {
  const asked = choose(openToyModel(), { messages, question: 'Which?', options: ['soup'] });
  await expect(asked).rejects.toThrow('expected 2 to 8 options, got 1');
});
