import { expect, test } from 'vitest';

import type { Model } from '../engine/engine.ts';
import { openToyModel } from '../engine/toy/model.ts';
import { gaussian, randomFrom } from '../math/random.ts';
import { mean, pearson } from '../math/stats.ts';
import { type Answer, askPairs, ringsOf, strengthsOf, winOf } from './pairwise.ts';

const texts = ['mend a boat', 'count the stamps', 'paint a gate'];
const logit = (p: number): number => Math.log(p / (1 - p));

/** The toy with logits of our own: `liking` of the first place, and a strength of each text. */
function chooser(strengths: readonly number[], liking: number): Model {
  const toy = openToyModel();
  return {
    ...toy,
    score: async (requests) =>
      Promise.all(
        requests.map(async ({ prompt, continuation }) => {
          const text = (await toy.pieces(prompt)).join('');
          const values = ['A', 'B'].map((letter, place) => {
            const named = new RegExp(`^${letter}: (.*)$`, 'm').exec(text)?.[1] ?? '';
            return Math.exp((strengths[texts.indexOf(named)] ?? NaN) + (place === 0 ? liking : 0));
          });
          const [answer = ''] = (await toy.pieces(continuation)).slice(-1);
          const own = values['AB'.indexOf(answer.trim())] ?? NaN;
          // The letters take 0.9 of the whole.
          return Float32Array.of(Math.log((0.9 * own) / (values[0]! + values[1]!)));
        }),
      ),
  };
}

test('a ring passes every item once, and no pair is asked twice', () => {
  for (const [items, others] of [
    [64, 12],
    [64, 32],
    [15, 6],
  ] as const) {
    const rings = ringsOf(items, others, 3);
    expect(rings).toHaveLength(others / 2);
    for (const ring of rings) {
      const next = new Map(ring);
      let [at, steps] = [0, 0];
      do {
        at = next.get(at)!;
        steps++;
      } while (at !== 0);
      expect(steps).toBe(items);
    }
    const keys = rings.flat().map(([a, b]) => [a, b].toSorted((x, y) => x - y).join());
    expect(new Set(keys).size).toBe((items * others) / 2);
  }
  expect(ringsOf(64, 8, 3)).toEqual(ringsOf(64, 32, 3).slice(0, 4));
  expect(ringsOf(64, 8, 4)).not.toEqual(ringsOf(64, 8, 3));
});

test('more rings than there are steps are refused', () => {
  // Of 1 to 7 only 1, 3, 5 and 7 have no divisor in common with 16.
  expect(() => ringsOf(16, 10, 1)).toThrow('an even number from 2 to 8 for 16 items, got 10');
  expect(() => ringsOf(16, 3, 1)).toThrow('got 3');
});

test('askPairs gives the probability of the first letter in each order', async () => {
  const [answer] = await askPairs(chooser([0, 1, 2], 0.7), texts, [[2, 0]]);
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  // The gate leads by 2; first it gets 2 + .7, last the boat gets -2 + .7.
  expect(answer![0]).toBeCloseTo(sigmoid(2.7), 5);
  expect(answer![1]).toBeCloseTo(sigmoid(-1.3), 5);
  expect(answer![2]).toBeCloseTo(0.9, 5);
});

test('a liking for the first place leaves the share of a pair as it is', () => {
  const share = (lead: number, liking: number): number => {
    const first = (x: number): number => 1 / (1 + Math.exp(-x - liking));
    return winOf([first(lead), first(-lead), 1]);
  };
  for (const liking of [0, 2, -3]) expect(logit(share(0.8, liking))).toBeCloseTo(0.8, 6);
  // Beyond one in ten thousand rounding decides, so that it counts as that.
  expect(winOf([1, 0, 1])).toBeCloseTo(0.9999, 6);
});

test('strengths come back from answers under a strong liking for a place', async () => {
  const pairs = [
    [0, 1],
    [1, 2],
    [2, 0],
  ] as const;
  const answers = await askPairs(chooser([0, 1, 3], 2), texts, pairs);
  const strengths = strengthsOf(3, [pairs], [answers]);
  // A prior of a tenth of a comparison draws the largest lead of 3 in by less than a fifth.
  expect(strengths[2]! - strengths[0]!).toBeGreaterThan(2.4);
  expect(strengths[2]! - strengths[0]!).toBeLessThan(3.01);
  expect(strengths[1]! - strengths[0]!).toBeCloseTo(1, 0);
  const plain = strengthsOf(3, [pairs], [answers], ([a, b]: Answer) => (a + 1 - b) / 2);
  expect(plain[2]! - plain[0]!).toBeLessThan(strengths[2]! - strengths[0]!);
});

test('halves of the rings agree on planted strengths and not on whims of each pair', () => {
  const random = randomFrom(9);
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const agree = (spread: number, seed: number): number => {
    const rings = ringsOf(64, 8, seed);
    const planted = Array.from({ length: 64 }, () => spread * gaussian(random));
    const answers = rings.map((pairs) =>
      pairs.map(([a, b]): Answer => {
        const lead = planted[a]! - planted[b]! + 0.2 * gaussian(random);
        return [sigmoid(lead + 1), sigmoid(1 - lead), 1];
      }),
    );
    const [one, two] = [0, 1].map((parity) =>
      strengthsOf(
        64,
        rings.filter((_, r) => r % 2 === parity),
        answers.filter((_, r) => r % 2 === parity),
      ),
    );
    return pearson(one!, two!);
  };
  const seeds = [...Array.from({ length: 20 }).keys()];
  // One r over 64 has a standard error of .125, the mean of twenty one of .03.
  expect(Math.abs(mean(seeds.map((seed) => agree(0, seed))))).toBeLessThan(0.09);
  expect(mean(seeds.map((seed) => agree(0.2, seed)))).toBeGreaterThan(0.6);
});

test('pairs asked in one call get the answers that they get alone', async () => {
  const toy = openToyModel();
  const pairs = [
    [0, 1],
    [2, 1],
  ] as const;
  const together = await askPairs(toy, texts, pairs);
  const alone = await Promise.all(
    pairs.map(async (pair) => (await askPairs(toy, texts, [pair]))[0]!),
  );
  // What is computed once and copied rounds as what is computed again, to float32.
  for (const [i, answer] of together.entries())
    for (const [k, value] of answer.entries()) expect(value).toBeCloseTo(alone[i]![k]!, 5);
});
