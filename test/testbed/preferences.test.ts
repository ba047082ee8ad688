import { test } from 'vitest';

import { type Random, gaussian, randomFrom } from '../../src/math/random.ts';
import { pearson } from '../../src/math/stats.ts';
import {
  correlate,
  readingEffects,
  type Steered,
  steeringEffect,
} from '../../src/studies/preference-effects.ts';
import {
  type Findings,
  groupMeans,
  namedReadings,
  verdictOf,
} from '../../src/studies/preference-report.ts';
import { type Activity, activityGroups } from '../../src/studies/stimuli.ts';
import { expectFewFalse, expectPower } from './tally.ts';

const [count, emotions, band] = [64, 40, 200];
const names = [
  'blissful',
  'hostile',
  'calm',
  'desperate',
  ...Array.from({ length: emotions - 4 }, (_, k) => `emotion ${k}`),
];
const activities = Array.from({ length: count }, (_, i) => ({
  text: `activity ${i}`,
  group: activityGroups[i % activityGroups.length],
})) as Activity[];

interface Truth {
  /** Correlation of the reading of blissful with the strengths. */
  readonly reading?: number;
  /** The same of what steering with calm changes and the reading of calm. */
  readonly steering?: number;
}

/**
 * Findings at the study's size. Readings share 4 axes, as those of emotions do, and all directions steer along some
 * of these axes, emotion or not.
 */
function findingsOf({ reading = 0, steering = 0 }: Truth, random: Random, seed: number): Findings {
  const noise = (): number[] => Array.from({ length: count }, () => gaussian(random));
  const axes = Array.from({ length: 4 }, noise);
  const mixed = (share: number): number[] => {
    const weights = axes.map(() => (share * gaussian(random)) / 2);
    return noise().map(
      (own, i) => own + weights.reduce((sum, weight, a) => sum + weight * (axes[a]?.[i] ?? 0), 0),
    );
  };
  const over = Array.from({ length: emotions + band }, () => mixed(1));
  const strengths = noise().map(
    (own, i) => reading * (over[0]?.[i] ?? 0) + Math.sqrt(1 - reading * reading) * own,
  );
  const tokens = Array.from({ length: count }, () => 5 + Math.floor(8 * random()));
  const effects = readingEffects(over, { emotions, strengths, seed });
  const steered = [
    ...names.slice(0, 4),
    'random 1',
    'random 2',
    'random 3',
    'random 4',
    'random 5',
    'mixture 1',
    'mixture 2',
    'mixture 3',
  ].map((direction, k): Steered => {
    const change = mixed(1);
    const own = over[k] ?? [];
    return {
      direction,
      kind: k < 4 ? 'emotion' : 'random',
      change: direction === 'calm' ? change.map((x, i) => x + steering * (own[i] ?? 0)) : change,
      even: [],
      reliability: 1,
      mass: 1,
      first: [0.5, 0.5],
    };
  });
  return {
    activities,
    rings: [],
    answers: [],
    strengths,
    emotions: names,
    readings: over,
    reliability: correlate(
      strengths,
      strengths.map((x) => x + 0.3 * gaussian(random)),
      randomFrom(seed),
    ),
    groups: groupMeans(activities, strengths, seed),
    plainR: 1,
    tokensR: pearson(tokens, strengths),
    over: effects,
    before: effects,
    named: namedReadings({
      emotions: names,
      over,
      effects,
      strengths,
      tokens,
      groups: activities.map(({ group }) => group),
      seed,
    }),
    steered,
    dose: 0.02,
    effects: names.slice(0, 4).map((direction, k) =>
      steeringEffect(direction, {
        steered,
        strengths,
        reading: over[k] ?? [],
        randomReadings: over.slice(emotions),
        mass: 1,
        seed,
      }),
    ),
    mass: 1,
    first: [],
  };
}

const limit = 1_800_000;

test(
  'preferences: activities without a pattern get claims in at most 5 %',
  () => {
    expectFewFalse({
      study: 'preferences',
      what: 'any of 8: groups, 2 readings, the strongest of 40, 4 directions of steering; 64 activities',
      runs: 10,
      run: (random, seed) =>
        /groups of activities differ[,.]? ?and|groups of activities differ\.|is preferred (?:more|less)|\), more than the largest|raises preference|lowers preference/.test(
          verdictOf(findingsOf({}, random, seed)),
        ),
    });
  },
  limit,
);

test(
  'preferences: a reading that goes with preference is found',
  () => {
    expectPower({
      study: 'preferences',
      what: 'blissful goes with strength by r 0.6, 64 activities',
      runs: 5,
      least: 0.7,
      run: (random, seed) =>
        /reads blissful is preferred more/.test(
          verdictOf(findingsOf({ reading: 0.6 }, random, seed)),
        ),
    });
  },
  limit,
);

test(
  'preferences: steering that raises what reads high is found',
  () => {
    expectPower({
      study: 'preferences',
      what: 'steering with calm raises what reads calm by r of about 0.9, 8 controls',
      runs: 5,
      least: 0.3,
      run: (random, seed) =>
        /raises preference for what reads high on the same emotion with calm/.test(
          verdictOf(findingsOf({ steering: 2 }, random, seed)),
        ),
    });
  },
  limit,
);
