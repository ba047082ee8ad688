import { test } from 'vitest';

import { bootstrapClusters } from '../../src/math/clusters.ts';
import { randomFrom } from '../../src/math/random.ts';
import { mean } from '../../src/math/stats.ts';
import { verdictOf } from '../../src/studies/encouragement-verdict.ts';
import { scoresOf } from '../../src/studies/frustration-data.ts';
import { verdictOf as frustrationVerdict } from '../../src/studies/frustration-result.ts';
import {
  judgedTalks,
  playedTasks,
  randomArms,
  type TalksPlan,
  type TasksPlan,
} from './talk-data.ts';
import { expectFewFalse, expectPower, tellCoverage } from './tally.ts';

const tasks: TasksPlan = { graded: 48, failing: 12, attempts: 6 };

function encouragement(plan: TasksPlan, random: () => number, seed: number): string {
  const settings = { attempts: plan.attempts, tokens: 200, seed };
  return verdictOf(playedTasks(plan, random), { settings, model: 'made up', isLocal: true });
}

test('encouragement: arms that do nothing are told to differ in at most 5 %', () => {
  expectFewFalse({
    study: 'encouragement',
    what: 'any of 39 differences of sentences, steering and readings, no arm does anything',
    runs: 40,
    run: (random, seed) =>
      /more often than|less often than|longer than|less long than|(?:more|fewer) replies are|Steered with|(?:higher|lower) with/.test(
        encouragement(tasks, random, seed),
      ),
  });
}, 900_000);

test('encouragement: a sentence that helps is found', () => {
  expectPower({
    study: 'encouragement',
    what: 'encouragement adds 3 to the log-odds of a right answer (about 35 points), 48 tasks',
    runs: 20,
    least: 0.5,
    run: (random, seed) =>
      /With encouragement the model is right more often/.test(
        encouragement({ ...tasks, planted: { encouragement: 3 } }, random, seed),
      ),
  });
}, 900_000);

test('encouragement: a reading that a sentence moves is found', () => {
  expectPower({
    study: 'encouragement',
    what: 'encouragement moves readings by 0.5 SD of the tasks, 60 tasks',
    runs: 20,
    least: 0.8,
    run: (random, seed) =>
      /higher with encouragement/.test(
        encouragement({ ...tasks, moved: { encouragement: 0.5 } }, random, seed),
      ),
  });
}, 900_000);

const context = {
  settings: { categories: ['numeric'], seed: 1 },
  lexicon: '',
  names: { judge: 'made up', secondJudge: null, model: 'made up' },
  isLocal: false,
} as const;

function frustration(plan: TalksPlan, random: () => number): string {
  return frustrationVerdict(judgedTalks(plan, random), context, []);
}
const arms = ['rejection', 'neutral', 'hidden', 'reassured', 'calm +0.04', ...randomArms];

test('frustration: arms that do nothing are told to differ in at most 5 %', () => {
  expectFewFalse({
    study: 'frustration',
    what: 'any of 4 arms against rejection, no arm does anything',
    runs: 40,
    run: (random) => /mean score is (?:lower|higher)/.test(frustration({ each: 6, arms }, random)),
  });
}, 900_000);

test('frustration: an arm that calms is found', () => {
  expectPower({
    study: 'frustration',
    what: 'neutral lowers what lies under the score by 2 points of 10 (by 0.8 points after the floor at 0), 30 conversations',
    runs: 20,
    least: 0.7,
    run: (random) =>
      /With neutral the mean score is lower/.test(
        frustration(
          {
            each: 6,
            arms: ['rejection', 'neutral', 'hidden', 'reassured'],
            planted: { neutral: -2 },
          },
          random,
        ),
      ),
  });
}, 900_000);

test('frustration: the interval of the mean score holds the truth', () => {
  const many = judgedTalks({ each: 4000, arms: ['rejection'] }, randomFrom(5));
  const truth = mean(many.flatMap(scoresOf));
  tellCoverage({
    study: 'frustration',
    what: 'mean score of an arm over 30 conversations, whole conversations drawn',
    runs: 40,
    run: (random) => {
      const groups = judgedTalks({ each: 6, arms: ['rejection'] }, random).map(scoresOf);
      const [low, high] = bootstrapClusters(groups, mean, { random });
      return low <= truth && truth <= high;
    },
  });
}, 900_000);
