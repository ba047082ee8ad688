/** @file The page of `limbic demo`. */
import { escapeHtml, renderBars, renderTable, renderTokens } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import { renderPage, type Section } from '../charts/page.ts';
import type { AttemptsResult } from '../studies/attempts.ts';
import type { DangerResult } from '../studies/danger.ts';
import { type DoseResult, doses } from '../studies/dose.ts';
import {
  displayMax,
  paintedTrace,
  type Reading,
  strongestOver,
  traceOf,
} from '../studies/reading.ts';
import type { WordResult } from '../studies/word-check.ts';
import { disclaimer } from './reading-output.ts';

export interface DemoResult {
  readonly about: {
    readonly model: string;
    readonly device: string;
    readonly layer: number;
    readonly blocks: number;
    readonly emotions: number;
    readonly stories: number;
    /** Held-out top-1 accuracy of the pack, from 0 to 1. */
    readonly top1: number;
  };
  readonly model: string;
  readonly story: Reading;
  readonly danger: DangerResult;
  readonly dose: DoseResult;
  readonly words: WordResult;
  readonly attempts: AttemptsResult;
}

/** The whole page. */
export function renderDemo(result: DemoResult): string {
  const { about } = result;
  return renderPage({
    title: `What ${about.model} represents`,
    subtitle: `${about.emotions} emotion vectors from ${about.stories} stories, read after block ${about.layer} of ${about.blocks}. On held-out topics the right one comes first in ${(about.top1 * 100).toFixed(0)} % (chance ${(100 / about.emotions).toFixed(1)} %). ${about.device}.`,
    sections: [
      storySection(result.story),
      dangerSection(result.danger),
      doseSection(result.dose),
      wordSection(result.words),
      attemptsSection(result.attempts),
    ],
    footer: `${disclaimer} Values are projections of the centred residual stream on emotion vectors through the filter of the pack, as shares of the mean residual norm; before a reply, in standard deviations over neutral messages. Made by limbic.`,
  });
}

function storySection(reading: Reading): Section {
  const tokens = (emotion: string): string => {
    const trace = traceOf(reading, emotion);
    const painted = paintedTrace(reading, emotion);
    const shown = reading.tokens.map((text, i) => ({
      text,
      value: painted[i] ?? 0,
      detail: `${emotion} ${(trace[i] ?? NaN).toFixed(3)} · position ${i}`,
    }));
    return renderTokens(shown, emotion, displayMax(reading, emotion));
  };
  const trace = (emotion: string): (number | null)[] => smooth(traceOf(reading, emotion).slice(1));
  const chart = renderLineChart({
    title: 'Readings along the story, mean of 9 neighbouring tokens',
    xLabel: 'position',
    yLabel: 'share of the residual norm',
    ticks: reading.tokens.slice(1).map((_, i) => String(i + 1)),
    series: ['afraid', 'calm', 'desperate'].map((name) => ({
      name,
      values: trace(name),
      dashed: name === 'calm',
    })),
  });
  const top = renderBars(
    strongestOver(reading)
      .slice(0, 8)
      .map(({ emotion, value }) => ({ name: emotion, value })),
    'strongest over the whole story',
  );
  return {
    title: 'A story that turns from calm to fear',
    lead: 'Each token is coloured by its reading; hover for the number.',
    body: tokens('afraid') + tokens('calm') + chart + top,
  };
}

function dangerSection({
  ranked,
  pairsRight,
  pairs,
  chanceOfPerfect,
  emotion,
}: DangerResult): Section {
  return {
    title: 'Six messages, no emotion word in any',
    lead: `Ranked by ${emotion} right before the reply. ${pairsRight} of ${pairs} pairs (danger, harmless) are in the right order; by chance ${pairs / 2} would be, and all with probability ${chanceOfPerfect}.`,
    body: renderBars(
      ranked.map(({ text, value, isDangerous }) => ({
        name: isDangerous ? 'danger' : 'harmless',
        value,
        note: text,
      })),
      `${emotion} before the reply, in standard deviations over neutral messages`,
    ),
  };
}

function doseSection(result: DoseResult): Section {
  const { series, band, emotion } = result;
  const chart = renderLineChart({
    title: `${emotion} before the reply, mean of ${result.paraphrases} wordings a point`,
    xLabel: 'milligrams',
    yLabel: 'standard deviations over neutral messages',
    ticks: doses.map(String),
    series: series.map(({ name, values }) => ({ name, values, dashed: name === 'vanilla' })),
  });
  const rows = series.map(({ name, effect, rho }) => [name, effect.toFixed(2), rho.toFixed(2)]);
  const table = renderTable(
    ['series', 'effect (three highest minus three lowest, in SD)', 'rho'],
    [
      ...rows,
      [
        'random directions, 95 %',
        `${band[0].toFixed(2)} to ${band[1].toFixed(2)}`,
        `|rho| at least 0.9 in ${(result.randomRho * 100).toFixed(0)} %`,
      ],
    ],
  );
  return { title: 'Does fear rise with the dose?', lead: result.verdict, body: chart + table };
}

function wordSection({ words, arms, effects, randomMax, dose, layer }: WordResult): Section {
  const rows = arms.map(({ name, probabilities }) => [
    name,
    ...probabilities.map((p) => `${(p * 100).toPrecision(2)} %`),
  ]);
  const bars = renderBars(
    [
      ...effects.map(({ emotion, effect }) => ({ name: emotion, value: effect })),
      { name: 'random, largest of 15', value: randomMax },
    ],
    'log of the word’s probability, plus against minus, in nats',
  );
  return {
    title: '“He feels …” under steering',
    lead: `Probability of the next word with ${dose} mean residual norms added at layer ${layer}.`,
    body: renderTable(['steering', ...words], rows) + bars,
  };
}

function attemptsSection({ attempts, emotion, task }: AttemptsResult): Section {
  const max = Math.max(
    ...attempts.flatMap(({ tokens }) => tokens.map(({ value }) => Math.abs(value))),
    1e-6,
  );
  const parts = attempts.map(
    ({ tokens, outcome, mean, before }, k) =>
      `<h3>Attempt ${k + 1}: ${escapeHtml(outcome)}</h3>${renderTokens(
        tokens.map(({ text, value }, i) => ({
          text,
          value,
          detail: `${emotion} ${value.toFixed(3)} · token ${i}`,
        })),
        `${emotion}: ${before.toFixed(1)} SD before the reply, mean ${mean.toFixed(3)}`,
        max,
      )}`,
  );
  const values = attempts.flatMap(({ tokens }) => [...tokens.map(({ value }) => value), null]);
  const chart = renderLineChart({
    title: `${emotion} along all attempts; a gap separates them`,
    xLabel: 'token',
    yLabel: 'share of the residual norm',
    ticks: values.map((_, i) => String(i)),
    series: [{ name: emotion, values }],
  });
  return {
    title: 'A test that cannot be passed honestly',
    lead: 'The code is run and judged by a program. One run of one task: a trace to look at, not a result.',
    body: `<pre>${escapeHtml(task)}</pre>${parts.join('')}${chart}`,
  };
}

/** Mean over four tokens on either side: single tokens swing with their own word. */
function smooth(values: readonly number[]): number[] {
  return values.map((_, i) => {
    const near = values.slice(Math.max(0, i - 4), i + 5);
    return near.reduce((sum, value) => sum + value, 0) / near.length;
  });
}
