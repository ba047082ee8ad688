/**
 * @file From tasks played to numbers: how often each arm is right, by difficulty and topic, its differences from no
 * sentence and from a demand without affect, attempts before giving up, and what could not be read or never came.
 */
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, mean, wilson } from '../math/stats.ts';
import {
  allContrasts,
  attemptContrasts,
  attemptsOf,
  contrastMeasure,
  contrastsOf,
  familyContrasts,
  isSolved,
  isSolvedIfReadable,
  isUnreadable,
  largestOf,
  type Outcome,
  replyWords,
  stopsEarly,
} from './encouragement-contrasts.ts';
import {
  armGroups,
  baseArms,
  type EncouragementContext,
  isTextArm,
  type Played,
  rightIn,
  runsIn,
  textArmsAgainst,
} from './encouragement-data.ts';
import { insideMeasures } from './encouragement-inside.ts';
import { solvableTopics } from './encouragement-items.ts';
import { sectionsOf } from './encouragement-report.ts';
import { verdictOf } from './encouragement-verdict.ts';
import { repeatedTriples } from './frustration-inside.ts';
import { difficulties } from './graded-tasks.ts';
import { isRandomArm } from './inside.ts';
import { armsIn, inArm, measure } from './measures.ts';
import type { Measure, StudyResult } from './study.ts';

/** Measures, verdict and sections; see `encouragementStudy`. */
export function resultOf(played: readonly Played[], context: EncouragementContext): StudyResult {
  return {
    verdict: verdictOf(played, context),
    measures: measuresOf(played, context),
    sections: sectionsOf(played, context),
  };
}

function measuresOf(played: readonly Played[], context: EncouragementContext): Measure[] {
  const { settings, isLocal } = context;
  // Random directions are one control together; each by itself stands in the report.
  const arms = armsIn(played).filter((arm) => !isRandomArm(arm));
  return [
    ...arms.flatMap((arm) => accuracyMeasures(inArm(played, arm), arm)),
    ...baseArms.flatMap((base) => differenceMeasures(played, base, settings.seed)),
    ...baseArms.flatMap((base) => familyMeasures(played, base, settings.seed)),
    ...vectorMeasures(played, settings.seed),
    ...arms.flatMap((arm) => givingUpMeasures(inArm(played, arm), arm, settings)),
    ...baseArms.flatMap((base) => attemptMeasures(played, base, settings)),
    ...arms.flatMap((arm) => formMeasures(inArm(played, arm), arm, settings.seed)),
    missingMeasure(played),
    ...(isLocal ? insideMeasures(played, settings.seed) : []),
  ];
}

/** A share of the tasks, each counted once. */
function shareMeasure(
  name: string,
  values: readonly boolean[],
  parts: { readonly control?: string; readonly note?: string } = {},
): Measure {
  const hits = values.filter(Boolean).length;
  return measure(name, values.length, {
    value: hits / values.length,
    interval: wilson(hits, values.length),
    ...parts,
  });
}

function accuracyMeasures(own: readonly Played[], arm: string): Measure[] {
  if (rightIn(own).length === 0) return [];
  const readable = own.filter(({ grade }) => grade?.isReadable === true);
  const all = [
    shareMeasure(`accuracy, ${arm}`, rightIn(own), {
      control: 'a reply without a readable answer is not right',
    }),
    shareMeasure(`accuracy of readable answers, ${arm}`, rightIn(readable)),
  ];
  if (!isTextArm(arm)) return all;
  const parts = [
    ...difficulties.map(
      (name) => [name, own.filter(({ difficulty }) => difficulty === name)] as const,
    ),
    ...solvableTopics.map((name) => [name, own.filter(({ topic }) => topic === name)] as const),
  ];
  return [
    ...all,
    ...parts.flatMap(([name, some]) =>
      rightIn(some).length === 0 ? [] : [shareMeasure(`accuracy, ${arm}, ${name}`, rightIn(some))],
    ),
  ];
}

/** Text arms against one of them. */
function differenceMeasures(played: readonly Played[], base: string, seed: number): Measure[] {
  const arms = textArmsAgainst(played, base);
  const of = (name: string, outcome: Outcome): Measure[] =>
    contrastsOf(played, outcome, { base, arms, seed }).map((contrast) =>
      contrastMeasure(`${name}, ${contrast.arm} less ${base}`, contrast),
    );
  return [
    ...of('accuracy', isSolved),
    ...of('accuracy where both are readable', isSolvedIfReadable),
    ...of('replies without a readable answer', isUnreadable),
    ...of('words of a reply', replyWords),
  ];
}

function familyMeasures(played: readonly Played[], base: string, seed: number): Measure[] {
  return familyContrasts(played, isSolved, { base, seed }).map(({ family, contrast }) =>
    contrastMeasure(`accuracy, ${family} encouragement less ${base}`, contrast),
  );
}

/** Steered emotions against none, beside the random directions of equal norm. */
function vectorMeasures(played: readonly Played[], seed: number): Measure[] {
  const contrasts = allContrasts(played, isSolved, { base: 'none', seed });
  const random = contrasts.filter(({ arm }) => isRandomArm(arm));
  const band =
    random.length === 0
      ? 'no random direction to compare with'
      : `${random.length} random directions: up to ${largestOf(random).toFixed(3)}`;
  return contrasts
    .filter(({ arm }) => !isTextArm(arm) && !isRandomArm(arm))
    .map((contrast) => {
      const { control, ...rest } = contrastMeasure(`accuracy, ${contrast.arm} less none`, contrast);
      return { ...rest, control: `${control ?? ''}; ${band}` };
    });
}

function givingUpMeasures(
  own: readonly Played[],
  arm: string,
  settings: EncouragementContext['settings'],
): Measure[] {
  const runs = runsIn(own);
  if (runs.length === 0) return [];
  const stops = own.flatMap((one) => stopsEarly(one, settings.attempts) ?? []);
  const gaveUp = runs.filter((run) => run.gaveUp).length;
  const said = own.flatMap(({ failing }) => (failing === null ? [] : [failing.saidUnsolvable]));
  return [
    measure(`attempts before giving up, ${arm}`, runs.length, {
      ...attemptsOf(own, settings),
      control: `restricted to ${settings.attempts}; ${gaveUp} of ${runs.length} gave up, the others were stopped`,
    }),
    shareMeasure(`runs that stop early, ${arm}`, stops),
    shareMeasure(`runs that say there is no solution, ${arm}`, said, {
      control: 'which is true of all of them',
    }),
  ];
}

function attemptMeasures(
  played: readonly Played[],
  base: string,
  { attempts, seed }: EncouragementContext['settings'],
): Measure[] {
  const stops: Outcome = {
    valueOf: (one) => {
      const stopped = stopsEarly(one, attempts);
      return stopped === null ? null : Number(stopped);
    },
    isBinary: true,
  };
  const groups = [textArmsAgainst(played, base)];
  if (base === 'none') groups.push(armGroups(played).emotions);
  return groups.flatMap((group) => [
    ...attemptContrasts(played, { base, arms: group, attempts, seed }).map((contrast) =>
      contrastMeasure(`attempts before giving up, ${contrast.arm} less ${base}`, contrast),
    ),
    ...contrastsOf(played, stops, { base, arms: group, seed }).map((contrast) =>
      contrastMeasure(`runs that stop early, ${contrast.arm} less ${base}`, contrast),
    ),
  ]);
}

/** What is no ability: form, length, and in steered arms the circles that a broken model goes in. */
function formMeasures(own: readonly Played[], arm: string, seed: number): Measure[] {
  const graded = own.filter(({ grade }) => grade !== null);
  if (graded.length === 0) return [];
  const lengths = graded.flatMap((one) => replyWords.valueOf(one) ?? []);
  const repeated = graded.flatMap(({ replies }) => repeatedTriples(replies[0]?.text ?? '') ?? []);
  return [
    shareMeasure(
      `replies without a readable answer, ${arm}`,
      graded.map(({ grade }) => grade?.isReadable !== true),
    ),
    shareMeasure(
      `replies cut off at the longest length, ${arm}`,
      graded.map(({ replies }) => replies[0]?.stop === 'length'),
    ),
    shareMeasure(
      `solvable tasks declined, ${arm}`,
      graded.map(({ grade }) => grade?.isDeclined === true),
    ),
    measure(`words of a reply, ${arm}`, lengths.length, {
      value: mean(lengths),
      interval: bootstrapMean(lengths, randomFrom(seed)),
    }),
    measure(`share of repeated word triples, ${arm}`, repeated.length, {
      value: mean(repeated),
      interval: bootstrapMean(repeated, randomFrom(seed)),
    }),
  ];
}

function missingMeasure(played: readonly Played[]): Measure {
  const replies = played.flatMap((one) => one.replies);
  return measure('replies that never came', replies.length, {
    value: replies.filter(({ missing }) => missing !== undefined).length,
    control: 'left out of every share and pair, never counted as wrong or as giving up',
  });
}
