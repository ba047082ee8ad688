/**
 * @file Numeric intensity ("Emotion Concepts...", 2026, the painkiller study; protocol section 3): does a
 * reading right before the reply follow a number in the message that makes things better or worse? Each
 * message has a twin of the same shape with the same numbers about something without stakes, and random
 * directions go through the same procedure.
 */
import { z } from 'zod';

import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { chatTokens } from '../engine/chat-template.ts';
import { bootstrapClusters } from '../math/clusters.ts';
import { holm } from '../math/paired.ts';
import { randomDirection, randomFrom } from '../math/random.ts';
import { deviation, mean, quantile } from '../math/stats.ts';
import { emotionVector, probeOf } from '../vectors/pack.ts';
import { type MapCell, mapSection, measureMap } from './intensity-map.ts';
import { rounded } from './recorder.ts';
import { fill, type IntensityTemplate, loadIntensity } from './stimuli.ts';
import { defineStudy, type Measure, type StudyLab, type StudyResult } from './study.ts';

const params = z.object({
  /** Paraphrases of each template. */
  paraphrases: z.coerce.number().int().min(2).max(4).default(4),
  /** Random directions that go through the same procedure; with fewer than 80 no emotion can pass. */
  random: z.coerce.number().int().min(10).max(1000).default(100),
  seed: z.coerce.number().int().min(0).default(1),
  /** Emotion of the maps of layers and tokens; none without a name. */
  map: z.string().trim().default('afraid'),
  /** Templates with a map, at most. */
  maps: z.coerce.number().int().min(1).max(100).default(100),
});
type Params = z.infer<typeof params>;

const emotions = ['afraid', 'sad', 'calm', 'happy'] as const;
/** Smallest effect that is called one: Cohen's small effect, in standard deviations over the neutral twins. */
const smallestEffect = 0.2;

/** Readings [paraphrases][values][directions] of the messages and of their twins. */
export interface Cell {
  readonly messages: number[][][];
  readonly twins: number[][][];
}

export const intensityStudy = defineStudy<Params>({
  name: 'intensity',
  summary:
    'does fear follow the dose? readings along a number, against twins and random directions',
  source: 'protocol section 3',
  params,
  quick: { paraphrases: 2, maps: 1 },
  plan: (settings, lab) => {
    const templates = templatesOf(lab);
    const messages =
      templates.reduce((sum, { values }) => sum + values.length, 0) * settings.paraphrases;
    const maps = mappedOf(templates, settings).length;
    return { cells: templates.length + maps, read: (messages * 2 + maps * 4) * 60, written: 0 };
  },
  run: async (lab, settings, recorder) => {
    const templates = templatesOf(lab);
    const mapped = mappedOf(templates, settings);
    const { bestLayer } = lab.pack;
    const { map: emotion } = settings;
    // A name that the pack lacks is refused before the work.
    if (mapped.length > 0) emotionVector(lab.pack, emotion, bestLayer);
    const probe = probeFor(lab, settings);
    const cells: Cell[] = [];
    for (const template of templates) {
      const read = (texts: readonly string[]): Promise<number[][][]> =>
        Promise.all(
          texts
            .slice(0, settings.paraphrases)
            .map((text) => readSeries(lab, probe, text, template.values)),
        );
      cells.push(
        await recorder.cell(template.id, async () => ({
          messages: await read(template.paraphrases),
          twins: await read(template.neutral),
        })),
      );
    }
    const maps: MapCell[] = [];
    for (const template of mapped) {
      const measure = (): Promise<MapCell> => measureMap(lab, template, emotion);
      maps.push(await recorder.cell(`map:${template.id}`, measure));
    }
    const result = resultOf(templates, cells, settings);
    const sections = mapped.flatMap((template, t) => {
      const map = maps[t];
      return map === undefined ? [] : [mapSection(template, map, { emotion, bestLayer })];
    });
    return { ...result, sections: [...result.sections, ...sections] };
  },
});

/** Templates that get a map. */
function mappedOf(
  templates: readonly IntensityTemplate[],
  { map, maps }: Params,
): readonly IntensityTemplate[] {
  return map === '' ? [] : templates.slice(0, maps);
}

function templatesOf({ data }: StudyLab): IntensityTemplate[] {
  return loadIntensity(data('studies/intensity.jsonl'));
}

/** The emotions first, then the random directions, all read through the pack's filter. */
function probeFor({ pack }: StudyLab, { random, seed }: Params): ReturnType<typeof probeOf> {
  const draw = randomFrom(seed);
  const vectors = [
    ...emotions.map((emotion) => emotionVector(pack, emotion, pack.bestLayer)),
    ...Array.from({ length: random }, () => randomDirection(pack.width, draw)),
  ];
  return probeOf(pack, vectors, pack.bestLayer);
}

async function readSeries(
  { model, signal }: StudyLab,
  probe: ReturnType<typeof probeOf>,
  text: string,
  values: readonly number[],
): Promise<number[][]> {
  const sequences = await Promise.all(
    values.map((x) => chatTokens(model, [{ role: 'user', content: fill(text, x) }])),
  );
  const readings = await model.project(sequences, { probes: [probe], signal });
  const count = probe.bias.length;
  return readings.map((all) => Array.from(all.slice(-count), (value) => rounded(value)));
}

/** Mean over the upper three values less that over the lower three. */
function rise(series: readonly number[]): number {
  return mean(series.slice(-3)) - mean(series.slice(0, 3));
}

/**
 * Rise of each message less that of its twin, in standard deviations of the direction's readings over all twins:
 * [templates][paraphrases] of one direction.
 */
function effectsOf(cells: readonly Cell[], direction: number): number[][] {
  const at = (series: readonly (readonly number[])[]): number[] =>
    series.map((row) => row[direction] ?? NaN);
  const twins = cells.flatMap((cell) => cell.twins.flatMap(at));
  const spread = deviation(twins);
  return cells.map(({ messages, twins: own }) =>
    messages.map((series, i) => (rise(at(series)) - rise(at(own[i] ?? []))) / spread),
  );
}

function resultOf(
  templates: readonly IntensityTemplate[],
  cells: readonly Cell[],
  settings: Params,
): StudyResult {
  const found = findingsOf(templates, cells, settings);
  return {
    verdict: verdictOf(found),
    measures: found.map(measureOf),
    sections: templates.map((template, t) => sectionOf(template, cells[t], settings)),
  };
}

interface Finding {
  readonly emotion: string;
  readonly value: number;
  /** Bootstrap over the templates, whose paraphrases say much the same. */
  readonly interval: readonly [low: number, high: number];
  readonly n: number;
  /** The same of every random direction. */
  readonly band: readonly number[];
}

/** One effect an emotion: the expected signs make one number of all templates, those without one are left out. */
export function findingsOf(
  templates: readonly Pick<IntensityTemplate, 'expected'>[],
  cells: readonly Cell[],
  { random, seed }: Pick<Params, 'random' | 'seed'>,
): Finding[] {
  const effects = Array.from({ length: emotions.length + random }, (_, d) => effectsOf(cells, d));
  return emotions.map((emotion, k) => {
    const signs = templates.map(({ expected }) => expected[emotion]);
    const signed = (direction: number): number[][] =>
      (effects[direction] ?? []).flatMap((values, t) =>
        (signs[t] ?? 0) === 0 ? [] : [values.map((value) => value * (signs[t] ?? 0))],
      );
    const own = signed(k);
    return {
      emotion,
      value: mean(own.flat()),
      interval: bootstrapClusters(own, mean, { random: randomFrom(seed + 1) }),
      n: own.flat().length,
      band: Array.from({ length: random }, (_, r) => mean(signed(emotions.length + r).flat())),
    };
  });
}

function measureOf({ emotion, value, interval, n, band }: Finding): Measure {
  const limits = [quantile(band, 0.025), quantile(band, 0.975)] as const;
  return {
    name: `${emotion}, in the expected direction`,
    value,
    interval,
    n,
    control: `95 % of ${band.length} random directions: ${limits[0].toFixed(2)} to ${limits[1].toFixed(2)}`,
    note: 'standard deviations over the neutral twins, upper three values less lower three, message less twin; interval over templates',
  };
}

/**
 * An emotion follows the number if its interval lies above 0, it is not too small, and so few random directions are
 * as high that Holm's correction over the emotions leaves less than 5 %: the first must beat 100 of 100.
 */
export function verdictOf(findings: readonly Finding[]): string {
  const corrected = holm(
    findings.map(({ value, band }) => {
      const asHigh = band.filter((other) => other >= value).length;
      return (1 + asHigh) / (1 + band.length);
    }),
  );
  const follows = findings.filter(
    ({ value, interval }, k) =>
      interval[0] > 0 && value >= smallestEffect && (corrected[k] ?? 1) < 0.05,
  );
  const named = follows.map(({ emotion }) => emotion);
  const others = emotions.filter((emotion) => !named.includes(emotion));
  return named.length === 0
    ? 'No emotion follows the number: no effect leaves both its interval and the random directions, or it is too small to matter.'
    : `${named.join(', ')} follow${named.length === 1 ? 's' : ''} the number, beyond the twins and, with all emotions counted, the random directions; ${others.join(', ') || 'none of the others'} ${others.length === 0 ? '' : 'do not'}.`;
}

/** Readings along the values, as distance from the first, messages and twins. */
function sectionOf(
  { title, unit, values, more }: IntensityTemplate,
  cell: Cell | undefined,
  settings: Params,
): Section {
  const along = (series: Cell['messages'] = [], direction: number): number[] =>
    values.map((_, v) => mean(series.map((rows) => rows[v]?.[direction] ?? NaN)));
  const fromFirst = (line: readonly number[]): number[] => line.map((y) => y - (line[0] ?? NaN));
  const random = Array.from({ length: settings.random }, (_, r) =>
    fromFirst(along(cell?.messages, emotions.length + r)),
  );
  const bandAt = (share: number): number[] =>
    values.map((_, v) =>
      quantile(
        random.map((line) => line[v] ?? NaN),
        share,
      ),
    );
  return {
    title: `${title} (${unit})`,
    lead: `More is ${more}. Reading right before the reply, mean of the paraphrases, as a share of the residual norm, less that at the first value. Dashed: the neutral twin. Grey: 95 % of ${settings.random} random directions on the messages.`,
    body: renderLineChart({
      title,
      xLabel: unit,
      yLabel: 'reading less the first',
      ticks: values.map(String),
      series: [
        ...emotions.map((name, k) => ({ name, values: fromFirst(along(cell?.messages, k)) })),
        { name: 'afraid, twin', values: fromFirst(along(cell?.twins, 0)), dashed: true },
      ],
      band: { name: 'random directions', low: bandAt(0.025), high: bandAt(0.975) },
    }),
  };
}
