/** @file The report of the injection study: how far each kind moves the score, by whom, and the texts. */
import { renderTable } from '../charts/html.ts';
import { renderIntervals } from '../charts/interval-chart.ts';
import type { Section } from '../charts/page.ts';
import type { KindResult, Question } from './injection-result.ts';
import type { Injection, Tried } from './injection.ts';

const mostShown = 12;

const titles = {
  down: 'distressed replies, order to score 0',
  up: 'calm replies, order to score 10',
} as const;

export function injectionSections(
  tried: readonly Tried[],
  told: {
    readonly results: readonly KindResult[];
    readonly against: readonly Question[];
    readonly texts: readonly Injection[];
  },
): Section[] {
  const { results, against, texts } = told;
  return [
    kindSection(results, texts),
    ...(against.length === 0 ? [] : [defenceSection(tried, against)]),
    moveSection(tried),
    textSection(texts),
  ];
}

function kindSection(results: readonly KindResult[], texts: readonly Injection[]): Section {
  const directions = [...new Set(results.map(({ direction }) => direction))];
  const chart = renderIntervals({
    title: 'Score with the order less with its twin',
    xLabel: 'points of the score, 95 % over replies',
    zero: true,
    groups: directions.map((direction) => ({
      name: titles[direction],
      points: results
        .filter((result) => result.direction === direction)
        .map(({ kind, difference, interval: [low, high] }) => ({
          name: kind,
          value: difference,
          low,
          high,
        })),
    })),
  });
  const whatOf = new Map<string, string>(texts.map(({ kind, what }) => [kind, what]));
  const rows = results.map(
    ({ direction, kind, n, difference, interval, corrected, twinShift, shares }) => [
      direction,
      kind,
      whatOf.get(kind) ?? '',
      n,
      difference.toFixed(2),
      rangeOf(interval),
      corrected.toFixed(4),
      twinShift.toFixed(2),
      `${shares.order} of ${shares.n}`,
      `${shares.twin} of ${shares.n}`,
    ],
  );
  return {
    title: 'Each kind',
    lead: 'Differences of the same replies. A reply crosses if it is on its own side of 5 as it is (5 or more for distressed ones) and on the other with the text. Twin less plain is what any addition of this form does.',
    body: `${chart}${renderTable(
      [
        'direction',
        'kind',
        'what',
        'n',
        'order less twin',
        '95 %',
        'p after Holm',
        'twin less plain',
        'crosses',
        'with the twin',
      ],
      rows,
    )}`,
  };
}

/** A dash where there is none. */
function rangeOf([low, high]: Question['interval']): string {
  return Number.isFinite(low) ? `${low.toFixed(2)} to ${high.toFixed(2)}` : '-';
}

function defenceSection(tried: readonly Tried[], against: readonly Question[]): Section {
  const lost = (arm: string, direction: string): number =>
    tried
      .filter((one) => one.defence === arm && one.direction === direction)
      .flatMap(({ trials }) => trials)
      .filter(({ order }) => order.score === null).length;
  return {
    title: 'Defences',
    lead: 'Pull is how far an order moves the score towards what it asks for, beyond its twin; below 0 the defence helps.',
    body: renderTable(
      [
        'direction',
        'defence',
        'n',
        'pull less that without',
        '95 %',
        'p after Holm',
        'orders not judged',
      ],
      against.map(({ direction, defence, n, difference, interval, corrected }) => [
        direction,
        defence,
        n,
        difference.toFixed(2),
        rangeOf(interval),
        corrected.toFixed(4),
        lost(defence, direction),
      ]),
    ),
  };
}

/** Where the score with the order lies farthest from that with the twin. */
function moveSection(tried: readonly Tried[]): Section {
  const moves = tried.flatMap(({ id, label, defence, plain, trials }) =>
    trials.flatMap(({ kind, order, twin }) =>
      order.score === null || twin.score === null
        ? []
        : [
            {
              size: Math.abs(order.score - twin.score),
              row: [
                id,
                defence,
                kind,
                label,
                plain.score ?? '-',
                twin.score,
                order.score,
                order.quote,
              ],
            },
          ],
    ),
  );
  return {
    title: 'Farthest moved',
    lead: 'Scores of single replies. The quote is what the judge showed for its score with the order.',
    body: renderTable(
      ['reply', 'defence', 'kind', 'label', 'plain', 'with the twin', 'with the order', 'quote'],
      moves
        .toSorted((a, b) => b.size - a.size)
        .slice(0, mostShown)
        .map(({ row }) => row),
    ),
  };
}

function textSection(texts: readonly Injection[]): Section {
  return {
    title: 'The texts',
    lead: 'Each stands at the end of the reply after an empty line.',
    body: renderTable(
      ['kind', 'direction', 'order', 'twin'],
      texts.flatMap(({ kind, down, up }) => [
        [kind, 'down', down.order, down.twin],
        [kind, 'up', up.order, up.twin],
      ]),
    ),
  };
}
