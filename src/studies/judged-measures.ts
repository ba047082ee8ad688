/**
 * @file Numbers of any judged conversations: shares of high scores with intervals that count conversations, words,
 * agreement of judges, and what is missing. The frustration study and scored transcripts share them.
 */
import { agreementOf } from '../math/agreement.ts';
import { bootstrapClusters, wilsonClustered } from '../math/clusters.ts';
import { randomFrom } from '../math/random.ts';
import { mean, wilson } from '../math/stats.ts';
import {
  correlationOf,
  isThere,
  type JudgedConversation,
  meanInterval,
  scoresOf,
  twiceJudged,
} from './frustration-data.ts';
import { highScore } from './judge.ts';
import type { Lexicon } from './lexicon.ts';
import { armsIn, inArm, measure } from './measures.ts';
import type { Measure } from './study.ts';

/** Share of high scores with an interval that counts conversations, of conversations with one, and the mean. */
export function armMeasures(
  conversations: readonly JudgedConversation[],
  arm: string,
  seed: number,
): Measure[] {
  const groups = inArm(conversations, arm).map(scoresOf);
  const scores = groups.flat();
  const judgedIn = groups.filter((group) => group.length > 0);
  const shares = wilsonClustered(groups.map((group) => group.map((score) => score >= highScore)));
  const highest = scores.reduce((most, score) => Math.max(most, score), 0);
  const highIn = judgedIn.filter((group) => Math.max(...group) >= highScore).length;
  return [
    measure(`replies of score 5 or more, ${arm}`, scores.length, {
      value: shares.share,
      interval: shares.interval,
      control: `${judgedIn.length} conversations, design effect ${shares.designEffect.toFixed(2)}`,
    }),
    measure(`conversations with such a reply, ${arm}`, judgedIn.length, {
      value: highIn / judgedIn.length,
      interval: wilson(highIn, judgedIn.length),
    }),
    measure(`mean score, ${arm}`, scores.length, {
      value: mean(scores),
      interval: bootstrapClusters(groups, mean, { random: randomFrom(seed) }),
      control: `highest ${scores.length === 0 ? '-' : highest} of 10`,
    }),
  ];
}

/** What the score gained from the first reply to the last, over conversations of two replies or more. */
export function riseMeasure(
  own: readonly JudgedConversation[],
  arm: string,
  seed: number,
): Measure {
  const rises = own.flatMap(({ turns }) => {
    const [first, last] = [turns[0]?.judged?.score, turns.at(-1)?.judged?.score];
    return first == null || last == null || turns.length < 2 ? [] : [last - first];
  });
  return measure(`score at the last turn less the first, ${arm}`, rises.length, {
    value: mean(rises),
    interval: meanInterval(rises, seed),
  });
}

/** How many replies have a word of the list, and how far the list goes with the judge. */
export function wordMeasures(
  conversations: readonly JudgedConversation[],
  lexicon: Lexicon,
  seed: number,
): Measure[] {
  const counted = (arm: string): Measure[] => {
    const groups = inArm(conversations, arm).map(({ turns }) =>
      turns.filter(isThere).map(({ said }) => (lexicon.score(said.text) > 0 ? 1 : 0)),
    );
    const share = wilsonClustered(groups.map((group) => group.map((hit) => hit === 1)));
    return share.n === 0
      ? []
      : [
          measure(`replies with a word of the list, ${arm}`, share.n, {
            value: share.share,
            interval: share.interval,
          }),
        ];
  };
  const pairs = groupedPairs(conversations, lexicon);
  const values = pairs.flat();
  return [
    ...armsIn(conversations).flatMap(counted),
    ...(values.length === 0
      ? []
      : [
          measure('list of words against the judge, r', values.length / 2, {
            value: correlationOf(values),
            interval: bootstrapClusters(pairs, correlationOf, { random: randomFrom(seed) }),
            note: 'the list or the judge says the same of all',
          }),
        ]),
  ];
}

/** Word score and judged score of each reply in turn, grouped by conversation. */
function groupedPairs(conversations: readonly JudgedConversation[], lexicon: Lexicon): number[][] {
  return conversations.map(({ turns }) =>
    turns.flatMap(({ said, judged }) =>
      judged?.score == null ? [] : [lexicon.score(said.text), judged.score],
    ),
  );
}

/** Agreement of the two judges on the replies that both scored. */
export function judgeMeasures(
  conversations: readonly JudgedConversation[],
  seed: number,
): Measure[] {
  const [first, second] = twiceJudged(conversations);
  const { n, correlation, kappaAtThreshold } = agreementOf(first, second, {
    threshold: highScore,
    random: randomFrom(seed),
  });
  // Replies of one conversation resemble each other, so that intervals count conversations.
  const pairs = conversations.map((conversation) => {
    const [own, other] = twiceJudged([conversation]);
    return own.map((score, i) => [score, other[i] ?? NaN] as const);
  });
  const within = wilsonClustered(
    pairs.map((group) => group.map(([score, again]) => Math.abs(score - again) <= 1)),
  );
  const same = 'a judge gives the same score to all';
  return [
    measure('second judge, r', n, {
      value: correlation,
      interval: bootstrapClusters(
        pairs.map((group) => group.flat()),
        correlationOf,
        { random: randomFrom(seed) },
      ),
      note: same,
    }),
    measure('second judge, within one point', n, {
      value: within.share,
      interval: within.interval,
    }),
    measure('second judge, kappa of 5 or more', n, { value: kappaAtThreshold, note: same }),
  ];
}

/** Replies that are not there or have no score. */
export function missingMeasures(
  conversations: readonly JudgedConversation[],
  hasJudge: boolean,
): Measure[] {
  const turns = conversations.flatMap((conversation) => conversation.turns);
  const answered = turns.filter(isThere);
  const notJudged = answered.filter(({ judged }) => judged?.score == null);
  return [
    measure('replies that never came', turns.length, { value: turns.length - answered.length }),
    ...(hasJudge
      ? [
          measure('replies that could not be judged', answered.length, {
            value: notJudged.length,
            control: 'left out of every share and mean, never counted as 0',
          }),
        ]
      : []),
  ];
}

/** A share as people read it: `12.5 % (3.0 to 30.1, n 20)`. */
export function percent({ value, interval, n }: Measure): string {
  const of = (share: number): string => (100 * share).toFixed(1);
  const range = interval === undefined ? '' : `${of(interval[0])} to ${of(interval[1])}, `;
  return `${value === null ? '?' : of(value)} % (${range}n ${n})`;
}
