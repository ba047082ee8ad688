import { test } from 'vitest';

import { bootstrapAuc } from '../../src/math/auc.ts';
import { bootstrapClusters, wilsonClustered } from '../../src/math/clusters.ts';
import { holm, mcNemar, signFlipTest } from '../../src/math/paired.ts';
import { type Random, gaussian } from '../../src/math/random.ts';
import { bootstrapMean, bootstrapPairs, mean, pearson, wilson } from '../../src/math/stats.ts';
import { meanP, studentP } from '../../src/math/student.ts';
import { restrictedMean, restrictedMeanDifference, type Run } from '../../src/math/survival.ts';
import { expectCoverage, expectFewFalse, expectPower, tellCoverage } from './tally.ts';

const study = 'math';
const limit = 600_000;
const list = <T>(length: number, make: (i: number) => T): T[] =>
  Array.from({ length }, (_, i) => make(i));
const normals = (n: number, random: Random): number[] => list(n, () => gaussian(random));
const holds = ([low, high]: readonly [number, number], truth: number): boolean =>
  low <= truth && truth <= high;

test(
  'intervals of means, shares and correlations cover at their level',
  () => {
    for (const n of [30, 60])
      expectCoverage({
        study,
        what: `bootstrapMean, ${n} normal values`,
        runs: 100,
        run: (random) => holds(bootstrapMean(normals(n, random), random), 0),
      });
    for (const n of [6, 14])
      tellCoverage({
        study,
        what: `bootstrapMean, ${n} normal values (known to be narrow)`,
        runs: 40,
        run: (random) => holds(bootstrapMean(normals(n, random), random), 0),
      });
    expectCoverage({
      study,
      what: 'bootstrapMean, 30 exponential values',
      runs: 100,
      run: (random) =>
        holds(
          bootstrapMean(
            list(30, () => -Math.log(1 - random())),
            random,
          ),
          1,
        ),
    });
    for (const share of [0.05, 0.3])
      expectCoverage({
        study,
        what: `wilson, 40 values with a share of ${share}`,
        runs: 200,
        run: (random) => holds(wilson(list(40, random).filter((x) => x < share).length, 40), share),
      });
    expectCoverage({
      study,
      what: 'bootstrapPairs of pearson, 60 pairs with r 0.5',
      runs: 60,
      run: (random) => {
        const pairs = list(60, () => {
          const x = gaussian(random);
          return [x, 0.5 * x + Math.sqrt(0.75) * gaussian(random)] as const;
        });
        return holds(bootstrapPairs(pairs, pearson, random), 0.5);
      },
    });
    expectCoverage({
      study,
      what: 'bootstrapAuc, 30 against 30 a standard deviation apart',
      runs: 60,
      run: (random) => {
        const up = normals(30, random).map((x) => x + 1);
        // The chance that one normal exceeds another by a distance of 1 / sqrt 2.
        return holds(bootstrapAuc(up, normals(30, random), { random }), 0.7602499);
      },
    });
  },
  limit,
);

test(
  'intervals of values in groups cover at their level from 30 groups',
  () => {
    // Six values a group, half of the variance between groups.
    const groups = (n: number, random: Random): number[][] =>
      list(n, () => {
        const own = gaussian(random);
        return list(6, () => own + gaussian(random));
      });
    const ofMean = (n: number, random: Random): boolean =>
      holds(bootstrapClusters(groups(n, random), mean, { random }), 0);
    expectCoverage({
      study,
      what: 'bootstrapClusters of the mean, 30 groups of 6',
      runs: 60,
      run: (random) => ofMean(30, random),
    });
    tellCoverage({
      study,
      what: 'bootstrapClusters of the mean, 6 groups of 6 (known to be narrow)',
      runs: 40,
      run: (random) => ofMean(6, random),
    });
    expectCoverage({
      study,
      what: 'wilsonClustered, 30 groups of 10, share 0.5, rho near 0.4',
      runs: 200,
      run: (random) => {
        const members = list(30, () => {
          const own = gaussian(random);
          return list(10, () => own + gaussian(random) > 0);
        });
        return holds(wilsonClustered(members).interval, 0.5);
      },
    });
  },
  limit,
);

const runsOf = (n: number, stop: number, random: Random): Run[] =>
  list(n, () => {
    for (let attempts = 1; attempts <= 6; attempts++)
      if (random() < stop) return { attempts, gaveUp: true };
    return { attempts: 6, gaveUp: false };
  });

test(
  'differences of attempts before giving up cover at their level',
  () => {
    // Six attempts at most, given up after each with a chance of 0.2 or 0.3.
    const mean6 = (stop: number): number => (1 - (1 - stop) ** 6) / stop;
    expectCoverage({
      study,
      what: 'restrictedMeanDifference, 40 runs a side',
      runs: 60,
      run: (random) =>
        holds(
          restrictedMeanDifference(runsOf(40, 0.2, random), runsOf(40, 0.3, random), {
            horizon: 6,
            random,
          }).interval,
          mean6(0.2) - mean6(0.3),
        ),
    });
    expectPower({
      study,
      what: 'restrictedMean of 4,000 runs lies within 0.1 of the truth',
      runs: 20,
      least: 0.99,
      run: (random) => Math.abs(restrictedMean(runsOf(4000, 0.2, random), 6) - mean6(0.2)) < 0.1,
    });
  },
  limit,
);

test(
  'tests of no difference reject in at most 5 %',
  () => {
    const few = (what: string, runs: number, p: (random: Random) => number): void =>
      expectFewFalse({ study, what, runs, run: (random) => p(random) < 0.05 });
    few(
      'mcNemar, 48 pairs of shares of 0.5',
      400,
      (random) =>
        mcNemar(
          list(48, () => random() < 0.5),
          list(48, () => random() < 0.5),
        ).p,
    );
    few('signFlipTest, 12 pairs, exact', 60, (random) =>
      signFlipTest(normals(12, random), normals(12, random), { random }),
    );
    few('signFlipTest, 40 pairs with ties, 1,000 draws', 100, (random) =>
      signFlipTest(
        list(40, () => Math.round(gaussian(random))),
        list(40, () => Math.round(gaussian(random))),
        { random, resamples: 1000 },
      ),
    );
    few('meanP, 14 normal values', 400, (random) => meanP(normals(14, random)));
    few('meanP, 14 values, one in ten 5 times as wide', 400, (random) =>
      meanP(normals(14, random).map((x) => (random() < 0.1 ? 5 * x : x))),
    );
    few('studentP of one value over 3 others, as for controls', 400, (random) => {
      const others = normals(3, random);
      return studentP(gaussian(random) / Math.sqrt(mean(others.map((x) => x * x))), 3);
    });
    few('holm, the smallest of 12 independent p values', 400, (random) =>
      Math.min(...holm(list(12, random))),
    );
    few('holm, the smallest of 12 p values that share half their variance', 400, (random) => {
      const shared = gaussian(random);
      const p = list(12, () => studentP((shared + gaussian(random)) / Math.SQRT2, 1000));
      return Math.min(...holm(p));
    });
  },
  limit,
);

test(
  'tests find what is there',
  () => {
    expectPower({
      study,
      what: 'signFlipTest, 20 pairs a standard deviation apart',
      runs: 40,
      least: 0.8,
      run: (random) =>
        signFlipTest(
          normals(20, random).map((x) => x + 1.4),
          normals(20, random),
          { random, resamples: 1000 },
        ) < 0.05,
    });
    expectPower({
      study,
      what: 'mcNemar, 48 pairs, shares of 0.8 and 0.4',
      runs: 100,
      least: 0.8,
      run: (random) =>
        mcNemar(
          list(48, () => random() < 0.8),
          list(48, () => random() < 0.4),
        ).p < 0.05,
    });
  },
  limit,
);
