import { expect, test } from 'vitest';

import { bradleyTerry, type Comparison } from './bradley-terry.ts';
import { gaussian, randomFrom } from './random.ts';
import { pearson } from './stats.ts';

/** So small that it changes nothing in the digits that are compared. */
const prior = 1e-9;
const logit = (p: number): number => Math.log(p / (1 - p));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

test('a chain of three has the closed form: differences are the log-odds of its links', () => {
  const [x, y, z] = bradleyTerry(
    3,
    [
      { a: 0, b: 1, share: 0.8 },
      { a: 2, b: 1, share: 0.4 },
    ],
    { prior },
  );
  expect(x! - y!).toBeCloseTo(logit(0.8), 6);
  expect(y! - z!).toBeCloseTo(logit(0.6), 6);
  expect(x! + y! + z!).toBeCloseTo(0, 12);
});

test('seven baseball teams get the published strengths', () => {
  // Agresti, Categorical Data Analysis (2002), table 10.10: wins of the row against the column in 13 games.
  const wins = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
  ];
  const games: Comparison[] = wins.flatMap((row, a) =>
    row.flatMap((won, b) => (b > a ? [{ a, b, share: won / 13 }] : [])),
  );
  const strengths = bradleyTerry(7, games, { prior });
  // The fit there, as distance from Baltimore, the last.
  const published = [1.581, 1.436, 1.294, 1.248, 1.108, 0.684];
  for (const [i, value] of published.entries())
    expect(strengths[i]! - strengths[6]!).toBeCloseTo(value, 2);
});

test('in a circle of three the wins that the strengths expect are the wins there were', () => {
  const strengths = bradleyTerry(
    3,
    [
      { a: 0, b: 1, share: 0.9 },
      { a: 1, b: 2, share: 0.7 },
      { a: 2, b: 0, share: 0.45 },
    ],
    { prior },
  );
  // By hand: 0 won .9 + .55, 1 won .1 + .7, 2 won .3 + .45; the likelihood is highest where these are expected.
  const won = [1.45, 0.8, 0.75];
  for (const [i, own] of strengths.entries()) {
    const expected = strengths.reduce(
      (sum, other, j) => sum + (i === j ? 0 : sigmoid(own - other)),
      0,
    );
    expect(expected).toBeCloseTo(won[i]!, 6);
  }
});

test('an item that always wins stays finite, where the prior says', () => {
  const [winner, loser] = bradleyTerry(2, [{ a: 0, b: 1, share: 1 }], { prior: 0.3 });
  // 1 + .15 wins of 1.3: odds of 1.15 to .15.
  expect(winner! - loser!).toBeCloseTo(Math.log(1.15 / 0.15), 8);
});

test('planted strengths come back from a sparse design, and less well from noisy answers', () => {
  const random = randomFrom(5);
  const planted = Array.from({ length: 64 }, () => gaussian(random));
  const ask = (noise: number): Comparison[] =>
    [5, 13, 29].flatMap((offset) =>
      planted.map((strength, a) => {
        const b = (a + offset) % 64;
        return { a, b, share: sigmoid(strength - planted[b]! + noise * gaussian(random)) };
      }),
    );
  const clean = bradleyTerry(64, ask(0));
  const noisy = bradleyTerry(64, ask(1));
  expect(pearson(clean, planted)).toBeGreaterThan(0.999);
  expect(pearson(noisy, planted)).toBeGreaterThan(0.7);
  expect(pearson(noisy, planted)).toBeLessThan(0.99);
});

test('without comparisons all are equal, and what makes no sense is refused', () => {
  expect(bradleyTerry(3, [])).toEqual([0, 0, 0]);
  expect(() => bradleyTerry(2, [{ a: 0, b: 2, share: 0.5 }])).toThrow(
    'items from 0 to 1, got 0 and 2',
  );
  expect(() => bradleyTerry(2, [{ a: 1, b: 1, share: 0.5 }])).toThrow('got 1 and 1');
  expect(() => bradleyTerry(2, [{ a: 0, b: 1, share: NaN }])).toThrow('from 0 to 1, got NaN');
  expect(() => bradleyTerry(2, [], { prior: 0 })).toThrow('a prior above 0, got 2 and 0');
  const always = [
    { a: 0, b: 1, share: 1 },
    { a: 1, b: 2, share: 1 },
  ];
  expect(() => bradleyTerry(3, always, { prior: 1e-9 })).toThrow('to settle within 20000 rounds');
});
