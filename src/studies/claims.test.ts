import { expect, test } from 'vitest';

import type { DirectionEffect } from './arms.ts';
import { amongP, besideControls, clearEffects, effectP, isAbove, isBelow } from './claims.ts';

const effect = (direction: string, trend: number, p = 0): DirectionEffect => ({
  direction,
  kind: /^(?:random|mixture)/.test(direction) ? 'random' : 'emotion',
  trend,
  interval: [trend, trend],
  p,
  even: 0,
  doses: [0.1],
  n: 10,
});
const controls = [1, -1, 1].map((trend, k) => effect(`mixture ${k + 1}`, trend));

test('a value among controls is a t with one degree of freedom each', () => {
  // Critical values of a printed table, three degrees of freedom: .05 and .01.
  expect(amongP(3.182, [1, -1, 1])).toBeCloseTo(0.05, 4);
  expect(amongP(-5.841, [1, -1, 1])).toBeCloseTo(0.01, 4);
  expect([amongP(0, [1]), amongP(5, [])]).toEqual([1, 1]);
});

test('an effect must be out among all controls, among the mixtures, and of its items', () => {
  const own = effect('calm', 3.182);
  expect(effectP(own, [own, ...controls])).toBeCloseTo(0.05, 4);
  // Plain random directions that do nothing make no effect larger.
  const still = [1, 2, 3, 4, 5].map((k) => effect(`random ${k}`, 0));
  expect(effectP(own, [own, ...controls, ...still])).toBeCloseTo(0.05, 4);
  expect(effectP(effect('calm', 3.182, 0.3), controls)).toBe(0.3);
  expect(effectP(own, [own])).toBe(1);
});

test('what holds by itself does not where many are asked', () => {
  const far = effect('calm', 10);
  const near = [1, 2, 3, 4].map(() => effect('calm', 0.5));
  const asked = (list: readonly DirectionEffect[]): number =>
    clearEffects(list.map((one) => ({ effect: one, effects: [one, ...controls] }))).size;
  // t 10 with three degrees of freedom: p 0.0021, times 5 below 0.04 and times 25 above it.
  expect(asked([far, ...near])).toBe(1);
  expect(asked([far, ...near, ...near, ...near, ...near, ...near, ...near])).toBe(0);
});

test('a mean beside the arms needs its interval and a p below 0.01', () => {
  const interval = [0.1, 4] as const;
  // Mean 2, deviation 1, n 3: p 0.074.
  expect(isAbove([1, 2, 3], { interval })).toBe(false);
  expect(isAbove([1.9, 2, 2.1], { interval })).toBe(true);
  expect(isAbove([1.9, 2, 2.1], { interval: [-0.1, 4] })).toBe(false);
  expect(isAbove([-1.9, -2, -2.1], { interval })).toBe(false);
  expect(isBelow([-1.9, -2, -2.1], { interval: [-4, -0.1] })).toBe(true);
});

test('besideControls says beyond of what is far from the controls, for as many questions as are asked', () => {
  const random = [0.1, -0.1, 0.1, -0.1];
  expect(besideControls(0.1, random, 1)).toBe('but no more than');
  // t of 20 with 4 degrees of freedom: p below 0.0001; of 2.6 about 0.06.
  expect(besideControls(-2, random, 100)).toBe('beyond');
  expect(besideControls(0.26, random, 1)).toBe('but not clearly beyond');
  // t of 4: p 0.016, below 0.05 and not below a tenth of it.
  expect([1, 10].map((asked) => besideControls(0.4, random, asked))).toEqual([
    'beyond',
    'but not clearly beyond',
  ]);
});
