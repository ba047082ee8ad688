/** @file What the preference study says: named correlations, measures, the verdict. */
import { signed } from '../charts/terminal.ts';
import { holm } from '../math/paired.ts';
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, deviation, mean, quantile } from '../math/stats.ts';
import type { Answer, Pair } from './pairwise.ts';
import {
  betweenShare,
  correlate,
  type Correlation,
  type ReadingEffects,
  residuals,
  shareBeyond,
  shuffledStatistics,
  sideOf,
  type Steered,
  type SteeringEffect,
  withinGroups,
} from './preference-effects.ts';
import { range, sectionsOf, two } from './preference-sections.ts';
import { type Activity, activityGroups } from './stimuli.ts';
import type { Measure, StudyResult } from './study.ts';

/** Emotions whose correlation the paper gives. */
const published = { blissful: 0.71, hostile: -0.74 } as const;
/** Strengths of all pairs that are less reliable than this can carry no verdict on readings. */
const leastReliable = 0.5;

export interface Findings {
  readonly activities: readonly Activity[];
  readonly rings: readonly (readonly Pair[])[];
  readonly answers: readonly (readonly Answer[])[];
  readonly strengths: readonly number[];
  /** Of the strengths from two disjoint halves of the pairs. */
  readonly reliability: Correlation;
  readonly groups: GroupMeans;
  /** Correlation with strengths from the plain mean of the probabilities over the orders. */
  readonly plainR: number;
  /** Correlation of the strengths with the number of tokens. */
  readonly tokensR: number;
  readonly emotions: readonly string[];
  /** Over the activity's tokens, [directions][activities]; the emotions first, then random directions. */
  readonly readings: readonly (readonly number[])[];
  readonly over: ReadingEffects;
  readonly before: ReadingEffects;
  readonly named: readonly NamedReading[];
  readonly steered: readonly Steered[];
  readonly effects: readonly SteeringEffect[];
  readonly dose: number;
  readonly mass: number;
  /** Probability of the first place, one a pair. */
  readonly first: readonly number[];
}

export interface GroupMeans {
  readonly groups: readonly {
    readonly group: string;
    readonly mean: number;
    readonly interval: readonly [low: number, high: number];
  }[];
  /** Middle 95 % of a group's mean when the groups are shuffled. */
  readonly limits: readonly [low: number, high: number];
  /** Share of the strengths' variance between the groups, and the 95th percentile of shuffles. */
  readonly share: number;
  readonly shareLimit: number;
  /** Share of shuffles with as much between the groups. */
  readonly p: number;
}

/** Mean strength of each group, its bootstrap over the group's activities, and the same of shuffled groups. */
export function groupMeans(
  activities: readonly Activity[],
  strengths: readonly number[],
  seed: number,
): GroupMeans {
  const random = randomFrom(seed);
  const labels = activities.map(({ group }) => group);
  const present = activityGroups.filter((group) => labels.includes(group));
  const size = labels.filter((group) => group === present[0]).length;
  const shares: number[] = [];
  const means = shuffledStatistics(
    strengths,
    (values) => {
      shares.push(betweenShare(values, labels));
      return mean(values.slice(0, size));
    },
    random,
  );
  const share = betweenShare(strengths, labels);
  return {
    groups: present.map((group) => {
      const own = strengths.filter((_, i) => labels[i] === group);
      return { group, mean: mean(own), interval: bootstrapMean(own, random) };
    }),
    limits: [quantile(means, 0.025), quantile(means, 0.975)],
    share,
    shareLimit: quantile(shares, 0.95),
    p: shareBeyond(share, shares),
  };
}

/** How one emotion's readings go with the strengths. */
export interface NamedReading {
  readonly emotion: string;
  /** Whether no emotion of the pack has a larger |r|. */
  readonly isStrongest: boolean;
  readonly all: Correlation;
  /** With the number of tokens taken out of both. */
  readonly withoutLength: Correlation;
  /** With the means of the groups taken out of both. */
  readonly within: Correlation;
  /** Share of the random directions as large as the smaller of the two. */
  readonly p: number;
  /** `all` and `withoutLength` leave 0 to the same side, and both beat 95 % of random directions. */
  readonly counts: boolean;
}

export interface NamedInput {
  readonly emotions: readonly string[];
  readonly over: readonly (readonly number[])[];
  readonly effects: ReadingEffects;
  readonly strengths: readonly number[];
  readonly tokens: readonly number[];
  readonly groups: readonly string[];
  readonly seed: number;
}

/** The published emotions that the pack has, and the emotion with the largest |r|. */
export function namedReadings(input: NamedInput): NamedReading[] {
  const { emotions, over, effects, strengths, tokens, groups, seed } = input;
  const random = randomFrom(seed);
  const sizes = effects.emotions.map(Math.abs);
  const strongest = emotions[sizes.indexOf(Math.max(...sizes))] ?? '';
  const names = [...new Set([...Object.keys(published), strongest])];
  return names
    .filter((emotion) => emotions.includes(emotion))
    .map((emotion) => {
      const reading = over[emotions.indexOf(emotion)] ?? [];
      const all = correlate(reading, strengths, random);
      const withoutLength = correlate(
        residuals(reading, tokens),
        residuals(strengths, tokens),
        random,
      );
      const within = correlate(
        withinGroups(reading, groups),
        withinGroups(strengths, groups),
        random,
      );
      const counts =
        sideOf(all) !== 0 &&
        sideOf(all) === sideOf(withoutLength) &&
        Math.min(Math.abs(all.r), Math.abs(withoutLength.r)) > effects.limit;
      const least = Math.min(Math.abs(all.r), Math.abs(withoutLength.r));
      const p = shareBeyond(least, effects.random);
      const isStrongest = emotion === strongest;
      return { emotion, isStrongest, all, withoutLength, within, p, counts };
    });
}

export function resultOf(findings: Findings): StudyResult {
  return {
    verdict: verdictOf(findings),
    measures: [
      ...answerMeasures(findings),
      ...readingMeasures(findings),
      ...steeringMeasures(findings),
    ],
    sections: sectionsOf(findings),
  };
}

/** Reliability of the strengths from all pairs (Spearman and Brown). */
function fullReliability({ reliability: { r } }: Findings): number {
  return (2 * r) / (1 + r);
}

function isReliable(findings: Findings): boolean {
  return sideOf(findings.reliability) === 1 && fullReliability(findings) >= leastReliable;
}

/** Share that the strongest activity wins against the weakest, by their strengths. */
function widest({ strengths }: Findings): number {
  return 1 / (1 + Math.exp(Math.min(...strengths) - Math.max(...strengths)));
}

/** Largest |r| of the random directions, which are about as many as the emotions. */
function mostRandom({ random }: ReadingEffects): number {
  return Math.max(...random.map(Math.abs));
}

/** Which of the questions of a verdict hold when all of them are counted (Holm). */
function clearOf({ groups, over, named, effects }: Findings): ReadonlySet<object> {
  const most = named.filter(({ isStrongest }) => isStrongest);
  const chance = ({ all }: NamedReading): number =>
    Math.max(shareBeyond(all.r, over.largest), shareBeyond(all.r, over.random));
  const asked: readonly (readonly [what: object, p: number])[] = [
    [groups, groups.p],
    ...publishedIn(named).map((one) => [one, one.p] as const),
    ...most.map((one) => [one.all, chance(one)] as const),
    ...effects.map((one) => [one, one.p] as const),
  ];
  const corrected = holm(asked.map(([, p]) => p));
  return new Set(asked.flatMap(([what], i) => ((corrected[i] ?? 1) < 0.05 ? [what] : [])));
}

function publishedIn(named: readonly NamedReading[]): NamedReading[] {
  return named.filter(({ emotion }) => emotion in published);
}

export function verdictOf(findings: Findings): string {
  const { reliability, groups, over, named, emotions } = findings;
  const clear = clearOf(findings);
  const kinds = clear.has(groups)
    ? 'its groups of activities differ'
    : 'its groups of activities differ no more, clearly, than shuffled ones';
  const strengths = isReliable(findings)
    ? `The model chooses steadily: two halves of the questions agree (r ${two(reliability.r)}). The strongest activity would win ${two(widest(findings))} of its meetings with the weakest, and ${kinds}.`
    : `The model's preferences are too unsteady to build on: two halves of the questions agree by r ${two(reliability.r)}, so that what follows carries no weight.`;
  const readings = publishedIn(named).map((one) => {
    const { emotion, all } = one;
    const paper = published[emotion as keyof typeof published];
    const way = Math.sign(all.r) === Math.sign(paper) ? 'as in the paper' : 'against the paper';
    return one.counts && clear.has(one)
      ? `What reads ${emotion} is preferred ${all.r > 0 ? 'more' : 'less'} (r ${signed(all.r, 2)}, ${way}, beyond random directions).`
      : `Reading ${emotion} says nothing clear beyond chance about preference (r ${signed(all.r, 2)}; 95 % of random directions stay below ${two(over.limit)}).`;
  });
  const most = named.find(({ isStrongest }) => isStrongest);
  const limit = Math.max(quantile(over.largest, 0.95), mostRandom(over));
  const strongest =
    most === undefined
      ? []
      : [
          `The strongest of ${emotions.length} is ${most.emotion} (r ${signed(most.all.r, 2)}), ${clear.has(most.all) && Math.abs(most.all.r) > limit ? 'more' : 'no more'} than the largest by chance or along random directions (${two(limit)}).`,
        ];
  return [strengths, ...readings, ...strongest, steeringVerdict(findings, clear)].join(' ');
}

function steeringVerdict({ effects }: Findings, clear: ReadonlySet<object>): string {
  const kinds: readonly (readonly [what: string, is: (effect: SteeringEffect) => boolean])[] = [
    [
      'raises preference for what reads high on the same emotion with',
      (effect) => effect.counts && clear.has(effect) && effect.all.r > 0,
    ],
    [
      'lowers preference for that with',
      (effect) => effect.counts && clear.has(effect) && effect.all.r < 0,
    ],
    ['breaks the choice with', ({ isBroken }) => isBroken],
    [
      'moves preference for that not clearly more than the controls do, or not in both halves, with',
      (effect) => !(effect.counts && clear.has(effect)) && !effect.isBroken,
    ],
  ];
  const parts = kinds.flatMap(([what, is]) => {
    const own = effects.filter(is);
    const names = own.map(({ direction, all, isBroken }) =>
      isBroken ? direction : `${direction} (r ${signed(all.r, 2)})`,
    );
    return own.length === 0 ? [] : [`${what} ${names.join(', ')}`];
  });
  return `Steering the whole question ${parts.join('; ')}.`;
}

function answerMeasures(findings: Findings): Measure[] {
  const { first, mass, reliability, strengths, groups, plainR, tokensR } = findings;
  const n = strengths.length;
  return [
    {
      name: 'probability of the first place',
      value: mean(first),
      interval: bootstrapMean(first, randomFrom(1)),
      n: first.length,
      control: '0.5 without a liking for a place',
      note: 'pairs, both orders; a liking cancels in the strengths',
    },
    {
      name: 'probability that the reply is a letter',
      value: mass,
      n: first.length,
      note: 'pairs, both orders, after the opening word of the reply',
    },
    {
      name: 'reliability of the strengths, half against half',
      value: reliability.r,
      interval: reliability.interval,
      n,
      control: '0 without steady preferences',
      note: `for all pairs together ${two(fullReliability(findings))}; strengths spread by ${two(deviation(strengths))} log-odds, the strongest would win ${two(widest(findings))} of its meetings with the weakest; r with strengths from plain means of probabilities ${two(plainR)}, with the length in tokens ${two(tokensR)}`,
    },
    {
      name: 'share of the strengths between the groups',
      value: groups.share,
      n,
      control: `95 % of shuffles stay below ${two(groups.shareLimit)}`,
    },
    ...groups.groups.map(({ group, mean: value, interval }) => ({
      name: `strength, ${group}`,
      value,
      interval,
      n: n / groups.groups.length,
      control: `shuffled groups ${groups.limits.map((limit) => limit.toFixed(3)).join(' to ')}`,
      note: 'log-odds against the mean activity',
    })),
  ];
}

function readingMeasures({ named, over, before, emotions, strengths }: Findings): Measure[] {
  const n = strengths.length;
  const missing = Object.keys(published).filter((name) => !emotions.includes(name));
  const beyond = over.emotions.filter((r) => Math.abs(r) > over.limit).length;
  const largest = Math.max(...over.emotions.map(Math.abs));
  const as = over.largest.filter((value) => value >= largest).length;
  return [
    ...missing.map((name) => ({
      name: `r of ${name} with strength`,
      value: null,
      n: 0,
      note: 'the pack has no such emotion',
    })),
    ...named.flatMap(({ emotion, isStrongest, all, withoutLength, within }) => [
      {
        name: `r of ${emotion} with strength${isStrongest ? ', the strongest' : ''}`,
        value: all.r,
        interval: all.interval,
        n,
        control: `95 % of ${over.random.length} random directions below |r| ${two(over.limit)}${isStrongest ? `, the largest ${two(mostRandom(over))}; largest of ${emotions.length} in 95 % of shuffles below ${two(quantile(over.largest, 0.95))}, p ${((as + 1) / (over.largest.length + 1)).toFixed(3)}` : ''}`,
        note: `over the activity's tokens; without length ${signed(withoutLength.r, 2)} (${range(withoutLength.interval)}), within groups ${signed(within.r, 2)} (${range(within.interval)})${emotion in published ? `; paper ${published[emotion as keyof typeof published]}` : '; picked as the largest, so that its interval is too favourable'}`,
      },
      {
        name: `r of ${emotion} before the reply with strength`,
        value: before.emotions[emotions.indexOf(emotion)] ?? null,
        n,
        control: `95 % of random directions below |r| ${two(before.limit)}`,
      },
    ]),
    {
      name: 'share of emotions beyond 95 % of random directions',
      value: beyond / emotions.length,
      n: emotions.length,
      control: '0.05 if emotions were random directions',
      note: 'emotions are alike, so that these are not as many findings',
    },
  ];
}

function steeringMeasures({ effects, steered, strengths }: Findings): Measure[] {
  const n = strengths.length;
  return effects.flatMap((effect) => {
    const { direction, all, halves, partial, randomMost, limit, isBroken } = effect;
    const own = steered.find((one) => one.direction === direction);
    const control = `largest of ${steered.filter(({ kind }) => kind === 'random').length} random directions ${two(randomMost)}; 95 % of random readings below ${two(limit)}`;
    return [
      {
        name: `steering ${direction}: r of change and reading`,
        value: all.r,
        interval: all.interval,
        n,
        control,
        note: `without unsteered strength ${signed(partial.r, 2)} (${range(partial.interval)}); change spreads by ${two(deviation(own?.change ?? []))} log-odds, its halves agree by r ${two(own?.reliability ?? NaN)}${isBroken ? '; broken: the reply is no letter any more' : ''}`,
      },
      ...halves.map((half, k) => ({
        name: `steering ${direction}, ${k === 0 ? 'even' : 'odd'} half`,
        value: half.r,
        interval: half.interval,
        n: Math.ceil((n - k) / 2),
      })),
    ];
  });
}
