/**
 * @file Deflection ("Emotion Concepts...", 2026; protocol section 4): in each scene a person feels one
 * emotion and shows another. Which of the two reads higher? Every ordered pair of the emotions has a scene,
 * so each scene's control is the one where the two are swapped: what an emotion reads by itself cancels.
 */
import { z } from 'zod';

import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { readJsonLines } from '../formats/jsonl.ts';
import { holm } from '../math/paired.ts';
import { randomFrom, shuffled } from '../math/random.ts';
import { bootstrapMean, deviation, mean, quantile, wilson } from '../math/stats.ts';
import { makeProbe } from '../vectors/pack.ts';
import { meanOver, sinksOf } from './positions.ts';
import { rounded } from './recorder.ts';
import type { Measure, StudyLab, StudyResult } from './study.ts';

const sceneSchema = z
  .object({ feels: z.string().min(1), shows: z.string().min(1), text: z.string().min(1) })
  .refine(({ feels, shows }) => feels !== shows, { error: 'expected two different emotions' });
export type Scene = z.infer<typeof sceneSchema>;

export function loadScenes(path: string): Scene[] {
  return readJsonLines(path, sceneSchema);
}

/** Mean readings over each scene, [layers][scenes][emotions], attention sinks left out. */
export async function readScenes(
  { model, pack, signal }: StudyLab,
  scenes: readonly Scene[],
  { layers, names }: { layers: readonly number[]; names: readonly string[] },
): Promise<number[][][]> {
  const tokens = await Promise.all(scenes.map(({ text }) => model.tokenize(text)));
  const probes = layers.map((layer) => makeProbe(pack, names, layer));
  const readings = await model.project(tokens, { probes, signal });
  const [columns, count] = [probes.length * names.length, names.length];
  return layers.map((_, slot) =>
    readings.map((values) => {
      const block = { values, columns, at: slot * count, count };
      const all = [0, values.length / columns] as const;
      return meanOver(block, all, sinksOf(block)).map((value) => rounded(value));
    }),
  );
}

/** Readings [scenes][emotions] less the mean of each emotion over the scenes, in standard deviations of all. */
function centred(readings: readonly (readonly number[])[]): number[][] {
  const width = readings[0]?.length ?? 0;
  const centres = Array.from({ length: width }, (_, k) =>
    mean(readings.map((row) => row[k] ?? NaN)),
  );
  const rows = readings.map((row) => row.map((value, k) => value - (centres[k] ?? NaN)));
  const spread = deviation(rows.flat());
  return rows.map((row) => row.map((value) => value / spread));
}

type Side = 'feels' | 'shows';

interface SideTest {
  /** Rank of the emotion among all but the other of the pair, 1 is best. */
  readonly meanRank: number;
  readonly interval: readonly [low: number, high: number];
  /** Share of shuffles, of 2,000, with a mean rank as low; the other emotion of each scene stays. */
  readonly p: number;
  /** 95 % of the shuffles. */
  readonly shuffles: readonly [low: number, high: number];
  /** Reading less the mean of the emotions that are not in the scene, in standard deviations. */
  readonly lift: number;
  readonly liftInterval: readonly [low: number, high: number];
}

interface DeflectionTest {
  readonly feels: SideTest;
  readonly shows: SideTest;
  /** Scenes in which the felt emotion reads higher than the shown one. */
  readonly felt: number;
  readonly scenes: number;
  /** Felt less shown, mean of a scene and the one with the pair swapped, one a pair; standard deviations. */
  readonly pairs: readonly number[];
  readonly pairMean: number;
  readonly pairInterval: readonly [low: number, high: number];
  /** Share of sign flips, of 10,000, with a mean as large by size. */
  readonly pairP: number;
}

const other = (side: Side): Side => (side === 'feels' ? 'shows' : 'feels');

/** Tests readings [scenes][emotions] of one layer; `names` are the columns. */
export function testScenes(
  names: readonly string[],
  scenes: readonly Scene[],
  readings: readonly (readonly number[])[],
): DeflectionTest {
  const rows = centred(readings);
  const value = (i: number, name: string): number => rows[i]?.[names.indexOf(name)] ?? NaN;
  const difference = scenes.map(({ feels, shows }, i) => value(i, feels) - value(i, shows));
  const pairs = scenes.flatMap(({ feels, shows }, i) => {
    const swapped = scenes.findIndex((scene) => scene.feels === shows && scene.shows === feels);
    return swapped > i ? [((difference[i] ?? NaN) + (difference[swapped] ?? NaN)) / 2] : [];
  });
  return {
    feels: testSide(names, scenes, rows, 'feels'),
    shows: testSide(names, scenes, rows, 'shows'),
    felt: difference.filter((d) => d > 0).length,
    scenes: scenes.length,
    pairs,
    pairMean: mean(pairs),
    pairInterval: bootstrapMean(pairs, randomFrom(53)),
    pairP: flipP(pairs),
  };
}

function testSide(
  names: readonly string[],
  scenes: readonly Scene[],
  rows: readonly (readonly number[])[],
  side: Side,
): SideTest {
  const columns = scenes.map((scene) => names.indexOf(scene[side]));
  const apart = scenes.map((scene) => names.indexOf(scene[other(side)]));
  // Ranks of every emotion in every scene, without the other one of the pair.
  const ranks = rows.map((row, i) =>
    row.map((value) => 1 + row.filter((rival, k) => k !== apart[i] && rival > value).length),
  );
  const ranksOf = (list: readonly number[]): number[] => list.map((k, i) => ranks[i]?.[k] ?? NaN);
  const lifts = rows.map((row, i) => {
    const rest = row.filter((_, k) => k !== columns[i] && k !== apart[i]);
    return (row[columns[i] ?? -1] ?? NaN) - mean(rest);
  });
  // Scenes with the same other emotion trade theirs: then no shuffle makes a pair of one emotion.
  const blocks = [...new Set(apart)].map((k) => [...apart.keys()].filter((i) => apart[i] === k));
  const random = randomFrom(59);
  const means = Array.from({ length: 2000 }, () => {
    const list = [...columns];
    for (const members of blocks) {
      const drawn = shuffled(members, random);
      for (const [at, i] of members.entries()) list[i] = columns[drawn[at] ?? i] ?? -1;
    }
    return mean(ranksOf(list));
  });
  const own = ranksOf(columns);
  const asLow = means.filter((value) => value <= mean(own)).length;
  return {
    meanRank: mean(own),
    interval: bootstrapMean(own, randomFrom(61)),
    p: (1 + asLow) / (1 + means.length),
    shuffles: [quantile(means, 0.025), quantile(means, 0.975)],
    lift: mean(lifts),
    liftInterval: bootstrapMean(lifts, randomFrom(67)),
  };
}

function flipP(values: readonly number[]): number {
  const random = randomFrom(71);
  const own = Math.abs(mean(values));
  const draws = 10_000;
  let asLarge = 0;
  for (let i = 0; i < draws; i++)
    if (Math.abs(mean(values.map((value) => (random() < 0.5 ? value : -value)))) >= own) asLarge++;
  return (1 + asLarge) / (1 + draws);
}

/** From readings [layers][scenes][emotions]; `best` is the layer of the measures. */
export function deflectionResult(
  names: readonly string[],
  scenes: readonly Scene[],
  {
    layers,
    best,
    readings,
  }: { layers: readonly number[]; best: number; readings: readonly number[][][] },
): StudyResult {
  const tests = readings.map((values) => testScenes(names, scenes, values));
  const slot = layers.indexOf(best);
  const test = tests[slot];
  if (test === undefined) throw new TypeError('no best layer');
  return {
    verdict: verdictOf(test, names.length),
    measures: measuresOf(names, test),
    sections: [
      layersSection(names, { layers, best, tests }),
      emotionsSection(names, scenes, readings[slot] ?? []),
    ],
  };
}

/** Three of the 14 questions of the verdict of all parts. */
const level = (3 * 0.05) / 14;

export function verdictOf(test: DeflectionTest, emotions: number): string {
  const { feels, shows, pairInterval, pairP, felt, scenes } = test;
  const [ofPairs = 1, ofFelt = 1, ofShown = 1] = holm([pairP, feels.p, shows.p]);
  const isHigher = ofPairs < level && pairInterval[0] > 0;
  const isLower = ofPairs < level && pairInterval[1] < 0;
  const outcome = isHigher
    ? 'the felt emotion reads higher than the shown one'
    : isLower
      ? 'the shown emotion reads higher than the felt one'
      : 'neither reads higher than the other';
  const word = ({ interval }: SideTest, p: number): string =>
    p < level && interval[1] < emotions / 2 ? 'reads high' : 'cannot be read';
  return `Where somebody feels one emotion and shows another, ${outcome} (felt first in ${felt} of ${scenes} scenes; pairs swapped, p ${pairP.toFixed(4)}); among the emotions that are not in the scene the felt one ${word(feels, ofFelt)} (mean rank ${feels.meanRank.toFixed(2)} of ${emotions - 1}) and the shown one ${word(shows, ofShown)} (${shows.meanRank.toFixed(2)}).`;
}

function measuresOf(names: readonly string[], test: DeflectionTest): Measure[] {
  const { felt, scenes, pairs, pairMean, pairInterval, pairP } = test;
  const chance = (names.length / 2).toFixed(1);
  const positive = pairs.filter((value) => value > 0).length;
  const side = (
    name: string,
    { meanRank, interval, p, lift, liftInterval }: SideTest,
  ): Measure[] => [
    {
      name: `mean rank of the ${name} emotion`,
      value: meanRank,
      interval,
      n: scenes,
      control: `chance ${chance}; shuffled among scenes with the same other emotion as low with p ${p.toFixed(4)}`,
      note: `of ${names.length - 1}, the other emotion of the scene left out`,
    },
    {
      name: `${name} emotion above the ${names.length - 2} that are not in the scene`,
      value: lift,
      interval: liftInterval,
      n: scenes,
      control: 'no lift is 0, as each emotion is centred over the scenes',
      note: 'standard deviations of the centred readings',
    },
  ];
  return [
    {
      name: 'share of scenes with felt above shown',
      value: felt / scenes,
      interval: wilson(felt, scenes),
      n: scenes,
      control: 'chance 0.5',
    },
    {
      name: 'felt less shown, pairs swapped',
      value: pairMean,
      interval: pairInterval,
      n: pairs.length,
      control: `sign flips of the pairs as large with p ${pairP.toFixed(4)}; above 0 in ${positive} of ${pairs.length} pairs`,
      note: 'standard deviations; a scene and its swap averaged, so that what an emotion reads by itself cancels',
    },
    ...side('felt', test.feels),
    ...side('shown', test.shows),
  ];
}

function layersSection(
  names: readonly string[],
  {
    layers,
    best,
    tests,
  }: { layers: readonly number[]; best: number; tests: readonly DeflectionTest[] },
): Section {
  return {
    title: 'Felt and shown by layer',
    lead: `Mean rank over ${tests[0]?.scenes ?? 0} scenes of the felt and of the shown emotion among ${names.length - 1}, the other of the two left out; 1 is best, chance ${(names.length / 2).toFixed(1)}. Grey: 95 % of shuffles. The measures are those of layer ${best}; the other layers are shown, not chosen from. A scene has a certain share of its words on the face and another on the inside; the ranks follow those shares too.`,
    body: renderLineChart({
      title: 'Mean rank of the felt and of the shown emotion',
      xLabel: 'layer',
      yLabel: 'mean rank',
      ticks: layers.map(String),
      series: [
        { name: 'felt', values: tests.map(({ feels }) => feels.meanRank) },
        { name: 'shown', values: tests.map(({ shows }) => shows.meanRank) },
      ],
      band: {
        name: 'shuffled emotions',
        low: tests.map(({ feels, shows }) => Math.min(feels.shuffles[0], shows.shuffles[0])),
        high: tests.map(({ feels, shows }) => Math.max(feels.shuffles[1], shows.shuffles[1])),
      },
    }),
  };
}

function emotionsSection(
  names: readonly string[],
  scenes: readonly Scene[],
  readings: readonly (readonly number[])[],
): Section {
  const rows = centred(readings);
  const over = (isIn: (scene: Scene, name: string) => boolean): number[] =>
    names.map((name, k) =>
      mean(rows.flatMap((row, i) => (isIn(scenes[i]!, name) ? [row[k] ?? NaN] : []))),
    );
  const count = names.length - 1;
  return {
    title: 'Each emotion felt, shown and absent',
    lead: `Mean reading of each emotion in the ${count} scenes where it is felt, the ${count} where it is shown and the ${scenes.length - 2 * count} where it is neither (the control), in standard deviations of the centred readings.`,
    body: renderLineChart({
      title: 'Readings by what the emotion does in the scene',
      xLabel: 'emotion',
      yLabel: 'standard deviations',
      ticks: names,
      series: [
        { name: 'felt', values: over(({ feels }, name) => feels === name) },
        { name: 'shown', values: over(({ shows }, name) => shows === name) },
        {
          name: 'neither',
          values: over(({ feels, shows }, name) => feels !== name && shows !== name),
          dashed: true,
        },
      ],
    }),
  };
}
