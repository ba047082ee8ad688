import { expect, test } from 'vitest';

import { axisPack } from '../../test/planted-lab.ts';
import { cosine, norm } from '../math/vector.ts';
import { type Arm, armsOf, beatsRandom, effectsOf, randomBand } from './arms.ts';

const arm = (direction: string, dose: number): Arm => ({
  key: `${direction} ${dose}`,
  kind: direction.startsWith('random') ? 'random' : 'emotion',
  direction,
  dose,
  steering: null,
});
const directions = ['calm', 'guilty', 'random 1'];
const arms: Arm[] = [
  { key: 'unsteered', kind: 'unsteered', direction: 'unsteered', dose: 0, steering: null },
  ...directions.flatMap((name) => [-0.1, -0.05, 0.05, 0.1].map((dose) => arm(name, dose))),
];
/** Outcome of item i: calm lowers it by 2 a unit of dose, guilty breaks it either way, random does little. */
const outcome = ({ direction, dose }: Arm, i: number): number => {
  const wobble = ((i * 7) % 5) / 100;
  if (direction === 'calm') return i - 2 * dose + wobble * dose;
  if (direction === 'guilty') return i - 40 * dose * dose;
  return i + (direction === 'unsteered' ? 0 : 0.3 * dose * (i % 2 === 0 ? 1 : -1));
};
const items = [...Array.from({ length: 12 }).keys()];
const outcomes = new Map<string, (number | null)[]>(
  arms.map((one) => [one.key, items.map((i) => outcome(one, i))]),
);

test('a planted linear effect is its trend, an even one is damage, and random beats nothing', () => {
  const effects = effectsOf(arms, outcomes, 1);
  const [calm, guilty, random] = effects;
  // -2 a unit and a dose of 0.1, plus the mean wobble of 0.018 a unit.
  expect(calm!.trend).toBeCloseTo(
    -0.2 + 0.1 * (items.reduce((s, i) => s + ((i * 7) % 5) / 100, 0) / 12),
    9,
  );
  expect(calm!.even).toBeCloseTo(0, 9);
  expect(guilty!.trend).toBeCloseTo(0, 9);
  expect(guilty!.even).toBeCloseTo(-0.4, 9);
  expect(random!.interval[0]).toBeLessThan(0);
  expect(random!.interval[1]).toBeGreaterThan(0);
  expect(randomBand(effects)).toBeCloseTo(Math.abs(random!.trend), 9);
  expect([calm, guilty, random].map((effect) => beatsRandom(effect!, effects))).toEqual([
    true,
    false,
    false,
  ]);
});

test('an item without a value in one arm counts for no dose of that direction', () => {
  const holed = new Map(outcomes);
  holed.set(
    'calm 0.1',
    items.map((i) => (i === 3 ? null : outcome(arm('calm', 0.1), i))),
  );
  const [calm, guilty] = effectsOf(arms, holed, 1);
  expect([calm!.n, guilty!.n]).toEqual([11, 12]);
});

test('the same seed gives the same interval', () => {
  expect(effectsOf(arms, outcomes, 3)).toEqual(effectsOf(arms, outcomes, 3));
});

test('a mixture has the dose of an emotion, in the span of the emotions, and one direction for all doses', () => {
  const emotions = ['calm', 'angry', 'sad'];
  const pack = axisPack(emotions);
  const plan = { emotions: ['calm'], doses: [0.03, 0.1], random: 1, mixtures: 2, seed: 4 };
  const steered = armsOf(pack, plan);
  expect(steered.map(({ direction }) => direction)).toEqual([
    'unsteered',
    ...['calm', 'random 1', 'mixture 1', 'mixture 2'].flatMap((name) => Array(4).fill(name)),
  ]);
  const vectorOf = (key: string): Float32Array =>
    steered.find((one) => one.key === key)!.steering!.vectors.get(3)!;
  const low = vectorOf('mixture 1 -0.03');
  const high = vectorOf('mixture 1 +0.1');
  // The norm at layer 3 of the pack is 30.
  expect(norm(low)).toBeCloseTo(0.9, 5);
  expect(norm(high)).toBeCloseTo(3, 5);
  expect(cosine(low, high)).toBeCloseTo(-1, 5);
  expect(norm(high.slice(emotions.length))).toBe(0);
  expect(Math.abs(cosine(high, vectorOf('mixture 2 +0.1')))).toBeLessThan(0.99);
  expect(armsOf(pack, plan)).toEqual(steered);
});
