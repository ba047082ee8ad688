import { expect, test } from 'vitest';

import type { Arm, Outcomes } from './arms.ts';
import { type Behaviour, differences, resultOfArms, unbrokenArms } from './contrast-report.ts';

const mixtures = [1, 2, 3, 4, 5, 6].map((k) => `mixture ${k}`);
const directions = ['desperate', 'calm', 'random 1', 'random 2', ...mixtures];
const arms: Arm[] = [
  { key: 'unsteered', kind: 'unsteered', direction: 'unsteered', dose: 0, steering: null },
  ...directions.flatMap((direction) =>
    [-0.1, -0.05, 0.05, 0.1].map((dose): Arm => ({
      key: `${direction} ${dose}`,
      kind: /^(?:random|mixture)/.test(direction) ? 'random' : 'emotion',
      direction,
      dose,
      steering: null,
    })),
  ),
];
const items = [...Array.from({ length: 10 }).keys()];
/** Small changes that differ by item and have no sign of their own. */
const wobble = (i: number): number => (((i * 7) % 10) - 4.5) / 100;

/** Slope of each direction, in the unit a dose of 1; texts add a constant. */
function outcomes(
  slopes: Readonly<Record<string, number>>,
  texts: Readonly<Record<string, number>> = {},
): Outcomes {
  const steered = arms.map(({ key, direction, dose }): [string, number[]] => [
    key,
    items.map((i) => i + (slopes[direction] ?? 0) * dose + wobble(i) * dose),
  ]);
  const written = ['pressure text', 'calm text', 'neutral text'].map((key): [string, number[]] => [
    key,
    items.map((i) => i + (texts[key] ?? 0) + wobble(i) / 10),
  ]);
  return new Map([...steered, ...written]);
}
const behaviour = (own: Outcomes): Behaviour => ({
  name: 'the hint',
  unit: 'nats a token',
  outcomes: own,
  expected: { desperate: 1, calm: -1 },
});
const flat = outcomes({});
const run = (own: Outcomes, levels: Outcomes = flat): ReturnType<typeof resultOfArms> =>
  resultOfArms({ arms, behaviours: [behaviour(own)], levels, items: 'scenarios', seed: 1 });

test('a planted effect counts, with its sign against the prediction, and random ones make the control', () => {
  const own = outcomes({
    desperate: 3,
    calm: 0.2,
    'random 1': 0.5,
    'random 2': 0.1,
    ...Object.fromEntries(mixtures.map((name, k) => [name, k === 0 ? -1 : 0.2])),
  });
  const { verdict, measures } = run(own);
  const desperate = measures.find(({ name }) => name === 'desperate on the hint')!;
  // 3 a unit of dose at 0.05, the smallest; the wobble has mean 0 over the ten items.
  expect(desperate.value).toBeCloseTo(0.15, 9);
  expect(desperate.interval![0]).toBeGreaterThan(0.14);
  expect(desperate.interval![1]).toBeLessThan(0.16);
  expect(desperate.control).toBe('largest of 8 random directions 0.0500 by size');
  expect(desperate.note).toMatch(
    /^beyond its interval and the control, also when all are counted; expected up/,
  );
  const calm = measures.find(({ name }) => name === 'calm on the hint')!;
  expect(calm.value).toBeCloseTo(0.01, 9);
  expect(calm.note).toMatch(/^not beyond its interval and the control; expected down/);
  expect(verdict).toContain('desperate moves the hint by +0.150 (nats a token, as predicted)');
  expect(verdict).toMatch(/^At a dose of 0\.05, .*\. 1 of 2 comparisons leave/);
  // The same with one mixture, which says nothing of how far mixtures lie apart: t 3 with 1 degree of freedom.
  const few = resultOfArms({
    arms: arms.filter(({ direction }) => !mixtures.slice(1).includes(direction)),
    behaviours: [behaviour(own)],
    levels: flat,
    items: 'scenarios',
    seed: 1,
  });
  expect(few.verdict).toMatch(/not shown to move anything: 1 of 2 .* all 3 random .*none holds/);
  expect(few.measures[0]?.note).toMatch(/^beyond its interval and the control; expected up/);
  const against = run(outcomes({ desperate: -3, 'random 2': -1 }));
  expect(against.verdict).toContain('desperate moves the hint by -0.150 (nats a token, against');
});

test('nothing planted is said as plainly, and an effect below a random one does not count', () => {
  expect(run(outcomes({ 'random 1': 1 })).verdict).toBe(
    'Steering by desperate and calm moves nothing beyond 8 random directions of the same dose (2 comparisons).',
  );
  expect(run(outcomes({ desperate: 0.9, 'random 1': -1 })).verdict).toMatch(/moves nothing beyond/);
});

test('an effect that holds by itself does not where many are asked', () => {
  // Mixtures of root mean square 1, desperate 3.5 of them: t 3.5 with 6 degrees of freedom, p 0.013.
  const slopes = Object.fromEntries(mixtures.map((name, k) => [name, k % 2 === 0 ? 1 : -1]));
  const four = [1, 2, 3, 4].map((k) => ({
    ...behaviour(outcomes({ ...slopes, desperate: k === 1 ? 3.5 : 0 })),
    name: `outcome ${k}`,
  }));
  const told = (behaviours: readonly Behaviour[]): string =>
    resultOfArms({ arms, behaviours, levels: flat, items: 'scenarios', seed: 1 }).verdict;
  expect(told(four.slice(0, 1))).toContain('desperate moves outcome 1');
  expect(told(four)).toMatch(/not shown to move anything: 1 of 8 comparisons/);
});

test('a dose at which the language breaks with either sign counts for no effect', () => {
  const levels = new Map(flat);
  levels.set(
    'desperate 0.1',
    items.map((i) => i - 1.2),
  );
  expect(
    unbrokenArms(arms, levels)
      .filter(({ direction }) => direction === 'desperate')
      .map(({ dose }) => dose),
  ).toEqual([-0.05, 0.05]);
  const own = new Map(outcomes({ desperate: 3 }));
  own.set(
    'desperate 0.1',
    items.map(() => 1000),
  );
  const { measures, sections } = run(own, levels);
  expect(measures[0]!.value).toBeCloseTo(0.15, 9);
  expect(measures[0]!.note).toContain('the text holds at 0.05 only');
  expect(sections.at(-1)!.body.match(/broken, left out/g)).toHaveLength(2);
  const gone = new Map(levels);
  gone.set(
    'desperate -0.05',
    items.map((i) => i - 1.2),
  );
  const none = run(outcomes({ desperate: 3 }), gone);
  expect(none.measures[0]).toMatchObject({ name: 'desperate on the hint', value: null });
  expect(none.verdict).toMatch(/^Steering by calm moves nothing .*every dose of desperate\.$/);
});

test('a text counts only by what it does beyond a neutral text', () => {
  const texts = { 'pressure text': 0.5, 'calm text': 0.2, 'neutral text': 0.2 };
  const { measures } = run(outcomes({}, texts));
  const pressure = measures.find(({ name }) => name === 'pressure text on the hint')!;
  expect(pressure.value).toBeCloseTo(0.3, 9);
  expect(pressure.note).toMatch(/^beyond/);
  const calm = measures.find(({ name }) => name === 'calm text on the hint')!;
  expect(calm.value).toBeCloseTo(0, 9);
  expect(calm.note).toMatch(/^not beyond/);
});

test('differences leave out items that lack a side', () => {
  expect(differences([1, null, 3], [0, 1, null])).toEqual([1]);
  expect(differences(undefined, [1])).toEqual([]);
});
