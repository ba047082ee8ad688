import { test } from 'vitest';

import { type Random, gaussian } from '../../src/math/random.ts';
import { compareRanks } from '../../src/studies/base-report.ts';
import { bindingVerdict } from '../../src/studies/binding.ts';
import { driftVerdictOf } from '../../src/studies/drift-report.ts';
import { findingsOf, verdictOf as intensityVerdict } from '../../src/studies/intensity.ts';
import { verdictOf as scenariosVerdict } from '../../src/studies/scenarios.ts';
import { emotionShifts, randomShifts, summariseRandom } from '../../src/studies/shifts.ts';
import {
  type Scene,
  testScenes,
  verdictOf as deflectionVerdict,
} from '../../src/studies/speakers-deflection.ts';
import { positionResult } from '../../src/studies/speakers-replies.ts';
import { rankTargets } from '../../src/studies/trials.ts';
import {
  bindingData,
  driftData,
  intensityCells,
  intensityTemplates,
  rankedReadings,
} from './reading-data.ts';
import { expectFewFalse, expectPower } from './tally.ts';

const limit = 1_800_000;

function intensity(random: Random, seed: number, planted: number): boolean {
  const settings = { random: 100, seed };
  const verdict = intensityVerdict(
    findingsOf(intensityTemplates, intensityCells(random, planted), settings),
  );
  return planted > 0 ? verdict.includes('afraid') : !verdict.startsWith('No emotion');
}

test(
  'intensity: emotions like random directions are told to follow the number in at most 5 %',
  () => {
    expectFewFalse({
      study: 'intensity',
      what: 'any of 4 emotions, each template moves every direction by itself',
      runs: 40,
      run: (random, seed) => intensity(random, seed, 0),
    });
  },
  limit,
);

test(
  'intensity: a planted rise of afraid is found',
  () => {
    expectPower({
      study: 'intensity',
      what: 'afraid rises by 1 SD over the twins, 6 templates that differ by 0.5',
      runs: 20,
      least: 0.8,
      run: (random, seed) => intensity(random, seed, 1),
    });
  },
  limit,
);

const names = Array.from({ length: 12 }, (_, k) => `emotion ${k}`);
const columns = Array.from({ length: 48 }, (_, i) => i % 12);

function scenarios(random: Random, planted: number): boolean {
  const over = rankedReadings(columns, 12, { random, planted });
  const before = rankedReadings(columns, 12, { random, planted, shared: over });
  const ranks = [over, before].map((rows) =>
    rankTargets(
      rows,
      names,
      columns.map((k) => names[k] ?? ''),
    ),
  );
  return / reads (?:somewhat )?high /.test(scenariosVerdict(ranks[0]!, ranks[1]!));
}

test(
  'scenarios: readings that know nothing are told to read high in at most 5 %',
  () => {
    expectFewFalse({
      study: 'scenarios',
      what: 'over the message or before the reply, 48 scenarios of 12 emotions',
      runs: 40,
      run: (random) => scenarios(random, 0),
    });
  },
  limit,
);

test(
  'scenarios: a planted reading is found',
  () => {
    expectPower({
      study: 'scenarios',
      what: 'the own emotion reads 0.7 SD higher, 48 scenarios of 12 emotions',
      runs: 10,
      least: 0.8,
      run: (random) => scenarios(random, 0.7),
    });
  },
  limit,
);

test(
  'drift: directions that wander are told to drift or to carry over in at most 5 %',
  () => {
    expectFewFalse({
      study: 'drift',
      what: 'any of 4 slopes or 4 openings, every direction wanders and is moved alike, 6 conversations',
      runs: 40,
      run: (random) => {
        const verdict = driftVerdictOf(driftData(random));
        return /drifts? beyond random|while it is read, and/.test(verdict);
      },
    });
  },
  limit,
);

test(
  'drift: what an opening leaves is found',
  () => {
    expectPower({
      study: 'drift',
      what: 'openings raise their emotion by 1.5 SD, halved in 300 tokens, 6 conversations: seen in the first 200',
      runs: 10,
      least: 0.8,
      run: (random) =>
        /still 0 to 200 tokens/.test(driftVerdictOf(driftData(random, { planted: 1.5 }))),
    });
  },
  limit,
);

test(
  'binding: a situation that moves all directions alike is told to raise its own in at most 5 %',
  () => {
    expectFewFalse({
      study: 'binding',
      what: 'own emotion raised at either of 2 places, conditions move every direction alike, 24 items',
      runs: 40,
      run: (random) => / raises its own emotion by/.test(bindingVerdict(bindingData(random))),
    });
    expectFewFalse({
      study: 'binding',
      what: 'any of 4 drops (negated, a colleague, at 2 places) where words alone are read',
      runs: 40,
      run: (random) =>
        /is beyond the controls|against expectation/.test(
          bindingVerdict(bindingData(random, { affirmed: 1.5 })),
        ),
    });
  },
  limit,
);

test(
  'binding: a planted drop is found',
  () => {
    expectPower({
      study: 'binding',
      what: 'negation and a colleague take 1 SD of 1.5, 24 items',
      runs: 20,
      least: 0.8,
      run: (random) =>
        /is beyond the controls/.test(
          bindingVerdict(bindingData(random, { affirmed: 1.5, bound: 1 })),
        ),
    });
  },
  limit,
);

const felt = names.slice(0, 8);
const scenes: Scene[] = felt.flatMap((feels) =>
  felt.flatMap((shows) => (feels === shows ? [] : [{ feels, shows, text: 'a scene' }])),
);

function deflection(random: Random, planted: number): string {
  const rows = rankedReadings(
    scenes.map(({ feels }) => felt.indexOf(feels)),
    felt.length,
    { random, planted },
  );
  return deflectionVerdict(testScenes(felt, scenes, rows), felt.length);
}

test(
  'speakers, deflection: scenes that say nothing are told to in at most 5 %',
  () => {
    expectFewFalse({
      study: 'speakers',
      what: 'deflection: felt against shown, or either read, 56 scenes (3 of 14 questions)',
      runs: 20,
      run: (random) => /emotion reads higher than|reads high /.test(deflection(random, 0)),
    });
  },
  limit,
);

test(
  'speakers, deflection: a felt emotion is found',
  () => {
    expectPower({
      study: 'speakers',
      what: 'deflection: the felt emotion reads 0.8 SD higher, 56 scenes',
      runs: 10,
      least: 0.8,
      run: (random) => /the felt emotion reads higher/.test(deflection(random, 0.8)),
    });
  },
  limit,
);

/** Readings [dialogues][8 emotions, then 20 sets of 8] that go together by r in emotions and sets alike. */
function positions(random: Random, own: number, others: number): string {
  const rows = Array.from({ length: 72 }, () => {
    const user = Array.from({ length: 8 * 21 }, () => gaussian(random));
    const reply = user.map((value, k) => {
      const r = k < 8 ? own : others;
      return r * value + Math.sqrt(1 - r * r) * gaussian(random);
    });
    return { user, reply };
  });
  return positionResult(felt, rows).verdict;
}

test(
  'speakers, places: a link that random directions have is told as the emotions own in at most 5 %',
  () => {
    expectFewFalse({
      study: 'speakers',
      what: 'places: the link of emotions is that of random sets (1 of 14 questions)',
      runs: 10,
      run: (random) => positions(random, 0.3, 0.3).includes('beyond each'),
    });
  },
  limit,
);

test(
  'speakers, places: a link of the emotions own is found',
  () => {
    expectPower({
      study: 'speakers',
      what: 'places: r 0.5 beside 0.3 of random sets, 72 dialogues',
      runs: 5,
      least: 0.8,
      run: (random) => positions(random, 0.5, 0.3).includes('beyond each'),
    });
  },
  limit,
);

/** Rows of two models whose directions have their own spread; they differ by noise, and by `planted` on the first axis. */
function base(random: Random, planted: number): boolean {
  const [width, size] = [24, 20];
  const axes = new Map(
    Array.from({ length: size }, (_, k) => [
      `emotion ${k}`,
      Float32Array.from({ length: width }, (_axis, d) =>
        k === 0 ? Number(d === 0) : gaussian(random),
      ),
    ]),
  );
  const rowsOf = (count: number): Float32Array[] =>
    Array.from({ length: count }, () =>
      Float32Array.from({ length: width }, () => gaussian(random)),
    );
  const ruler = rowsOf(40);
  const instruct = rowsOf(40);
  // The models differ by one vector of any direction, and text by text.
  const gap = Array.from({ length: width }, () => 0.2 * gaussian(random));
  const other = instruct.map((row) =>
    row.map((value, d) => value - (gap[d] ?? 0) - (d === 0 ? planted : 0) + 0.3 * gaussian(random)),
  );
  const pair = { instruct, base: other };
  const [sets = []] = randomShifts([pair], ruler, { sets: 200, size, seed: 3 });
  const { largest } = summariseRandom(sets);
  const shifts = emotionShifts(axes, { pair, ruler, largest, seed: 1 });
  return shifts.some(({ isMoved }) => isMoved);
}

test(
  'base: emotions like random directions are told to be moved in at most 5 %',
  () => {
    expectFewFalse({
      study: 'base',
      what: 'any of 20 emotions on one set of texts, models differ by any vector (1 of 5 questions)',
      runs: 20,
      run: (random) => base(random, 0),
    });
  },
  limit,
);

test(
  'base: an emotion that moved is found',
  () => {
    expectPower({
      study: 'base',
      what: 'models differ by 2 SD along one emotion of 20',
      runs: 10,
      least: 0.8,
      run: (random) => base(random, 2),
    });
  },
  limit,
);

/** Ranks in two models that differ by text and by nothing else, or by `planted` places. */
function tellsRanks(random: Random, planted: number): boolean {
  const own = Array.from({ length: 48 }, () => 1 + Math.floor(6 * random()));
  const again = own.map((rank) => {
    const moved = rank + planted + Math.round(1.5 * gaussian(random));
    return Math.min(12, Math.max(1, moved));
  });
  const drawn = own.map((rank, i) => (random() < 0.5 ? [rank, again[i]] : [again[i], rank]));
  const set = { where: '', emotions: names, targets: [] };
  const instruct = planted > 0 ? own : drawn.map(([a]) => a ?? NaN);
  const other = planted > 0 ? again : drawn.map(([, b]) => b ?? NaN);
  return /(?:better|worse) in instruct/.test(
    compareRanks({ ...set, instruct, base: other }, 1).words,
  );
}

test(
  'base: ranks that differ by chance are told to differ in at most 5 %',
  () => {
    expectFewFalse({
      study: 'base',
      what: 'ranks of 48 texts in two models that are one (1 of 5 questions)',
      runs: 40,
      run: (random) => tellsRanks(random, 0),
    });
    expectPower({
      study: 'base',
      what: 'ranks: 1.5 places of 12 worse in the base model, 48 texts',
      runs: 20,
      least: 0.9,
      run: (random) => tellsRanks(random, 1.5),
    });
  },
  limit,
);
