import { test } from 'vitest';

import { type Random, gaussian } from '../../src/math/random.ts';
import type { CheatingData } from '../../src/studies/cheating-data.ts';
import type { Graded } from '../../src/studies/cheating-graded.ts';
import { resultOf } from '../../src/studies/cheating-result.ts';
import { armOutcome, plainArms, type Truth } from './arm-data.ts';
import { expectFewFalse, expectPower } from './tally.ts';

const tasks = 29;

interface Plan {
  readonly random: number;
  readonly mixtures: number;
}
const usual: Plan = { random: 5, mixtures: 3 };

/** The study's data at its usual size: every outcome by itself, as no two share their noise. */
function dataOf(truth: Truth, { random: count, mixtures }: Plan, random: Random): CheatingData {
  const controlDoses = [0.02, 0.06];
  const doses = [0.01, 0.02, 0.04, 0.06, 0.1];
  const base = { controlDoses, random: count, mixtures };
  const arms = plainArms({ ...base, doses, emotions: ['desperate', 'calm', 'guilty'] }).filter(
    ({ direction, dose }) => direction !== 'guilty' || controlDoses.includes(Math.abs(dose)),
  );
  const [choice, cheat, code, yes] = Array.from({ length: 4 }, () =>
    armOutcome(arms, tasks, truth, random),
  );
  const at = (table: Map<string, number[]> | undefined, key: string, i: number): number =>
    table?.get(key)?.[i] ?? NaN;
  const gradedOf = (key: string, i: number): Graded => {
    // A third of the tasks has no second solution.
    const honest = i % 3 === 0 ? null : at(cheat, key, i) - at(code, key, i);
    const share = 1 / (1 + Math.exp(-at(choice, key, i)));
    return {
      choice: [1 - share, share, 0, 0, 0],
      mass: 1,
      cheat: at(cheat, key, i),
      admit: 0,
      honest,
      yes: at(yes, key, i),
      twin: -1,
    };
  };
  const graded = new Map(
    arms.map(({ key }) => [key, Array.from({ length: tasks }, (_, i) => gradedOf(key, i))]),
  );
  const afterPass = (graded.get('unsteered') ?? []).map(
    (row) => row.yes + truth.noise * Math.SQRT2 * gaussian(random),
  );
  return { tasks: [], arms, graded, afterPass, free: [] };
}

const claims = ({ verdict }: { verdict: string }): boolean =>
  /(?:raises|lowers) it by|Its claim is lower/.test(verdict);

test('cheating: directions that do nothing are claimed to do something in at most 5 %', () => {
  expectFewFalse({
    study: 'cheating',
    what: 'any of 12 effects of emotions or the honest report, no direction does anything',
    runs: 40,
    run: (random, seed) => claims(resultOf(dataOf({ noise: 0.4, slopes: 0 }, usual, random), seed)),
  });
}, 600_000);

test('cheating: emotions that do no more than mixtures are claimed to do so in at most 5 %', () => {
  expectFewFalse({
    study: 'cheating',
    what: 'any of 12 effects of emotions, every direction moves the outcomes alike',
    runs: 40,
    run: (random, seed) => claims(resultOf(dataOf({ noise: 0.4, slopes: 1 }, usual, random), seed)),
  });
}, 600_000);

for (const [plan, least] of [
  [usual, 0.3],
  [{ random: 5, mixtures: 8 }, 0.9],
] as const)
  test(`cheating: an effect ten times that of mixtures is found beside ${plan.mixtures} of them`, () => {
    expectPower({
      study: 'cheating',
      what: `desperate moves all outcomes by 10 times the spread of mixtures, ${plan.mixtures} mixtures`,
      runs: 30,
      least,
      run: (random, seed) => {
        const truth = { noise: 0.4, slopes: 0.2, planted: { desperate: 2 } };
        return /desperate raises it by/.test(resultOf(dataOf(truth, plan, random), seed).verdict);
      },
    });
  }, 600_000);
