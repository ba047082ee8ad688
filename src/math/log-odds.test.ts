import { expect, test } from 'vitest';

import { countWords, logOddsOf } from './log-odds.ts';

const a = new Map([
  ['calm', 6],
  ['glad', 4],
]);
const b = new Map([
  ['calm', 2],
  ['glad', 5],
  ['sad', 1],
]);

test('three words get the log-odds and z worked out by hand', () => {
  const prior = new Map([
    ['calm', 50],
    ['glad', 30],
    ['sad', 20],
    ['unseen', 0],
  ]);
  const contrasts = logOddsOf(a, b, { prior, strength: 10 });
  // The corpora have 10 and 8 words, 20 and 18 with the prior, which adds 5, 3 and 2.
  // calm: 11 to 9 against 7 to 11, ln(121/63) = .652656; variance 1/11 + 1/7 = .233766, z = 1.349874.
  // glad: 7 to 13 against 8 to 10, ln(70/104) = -.395896; variance 1/7 + 1/8 = .267857, z = -.764943.
  // sad: 2 to 18 against 3 to 15, ln(30/54) = -.587787; variance 1/2 + 1/3, z = -.643888.
  expect(contrasts.map(({ word, countA, countB }) => [word, countA, countB])).toEqual([
    ['calm', 6, 2],
    ['sad', 0, 1],
    ['glad', 4, 5],
  ]);
  for (const [i, [logOdds, z]] of [
    [0.652656, 1.349874],
    [-0.587787, -0.643888],
    [-0.395896, -0.764943],
  ].entries()) {
    expect(contrasts[i]!.logOdds).toBeCloseTo(logOdds!, 5);
    expect(contrasts[i]!.z).toBeCloseTo(z!, 5);
  }
});

test('the prior is both corpora together unless given', () => {
  const sum = new Map([
    ['calm', 8],
    ['glad', 9],
    ['sad', 1],
  ]);
  expect(logOddsOf(a, b, { strength: 4 })).toEqual(logOddsOf(a, b, { strength: 4, prior: sum }));
});

test('swapping the corpora turns every sign, and a stronger prior draws all to 0', () => {
  const zOf = (one: Map<string, number>, two: Map<string, number>, strength: number) =>
    new Map(logOddsOf(one, two, { strength }).map(({ word, z }) => [word, z]));
  const [there, back, strong] = [zOf(a, b, 4), zOf(b, a, 4), zOf(a, b, 4000)];
  for (const [word, z] of there) {
    expect(back.get(word)).toBeCloseTo(-z, 12);
    expect(Math.abs(strong.get(word)!)).toBeLessThan(Math.abs(z) / 5);
  }
});

test('a word seen once does not outrank one that is common, as it does by plain ratio', () => {
  const one = new Map([
    ['the', 900],
    ['joy', 60],
    ['zither', 1],
  ]);
  const two = new Map([
    ['the', 900],
    ['joy', 20],
  ]);
  const order = logOddsOf(one, two, { strength: 100 }).map(({ word }) => word);
  expect(order).toEqual(['joy', 'zither', 'the']);
});

test('equal corpora give 0 in the order of the words, and empty ones nothing', () => {
  const contrasts = logOddsOf(b, b, { strength: 1 });
  expect(contrasts.map(({ word, z }) => [word, z])).toEqual([
    ['calm', 0],
    ['glad', 0],
    ['sad', 0],
  ]);
  expect(logOddsOf(new Map(), new Map(), { strength: 1 })).toEqual([]);
  expect(logOddsOf(a, new Map(), { strength: 1 })).toHaveLength(2);
});

test('what has no odds is refused', () => {
  const one = new Map([['calm', 3]]);
  expect(() => logOddsOf(a, b, { strength: 0 })).toThrow('a strength above 0, got 0');
  expect(() => logOddsOf(a, b, { strength: 1, prior: a })).toThrow(
    'expected a prior count for "sad", got none',
  );
  expect(() => logOddsOf(one, one, { strength: 1 })).toThrow('two words or more, got 1');
  expect(() => logOddsOf(new Map([['calm', -1]]), b, { strength: 1 })).toThrow(
    'as count of "calm", got -1',
  );
});

test('countWords lower-cases, keeps inner apostrophes and parts words at anything else', () => {
  const counts = countWords(["I can't, I CAN’T!", "'Quoted' dogs' well-known x2y_z"]);
  expect([...counts]).toEqual([
    ['i', 2],
    ["can't", 2],
    ['quoted', 1],
    ['dogs', 1],
    ['well', 1],
    ['known', 1],
    ['x', 1],
    ['y', 1],
    ['z', 1],
  ]);
});

test('countWords knows letters of other scripts and both ways to write an accent', () => {
  const counts = countWords(['Füße 心 радость', 'caf\u00e9 cafe\u0301', 'हिन्दी', '12 … —']);
  expect([...counts]).toEqual([
    ['füße', 1],
    ['心', 1],
    ['радость', 1],
    ['caf\u00e9', 2],
    ['हिन्दी', 1],
  ]);
  expect(countWords([]).size).toBe(0);
});
