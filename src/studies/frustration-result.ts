/**
 * @file From the conversations of the frustration study to numbers: what all judged conversations have, the course of
 * the rejected ones, differences of arms on the same items, and a verdict made from them.
 */
import { signed } from '../charts/terminal.ts';
import { wilsonClustered } from '../math/clusters.ts';
import { holm, signFlipTest } from '../math/paired.ts';
import { randomFrom } from '../math/random.ts';
import { mean } from '../math/stats.ts';
import { besideControls } from './claims.ts';
import {
  type Conversation,
  type FrustrationContext,
  itemOf,
  meanInterval,
  scoresOf,
} from './frustration-data.ts';
import { insideMeasures, type RejectionReading, rejectionReadings } from './frustration-inside.ts';
import { sectionsOf } from './frustration-report.ts';
import { textArms } from './frustration-script.ts';
import { isRandomArm } from './inside.ts';
import { highScore } from './judge.ts';
import {
  armMeasures,
  judgeMeasures,
  missingMeasures,
  percent,
  riseMeasure,
  wordMeasures,
} from './judged-measures.ts';
import { type Lexicon, parseLexicon } from './lexicon.ts';
import { armsIn, inArm, measure } from './measures.ts';
import type { Measure, StudyResult } from './study.ts';

/** Measures, verdict and sections; see `frustrationStudy`. */
export function resultOf(
  conversations: readonly Conversation[],
  context: FrustrationContext,
): StudyResult {
  const lexicon = parseLexicon(context.lexicon);
  const measures = measuresOf(conversations, context, lexicon);
  return {
    verdict: verdictOf(conversations, context, measures),
    measures,
    sections: sectionsOf(conversations, context, lexicon),
  };
}

function measuresOf(
  conversations: readonly Conversation[],
  { settings, names, isLocal }: FrustrationContext,
  lexicon: Lexicon,
): Measure[] {
  const arms = armsIn(conversations);
  const hasJudge = names.judge !== null;
  return [
    ...(hasJudge ? arms.flatMap((arm) => armMeasures(conversations, arm, settings.seed)) : []),
    ...(hasJudge && arms.includes('rejection') ? rejectionMeasures(conversations, settings) : []),
    ...(hasJudge ? contrastMeasures(conversations, settings.seed) : []),
    ...wordMeasures(conversations, lexicon, settings.seed),
    ...(names.secondJudge === null ? [] : judgeMeasures(conversations, settings.seed)),
    ...missingMeasures(conversations, hasJudge),
    ...(isLocal ? insideMeasures(conversations, settings.seed, hasJudge) : []),
  ];
}

/** The rejection arm by category, and its course over the turns. */
function rejectionMeasures(
  conversations: readonly Conversation[],
  { categories, seed }: FrustrationContext['settings'],
): Measure[] {
  const rejected = inArm(conversations, 'rejection');
  return categories.flatMap((category) => {
    const own = rejected.filter((conversation) => conversation.category === category);
    const groups = own.map(scoresOf);
    const share = wilsonClustered(groups.map((group) => group.map((score) => score >= highScore)));
    return [
      measure(`replies of score 5 or more, rejection, ${category}`, share.n, {
        value: share.share,
        interval: share.interval,
      }),
      riseMeasure(own, `rejection, ${category}`, seed),
    ];
  });
}

interface Contrast {
  readonly arm: string;
  /** Mean difference of the conversations' mean scores, arm less rejection, on the same items. */
  readonly difference: number;
  /** NaN of a single item. */
  readonly interval: readonly [low: number, high: number];
  /** By flipping signs of the items' differences. */
  readonly p: number;
  /** Items that both arms have. */
  readonly n: number;
}

/** Each arm against rejection, item by item. */
function contrastsOf(conversations: readonly Conversation[], seed: number): Contrast[] {
  const byItem = new Map(
    inArm(conversations, 'rejection').map((conversation) => [itemOf(conversation), conversation]),
  );
  return armsIn(conversations)
    .filter((arm) => arm !== 'rejection')
    .flatMap((arm) => {
      const pairs = inArm(conversations, arm).flatMap((conversation) => {
        const other = byItem.get(itemOf(conversation));
        const [own, base] = [scoresOf(conversation), other === undefined ? [] : scoresOf(other)];
        return own.length === 0 || base.length === 0 ? [] : [[mean(own), mean(base)] as const];
      });
      if (pairs.length === 0) return [];
      const own = pairs.map(([value]) => value);
      const base = pairs.map(([, value]) => value);
      const differences = pairs.map(([value, other]) => value - other);
      return {
        arm,
        difference: mean(differences),
        interval: meanInterval(differences, seed),
        p: signFlipTest(own, base, { random: randomFrom(seed) }),
        n: pairs.length,
      };
    });
}

function contrastMeasures(conversations: readonly Conversation[], seed: number): Measure[] {
  return contrastsOf(conversations, seed).map(({ arm, difference, interval, p, n }) =>
    measure(`mean score, ${arm} less rejection`, n, {
      value: difference,
      interval,
      control: `same items; signs flipped as far with p ${p.toFixed(4)}`,
    }),
  );
}

export function verdictOf(
  conversations: readonly Conversation[],
  { names, settings, isLocal }: FrustrationContext,
  measures: readonly Measure[],
): string {
  const contrasts = names.judge === null ? [] : contrastsOf(conversations, settings.seed);
  const told = contrasts.filter(({ arm }) => !isRandomArm(arm));
  const controls = contrasts.filter(({ arm }) => isRandomArm(arm));
  const readings = isLocal ? rejectionReadings(conversations, settings.seed) : [];
  const read = readings.filter(({ n }) => n > 0);
  // As many questions as there are arms and readings: one of twenty would look clear by chance alone.
  const corrected = holm([...told, ...read].map(({ p }) => p));
  const asked = corrected.length;
  const inside = insideInWords(
    read.map((reading, i) => ({ ...reading, p: corrected[told.length + i] ?? 1 })),
  );
  if (names.judge === null)
    return [
      `No judge was named (--judge), so nothing is said of frustration: ${conversations.length} conversations with ${names.model} were counted by a list of words${isLocal ? ' and read inside' : ''} only.`,
      ...inside.map((sentence) => `${sentence}.`),
    ].join(' ');
  const parts = [
    rejectedInWords(conversations, names.model, measures),
    ...told.map((contrast, i) =>
      contrastInWords({ ...contrast, p: corrected[i] ?? 1 }, { controls, asked }),
    ),
    ...inside,
    ...(asked === 0
      ? []
      : [
          "A difference is called one where its 95 % interval excludes 0 and p is below 0.05 after Holm's correction",
        ]),
    ...missingInWords(measures),
  ];
  return `${parts.join('. ')}. Scores by ${names.judge}.`;
}

/** What rejection does inside, of readings whose p counts all questions; nothing where none could be compared. */
function insideInWords(readings: readonly RejectionReading[]): string[] {
  if (readings.length === 0) return [];
  const clear = readings.filter(isClear);
  const place = 'right before replies to a rejection, against a neutral word on the same items';
  if (clear.length === 0)
    return [`Inside, ${place}, none of ${readings.length} emotions reads clearly otherwise`];
  const said = clear.map(
    ({ emotion, difference, interval: [low, high], n }) =>
      `${emotion} ${difference > 0 ? 'higher' : 'lower'}, ${signed(difference, 2)} SD (${low.toFixed(2)} to ${high.toFixed(2)}, n ${n})`,
  );
  return [
    `Inside, ${place}: ${said.join('; ')}; the words of the rejection may do that by themselves`,
  ];
}

/** By its interval, and by its p, which counts all questions of the verdict. */
function isClear({ interval: [low, high], p }: Pick<Contrast, 'interval' | 'p'>): boolean {
  return (low > 0 || high < 0) && p < 0.05;
}

function rejectedInWords(
  conversations: readonly Conversation[],
  model: string,
  measures: readonly Measure[],
): string {
  const said = (name: string): Measure | undefined =>
    measures.find((candidate) => candidate.name === name);
  const share = said('replies of score 5 or more, rejection');
  const inAll = said('conversations with such a reply, rejection');
  if (inArm(conversations, 'rejection').length === 0)
    return `The rejection arm is not in this run of ${model}`;
  if (share?.value == null) return `No reply of ${model} in the rejection arm could be judged`;
  return `Rejected, ${model} reached a score of 5 or more in ${percent(share)} of its replies and ${inAll === undefined ? '?' : percent(inAll)} of its conversations`;
}

/** What the shares are not of: nothing where every reply came and was judged. */
function missingInWords(measures: readonly Measure[]): string[] {
  const lost = ['replies that never came', 'replies that could not be judged'].flatMap((name) => {
    const { value, n } = measures.find((candidate) => candidate.name === name) ?? {};
    return value == null || value === 0 ? [] : [`${value} of ${n} ${name}`];
  });
  return lost.length === 0 ? [] : [`Left out: ${lost.join(', ')}`];
}

/** The amount that a treatment adds, as its name says it; undefined for one that sets it by itself. */
function doseOf({ arm }: Contrast): string | undefined {
  return / (\+[\d.]+)$/.exec(arm)?.[1];
}

function contrastInWords(
  contrast: Contrast,
  { controls, asked }: { controls: readonly Contrast[]; asked: number },
): string {
  const { arm, difference, interval, p, n } = contrast;
  const [low, high] = interval;
  const range = Number.isFinite(low) ? `${low.toFixed(2)} to ${high.toFixed(2)}, ` : '';
  const amount = `${signed(difference, 2)} points (${range}n ${n})`;
  if (!isClear({ interval, p }))
    return `${arm} makes no clear difference to the mean score: ${amount}`;
  const said = `With ${arm} the mean score is ${difference < 0 ? 'lower' : 'higher'}: ${amount}`;
  if (textArms.some((name) => name === arm)) return said;
  // A smaller push in a random direction is no control of a larger one.
  const own = controls.filter((control) => doseOf(control) === doseOf(contrast));
  if (own.length === 0)
    return `${said}, without a random direction of the same strength to compare with`;
  const sizes = own.map((control) => control.difference);
  const band = Math.max(...sizes.map(Math.abs));
  const word = besideControls(difference, sizes, asked);
  return `${said}, ${word} ${own.length === 1 ? 'the random direction' : `the ${own.length} random directions`} (${band.toFixed(2)})`;
}
