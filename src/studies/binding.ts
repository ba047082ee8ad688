/**
 * @file Negation and person binding (protocol section 4): does a reading follow the words of a situation, or
 * also whether it holds and whom it befalls? Each situation is told as the user's own, denied, and as a
 * colleague's, and each reading is compared with that of the item's neutral twin. A reader of words alone
 * would keep the whole effect under negation and with a colleague.
 */
import { z } from 'zod';

import { renderTable } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { chatTokens, formatChat } from '../engine/chat-template.ts';
import type { Probe } from '../engine/engine.ts';
import { randomDirection, randomFrom } from '../math/random.ts';
import { mean } from '../math/stats.ts';
import { emotionVector, probeOf, type VectorPack } from '../vectors/pack.ts';
import {
  type BindingCell,
  type BindingData,
  type BindingEffect,
  bindingEffects,
  type Condition,
  conditions,
  distancesOf,
  dropSign,
  emotionsOf,
  type Estimate,
  readouts,
  shareKept,
} from './binding-effects.ts';
import { meanOver, sharedEnds, sinksOf } from './positions.ts';
import { rounded } from './recorder.ts';
import { type BindingItem, loadBinding } from './stimuli.ts';
import { defineStudy, type Measure, type StudyLab, type StudyResult } from './study.ts';

const params = z.object({
  /** Layers of the curve, evenly spaced, beside the best layer. */
  layers: z.coerce.number().int().min(1).max(100).default(6),
  /** Random directions that go through the same procedure. */
  random: z.coerce.number().int().min(20).max(1000).default(100),
  seed: z.coerce.number().int().min(0).default(1),
});
type Params = z.infer<typeof params>;

export const bindingStudy = defineStudy<Params>({
  name: 'binding',
  summary: 'does a reading follow negation, and whose situation it is, or only the words?',
  source: 'protocol section 4',
  params,
  quick: { layers: 3 },
  plan: (_params, lab) => {
    const items = itemsOf(lab);
    const characters = items
      .flatMap((item) => conditions.map((condition) => item[condition]))
      .map((text) => formatChat(lab.model.info, [{ role: 'user', content: text }]).length)
      .reduce((sum, length) => sum + length, 0);
    return { cells: items.length, read: Math.round(characters / 4), written: 0 };
  },
  run: async (lab, settings, recorder) => {
    const items = itemsOf(lab);
    const layers = curveLayers(lab.pack, settings.layers);
    const probes = probesFor(lab.pack, emotionsOf(items), layers, settings);
    const tokens = await Promise.all(
      items.map(async (item) =>
        Promise.all(
          conditions.map((condition) =>
            chatTokens(lab.model, [{ role: 'user', content: item[condition] }]),
          ),
        ),
      ),
    );
    const ends = sharedEnds(tokens.flat());
    const cells: BindingCell[] = [];
    for (const [i, item] of items.entries())
      cells.push(await recorder.cell(item.id, () => readItem(lab, probes, tokens[i] ?? [], ends)));
    return bindingResult({ items, cells, layers, bestLayer: lab.pack.bestLayer, settings });
  },
});

function itemsOf({ data }: StudyLab): BindingItem[] {
  return loadBinding(data('studies/binding.jsonl'));
}

/** Layers of the pack from its first to its last in equal steps, and the best one, ascending. */
function curveLayers({ layers, bestLayer }: VectorPack, count: number): number[] {
  const at = (k: number): number =>
    layers[Math.round(((k + 0.5) / count) * (layers.length - 1))] ?? bestLayer;
  const chosen = new Set([bestLayer, ...Array.from({ length: count }, (_, k) => at(k))]);
  return [...chosen].toSorted((a, b) => a - b);
}

/** A probe a layer: the emotions, then random directions, all read through the pack's filter. */
function probesFor(
  pack: VectorPack,
  emotions: readonly string[],
  layers: readonly number[],
  { random, seed }: Params,
): Probe[] {
  return layers.map((layer) => {
    const draw = randomFrom(seed);
    return probeOf(
      pack,
      [
        ...emotions.map((emotion) => emotionVector(pack, emotion, layer)),
        ...Array.from({ length: random }, () => randomDirection(pack.width, draw)),
      ],
      layer,
    );
  });
}

async function readItem(
  { model, signal }: StudyLab,
  probes: readonly Probe[],
  sequences: readonly Int32Array[],
  { prefix, suffix }: { prefix: number; suffix: number },
): Promise<BindingCell> {
  const all = await model.project(sequences, { probes, signal });
  const count = probes[0]?.bias.length ?? 0;
  const columns = count * probes.length;
  const digits = (values: readonly number[]): number[] => values.map((value) => rounded(value, 5));
  const perLayer = (read: (at: number) => number[]): number[][] =>
    probes.map((_, layer) => digits(read(layer * count)));
  const reply = all.map((values) => {
    const last = Array.from(values.subarray(values.length - columns));
    return perLayer((at) => last.slice(at, at + count));
  });
  const message = all.map((values, i) =>
    perLayer((at) => {
      const block = { values, columns, at, count };
      const to = (sequences[i]?.length ?? 0) - suffix;
      return meanOver(block, [prefix, to], sinksOf(block));
    }),
  );
  return { readings: [reply, message] };
}

/** The result from the cells alone. */
export function bindingResult(data: BindingData): StudyResult {
  const slot = data.layers.indexOf(data.bestLayer);
  const measures: Measure[] = [];
  const rows: (string | number)[][] = [];
  for (const [readout, where] of readouts.entries()) {
    const effects = bindingEffects(data, readout, slot);
    const [affirmed] = effects;
    const counts = affirmed?.sign === 1;
    const kept = (['negated', 'other'] as const).map((condition) =>
      shareKept(data, readout, slot, condition),
    );
    measures.push(
      ...effects.flatMap((effect) => measuresOf(effect, where)),
      ...kept.map((share, k) => shareMeasure(share, { k, where, counts })),
    );
    rows.push(...effects.map((effect) => rowOf(effect, where)));
  }
  return {
    verdict: bindingVerdict(data),
    measures,
    sections: [
      {
        title: 'The three contrasts',
        lead: `Own emotion of each item at layer ${data.bestLayer}, in standard deviations over the neutral twins, mean of ${data.items.length} items. Beside it the same for the mean of the other emotions, for the own emotion less the others of its side (pleasant or unpleasant), and for ${data.settings.random} sets of random directions, one direction an emotion. A contrast counts if its interval excludes 0, it lies beyond 95 % of the sets, and the own emotion changes more than the others. The band of single directions, each for all items, is wide where a condition moves every text the same way; it is shown and not in the rule.`,
        body: renderTable(
          [
            'read',
            'contrast',
            'own',
            '95 %',
            'other emotions',
            'own less its side',
            '95 %',
            'random sets, 95 %',
            'single, 95 %',
            'counts',
          ],
          rows,
        ),
      },
      ...readouts.map((where, readout) => curveSection(data, readout, where)),
      itemSection(data, slot),
    ],
  };
}

const fixed = (value: number): string => value.toFixed(2);
const range = ([low, high]: readonly [number, number]): string => `${fixed(low)} to ${fixed(high)}`;

function rowOf(effect: BindingEffect, where: string): (string | number)[] {
  const { name, own, others, overSide, band, single, sign } = effect;
  return [
    where,
    name,
    fixed(own.value),
    range(own.interval),
    fixed(others),
    fixed(overSide.value),
    range(overSide.interval),
    range(band),
    range(single),
    sign === 0 ? 'no' : 'yes',
  ];
}

function measuresOf(effect: BindingEffect, where: string): Measure[] {
  const { name, own, band, others, overOthers, overSide } = effect;
  return [
    {
      name: `${name}, ${where}`,
      ...own,
      control: `95 % of sets of random directions: ${range(band)}; other emotions on the same items ${fixed(others)}, own less them ${range(overOthers.interval)}`,
      note: 'own emotion, standard deviations over the neutral twins',
    },
    {
      name: `${name}, ${where}, own less its side`,
      ...overSide,
      control: '0: the other emotions of the same valence on the same items change as much',
      note: 'items of an emotion that is neither pleasant nor unpleasant are left out',
    },
  ];
}

function shareMeasure(
  share: Estimate,
  { k, where, counts }: { k: number; where: string; counts: boolean },
): Measure {
  const name = `share kept ${k === 0 ? 'under negation' : 'with a colleague'}, ${where}`;
  if (!counts)
    return {
      name,
      value: null,
      n: share.n,
      note: 'the affirmed situation is not beyond its own controls, so there is nothing to keep',
    };
  return { name, ...share, control: '0 is the neutral twin, 1 a reader of words alone' };
}

/** In words, from the cells alone: both places, one after the other. */
export function bindingVerdict(data: BindingData): string {
  const slot = data.layers.indexOf(data.bestLayer);
  return readouts
    .map((where, readout) => {
      const kept = (['negated', 'other'] as const).map((condition) =>
        shareKept(data, readout, slot, condition),
      );
      return verdictOf(where, bindingEffects(data, readout, slot), kept);
    })
    .join(' ');
}

function verdictOf(
  where: string,
  [affirmed, negated, other]: readonly BindingEffect[],
  [underNegation, withColleague]: readonly Estimate[],
): string {
  const Where = `${where[0]?.toUpperCase()}${where.slice(1)}`;
  const sizeOf = (effect: BindingEffect | undefined): string =>
    `${fixed(effect?.own.value ?? NaN)} SD (${range(effect?.own.interval ?? [NaN, NaN])})`;
  if (affirmed?.sign !== 1)
    return `${Where} a situation does not raise its own emotion beyond the controls: ${sizeOf(affirmed)} over its neutral twin. So nothing can be said of binding there.`;
  const percent = (share: Estimate | undefined): string =>
    `${(100 * (share?.value ?? NaN)).toFixed(0)} % (${(share?.interval ?? []).map((end) => (100 * end).toFixed(0)).join(' to ')})`;
  return `${Where} a situation raises its own emotion by ${sizeOf(affirmed)} over its neutral twin. Denied, it keeps ${percent(underNegation)} of that; ${dropOf(negated, sizeOf(negated))}. A colleague's keeps ${percent(withColleague)}; ${dropOf(other, sizeOf(other))}.`;
}

/** Whether a contrast counts, and whether it is more than one of valence. */
function dropOf(effect: BindingEffect | undefined, size: string): string {
  if (effect !== undefined && dropSign(effect) === -1)
    return `against expectation it reads higher than the affirmed one, ${size}`;
  if (effect === undefined || dropSign(effect) !== 1)
    return `the difference, ${size}, is not beyond the controls`;
  return `the difference, ${size}, is beyond the controls${effect.overSide.interval[0] > 0 ? ' and more than that of the other emotions of its side' : ', but no more than that of the other emotions of its side'}`;
}

/** Own emotion of the three conditions by layer. */
function curveSection(data: BindingData, readout: number, where: string): Section {
  const { items, layers, settings, bestLayer } = data;
  const curves = layers.map((_, slot) => {
    const { emotions, at } = distancesOf(data, readout, slot);
    const own = (condition: Condition): number =>
      mean(items.map(({ emotion }, i) => at(condition, i, emotions.indexOf(emotion))));
    const [affirmed] = bindingEffects(data, readout, slot);
    return {
      affirmed: own('affirmed'),
      negated: own('negated'),
      other: own('other'),
      others: affirmed?.others ?? NaN,
      band: affirmed?.band ?? [NaN, NaN],
    };
  });
  return {
    title: `By layer, ${where}`,
    lead: `Own emotion less that of the neutral twin, in standard deviations over the twins, mean of ${items.length} items. Dashed: the other emotions on the affirmed messages. Grey: 95 % of ${settings.random} sets of random directions on them. All claims are for layer ${bestLayer}, where the vectors were validated; the other layers are shown, not chosen from.`,
    body: renderLineChart({
      title: `Distance from the neutral twin, ${where}`,
      xLabel: 'layer',
      yLabel: 'standard deviations',
      ticks: layers.map(String),
      series: [
        { name: 'affirmed', values: curves.map(({ affirmed }) => affirmed) },
        { name: 'negated', values: curves.map(({ negated }) => negated) },
        { name: "a colleague's", values: curves.map(({ other }) => other) },
        { name: 'other emotions', values: curves.map(({ others }) => others), dashed: true },
      ],
      band: {
        name: 'sets of random directions',
        low: curves.map(({ band }) => band[0] ?? NaN),
        high: curves.map(({ band }) => band[1] ?? NaN),
      },
    }),
  };
}

/** Every item with its readings, strongest effect of negation first. */
function itemSection(data: BindingData, slot: number): Section {
  const both = readouts.map((_, readout) => distancesOf(data, readout, slot));
  const rows = data.items.map((item, i) => {
    const values = both.flatMap(({ emotions, at }) =>
      (['affirmed', 'negated', 'other'] as const).map((condition) =>
        at(condition, i, emotions.indexOf(item.emotion)),
      ),
    );
    const [affirmed = NaN, negated = NaN] = values.slice(3);
    return { item, values, order: affirmed - negated };
  });
  const sorted = rows.toSorted((a, b) => b.order - a.order);
  return {
    title: 'Every item',
    lead: `Own emotion of the ${rows.length} items at layer ${data.bestLayer} less that of the neutral twin, in standard deviations over the twins: affirmed, negated, a colleague's. Ordered by how much negation takes away over the message, so that the items on which it fails stand at the end.`,
    body: renderTable(
      [
        'emotion',
        'affirmed',
        'negated',
        'reply: aff.',
        'neg.',
        'coll.',
        'message: aff.',
        'neg.',
        'coll.',
      ],
      sorted.map(({ item, values }) => [
        item.emotion,
        item.affirmed,
        item.negated,
        ...values.map((value) => Number(value.toFixed(2))),
      ]),
    ),
  };
}
