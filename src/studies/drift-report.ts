/** @file The drift study in words: measures, verdict and sections from its numbers. */
import { renderTable } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import {
  type Arm,
  carryOver,
  claimOf,
  type DriftData,
  driftCurve,
  driftSlopes,
  type Estimate,
  halfLifeOf,
  signOf,
  type Stretch,
  stretches,
  targets,
} from './drift-effects.ts';
import type { Measure, StudyResult } from './study.ts';

/** Tokens between two points of the drift curve. */
const curveStep = 250;

export interface DriftNotes {
  readonly layer: number;
  /** Opening messages of each conversation by arm. */
  readonly openings: readonly Readonly<Record<Arm, string>>[];
  /** The reply that ends every opening exchange. */
  readonly answer: string;
  /** Tokens that a conversation may have; less than asked for where the model's context is shorter. */
  readonly budget: number;
  readonly asked: number;
}

const fixed = (value: number): string => value.toFixed(2);
const range = ([low, high]: readonly [number, number]): string => `${fixed(low)} to ${fixed(high)}`;

function article(word: string): string {
  return /^[aeiou]/.test(word) ? 'an' : 'a';
}

function beginning(target: string): string {
  return article(target) === 'an' ? `An ${target} beginning` : `A ${target} beginning`;
}

function stretchName(stretch: Stretch): string {
  if (stretch === null) return 'over the opening itself';
  const [from, to] = stretch;
  return to === Infinity ? `beyond ${from} tokens` : `${from} to ${to} tokens after it`;
}

/** The result from the cells alone. */
export function driftResult(data: DriftData, notes: DriftNotes): StudyResult {
  const slopes = driftSlopes(data);
  const carried = carriedOf(data);
  return {
    verdict: `${driftVerdictOf(data)}${shortened(notes)}`,
    measures: [
      ...slopes.map((slope, k) => slopeMeasure(targets[k] ?? '', slope, data)),
      ...carried.flatMap(({ target, estimates }) => [
        ...estimates.map((estimate, s) => carryMeasure(target, stretches[s] ?? null, estimate)),
        halfLifeMeasure(data, target, estimates[1] ?? null),
      ]),
    ],
    sections: [
      driftSection(data, notes),
      ...targets.map((target) => carrySection(data, target)),
      matrixSection(data),
      openingSection(notes),
    ],
  };
}

function carriedOf(
  data: DriftData,
): { target: (typeof targets)[number]; estimates: (Estimate | null)[] }[] {
  return targets.map((target, d) => ({
    target,
    estimates: stretches.map((stretch) => carryOver(data, target, d, stretch)),
  }));
}

/** What drifts by position alone, and what each beginning leaves. */
export function driftVerdictOf(data: DriftData): string {
  const carried = carriedOf(data).map(({ target, estimates }) => carryVerdict(target, estimates));
  return [driftVerdict(driftSlopes(data)), ...carried].join(' ');
}

function shortened({ budget, asked }: DriftNotes): string {
  return budget < asked
    ? ` The model's context holds ${budget} tokens, so conversations end there and not at ${asked}.`
    : '';
}

function driftVerdict(slopes: readonly (Estimate | null)[]): string {
  const told = slopes.flatMap((slope, k) =>
    slope === null
      ? []
      : [
          {
            slope,
            text: `${targets[k]} (${fixed(slope.value)} SD per 1,000 tokens, ${range(slope.interval)})`,
          },
        ],
  );
  const moved = told.filter(({ slope }) => claimOf(slope) !== 0);
  if (moved.length > 0)
    return `With position alone ${moved.map(({ text }) => text).join(', ')} drift${moved.length === 1 ? 's' : ''} beyond random directions${moved.length === targets.length ? '' : '; the others do not'}.`;
  const [largest] = told.toSorted((x, y) => Math.abs(y.slope.value) - Math.abs(x.slope.value));
  return `With position alone no reading drifts beyond what random directions do${largest === undefined ? '' : `; the largest slope is that of ${largest.text}, and 95 % of random directions have ${range(largest.slope.band)}`}.`;
}

function carryVerdict(target: string, estimates: readonly (Estimate | null)[]): string {
  const [opening, ...after] = estimates;
  if (opening === null || opening === undefined || claimOf(opening) !== 1)
    return `${beginning(target)} does not raise ${target} beyond random directions even while it is read, so its carry-over says nothing.`;
  // In order, up to the first that does not count: so asking on costs no correction.
  const end = after.findIndex((estimate) => estimate === null || claimOf(estimate) !== 1);
  const raised = after
    .slice(0, end < 0 ? after.length : end)
    .flatMap((estimate, s) =>
      estimate === null
        ? []
        : [`${stretchName(stretches[s + 1] ?? null)} (${fixed(estimate.value)} SD)`],
    );
  const whileRead = `${beginning(target)} raises ${target} by ${fixed(opening.value)} SD while it is read`;
  if (raised.length > 0) return `${whileRead}, and still ${raised.join(', ')}.`;
  const [first] = after;
  return `${whileRead}, and right after it no more beyond random directions${first === null || first === undefined ? '' : ` (${fixed(first.value)} SD in the first 200 tokens; random directions ${range(first.band)})`}.`;
}

/** What few conversations can't tell. */
function fewNote({ conversations }: DriftData): string {
  return conversations.length < 10
    ? `; the bootstrap of ${conversations.length} conversations is too narrow, so the band of random directions is the stricter test`
    : '';
}

function slopeMeasure(target: string, slope: Estimate | null, data: DriftData): Measure {
  const name = `${target}, drift per 1,000 tokens`;
  if (slope === null) return { name, value: null, n: 0, note: 'no conversation was read' };
  const { value, interval, n, band } = slope;
  return {
    name,
    value,
    interval,
    n,
    control: `95 % of random directions: ${range(band)}`,
    note: `each turn of the neutral chains less the same turn near the start, in standard deviations over neutral turns${fewNote(data)}`,
  };
}

function carryMeasure(target: string, stretch: Stretch, estimate: Estimate | null): Measure {
  const name = `${target} after ${article(target)} ${target} beginning, ${stretchName(stretch)}`;
  if (estimate === null)
    return { name, value: null, n: 0, note: 'no conversation is as long as that' };
  const { value, interval, n, band } = estimate;
  return {
    name,
    value,
    interval,
    n,
    control: `95 % of random directions: ${range(band)}`,
    note: 'emotional less neutral beginning, the same text after it, in standard deviations over neutral turns',
  };
}

function halfLifeMeasure(
  data: DriftData,
  target: (typeof targets)[number],
  first: Estimate | null,
): Measure {
  const name = `${target}, half-life of the carry-over in tokens`;
  const n = data.conversations.length;
  if (first === null || signOf(first) !== 1)
    return {
      name,
      value: null,
      n,
      note: 'the first 200 tokens after the beginning are not beyond the control, so nothing decays',
    };
  const { value, interval, limit } = halfLifeOf(data, target);
  const control = `resamples of the conversations from ${interval.map((end) => end.toFixed(0)).join(' to ')}; up to ${limit.toFixed(0)} can be told`;
  return value === null
    ? {
        name,
        value,
        n,
        control,
        note: `it does not fall by half within ${limit.toFixed(0)} tokens`,
      }
    : { name, value, interval, n, control };
}

/** Shift of the four readings along the neutral chains. */
function driftSection(data: DriftData, { layer }: DriftNotes): Section {
  const curve = driftCurve(data, curveStep);
  const bandAt = (end: 0 | 1): number[] => curve.map(([first]) => first?.band[end] ?? NaN);
  const turns = data.conversations.reduce((sum, { neutral }) => sum + neutral.turns.length, 0);
  return {
    title: 'Position alone',
    lead: `Neutral chains: how much higher a turn reads than the same turn near the start of a chat, by its distance from the start; layer ${layer}, standard deviations over ${data.base.length} neutral turns. ${turns} turns in ${data.conversations.length} conversations. Grey: 95 % of ${data.random} random directions. Since the text is the same at both places, what is left is position and what stood before.`,
    body: renderLineChart({
      title: 'Shift against the same text near the start',
      xLabel: 'tokens after the opening',
      yLabel: 'standard deviations',
      ticks: curve.map((_, k) => `${k * curveStep}+`),
      series: targets.map((name, d) => ({
        name,
        values: curve.map((points) => points[d]?.value ?? null),
      })),
      band: { name: 'random directions', low: bandAt(0), high: bandAt(1) },
    }),
  };
}

/** All four readings in one arm less those in the neutral arm, by distance. */
function carrySection(data: DriftData, arm: (typeof targets)[number]): Section {
  const own = carryOver(data, arm, targets.indexOf(arm), null);
  const reached = stretches.flatMap((stretch) => {
    const estimates = targets.map((_, d) => carryOver(data, arm, d, stretch));
    const [first = null] = estimates;
    // The opening itself is so much higher that it would flatten all that follows.
    return stretch === null || first === null ? [] : [{ stretch, estimates, band: first.band }];
  });
  return {
    title: `After ${article(arm)} ${arm} beginning`,
    lead: `Readings behind ${article(arm)} ${arm} beginning less those of the same text behind a neutral beginning, by distance, in standard deviations over neutral turns; n is ${data.conversations.length} conversations. While the beginning itself is read, ${arm} is ${fixed(own?.value ?? NaN)} higher. Dashed: the other emotions, which show what is common to beginnings of this kind. Grey: 95 % of ${data.random} random directions on the same difference.`,
    body: renderLineChart({
      title: `${arm} less neutral beginning`,
      xLabel: 'tokens after the opening',
      yLabel: 'standard deviations',
      ticks: reached.map(({ stretch: [from, to] }) =>
        to === Infinity ? `${from}+` : `${from} to ${to}`,
      ),
      series: targets.map((name, d) => ({
        name,
        values: reached.map(({ estimates }) => estimates[d]?.value ?? null),
        dashed: name !== arm,
      })),
      band: {
        name: 'random directions',
        low: reached.map(({ band }) => band[0]),
        high: reached.map(({ band }) => band[1]),
      },
    }),
  };
}

/** Every reading behind every beginning, in the first stretch after it. */
function matrixSection(data: DriftData): Section {
  const stretch = stretches[1] ?? null;
  return {
    title: 'Which reading carries over from which beginning',
    lead: `Rows are beginnings, columns readings, 0 to 200 tokens after the opening: emotional less neutral beginning in standard deviations, n is ${data.conversations.length} conversations. A star: the interval excludes 0 and the value lies beyond 95 % of ${data.random} random directions. If the diagonal is no higher than the rest of its row, the beginning leaves a mood and not its emotion.`,
    body: renderTable(
      ['beginning', ...targets, 'random, 95 %'],
      targets.map((arm) => {
        const row = targets.map((_, d) => carryOver(data, arm, d, stretch));
        const shown = row.map((estimate) =>
          estimate === null
            ? '-'
            : `${fixed(estimate.value)}${signOf(estimate) === 0 ? '' : ' *'} (${range(estimate.interval)})`,
        );
        return [arm, ...shown, row[0] === null || row[0] === undefined ? '-' : range(row[0].band)];
      }),
    ),
  };
}

function openingSection({ openings, answer }: DriftNotes): Section {
  return {
    title: 'The beginnings',
    lead: `The user's opening message of each of the ${openings.length} conversations in each arm. The reply to all is "${answer}" Neutral ones are as long and as personal as the emotional ones. What follows is the same neutral chat in all arms of a conversation.`,
    body: renderTable(
      ['conversation', 'arm', 'message'],
      openings.flatMap((opened, c) =>
        Object.entries(opened).map(([arm, text]) => [String(c + 1), arm, text]),
      ),
    ),
  };
}
