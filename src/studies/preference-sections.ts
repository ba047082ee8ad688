/** @file The sections of the preference study's report. */
import { type Bar, escapeHtml, renderBars, renderTable } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { deviation, mean, quantile } from '../math/stats.ts';
import { questionOf, winOf } from './pairwise.ts';
import { curveLevels, curveOf, type Steered } from './preference-effects.ts';
import type { Findings } from './preference-report.ts';

export function sectionsOf(findings: Findings): Section[] {
  return [
    examplesSection(findings),
    groupsSection(findings),
    ranksSection(findings),
    emotionsSection(findings),
    curveSection(findings),
    steeringSection(findings),
    eighthsSection(findings),
    damageSection(findings),
    groupChangesSection(findings),
  ];
}

/** A dash for what could not be measured. */
export const two = (value: number): string => (Number.isNaN(value) ? '–' : value.toFixed(2));
/** For log-odds, which can be small. */
const three = (value: number): string => (Number.isNaN(value) ? '–' : value.toFixed(3));
/** The ends of an interval. */
export const range = ([low, high]: readonly [number, number]): string =>
  `${two(low)} to ${two(high)}`;

/** One question in full, then the surest and the least sure pairs. */
function examplesSection({ activities, rings, answers }: Findings): Section {
  const texts = activities.map(({ text }) => text);
  const asked = rings
    .flatMap((pairs, r) =>
      pairs.flatMap(([a, b], i) => {
        const answer = answers[r]?.[i];
        return answer === undefined ? [] : [{ a, b, answer, share: winOf(answer) }];
      }),
    )
    .toSorted((x, y) => Math.abs(y.share - 0.5) - Math.abs(x.share - 0.5));
  const rows = [...asked.slice(0, 5), ...asked.slice(-3)].map(({ a, b, answer, share }) => [
    texts[a] ?? '',
    texts[b] ?? '',
    two(answer[0]),
    two(1 - answer[1]),
    two(share),
  ]);
  const [shown] = asked;
  const { messages, question, options } = questionOf(texts, shown?.a ?? 0, shown?.b ?? 0);
  const text = `${messages[0]?.content ?? ''}\n\n${question}\nA: ${options[0]}\nB: ${options[1]}\nReply with one letter.`;
  return {
    title: 'What was asked',
    lead: `${asked.length} pairs, each in both orders; the probability is that of the letter, given that the reply is one of the two. The five surest pairs and the three least sure. The last column is the mean of the log-odds over the orders, so that a liking for the first place cancels.`,
    body: `<pre>${escapeHtml(text)}</pre>${renderTable(['one', 'other', 'P(one), named first', 'P(one), named last', 'share that one wins'], rows)}`,
  };
}

function groupsSection({ groups, strengths }: Findings): Section {
  const bars: Bar[] = groups.groups
    .toSorted((a, b) => b.mean - a.mean)
    .map(({ group, mean: value, interval }) => ({
      name: group,
      value,
      note: `95 % ${interval.map(three).join(' to ')}`,
    }));
  return {
    title: 'Strength by group',
    lead: `Mean Bradley-Terry strength in log-odds, 0 is the mean of all ${strengths.length} activities; the interval is a bootstrap over the group's activities. Groups of the same size put together at random reach ${groups.limits.map(three).join(' to ')} in 95 % of shuffles.`,
    body: renderBars(bars, 'Mean strength of each group (log-odds)'),
  };
}

function ranksSection({ activities, strengths, reliability }: Findings): Section {
  const order = strengths.map((_, i) => i).toSorted((a, b) => strengths[b]! - strengths[a]!);
  const count = Math.min(10, Math.floor(order.length / 2));
  const row = (i: number): (string | number)[] => [
    order.indexOf(i) + 1,
    activities[i]?.text ?? '',
    activities[i]?.group ?? '',
    three(strengths[i] ?? NaN),
  ];
  return {
    title: 'Most and least preferred',
    lead: `The ${count} strongest and the ${count} weakest of ${order.length}. Strengths from two disjoint halves of the pairs agree by r ${two(reliability.r)} (${range(reliability.interval)}); at 0 this table would be noise.`,
    body: renderTable(
      ['rank', 'activity', 'group', 'strength'],
      [...order.slice(0, count), ...order.slice(-count)].map(row),
    ),
  };
}

function emotionsSection({ emotions, over, before, strengths }: Findings): Section {
  const order = over.emotions
    .map((_, k) => k)
    .toSorted((a, b) => over.emotions[b]! - over.emotions[a]!);
  const shown = [...new Set([...order.slice(0, 8), ...order.slice(-8)])];
  return {
    title: 'Emotions that go with preference',
    lead: `Correlation over ${strengths.length} activities of the reading with the strength; shown are the 8 highest and the 8 lowest of ${emotions.length} emotions. 95 % of ${over.random.length} random directions stay within ±${two(over.limit)} (before the reply ±${two(before.limit)}); the largest of all emotions is below ${two(quantile(over.largest, 0.95))} in 95 % of shuffles.`,
    body: renderBars(
      shown.map((k) => ({
        name: emotions[k] ?? '',
        value: over.emotions[k] ?? NaN,
        note: `before the reply ${two(before.emotions[k] ?? NaN)}`,
      })),
      "Correlation with strength, reading over the activity's tokens",
    ),
  };
}

function curveSection({ emotions, over }: Findings): Section {
  return {
    title: 'All emotions against chance',
    lead: `The correlations of ${emotions.length} emotions in ascending order, and those of ${over.random.length} random directions. Grey: 95 % of the emotions' curves when the strengths are shuffled. Emotions that hold no more of preference than anything else lie on the dashed line.`,
    body: renderLineChart({
      title: 'Correlations with strength in ascending order',
      xLabel: 'share of the directions, %',
      yLabel: 'correlation with strength',
      ticks: curveLevels.map((level) => String(Math.round(100 * level))),
      series: [
        { name: 'emotions', values: curveOf(over.emotions) },
        { name: 'random directions', values: curveOf(over.random), dashed: true },
      ],
      band: { name: 'shuffled strengths', ...over.band },
    }),
  };
}

function steeringSection({ steered, effects, dose }: Findings): Section {
  const random = steered.filter(({ kind }) => kind === 'random').length;
  return {
    title: 'Steering',
    lead: `Each emotion at +${dose} and -${dose} of the residual norm in the middle third of the layers, at all positions of the question; this is not the paper's steering of one half's tokens. r is over the activities, of the change of strength (+ less -) with the reading of the same emotion: above 0, what reads high gains. To count, it must leave 0, agree in both halves (even and odd activities), stand without the unsteered strength, as sharper choices move all strengths in proportion, and be larger than two controls: the largest r of ${random} random directions' changes with the same reading, and 95 % of random readings with the same change.`,
    body: renderTable(
      [
        'emotion',
        'r (95 %)',
        'even half',
        'odd half',
        'without unsteered strength (95 %)',
        'largest of random directions',
        '95 % of random readings below',
        'counts',
      ],
      effects.map(({ direction, all, halves, partial, randomMost, limit, isBroken, counts }) => [
        direction,
        `${two(all.r)} (${range(all.interval)})`,
        ...halves.map(({ r }) => two(r)),
        `${two(partial.r)} (${range(partial.interval)})`,
        two(randomMost),
        two(limit),
        isBroken ? 'broken' : counts ? 'yes' : 'no',
      ]),
    ),
  };
}

function damageSection({ steered, mass, first }: Findings): Section {
  return {
    title: 'What steering does to the answers',
    lead: `Spread over the activities of the change of strength, in log-odds, and of its even part, which does not turn with the sign and so is damage. Changes from two halves of the pairs must agree, or there is nothing to explain. Without steering the reply is a letter with ${two(mass)} and the first place gets ${two(mean(first))}; with less than half of that probability of a letter a direction is broken. The random rows show what any push of this size does.`,
    body: renderTable(
      [
        'direction',
        'spread of change',
        'spread of even part',
        'r of two halves of the pairs',
        'letter, lower of both signs',
        'first place at -',
        'first place at +',
      ],
      steered.map(({ direction, change, even, reliability, mass: letter, first: places }) => [
        direction,
        three(deviation(change)),
        three(deviation(even)),
        two(reliability),
        two(letter),
        ...places.map(two),
      ]),
    ),
  };
}

/** Parts of the activities by reading. */
const parts = 8;

/** Mean of the values in each eighth of the activities, ordered by reading. */
function byReading(values: readonly number[], reading: readonly number[]): number[] {
  const order = reading.map((_, i) => i).toSorted((a, b) => reading[a]! - reading[b]!);
  return Array.from({ length: parts }, (_, p) => {
    const [from, to] = [p, p + 1].map((at) => Math.round((at * order.length) / parts));
    return mean(order.slice(from, to).map((i) => values[i] ?? NaN));
  });
}

function eighthsSection({ steered, effects, emotions, readings }: Findings): Section {
  const readingOf = (emotion: string): readonly number[] =>
    readings[emotions.indexOf(emotion)] ?? [];
  const random = steered.filter(({ kind }) => kind === 'random');
  const controls = effects.flatMap(({ direction }) =>
    random.map(({ change }) => byReading(change, readingOf(direction))),
  );
  const edge = (pick: (...values: number[]) => number): number[] =>
    Array.from({ length: parts }, (_, p) => pick(...controls.map((line) => line[p] ?? NaN)));
  return {
    title: 'Change of preference by reading',
    lead: `Activities in eight parts of equal size, from the lowest reading of the steered emotion to the highest; mean change of strength (+ less -) in each, in log-odds. A line that rises is preference for what reads high. Grey: from the lowest to the highest of ${random.length} random directions, ordered by the same readings.`,
    body: renderLineChart({
      title: 'Change of strength by reading of the steered emotion',
      xLabel: 'eighth of the activities, by reading',
      yLabel: 'change of strength',
      ticks: Array.from({ length: parts }, (_, p) => String(p + 1)),
      series: effects.map(({ direction }) => ({
        name: direction,
        values: byReading(
          steered.find((one) => one.direction === direction)?.change ?? [],
          readingOf(direction),
        ),
      })),
      band: { name: 'random directions', low: edge(Math.min), high: edge(Math.max) },
    }),
  };
}

function groupChangesSection({ steered, groups, activities }: Findings): Section {
  const meanOf = ({ change }: Steered, group: string): number =>
    mean(change.filter((_, i) => activities[i]?.group === group));
  return {
    title: 'Change by group',
    lead: `Mean change of strength (+ less -) in log-odds of the activities of each group, under emotions and random directions; each row sums to about 0, as strengths do. The random rows show what any push of this size does.`,
    body: renderTable(
      ['direction', ...groups.groups.map(({ group }) => group)],
      steered.map((one) => [
        one.direction,
        ...groups.groups.map(({ group }) => three(meanOf(one, group))),
      ]),
    ),
  };
}
