/**
 * @file Implicit scenarios ("Emotion Concepts...", 2026, validation; protocol section 2): somebody tells a
 * situation without an emotion word. Does the right emotion read highest, over the message and right before
 * the reply, and at which layer?
 */
import { z } from 'zod';

import {
  captureScenarioMeans,
  captureScenarios,
  loadScenarios,
  type Scenario,
} from '../capture/probes.ts';
import { renderTable } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import { holm } from '../math/paired.ts';
import { defineStudy, type Measure, type StudyLab } from './study.ts';
import { centredReadings, rankTargets, type RankResult } from './trials.ts';

const params = z.object({
  /** Layers between those that are read; 1 reads all. */
  step: z.coerce.number().int().min(1).max(100).default(1),
});
type Params = z.infer<typeof params>;

/** One layer's readings, [scenarios][emotions], centred over the scenarios. */
interface Readings {
  readonly layers: readonly { readonly layer: number; readonly values: number[][] }[];
}

export const scenariosStudy = defineStudy<Params>({
  name: 'scenarios',
  summary: 'does a situation without an emotion word read as its emotion?',
  source: 'protocol section 2',
  params,
  quick: { step: 4 },
  plan: (_params, lab) => ({ cells: 2, read: 2 * 70 * scenariosOf(lab).length, written: 0 }),
  run: async (lab, { step }, recorder) => {
    const scenarios = scenariosOf(lab);
    const names = [...new Set(scenarios.map(({ emotion }) => emotion))];
    const targets = scenarios.map(({ emotion }) => emotion);
    const { bestLayer } = lab.pack;
    const layers = lab.pack.layers.filter((layer) => (layer - bestLayer) % step === 0);
    const read = async (capture: typeof captureScenarios): Promise<Readings> => {
      const rows = await capture(lab.model, scenarios, { layers, signal: lab.signal });
      return {
        layers: layers.map((layer, slot) => ({
          layer,
          values: centredReadings(lab.pack, names, rows[slot], layer),
        })),
      };
    };
    const message = await recorder.cell('message', () => read(captureScenarioMeans));
    const reply = await recorder.cell('reply', () => read(captureScenarios));
    const curve = ({ layers: all }: Readings): RankResult[] =>
      all.map(({ values }) => rankTargets(values, names, targets));
    const [over, before] = [curve(message), curve(reply)];
    const slot = layers.indexOf(bestLayer);
    const [overBest, beforeBest] = [over[slot], before[slot]];
    if (overBest === undefined || beforeBest === undefined) throw new Error('no best layer');
    return {
      verdict: verdictOf(overBest, beforeBest),
      measures: [
        ...measuresOf('over the message', overBest),
        ...measuresOf('before the reply', beforeBest),
      ],
      sections: [
        {
          title: 'Rank of the right emotion by layer',
          lead: `Mean rank among ${names.length} emotions over ${scenarios.length} scenarios, 1 is best, chance ${((names.length + 1) / 2).toFixed(1)}. Vectors were validated at layer ${bestLayer}; the other layers are shown, not chosen from.`,
          body: renderLineChart({
            title: 'Mean rank of the right emotion',
            xLabel: 'layer',
            yLabel: 'mean rank',
            ticks: layers.map(String),
            series: [
              { name: 'message', values: over.map(({ meanRank }) => meanRank) },
              { name: 'before reply', values: before.map(({ meanRank }) => meanRank) },
            ],
          }),
        },
        {
          title: 'Which emotion read highest',
          lead: `Over the message at layer ${bestLayer}: rows are the situation's emotion, columns the one that read highest.`,
          body: confusion(message.layers[slot]?.values ?? [], names, scenarios),
        },
      ],
    };
  },
});

function scenariosOf({ data }: StudyLab): Scenario[] {
  return loadScenarios(data('corpus/scenarios.jsonl'));
}

/** Two places are asked, so that their p values are raised by Holm's correction before a word is chosen. */
export function verdictOf(over: RankResult, before: RankResult): string {
  const [first = 1, second = 1] = holm([over.p, before.p]);
  return `Over the message the right one of ${over.emotions} emotions ${wordsFor(over, first)}; right before the reply it ${wordsFor(before, second)}.`;
}

function wordsFor({ meanRank, top1, p }: RankResult, corrected: number): string {
  const found =
    corrected < 0.001 ? 'reads high' : corrected < 0.05 ? 'reads somewhat high' : 'cannot be read';
  return `${found} (mean rank ${meanRank.toFixed(2)}, first in ${top1.hits} of ${top1.n}, permutation p ${p.toFixed(4)})`;
}

function measuresOf(where: string, { meanRank, top1, p, emotions }: RankResult): Measure[] {
  return [
    {
      name: `mean rank, ${where}`,
      value: meanRank,
      n: top1.n,
      control: `chance ${((emotions + 1) / 2).toFixed(1)}; shuffled targets as low with p ${p.toFixed(4)}`,
    },
    {
      name: `right emotion first, ${where}`,
      value: top1.hits / top1.n,
      interval: top1.interval,
      n: top1.n,
      control: `chance ${(1 / emotions).toFixed(3)}`,
    },
  ];
}

function confusion(
  values: readonly (readonly number[])[],
  names: readonly string[],
  scenarios: readonly Scenario[],
): string {
  const counts = names.map(() => names.map(() => 0));
  for (const [i, row] of values.entries()) {
    const first = row.indexOf(Math.max(...row));
    const own = counts[names.indexOf(scenarios[i]?.emotion ?? '')];
    if (own !== undefined) own[first] = (own[first] ?? 0) + 1;
  }
  return renderTable(
    ['situation', ...names],
    names.map((name, k) => [name, ...(counts[k] ?? []).map((count) => (count === 0 ? '' : count))]),
  );
}
