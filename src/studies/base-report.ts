/** @file What the base study makes of the rows of both models: measures, verdict, report. */
import type { Scenario } from '../capture/probes.ts';
import type { Story } from '../capture/stories.ts';
import { escapeHtml, renderBars, renderTable } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { signed } from '../charts/terminal.ts';
import type { ChatMessage } from '../engine/chat-template.ts';
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, mean, quantile } from '../math/stats.ts';
import { applyFilter, noFilter } from '../vectors/filter.ts';
import { emotionVector, type VectorPack } from '../vectors/pack.ts';
import {
  emotionShifts,
  meanCosine,
  meanSize,
  randomShifts,
  type RandomShifts,
  type RowPair,
  type Shift,
  sizeInterval,
  smallestShift,
  summariseRandom,
} from './shifts.ts';
import type { Measure, StudyResult } from './study.ts';
import { centredReadings } from './trials.ts';

/** What both models read; scenarios and stories only of emotions that the pack has. */
export interface BaseTexts {
  readonly neutral: readonly (readonly ChatMessage[])[];
  readonly scenarios: readonly Scenario[];
  readonly stories: readonly Story[];
}

export interface BaseSide {
  readonly name: string;
  readonly quantisation: string;
  readonly fingerprint: string;
}

/** Rows [texts][width] after the pack's best layer. */
type Rows = readonly (readonly number[])[];

/** What one model holds on the texts. */
export interface BaseReadings {
  /** Right before the reply to neutral messages. */
  readonly neutral: Rows;
  /** Right before the reply to scenarios, and the mean over each message. */
  readonly reply: Rows;
  readonly message: Rows;
  /** Means over the stories. */
  readonly stories: Rows;
}

export interface BaseInput {
  readonly pack: VectorPack;
  readonly texts: BaseTexts;
  readonly sides: { instruct: BaseSide; base: BaseSide; sample: string };
  readonly settings: { random: number; seed: number };
  readonly instruct: BaseReadings;
  readonly base: BaseReadings;
}

/** Shifts on one set of texts, and the random directions on the same. */
interface ShiftSet {
  readonly where: string;
  readonly n: number;
  readonly shifts: readonly Shift[];
  readonly random: RandomShifts;
  /** Interval of the mean size over the emotions. */
  readonly sizes: readonly [low: number, high: number];
  readonly cosine: ReturnType<typeof meanCosine>;
}

/** Ranks of the right emotion in both models, one a text; 1 is best. */
export interface RankSet {
  readonly where: string;
  readonly emotions: readonly string[];
  readonly targets: readonly string[];
  readonly instruct: readonly number[];
  readonly base: readonly number[];
}

/** Pure computation from the rows. */
export function baseResult(input: BaseInput): StudyResult {
  const { sides, settings } = input;
  const shiftSets = shiftSetsOf(input);
  const rankSets = rankSetsOf(input);
  const ranks = rankSets.map((set, i) => compareRanks(set, settings.seed + 10 + i));
  const isOne = sides.instruct.fingerprint === sides.base.fingerprint;
  const names = `${sides.instruct.name} (${sides.instruct.quantisation}) against ${sides.base.name} (${sides.base.quantisation})`;
  return {
    verdict: [
      `${names}.`,
      ...(isOne
        ? [
            'Both have one fingerprint: they are two quantisations of one model, or a fine-tune that left the norms alone; in the first case nothing should move.',
          ]
        : []),
      ...shiftSets.map(shiftWords),
      ...ranks.map(({ words }) => words),
    ].join(' '),
    measures: [...shiftSets.flatMap(shiftMeasures), ...ranks.flatMap(({ measures }) => measures)],
    sections: [
      ...shiftSets.map((set) => shiftSection(set, settings.random)),
      shiftTable(shiftSets),
      rankSection(rankSets),
      {
        title: 'What both models read',
        lead: 'The first scenario as its tokens read, through the template of the instruct model; the base model gets the same tokens, which may be strange to it.',
        body: `<pre>${escapeHtml(sides.sample)}</pre>`,
      },
    ],
  };
}

function shiftSetsOf({ pack, settings, instruct, base }: BaseInput): ShiftSet[] {
  const slot = pack.layers.indexOf(pack.bestLayer);
  const filter = pack.filters[slot] ?? noFilter;
  // The filter is symmetric: filtered rows read with plain vectors as rows with filtered ones.
  const filtered = (rows: Rows): Float32Array[] =>
    rows.map((row) => applyFilter(filter, Float32Array.from(row)));
  const vectors = new Map(
    pack.emotions.map((emotion) => [emotion, emotionVector(pack, emotion, pack.bestLayer)]),
  );
  const ruler = filtered(instruct.neutral);
  const { random: sets, seed } = settings;
  const sources = [
    ['neutral messages', instruct.neutral, base.neutral],
    ['scenarios', instruct.reply, base.reply],
  ] as const;
  const pairs = sources.map(([, mine, other]): RowPair => ({
    instruct: filtered(mine),
    base: filtered(other),
  }));
  const shiftsAtRandom = randomShifts(pairs, ruler, { sets, size: vectors.size, seed });
  return sources.map(([where, mine, other], i) => {
    const pair = pairs[i] ?? { instruct: [], base: [] };
    const random = summariseRandom(shiftsAtRandom[i] ?? []);
    const { largest } = random;
    const shifts = emotionShifts(vectors, { pair, ruler, largest, seed: seed + 1 + i });
    const plain: RowPair = { instruct: mine.map(toRow), base: other.map(toRow) };
    return {
      where,
      n: mine.length,
      random,
      shifts,
      sizes: sizeInterval(shifts, randomFrom(seed + 5 + i)),
      cosine: meanCosine(plain, randomFrom(seed + 3 + i)),
    };
  });
}

function toRow(row: readonly number[]): Float32Array {
  return Float32Array.from(row);
}

function rankSetsOf({ pack, texts, instruct, base }: BaseInput): RankSet[] {
  const ranksIn = (rows: Rows, emotions: readonly string[], targets: readonly string[]): number[] =>
    centredReadings(pack, emotions, Float32Array.from(rows.flat())).map((values, i) => {
      const own = values[emotions.indexOf(targets[i] ?? '')] ?? NaN;
      return 1 + values.filter((value) => value > own).length;
    });
  const sources = [
    ['scenarios, over the message', texts.scenarios, instruct.message, base.message],
    ['scenarios, before the reply', texts.scenarios, instruct.reply, base.reply],
    ['unseen stories', texts.stories, instruct.stories, base.stories],
  ] as const;
  return sources.map(([where, items, mine, other]) => {
    const targets = items.map(({ emotion }) => emotion);
    const emotions = [...new Set(targets)];
    return {
      where,
      emotions,
      targets,
      instruct: ranksIn(mine, emotions, targets),
      base: ranksIn(other, emotions, targets),
    };
  });
}

/**
 * Smallest difference of mean ranks that is called one. Two quantisations of one model (smollm2-135m, Q4_1
 * and Q8_0) differ by 0.33 right before the reply, with an interval without 0: less says nothing of training.
 */
const smallestRank = 0.5;
/** That a verdict asks: shifts on two sets of texts, ranks on three. */
const questions = 5;
/** Rounds of swapping the two models' ranks at random, text by text. */
const swaps = 2000;

export function compareRanks(
  { where, emotions, instruct, base }: RankSet,
  seed: number,
): { measures: Measure[]; words: string } {
  const random = randomFrom(seed);
  const chance = `chance ${((emotions.length + 1) / 2).toFixed(1)} of ${emotions.length}`;
  const differences = instruct.map((rank, i) => rank - (base[i] ?? NaN));
  const interval = bootstrapMean(differences, random);
  const value = mean(differences);
  const swapped = Array.from({ length: swaps }, () =>
    mean(differences.map((one) => (random() < 0.5 ? one : -one))),
  );
  const [low, high] = [quantile(swapped, 0.025), quantile(swapped, 0.975)];
  const asFar = swapped.filter((one) => Math.abs(one) >= Math.abs(value) - 1e-9).length;
  const isShown =
    (interval[0] > 0 || interval[1] < 0) && (1 + asFar) / (1 + swaps) < 0.05 / questions;
  const n = instruct.length;
  const own = (side: string, ranks: readonly number[]): Measure => ({
    name: `mean rank in ${side}, ${where}`,
    value: mean(ranks),
    interval: bootstrapMean(ranks, random),
    n,
    control: chance,
  });
  return {
    measures: [
      own('instruct', instruct),
      own('base', base),
      {
        name: `rank in instruct less in base, ${where}`,
        value,
        interval,
        n,
        control: `models swapped at random: 95 % within ${low.toFixed(2)} to ${high.toFixed(2)}`,
        note: `below 0: the right emotion ranks better in the instruct model; less than ${smallestRank} does not count`,
      },
    ],
    words: `Right emotion of ${emotions.length}, ${where}: mean rank ${mean(instruct).toFixed(2)} in instruct, ${mean(base).toFixed(2)} in base${rankWords(value, isShown)}.`,
  };
}

function rankWords(value: number, isShown: boolean): string {
  if (!isShown) return ', no difference shown';
  if (Math.abs(value) < smallestRank)
    return `, a difference of ${signed(value, 2)} that is too small to count, since another quantisation of the same weights can make as much`;
  return `, ${value < 0 ? 'better' : 'worse'} in instruct`;
}

/** Emotions named in a sentence. */
const named = 6;

function shiftWords({ where, shifts, random }: ShiftSet): string {
  const moved = shifts.filter(({ isMoved }) => isMoved);
  if (moved.length === 0)
    return `Right before the reply to ${where} no emotion of ${shifts.length} reads differently by more than random directions do.`;
  const side = (sign: number, word: string): string[] => {
    const some = moved
      .filter(({ value }) => Math.sign(value) === sign)
      .toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const more = some.length > named ? ` and ${some.length - named} more` : '';
    const list = some.slice(0, named).map(({ emotion, value }) => `${emotion} ${signed(value, 2)}`);
    return some.length === 0 ? [] : [`${word}: ${list.join(', ')}${more}`];
  };
  return `Right before the reply to ${where} ${moved.length} of ${shifts.length} emotions read differently in instruct, beyond ${random.largest.toFixed(2)} standard deviations, which the largest of as many random directions stays below in 99 % of sets (${[...side(1, 'higher'), ...side(-1, 'lower')].join('; ')}).`;
}

function shiftMeasures({ where, n, shifts, random, sizes, cosine }: ShiftSet): Measure[] {
  const order = shifts.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const band = `95 % of random directions: ${random.band[0].toFixed(2)} to ${random.band[1].toFixed(2)}; largest of ${shifts.length}: below ${random.largest.toFixed(2)} in 99 % of sets`;
  return [
    {
      name: `emotions moved, ${where}`,
      value: shifts.filter(({ isMoved }) => isMoved).length,
      n: shifts.length,
      control: `in 99 % of sets of as many random directions none is beyond ${random.largest.toFixed(2)}`,
      note: `interval without 0, beyond the random directions, at least ${smallestShift} standard deviations`,
    },
    {
      name: `mean size of the shift, ${where}`,
      value: meanSize(shifts.map(({ value }) => value)),
      interval: sizes,
      n,
      control: `95 % of sets of random directions: below ${random.meanSize.toFixed(2)}`,
      note: `over ${shifts.length} emotions, in standard deviations over neutral messages`,
    },
    ...order.slice(0, 3).map(({ emotion, value, interval }, i): Measure => ({
      name: `shift of ${emotion} (${['largest', 'second', 'third'][i]}), ${where}`,
      value,
      interval,
      n,
      control: band,
      note: 'instruct less base right before the reply, in standard deviations over neutral messages',
    })),
    {
      name: `cosine of the mean residuals, ${where}`,
      value: cosine.value,
      interval: cosine.interval,
      n,
      control: `two halves of the texts in the instruct model: ${cosine.halves.toFixed(3)}`,
    },
  ];
}

/** Bars at either end. */
const shownEmotions = 10;

function shiftSection({ where, n, shifts, random }: ShiftSet, sets: number): Section {
  const order = shifts.toSorted((a, b) => b.value - a.value);
  const many = order.length > 2 * shownEmotions;
  const ends = many ? [...order.slice(0, shownEmotions), ...order.slice(-shownEmotions)] : order;
  const bars = ends.map(({ emotion, value, interval: [low, high], isMoved }) => ({
    name: emotion,
    value,
    note: `${low.toFixed(2)} to ${high.toFixed(2)}${isMoved ? ', beyond the random directions' : ''}`,
  }));
  const sizes = shifts.map(({ value }) => Math.abs(value)).toSorted((a, b) => b - a);
  const chart = renderLineChart({
    title: `Size of the shift, largest first: ${where}`,
    xLabel: 'place',
    yLabel: 'standard deviations',
    ticks: sizes.map((_, i) => `${i + 1}`),
    series: [
      { name: 'emotions', values: sizes },
      {
        name: 'must be beyond',
        values: sizes.map(() => Math.max(random.largest, smallestShift)),
        dashed: true,
      },
    ],
    band: { name: 'random directions', ...random.sorted },
  });
  return {
    title: `What moves right before the reply: ${where}`,
    lead: `Instruct less base in standard deviations over neutral messages, mean of ${n} texts; the ends of ${shifts.length} emotions, with intervals over the texts. Grey: at each place what 95 % of ${sets} sets of ${shifts.length} random directions have there; an emotion counts beyond the dashed line. Emotions that share one direction move together, so their number is not a number of findings.`,
    body: renderBars(bars, 'Shift, with its 95 % interval') + chart,
  };
}

function shiftTable([neutral, scenarios]: readonly ShiftSet[]): Section {
  const words = (shift: Shift | undefined): (string | number)[] =>
    shift === undefined
      ? ['', '', '']
      : [
          Number(shift.value.toFixed(3)),
          `${shift.interval[0].toFixed(2)} to ${shift.interval[1].toFixed(2)}`,
          shift.isMoved ? 'moved' : '',
        ];
  const rows = (neutral?.shifts ?? []).map((shift, k) => [
    shift.emotion,
    ...words(shift),
    ...words(scenarios?.shifts[k]),
  ]);
  const columns = ['emotion', 'neutral', '95 %', '', 'scenarios', '95 %', ''];
  return {
    title: 'Every emotion',
    lead: `Shifts of all ${rows.length} emotions on ${neutral?.n ?? 0} neutral messages and ${scenarios?.n ?? 0} scenarios, beside them whether they go beyond the random directions.`,
    body: `<details><summary>the table</summary>${renderTable(columns, rows)}</details>`,
  };
}

function rankSection(sets: readonly RankSet[]): Section {
  const emotions = [...new Set(sets.flatMap((set) => set.emotions))];
  const at = (ranks: readonly number[], { targets }: RankSet, emotion: string): string => {
    const own = ranks.filter((_, i) => targets[i] === emotion);
    return own.length === 0 ? '' : mean(own).toFixed(2);
  };
  const rows = emotions.map((emotion) => [
    emotion,
    ...sets.flatMap((set) => [at(set.instruct, set, emotion), at(set.base, set, emotion)]),
  ]);
  return {
    title: 'Rank of the right emotion',
    lead: `Mean rank among ${emotions.length} emotions by the instruct model's vectors, 1 is best, chance ${((emotions.length + 1) / 2).toFixed(1)}; each model is centred over its own readings of the set. n: ${sets.map(({ where, targets }) => `${targets.length} ${where}`).join('; ')}.`,
    body: renderTable(
      ['emotion', ...sets.flatMap(({ where }) => [`${where}: instruct`, 'base'])],
      rows,
    ),
  };
}
