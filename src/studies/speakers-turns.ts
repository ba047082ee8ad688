/**
 * @file Whose emotion is it? ("Emotion Concepts...", 2026, present and other speaker; protocol section 4.)
 * The emotion's rank over the turns of the speaker who feels it and over the other's, and whether directions
 * made from one speaker's turns read the other's.
 */
import { renderBars, renderTable } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { meanRow } from '../math/pca.ts';
import { randomFrom, shuffled } from '../math/random.ts';
import { bootstrapMean, deviation, mean, quantile } from '../math/stats.ts';
import { addInto, dot, scale, unit } from '../math/vector.ts';
import { intoFilteredSpace, noFilter } from '../vectors/filter.ts';
import type { VectorPack } from '../vectors/pack.ts';
import { decodeRow, type Dialogue, type DialogueReading } from './speakers-dialogues.ts';
import type { Measure, StudyResult } from './study.ts';
import { centredReadings, rankTargets } from './trials.ts';

/** The same kind of turns of many dialogues. */
export interface TurnSet {
  readonly targets: readonly string[];
  /** Index of each dialogue among those of its emotion and speaker: what is left out together. */
  readonly folds: readonly number[];
  /** [turns][emotions], centred over the set. */
  readonly readings: readonly (readonly number[])[];
  /** Mean residuals [width] in the space of the pack's filter, centred over the set. */
  readonly rows: readonly Float32Array[];
}

const kinds = ['own', 'other', 'alone'] as const;
type SetName = `${Dialogue['speaker']} ${(typeof kinds)[number]}`;
export type TurnSets = Readonly<Record<SetName, TurnSet>>;

const titles: Readonly<Record<SetName, string>> = {
  'user own': "user feels, user's turns",
  'assistant own': "assistant feels, assistant's turns",
  'user other': "user feels, assistant's turns",
  'assistant other': "assistant feels, user's later turns",
  'user alone': "the same assistant's turns after a filler",
  'assistant alone': "the same user's turns after a filler",
};

/** Makes the sets of all dialogues, whose readings are in the same order. */
export function turnSets(
  pack: VectorPack,
  names: readonly string[],
  dialogues: readonly Dialogue[],
  readings: readonly DialogueReading[],
): TurnSets {
  const filter = pack.filters[pack.layers.indexOf(pack.bestLayer)] ?? noFilter;
  const setOf = (speaker: Dialogue['speaker'], kind: (typeof kinds)[number]): TurnSet => {
    const seen = new Map<string, number>();
    const members = dialogues.flatMap((dialogue, i) => {
      if (dialogue.speaker !== speaker) return [];
      const fold = seen.get(dialogue.emotion) ?? 0;
      seen.set(dialogue.emotion, fold + 1);
      const text = readings[i]?.[kind] ?? null;
      return text === null ? [] : [{ target: dialogue.emotion, fold, row: decodeRow(text) }];
    });
    const table = Float32Array.from(members.flatMap(({ row }) => [...row]));
    const centre = meanRow(table, pack.width);
    return {
      targets: members.map(({ target }) => target),
      folds: members.map(({ fold }) => fold),
      readings: centredReadings(pack, names, table),
      rows: members.map(({ row }) => {
        const centred = row.slice();
        addInto(centred, centre, -1);
        return intoFilteredSpace(filter, centred);
      }),
    };
  };
  return {
    'user own': setOf('user', 'own'),
    'assistant own': setOf('assistant', 'own'),
    'user other': setOf('user', 'other'),
    'user alone': setOf('user', 'alone'),
    'assistant other': setOf('assistant', 'other'),
    'assistant alone': setOf('assistant', 'alone'),
  };
}

/**
 * Scores [tests][emotions] of a set on the unit differences of means of another (or the same): an emotion's
 * mean less the mean of all. Dialogues of the test's fold never make its directions, also not those of the
 * other speaker, so that all directions are made from as many.
 */
export function transferScores(
  names: readonly string[],
  train: TurnSet,
  test: TurnSet,
): number[][] {
  const directions = new Map(
    [...new Set(test.folds)].map((fold) => [fold, directionsWithout(names, train, fold)]),
  );
  return test.rows.map((row, i) =>
    (directions.get(test.folds[i] ?? 0) ?? []).map((direction) => dot(row, direction)),
  );
}

function directionsWithout(names: readonly string[], set: TurnSet, fold: number): Float32Array[] {
  const kept = set.rows.flatMap((row, i) =>
    set.folds[i] === fold ? [] : [{ row, target: set.targets[i] }],
  );
  const width = set.rows[0]?.length ?? 0;
  const meanOf = (rows: readonly Float32Array[]): Float32Array => {
    const sum = new Float32Array(width);
    for (const row of rows) addInto(sum, row);
    return scale(sum, 1 / Math.max(1, rows.length));
  };
  const all = meanOf(kept.map(({ row }) => row));
  return names.map((name) => {
    const own = meanOf(kept.filter(({ target }) => target === name).map(({ row }) => row));
    addInto(own, all, -1);
    return unit(own);
  });
}

/** The verdict of all four parts asks 14 questions, eight of them here; each must pass 0.05 / 14. */
export const smallestP = 0.05 / 14;

interface RankTest {
  /** Of each item's own emotion, 1 is best. */
  readonly ranks: readonly number[];
  readonly meanRank: number;
  readonly interval: readonly [low: number, high: number];
  /** Share of shuffles of the emotions with a mean rank as low. */
  readonly p: number;
  readonly chance: number;
}

/** Ranks of the own emotions with their bootstrap interval over the items and the permutation test. */
export function testRanks(
  names: readonly string[],
  scores: readonly (readonly number[])[],
  targets: readonly string[],
): RankTest {
  const ranks = scores.map((values, i) => {
    const own = values[names.indexOf(targets[i] ?? '')] ?? NaN;
    return 1 + values.filter((value) => value > own).length;
  });
  return {
    ranks,
    meanRank: mean(ranks),
    interval: bootstrapMean(ranks, randomFrom(31)),
    p: rankTargets(scores, names, targets).p,
    chance: (names.length + 1) / 2,
  };
}

function isRead({ p, interval, chance }: RankTest): boolean {
  return p < smallestP && interval[1] < chance;
}

/** Places that the owner's words lift the emotion over the other's turns, mean over the dialogues. */
function liftOf(
  other: RankTest,
  alone: RankTest,
): Measure & { interval: readonly [number, number] } {
  const gains = alone.ranks.map((rank, i) => rank - (other.ranks[i] ?? NaN));
  return {
    name: '',
    value: mean(gains),
    interval: bootstrapMean(gains, randomFrom(37)),
    n: gains.length,
    control: 'no lift is 0; the same words after a filler are the twin',
  };
}

const trained = ['user own', 'assistant own', 'user other'] as const;
const tested = ['user own', 'assistant own', 'user other', 'user alone'] as const;

/** Ranks, lifts, transfer and the course over the turns. `names` are the emotions of the columns. */
export function turnsResult(
  names: readonly string[],
  sets: TurnSets,
  dialogues: readonly Dialogue[],
  readings: readonly Pick<DialogueReading, 'turns'>[],
): StudyResult {
  const entries = Object.entries(sets) as [SetName, TurnSet][];
  const tests = Object.fromEntries(
    entries.map(([name, set]) => [name, testRanks(names, set.readings, set.targets)]),
  ) as Record<SetName, RankTest>;
  const transfers = trained.map((from) =>
    tested.map((to) =>
      testRanks(names, transferScores(names, sets[from], sets[to]), sets[to].targets),
    ),
  );
  const [uu, ua, au, aa] = [
    transfers[0]?.[0],
    transfers[0]?.[1],
    transfers[1]?.[0],
    transfers[1]?.[1],
  ];
  if (uu === undefined || ua === undefined || au === undefined || aa === undefined)
    throw new TypeError('no transfer');
  const lifts = (['user', 'assistant'] as const).map((speaker) => ({
    ...liftOf(tests[`${speaker} other`], tests[`${speaker} alone`]),
    name: `places that the context lifts: ${titles[`${speaker} other`]}`,
  }));
  return {
    verdict: `${ownVerdict(tests)} ${otherVerdict(tests, lifts)} ${transferVerdict({ uu, ua, au, aa })}`,
    measures: [
      ...entries.map(([name]) => measureOf(`mean rank: ${titles[name]}`, tests[name])),
      ...lifts,
      measureOf("mean rank, directions from user's turns on user's", uu),
      measureOf("mean rank, directions from assistant's turns on assistant's", aa),
      measureOf("mean rank, directions from user's turns on assistant's", ua),
      measureOf("mean rank, directions from assistant's turns on user's", au),
    ],
    sections: [
      ranksSection(names, tests),
      courseSection(names, dialogues, readings),
      transferSection(names, transfers),
    ],
  };
}

function measureOf(name: string, { ranks, meanRank, interval, p, chance }: RankTest): Measure {
  return {
    name,
    value: meanRank,
    interval,
    n: ranks.length,
    control: `chance ${chance.toFixed(1)}; shuffled emotions as low with p ${p.toFixed(4)}`,
  };
}

const inWords = ({ meanRank, p }: RankTest): string =>
  `mean rank ${meanRank.toFixed(2)}, p ${p.toFixed(4)}`;

function ownVerdict(tests: Record<SetName, RankTest>): string {
  const [user, assistant] = [tests['user own'], tests['assistant own']];
  const word = (test: RankTest): string => (isRead(test) ? 'reads high' : 'cannot be read');
  return `Over its owner's turns the emotion ${word(user)} for the user (${inWords(user)}) and ${word(assistant)} for the assistant (${inWords(assistant)}).`;
}

function otherVerdict(
  tests: Record<SetName, RankTest>,
  lifts: readonly { readonly value: number | null; readonly interval: readonly [number, number] }[],
): string {
  const parts = (['user', 'assistant'] as const).map((speaker, i) => {
    const test = tests[`${speaker} other`];
    const isLifted = (lifts[i]?.interval[0] ?? 0) > 0;
    const where = speaker === 'user' ? "the assistant's turns" : "the user's later turns";
    if (!isRead(test)) return `over ${where} it cannot be read (${inWords(test)})`;
    return isLifted
      ? `over ${where} it reads high too (${inWords(test)}), ${(lifts[i]?.value ?? 0).toFixed(2)} places higher than the same words after a filler`
      : `over ${where} it ranks high (${inWords(test)}), but no higher than the same words after a filler, so they alone may do it`;
  });
  return `The other speaker: ${parts.join('; ')}.`;
}

function transferVerdict({
  uu,
  ua,
  au,
  aa,
}: Readonly<Record<'uu' | 'ua' | 'au' | 'aa', RankTest>>): string {
  const [both, neither] = [isRead(ua) && isRead(au), !isRead(ua) && !isRead(au)];
  const made = `at home ${uu.meanRank.toFixed(2)} and ${aa.meanRank.toFixed(2)}, across ${ua.meanRank.toFixed(2)} and ${au.meanRank.toFixed(2)}`;
  if (!isRead(uu) && !isRead(aa) && neither)
    return `Directions made from these few dialogues read nothing (${made}).`;
  if (both) return `Directions made from one speaker's turns read the other's (${made}).`;
  return neither
    ? `Directions made from one speaker's turns do not read the other's (${made}).`
    : `Directions made from one speaker's turns read the other's one way only (${made}).`;
}

function ranksSection(names: readonly string[], tests: Record<SetName, RankTest>): Section {
  const chance = (names.length + 1) / 2;
  return {
    title: 'Whose turns carry the emotion',
    lead: `How many places the emotion of the dialogue stands above chance (${chance.toFixed(1)} of ${names.length}) over the turns of each kind; mean over the dialogues, readings centred over the turns of the same kind. Turns after a filler are the control of the other speaker's turns: the same words, but what the feeling speaker said is replaced by a filler. The n is the number of dialogues.`,
    body: renderBars(
      (Object.entries(tests) as [SetName, RankTest][]).map(([name, test]) => ({
        name: titles[name],
        value: chance - test.meanRank,
        note: `mean rank ${test.meanRank.toFixed(2)} (95 % ${test.interval[0].toFixed(2)} to ${test.interval[1].toFixed(2)}), n ${test.ranks.length}, p ${test.p.toFixed(4)}`,
      })),
      'places above chance',
    ),
  };
}

/** Readings [dialogues][turns][emotions], centred over the dialogues turn by turn, in standard deviations of the turn. */
export function centreTurns(
  turns: readonly (readonly (readonly number[])[])[],
): (readonly (readonly number[])[])[] {
  const byTurn = (turns[0] ?? []).map((_, t) => {
    const rows = turns.map((all) => all[t] ?? []);
    const centres = (rows[0] ?? []).map((__, k) => mean(rows.map((row) => row[k] ?? NaN)));
    const centred = rows.map((row) => row.map((value, k) => value - (centres[k] ?? NaN)));
    const spread = deviation(centred.flat());
    return centred.map((row) => row.map((value) => value / spread));
  });
  return turns.map((_, i) => byTurn.map((rows) => rows[i] ?? []));
}

/** Target less the mean of the other emotions, mean over the dialogues, one a turn. */
export function courseOf(
  names: readonly string[],
  targets: readonly string[],
  turns: readonly (readonly (readonly number[])[])[],
): number[] {
  const columns = targets.map((target) => names.indexOf(target));
  return (turns[0] ?? []).map((_, t) =>
    mean(
      turns.map((all, i) => {
        const row = all[t] ?? [];
        const own = row[columns[i] ?? -1] ?? NaN;
        const others = row.reduce((sum, value) => sum + value, -own) / (names.length - 1);
        return own - others;
      }),
    ),
  );
}

function courseSection(
  names: readonly string[],
  dialogues: readonly Dialogue[],
  readings: readonly Pick<DialogueReading, 'turns'>[],
): Section {
  const longest = Math.max(...dialogues.map(({ messages }) => messages.length));
  const random = randomFrom(41);
  const parts = (['user', 'assistant'] as const).map((speaker) => {
    const members = dialogues.flatMap(({ emotion, messages, speaker: who }, i) =>
      who === speaker && messages.length === longest
        ? [{ emotion, turns: readings[i]?.turns ?? [] }]
        : [],
    );
    const targets = members.map(({ emotion }) => emotion);
    const turns = centreTurns(members.map((member) => member.turns));
    return {
      count: members.length,
      line: courseOf(names, targets, turns),
      shuffles: Array.from({ length: 500 }, () =>
        courseOf(names, shuffled(targets, random), turns),
      ),
    };
  });
  const ticks = Array.from(
    { length: longest },
    (_, t) => `${t % 2 === 0 ? 'user' : 'assistant'} ${Math.floor(t / 2) + 1}`,
  );
  const bandAt = (share: number): number[] =>
    ticks.map((_, t) =>
      quantile(
        parts.flatMap(({ shuffles }) => shuffles.map((line) => line[t] ?? NaN)),
        share,
      ),
    );
  return {
    title: 'From turn to turn',
    lead: `Reading of the dialogue's emotion less the mean of the others, centred over the dialogues turn by turn, in standard deviations, in the dialogues of ${longest} messages (user feels: n ${parts[0]?.count ?? 0}, assistant feels: n ${parts[1]?.count ?? 0}). Grey: 95 % of 1,000 shuffles of the emotions. The first user's turn comes before an assistant that feels has said anything; what it shows there is the topic.`,
    body: renderLineChart({
      title: 'The emotion over the turns',
      xLabel: 'turn',
      yLabel: 'standard deviations above the other emotions',
      ticks,
      series: [
        { name: 'user feels', values: parts[0]?.line ?? [] },
        { name: 'assistant feels', values: parts[1]?.line ?? [] },
      ],
      band: { name: 'shuffled emotions', low: bandAt(0.025), high: bandAt(0.975) },
    }),
  };
}

function transferSection(
  names: readonly string[],
  transfers: readonly (readonly RankTest[])[],
): Section {
  return {
    title: 'Directions made from one speaker, tried on the other',
    lead: `Rows: where the directions come from (mean of an emotion's turns less the mean of all, two dialogues an emotion, through the pack's filter); columns: what they read. Mean rank of ${names.length} emotions and p of 10,000 shuffles; chance ${((names.length + 1) / 2).toFixed(1)}. The dialogues of the tested fold never make the direction. n is ${transfers[0]?.[0]?.ranks.length ?? 0} dialogues a cell. The last column is the control of the one before it. Across can come out better than at home: dialogues of one emotion and speaker were written to differ from each other.`,
    body: renderTable(
      ['made from', ...tested.map((name) => titles[name])],
      trained.map((name, i) => [
        titles[name],
        ...(transfers[i] ?? []).map(
          ({ meanRank, p }) => `${meanRank.toFixed(2)} (p ${p.toFixed(4)})`,
        ),
      ]),
    ),
  };
}
