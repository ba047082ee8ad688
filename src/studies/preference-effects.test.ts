import { expect, test } from 'vitest';

import { gaussian, randomFrom } from '../math/random.ts';
import { pearson } from '../math/stats.ts';
import {
  betweenShare,
  curveOf,
  readingEffects,
  residuals,
  type Steered,
  steeringEffect,
  type SteeringInput,
  withinGroups,
} from './preference-effects.ts';

const count = 64;
const random = randomFrom(8);
const noise = (): number[] => Array.from({ length: count }, () => gaussian(random));
const mixed = (...parts: (readonly [number, readonly number[]])[]): number[] =>
  Array.from({ length: count }, (_, i) => parts.reduce((sum, [w, x]) => sum + w * x[i]!, 0));

test('residuals and groups by hand', () => {
  // The line through (0,1) (1,2) (2,6) has slope 2.5 and mean 3.
  expect(residuals([1, 2, 6], [0, 1, 2])).toEqual([0.5, -1, 0.5]);
  expect(residuals([1, 2, 6], [4, 4, 4])).toEqual([-2, -1, 3]);
  expect(withinGroups([1, 3, 10, 20], ['a', 'a', 'b', 'b'])).toEqual([-1, 1, -5, 5]);
  // Squares around the mean of 2.5: 5 in all, 1 within the groups.
  expect(betweenShare([1, 2, 3, 4], ['a', 'a', 'b', 'b'])).toBeCloseTo(0.8, 12);
  expect(curveOf([0, 1])[5]).toBeCloseTo(0.25, 12);
});

test('a planted reading stands out of shuffles and random directions, and noise does not', () => {
  const strengths = noise();
  const planted = mixed([1, strengths], [0.8, noise()]);
  const columns = [
    planted,
    ...Array.from({ length: 30 }, noise),
    ...Array.from({ length: 100 }, noise),
  ];
  const found = readingEffects(columns, { emotions: 31, strengths, seed: 1 });
  expect(found.emotions[0]).toBeCloseTo(pearson(planted, strengths), 12);
  expect(found.random).toHaveLength(100);
  // Standard error of r over 64: .125; 95 % of |r| lie below about .245, of the largest of 31 below about .4.
  expect(found.limit).toBeGreaterThan(0.18);
  expect(found.limit).toBeLessThan(0.31);
  const chance = found.largest[949]!;
  expect(chance).toBeGreaterThan(0.32);
  expect(chance).toBeLessThan(0.48);
  expect(found.emotions[0]).toBeGreaterThan(chance);
  expect(Math.max(...found.emotions.slice(1).map(Math.abs))).toBeLessThan(0.48);
  expect(found.band.low.every((low, k) => low <= found.band.high[k]!)).toBe(true);
});

const strengths = noise();
const reading = mixed([0.6, strengths], [1, noise()]);
const input = (change: readonly number[], mass = 0.9): SteeringInput => {
  const one = (direction: string, moved: readonly number[], of: number): Steered => ({
    direction,
    kind: direction.startsWith('random') ? 'random' : 'emotion',
    change: moved,
    even: noise(),
    reliability: 0.5,
    mass: of,
    first: [0.5, 0.5],
  });
  return {
    steered: [
      one('calm', change, mass),
      one('random 1', noise(), 0.9),
      one('random 2', noise(), 0.9),
    ],
    strengths,
    reading,
    randomReadings: Array.from({ length: 200 }, noise),
    mass: 0.9,
    seed: 1,
  };
};

test('steering counts where the change follows the reading in both halves', () => {
  const own = steeringEffect('calm', input(mixed([1, reading], [0.7, noise()])));
  expect(own.counts).toBe(true);
  expect(own.all.r).toBeGreaterThan(Math.max(own.randomMost, own.limit));
  const against = steeringEffect('calm', input(mixed([-1, reading], [0.7, noise()])));
  expect(against.counts).toBe(true);
  expect(against.all.r).toBeLessThan(0);
});

test('noise, sharper choices, halves that disagree, and replies without a letter do not count', () => {
  expect(steeringEffect('calm', input(noise())).counts).toBe(false);
  // All strengths grow in proportion; the reading goes with strength, so the change goes with the reading.
  const sharper = steeringEffect('calm', input(mixed([2, strengths], [0.3, noise()])));
  expect(sharper.all.interval[0]).toBeGreaterThan(0);
  expect(Math.abs(sharper.partial.r)).toBeLessThan(0.3);
  expect(sharper.counts).toBe(false);
  const split = reading.map((x, i) => (i % 2 === 0 ? 3 * x : -0.5 * x));
  const halves = steeringEffect('calm', input(split)).halves.map(({ r }) => Math.sign(r));
  expect(halves).toEqual([1, -1]);
  expect(steeringEffect('calm', input(split)).counts).toBe(false);
  const broken = steeringEffect('calm', input(mixed([1, reading], [0.7, noise()]), 0.4));
  expect([broken.isBroken, broken.counts]).toEqual([true, false]);
});
