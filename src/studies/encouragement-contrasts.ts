/**
 * @file Arms of the encouragement study against one of them, task by task: the same tasks with the same seeds, so
 * the tasks' own difficulty falls out; and Holm's correction over the arms that ask the same question.
 */
import { holm, mcNemar, signFlipTest } from '../math/paired.ts';
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, bootstrapPairs, mean } from '../math/stats.ts';
import { restrictedMean, restrictedMeanDifference } from '../math/survival.ts';
import {
  armGroups,
  firstReply,
  type Played,
  runsIn,
  textArmsAgainst,
  wordsIn,
} from './encouragement-data.ts';
import { inArm, measure } from './measures.ts';
import type { Measure } from './study.ts';

/** What is compared: one number a task, null where there is none (then the pair is left out). */
export interface Outcome {
  readonly valueOf: (played: Played) => number | null;
  /** Whether every value is 0 or 1; then McNemar's test is used, else signs are flipped. */
  readonly isBinary: boolean;
}

const binary = (holds: boolean | undefined): number | null =>
  holds === undefined ? null : Number(holds);

/** Right answers of tasks that can be solved; a reply without a readable answer is not right. */
export const isSolved: Outcome = {
  valueOf: ({ grade }) => binary(grade?.isRight),
  isBinary: true,
};
/** The same of readable answers only: what is left when form is taken away. */
export const isSolvedIfReadable: Outcome = {
  valueOf: ({ grade }) => (grade?.isReadable === true ? binary(grade.isRight) : null),
  isBinary: true,
};
/** Replies to tasks that can be solved without an answer or code that could be graded. */
export const isUnreadable: Outcome = {
  valueOf: ({ grade }) => binary(grade === null ? undefined : !grade.isReadable),
  isBinary: true,
};
/** Words of the reply to a task that can be solved. */
export const replyWords: Outcome = {
  valueOf: (played) => {
    const said = played.topic === 'failing puzzles' ? undefined : firstReply(played);
    return said === undefined ? null : wordsIn(said.text);
  },
  isBinary: false,
};
/**
 * Attempts at a failing puzzle up to the one that gives up, or all. A run that broke off is left out; all others
 * end by giving up or at the same last attempt, so their mean is the restricted mean.
 */
const attemptsMade: Outcome = {
  valueOf: ({ failing }) => (failing === null || failing.isCut ? null : failing.attempts),
  isBinary: false,
};

/** Whether a run on a failing puzzle gave up while attempts were left; null where that is not known. */
export function stopsEarly({ failing }: Played, attempts: number): boolean | null {
  if (failing === null || failing.isCut) return null;
  return failing.gaveUp && failing.attempts < attempts;
}

/** Reading `k` of `insideEmotions` at or over the first reply; null without one. */
export function readingOutcome(k: number, when: 'before' | 'during'): Outcome {
  return {
    valueOf: (played) => firstReply(played)?.inside?.[when]?.[k] ?? null,
    isBinary: false,
  };
}

/** One arm against another. */
export interface Contrast {
  readonly arm: string;
  readonly base: string;
  /** Tasks that have the outcome in both. */
  readonly n: number;
  /** Mean of the arm less that of the base. */
  readonly difference: number;
  /** Bootstrap over tasks at 95 %; [NaN, NaN] where no task differs, which says nothing of how many could. */
  readonly interval: readonly [low: number, high: number];
  /** Tasks with more in the arm, and with more in the base. */
  readonly more: number;
  readonly less: number;
  /** Two-sided: exact McNemar, or signs flipped. */
  readonly p: number;
  /** After Holm, over the arms of one group against this base. */
  readonly corrected: number;
  /** The smallest corrected p that so many tasks and arms allow. */
  readonly reach: number;
}

/**
 * Every arm of one group against `base`, in the order of `arms`; the base itself and arms without a common task
 * are left out.
 */
export function contrastsOf(
  played: readonly Played[],
  outcome: Outcome,
  { base, arms, seed }: { base: string; arms: readonly string[]; seed: number },
): Contrast[] {
  const found = arms.flatMap((arm) =>
    arm === base ? [] : (contrastOf(played, outcome, { arm, base, seed }) ?? []),
  );
  const corrected = holm(found.map(({ p }) => p));
  return found.map((contrast, i) => ({
    ...contrast,
    corrected: corrected[i] ?? 1,
    reach: Math.min(1, found.length * 2 ** (1 - contrast.n)),
  }));
}

function contrastOf(
  played: readonly Played[],
  { valueOf, isBinary }: Outcome,
  { arm, base, seed }: { arm: string; base: string; seed: number },
): Omit<Contrast, 'corrected' | 'reach'> | undefined {
  const baseValues = new Map(inArm(played, base).map((one) => [one.item, valueOf(one)]));
  const pairs = inArm(played, arm).flatMap((one) => {
    const [own, other] = [valueOf(one), baseValues.get(one.item) ?? null];
    return own === null || other === null ? [] : [[own, other] as const];
  });
  if (pairs.length === 0) return undefined;
  const own = pairs.map(([value]) => value);
  const other = pairs.map(([, value]) => value);
  const differences = pairs.map(([a, b]) => a - b);
  const p = isBinary
    ? mcNemar(
        own.map((value) => value === 1),
        other.map((value) => value === 1),
      ).p
    : signFlipTest(own, other, { random: randomFrom(seed) });
  return {
    arm,
    base,
    n: pairs.length,
    difference: mean(differences),
    interval: differences.every((value) => value === 0)
      ? [NaN, NaN]
      : bootstrapMean(differences, randomFrom(seed)),
    more: differences.filter((value) => value > 0).length,
    less: differences.filter((value) => value < 0).length,
    p,
  };
}

/** Every arm against `base`, text arms and steered emotions corrected each for themselves, random ones last. */
export function allContrasts(
  played: readonly Played[],
  outcome: Outcome,
  { base, seed }: { base: string; seed: number },
): Contrast[] {
  const { emotions, random } = armGroups(played);
  return [textArmsAgainst(played, base), emotions, random].flatMap((arms) =>
    contrastsOf(played, outcome, { base, arms, seed }),
  );
}

/**
 * Attempts before giving up, arms against `base`: p of the pairs, and as difference and interval those of the
 * restricted means, in which a run that broke off counts as long as it lasted.
 */
export function attemptContrasts(
  played: readonly Played[],
  { base, arms, attempts, seed }: { base: string; arms: readonly string[] } & Horizon,
): Contrast[] {
  return contrastsOf(played, attemptsMade, { base, arms, seed }).map((contrast) => {
    const { difference, interval } = restrictedMeanDifference(
      runsIn(inArm(played, contrast.arm)),
      runsIn(inArm(played, contrast.base)),
      { horizon: attempts, random: randomFrom(seed) },
    );
    const isSame = contrast.more + contrast.less === 0;
    return { ...contrast, difference, interval: isSame ? [NaN, NaN] : interval };
  });
}

export interface Horizon {
  /** Attempts at most. */
  readonly attempts: number;
  readonly seed: number;
}

/** Whether a difference is one: its corrected p is below .05 and its interval excludes 0. */
export function isClear({ corrected, interval: [low, high] }: Contrast): boolean {
  return corrected < 0.05 && (low > 0 || high < 0);
}

/** The largest difference of the contrasts by size; 0 without any. */
export function largestOf(contrasts: readonly Contrast[]): number {
  return Math.max(0, ...contrasts.map(({ difference }) => Math.abs(difference)));
}

/** Families of encouragement, each on the tasks that got a sentence of it. */
export function familyContrasts(
  played: readonly Played[],
  outcome: Outcome,
  { base, seed }: { base: string; seed: number },
): { readonly family: string; readonly contrast: Contrast }[] {
  const encouraged = inArm(played, 'encouragement');
  const families = [...new Set(encouraged.flatMap(({ sentence }) => sentence?.family ?? []))];
  return families.flatMap((family) => {
    const own = encouraged.filter(({ sentence }) => sentence?.family === family);
    const pool = [...inArm(played, base), ...own];
    return contrastsOf(pool, outcome, { base, arms: ['encouragement'], seed }).map((contrast) => ({
      family,
      contrast,
    }));
  });
}

/** The restricted mean of the attempts before giving up, with its bootstrap interval over puzzles. */
export function attemptsOf(
  own: readonly Played[],
  { attempts, seed }: Horizon,
): { readonly value: number; readonly interval: readonly [low: number, high: number] } {
  const runs = runsIn(own);
  const isSame = new Set(runs.map((run) => `${run.attempts} ${run.gaveUp}`)).size < 2;
  const pairs = runs.map((run) => [run.attempts, Number(run.gaveUp)] as const);
  const meanOf = (made: readonly number[], gaveUp: readonly number[]): number =>
    restrictedMean(
      made.map((count, i) => ({ attempts: count, gaveUp: gaveUp[i] === 1 })),
      attempts,
    );
  return {
    value: restrictedMean(runs, attempts),
    interval: isSame ? [NaN, NaN] : bootstrapPairs(pairs, meanOf, randomFrom(seed)),
  };
}

/** A contrast with its pairs and p values. */
export function contrastMeasure(name: string, contrast: Contrast): Measure {
  const { n, difference, interval, more, less, p, corrected } = contrast;
  const raised = corrected === p ? '' : `, after Holm ${corrected.toFixed(4)}`;
  return measure(name, n, {
    value: difference,
    interval,
    control: `same tasks: ${more} more, ${less} less, p ${p.toFixed(4)}${raised}`,
  });
}
