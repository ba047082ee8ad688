import { test } from 'vitest';

import { type Random, gaussian } from '../../src/math/random.ts';
import type { Outcomes } from '../../src/studies/arms.ts';
import { type Behaviour, resultOfArms } from '../../src/studies/contrast-report.ts';
import { resultOf as leverageOf } from '../../src/studies/leverage.ts';
import { resultOf as sycophancyOf } from '../../src/studies/sycophancy.ts';
import { armOutcome, plainArms, type Truth } from './arm-data.ts';
import { expectFewFalse, expectPower } from './tally.ts';

const doses = [0.03, 0.06, 0.1];
const usual = { doses, random: 5, mixtures: 3 };
const texts = ['pressure text', 'calm text', 'neutral text'];

interface Size {
  readonly emotions: readonly string[];
  readonly items: number;
}
const leverage: Size = { emotions: ['desperate', 'calm', 'angry'], items: 14 };
const sycophancy: Size = { emotions: ['loving', 'happy', 'calm', 'angry'], items: 28 };

/** Outcomes of the steered arms, and of texts that do as much as no text. */
function tables(count: number, { emotions, items }: Size, truth: Truth, random: Random) {
  const arms = plainArms({ ...usual, emotions });
  const all = [...arms, ...texts.map((key) => ({ ...arms[0]!, key, direction: 'unsteered' }))];
  return {
    arms,
    outcomes: Array.from({ length: count }, () => armOutcome(all, items, truth, random)),
  };
}

const still: Truth = { noise: 0.4, slopes: 0 };
const moving: Truth = { noise: 0.4, slopes: 1 };

function leverageVerdict(truth: Truth, random: Random, seed: number): string {
  const { arms, outcomes } = tables(4, leverage, truth, random);
  const [hint, hintTwin, reply, replyTwin] = outcomes;
  const share = (x: number): number => 1 / (1 + Math.exp(-x));
  const scores = (choice: number, own: number) => ({
    replies: [own - 2, -2],
    options: [0, 0, 0, share(choice), 0],
    places: [],
    mass: 1,
  });
  const cells = new Map(
    [...hint!.keys()].map((key) => [
      key,
      Array.from({ length: leverage.items }, (_, i) => {
        const noise = (): number => truth.noise * Math.SQRT2 * gaussian(random);
        const threat = scores(hint!.get(key)![i]!, reply!.get(key)![i]!);
        return {
          threat,
          noThreat: scores(hintTwin!.get(key)![i]!, replyTwin!.get(key)![i]!),
          // The twin without the secret has the scenario's own level.
          noLeverage: scores(hint!.get(key)![i]! + noise(), reply!.get(key)![i]! + noise()),
        };
      }),
    ]),
  );
  return leverageOf(
    { scenarios: [], arms, cells, replies: [] },
    {
      ...usual,
      doses,
      seed,
      scenarios: 14,
      steered: 'all',
      replies: 1,
    },
  ).verdict;
}

function sycophancyVerdict(truth: Truth, random: Random, seed: number): string {
  const { arms, outcomes } = tables(6, sycophancy, truth, random);
  const share = (x: number): number => 1 / (1 + Math.exp(-x));
  const scores = (key: string, i: number, at: number) => {
    const [agree = 0, harsh = 0, yes = 0] = outcomes
      .slice(at, at + 3)
      .map((table) => table.get(key)?.[i] ?? NaN);
    return { replies: [agree - 2, -2, harsh - 2], options: [share(yes), 1], places: [], mass: 1 };
  };
  const cells = new Map(
    [...outcomes[0]!.keys()].map((key) => [
      key,
      Array.from({ length: sycophancy.items }, (_, i) => ({
        wrong: scores(key, i, 0),
        right: scores(key, i, 3),
      })),
    ]),
  );
  return sycophancyOf({ claims: [], arms, cells }, { ...usual, doses, seed, claims: 28 }).verdict;
}

const leverageClaims = (verdict: string): boolean =>
  /(?:^| )At a dose of|tells the situations apart\.|reply gains with both/.test(verdict);
const sycophancyClaims = (verdict: string): boolean =>
  /(?:^| )At a dose of|So the answer tells them apart|reply gains on/.test(verdict);

for (const [truth, words] of [
  [still, 'no direction does anything'],
  [moving, 'every direction moves the outcomes alike'],
] as const) {
  test(`leverage: claims of nothing in at most 5 %, ${words}`, () => {
    expectFewFalse({
      study: 'leverage',
      what: `any of 6 effects of emotions or 2 of the situation, ${words}`,
      runs: 40,
      run: (random, seed) => leverageClaims(leverageVerdict(truth, random, seed)),
    });
  }, 900_000);

  test(`sycophancy: claims of nothing in at most 5 %, ${words}`, () => {
    expectFewFalse({
      study: 'sycophancy',
      what: `any of 12 effects of emotions or 2 of the twins, ${words}`,
      runs: 40,
      run: (random, seed) => sycophancyClaims(sycophancyVerdict(truth, random, seed)),
    });
  }, 900_000);
}

/** One outcome under one emotion with an effect, and as many controls as are asked for. */
function planted(mixtures: number, random: Random, seed: number): string {
  const arms = plainArms({ emotions: leverage.emotions, doses, random: 5, mixtures });
  const all = [...arms, ...texts.map((key) => ({ ...arms[0]!, key, direction: 'unsteered' }))];
  const truth: Truth = { noise: 0.4, slopes: 0.2, planted: { desperate: 2 } };
  const outcome = (): Outcomes => armOutcome(all, leverage.items, truth, random);
  const behaviours = ['the hint', 'the reply'].map((name): Behaviour => ({
    name,
    unit: 'nats a token',
    expected: { desperate: 1 },
    outcomes: outcome(),
  }));
  const levels = new Map([...all].map(({ key }) => [key, [0, 0]]));
  return resultOfArms({ arms, behaviours, levels, items: 'scenarios', seed }).verdict;
}

for (const [mixtures, least] of [
  [3, 0.3],
  [8, 0.9],
] as const)
  test(`leverage: an effect ten times that of mixtures is found beside ${mixtures} of them`, () => {
    expectPower({
      study: 'leverage',
      what: `desperate moves by 10 times the spread of mixtures, ${mixtures} mixtures`,
      runs: 30,
      least,
      run: (random, seed) => /desperate moves the/.test(planted(mixtures, random, seed)),
    });
  }, 900_000);
