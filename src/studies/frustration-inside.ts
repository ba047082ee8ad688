/**
 * @file Readings inside a local model beside the judged scores: do they go together, does the inside rise before
 * the words do, and what does rejection do to it (protocol section 6)?
 */
import { bootstrapClusters } from '../math/clusters.ts';
import { signFlipTest } from '../math/paired.ts';
import { randomFrom } from '../math/random.ts';
import { mean } from '../math/stats.ts';
import {
  type Conversation,
  correlationOf,
  itemOf,
  meanInterval,
  type Turn,
} from './frustration-data.ts';
import { insideEmotions, textArms } from './frustration-script.ts';
import { inArm, measure } from './measures.ts';
import type { Measure } from './study.ts';

/** How much higher an emotion reads before replies to a rejection than before those to a neutral word. */
export interface RejectionReading {
  readonly emotion: string;
  /** Mean over the items, in standard deviations; NaN without items that both arms have. */
  readonly difference: number;
  /** NaN of a single item. */
  readonly interval: readonly [low: number, high: number];
  /** By flipping signs of the items' differences; 1 without items. */
  readonly p: number;
  /** Items that both arms have. */
  readonly n: number;
}

/** One for each emotion that is read, of the untreated arms. */
export function rejectionReadings(
  conversations: readonly Conversation[],
  seed: number,
): RejectionReading[] {
  return insideEmotions.map((emotion, k) => rejectionReading(conversations, { emotion, k, seed }));
}

/** Measures of the untreated arms: a steered reading holds the vector that was added. */
export function insideMeasures(
  conversations: readonly Conversation[],
  seed: number,
  hasJudge: boolean,
): Measure[] {
  const untreated = conversations.filter(({ arm }) => textArms.some((name) => name === arm));
  return [
    ...rejectionReadings(untreated, seed).map(readingMeasure),
    ...(hasJudge
      ? [
          ...insideEmotions.map((emotion, k) => together(untreated, { emotion, k, seed })),
          ...lead(untreated, seed),
        ]
      : []),
    ...[...new Set(conversations.map(({ arm }) => arm))].map((arm) =>
      repetition(conversations, arm, seed),
    ),
  ];
}

interface Which {
  readonly emotion: string;
  /** Its index among `insideEmotions`. */
  readonly k: number;
  readonly seed: number;
}

/** Reading before the replies after the first, rejection less neutral continuation, item by item. */
function rejectionReading(
  conversations: readonly Conversation[],
  { emotion, k, seed }: Which,
): RejectionReading {
  const laterMean = ({ turns }: Conversation): number =>
    mean(turns.slice(1).flatMap(({ said }) => said.inside?.before[k] ?? []));
  const neutral = new Map(inArm(conversations, 'neutral').map((other) => [itemOf(other), other]));
  const pairs = inArm(conversations, 'rejection').flatMap((rejected) => {
    const other = neutral.get(itemOf(rejected));
    const pair = [laterMean(rejected), other === undefined ? NaN : laterMean(other)] as const;
    return pair.every(Number.isFinite) ? [pair] : [];
  });
  const [own, base] = [pairs.map(([value]) => value), pairs.map(([, value]) => value)];
  const differences = pairs.map(([value, other]) => value - other);
  return {
    emotion,
    difference: mean(differences),
    interval: meanInterval(differences, seed),
    p: pairs.length === 0 ? 1 : signFlipTest(own, base, { random: randomFrom(seed) }),
    n: pairs.length,
  };
}

function readingMeasure({ emotion, difference, interval, p, n }: RejectionReading): Measure {
  return measure(`${emotion} before the reply, rejection less neutral, SD`, n, {
    value: difference,
    interval,
    control: `same items; signs flipped as far with p ${p.toFixed(4)}`,
  });
}

/** Reading right before each reply against its score. */
function together(conversations: readonly Conversation[], { emotion, k, seed }: Which): Measure {
  const groups = conversations.map(({ turns }) =>
    turns.flatMap((turn) => pairOf(turn.said.inside?.before[k], scoreOf(turn))),
  );
  return correlation(`${emotion} before the reply against its score, r`, groups, seed);
}

/** The inside at a turn against the next score, and the score at a turn against the next inside. */
function lead(conversations: readonly Conversation[], seed: number): Measure[] {
  const following = (pair: (now: Turn, next: Turn) => number[]): number[][] =>
    conversations.map(({ turns }) =>
      turns.slice(0, -1).flatMap((now, i) => {
        const next = turns[i + 1];
        return next === undefined ? [] : pair(now, next);
      }),
    );
  const insideFirst = following((now, next) => pairOf(now.said.inside?.before[0], scoreOf(next)));
  const wordsFirst = following((now, next) => pairOf(scoreOf(now), next.said.inside?.before[0]));
  return [
    correlation('frustrated inside against the score a turn later, r', insideFirst, seed),
    correlation('score against frustrated inside a turn later, r', wordsFirst, seed),
  ];
}

function scoreOf({ judged }: Turn): number | undefined {
  return judged?.score ?? undefined;
}

function pairOf(a: number | undefined, b: number | undefined): number[] {
  return a === undefined || b === undefined ? [] : [a, b];
}

/** r over pairs that stand one after another in each group; interval over conversations. */
function correlation(name: string, groups: readonly number[][], seed: number): Measure {
  const values = groups.flat();
  return measure(name, values.length / 2, {
    value: correlationOf(values),
    interval: bootstrapClusters(groups, correlationOf, { random: randomFrom(seed) }),
    note: 'all scores are the same',
  });
}

/** What steering breaks first: replies that go round in circles. */
function repetition(conversations: readonly Conversation[], arm: string, seed: number): Measure {
  const groups = conversations
    .filter((conversation) => conversation.arm === arm)
    .map(({ turns }) => turns.flatMap(({ said }) => repeatedTriples(said.text) ?? []));
  const values = groups.flat();
  return measure(`share of repeated word triples, ${arm}`, values.length, {
    value: mean(values),
    interval: bootstrapClusters(groups, mean, { random: randomFrom(seed) }),
  });
}

/** Share of the three-word runs that occurred earlier in the text, from 0 to 1; null below 10 words. */
export function repeatedTriples(text: string): number | null {
  const words = text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
  if (words.length < 10) return null;
  const triples = words.slice(2).map((_, i) => words.slice(i, i + 3).join(' '));
  return 1 - new Set(triples).size / triples.length;
}
