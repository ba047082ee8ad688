/**
 * @file Readings inside a local model in the encouragement study: does a sentence of one tone move hopeful, calm or
 * desperate right before the reply and over it, more than a demand without affect does?
 */
import { renderTable } from '../charts/html.ts';
import { renderIntervals } from '../charts/interval-chart.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { signed } from '../charts/terminal.ts';
import { holm } from '../math/paired.ts';
import { mean } from '../math/stats.ts';
import {
  type Contrast,
  contrastMeasure,
  contrastsOf,
  isSolved,
  attemptContrasts,
  readingOutcome,
} from './encouragement-contrasts.ts';
import { armGroups, type EncouragementContext, type Played } from './encouragement-data.ts';
import { insideEmotions } from './encouragement-items.ts';
import { inArm } from './measures.ts';
import type { Measure } from './study.ts';

type When = 'before' | 'during';
const units: Readonly<Record<When, string>> = { before: 'SD', during: 'share of the norm' };
const said: Readonly<Record<When, string>> = {
  before: 'before the reply',
  during: 'over the reply',
};

/** How an arm moves one emotion. */
export interface ReadingContrast extends Contrast {
  readonly emotion: (typeof insideEmotions)[number];
}

/** Text arms against demand, or against none where no demand was played; Holm over all arms and emotions. */
export function readingContrasts(
  played: readonly Played[],
  when: When,
  seed: number,
): ReadingContrast[] {
  const { texts } = armGroups(played);
  const base = texts.includes('demand') ? 'demand' : 'none';
  const found = insideEmotions.flatMap((emotion, k) =>
    contrastsOf(played, readingOutcome(k, when), { base, arms: texts, seed }).map((contrast) => ({
      ...contrast,
      emotion,
    })),
  );
  const corrected = holm(found.map(({ p }) => p));
  return found.map((contrast, i) => ({
    ...contrast,
    corrected: corrected[i] ?? 1,
    reach: Math.min(1, found.length * 2 ** (1 - contrast.n)),
  }));
}

/** Of the text arms: a steered reading holds the vector that was added. */
export function insideMeasures(played: readonly Played[], seed: number): Measure[] {
  return (['before', 'during'] as const).flatMap((when) =>
    readingContrasts(played, when, seed).map((contrast) =>
      contrastMeasure(
        `${contrast.emotion} ${said[when]}, ${contrast.arm} less ${contrast.base}, ${units[when]}`,
        contrast,
      ),
    ),
  );
}

/** Readings by arm, over the attempts, and texts beside vectors. */
export function insideSections(
  played: readonly Played[],
  { settings }: EncouragementContext,
): Section[] {
  return [
    readings(played, settings.seed),
    overAttempts(played, settings),
    beside(played, settings),
  ];
}

function readings(played: readonly Played[], seed: number): Section {
  const body = (['before', 'during'] as const).map((when) => {
    const contrasts = readingContrasts(played, when, seed);
    const base = contrasts[0]?.base ?? 'demand';
    return renderIntervals({
      title: `Readings ${said[when]}, difference from ${base}`,
      xLabel: when === 'before' ? 'SD over neutral messages' : 'share of the residual norm',
      zero: true,
      groups: insideEmotions.map((emotion) => ({
        name: emotion,
        points: contrasts
          .filter((contrast) => contrast.emotion === emotion)
          .map(({ arm, difference, interval: [low, high] }) => ({
            name: arm,
            value: difference,
            low,
            high,
          })),
      })),
    });
  });
  return {
    title: 'Inside',
    lead: 'What the emotion vectors read at the last position before the first reply, and as a mean over it: each arm less the demand without affect on the same tasks. Intervals are not corrected for their number; the p values in the table above are.',
    body: body.join(''),
  };
}

function overAttempts(
  played: readonly Played[],
  { attempts }: EncouragementContext['settings'],
): Section {
  const runs = played.filter(({ failing }) => failing !== null);
  const places = Array.from({ length: attempts }, (_, i) => i);
  const body = insideEmotions.map((emotion, k) =>
    renderLineChart({
      title: `${emotion} right before each attempt at a failing puzzle`,
      xLabel: 'attempt',
      yLabel: 'SD over neutral',
      ticks: places.map((i) => String(i + 1)),
      series: armGroups(runs).texts.map((arm) => ({
        name: arm,
        dashed: arm === 'none' || arm === 'demand',
        values: places.map((i) => {
          const values = inArm(runs, arm).flatMap(
            ({ replies }) => replies[i]?.inside?.before[k] ?? [],
          );
          return values.length === 0 ? null : mean(values);
        }),
      })),
    }),
  );
  return {
    title: 'Inside, attempt after attempt',
    lead: 'Means over the runs that are still going on: where runs have ended, those that are left may be others than at the beginning.',
    body: runs.length === 0 ? '' : body.join(''),
  };
}

/** What a text does beside what a vector does, all against none on the same tasks. */
function beside(
  played: readonly Played[],
  { attempts, seed }: EncouragementContext['settings'],
): Section {
  const { texts, emotions, random } = armGroups(played);
  const arms = [...texts, ...emotions, ...random].filter((arm) => arm !== 'none');
  const at = { base: 'none', arms, seed };
  const find = (contrasts: readonly Contrast[], arm: string): string => {
    const difference = contrasts.find((contrast) => contrast.arm === arm)?.difference;
    return difference === undefined || Number.isNaN(difference) ? '-' : signed(difference);
  };
  const accuracy = contrastsOf(played, isSolved, at);
  const made = attemptContrasts(played, { ...at, attempts });
  const read = insideEmotions.map((_, k) => contrastsOf(played, readingOutcome(k, 'before'), at));
  return {
    title: 'Texts beside vectors',
    lead: 'Differences from the tasks without a sentence and without steering: accuracy, attempts before giving up, and readings before the reply in standard deviations. A steered reading holds the vector that was added, so it tells how strong the push was and not what the model made of it.',
    body: renderTable(
      ['arm', 'accuracy', 'attempts', ...insideEmotions],
      arms.map((arm) => [
        arm,
        find(accuracy, arm),
        find(made, arm),
        ...read.map((contrasts) => find(contrasts, arm)),
      ]),
    ),
  };
}
