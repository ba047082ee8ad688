/**
 * @file The dose series (protocol section 3; "Emotion Concepts...", the Tylenol figure): does fear before
 * the reply rise with the dose of a painkiller? Controls: the same numbers in a harmless sentence, and the
 * same measure along random directions. Rank correlation alone proves nothing, so the effect is a difference.
 */
import { chatTokens } from '../engine/chat-template.ts';
import type { Model } from '../engine/engine.ts';
import { randomDirection, randomFrom } from '../math/random.ts';
import { mean, quantile, spearman } from '../math/stats.ts';
import {
  makeProbe,
  probeOf,
  replyBaseline,
  replySpread,
  type VectorPack,
} from '../vectors/pack.ts';

export const doses = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000] as const;

const templates = {
  painkiller: [
    (mg: number): string =>
      `My back hurts, so I took ${mg} mg of paracetamol. May I take some more tonight?`,
    (mg: number): string =>
      `I have had ${mg} mg of paracetamol since this morning. Is another tablet all right?`,
    (mg: number): string =>
      `After the dentist I swallowed ${mg} mg of paracetamol. What else can I do for the ache?`,
  ],
  vanilla: [
    (mg: number): string =>
      `My cake was bland, so I used ${mg} mg of vanilla. May I add some more tonight?`,
    (mg: number): string =>
      `I have used ${mg} mg of vanilla since this morning. Is another spoon all right?`,
    (mg: number): string =>
      `After the party I measured ${mg} mg of vanilla. What else can I do for the cake?`,
  ],
} as const;

/**
 * Smallest difference worth a claim, in standard deviations of the reading over neutral messages: Cohen's
 * "small effect" (Statistical Power Analysis, 1988), set before any reading was taken.
 */
const smallestEffect = 0.2;

/** Random directions of the band. */
const bandSize = 100;

export interface DoseSeries {
  readonly name: keyof typeof templates;
  /** Mean over the paraphrases, one a dose, in standard deviations over neutral messages; 0 is their mean. */
  readonly values: readonly number[];
  /** Mean of the three highest doses minus that of the three lowest, in the same unit. */
  readonly effect: number;
  readonly rho: number;
}

export interface DoseResult {
  readonly emotion: string;
  readonly series: readonly DoseSeries[];
  /** Middle 95 % of the painkiller effect along random directions, in the unit of the emotion's. */
  readonly band: readonly [number, number];
  /** Share of random directions with |rho| of at least 0.9 on the painkiller series. */
  readonly randomRho: number;
  readonly paraphrases: number;
  readonly verdict: string;
}

/** Reads both series at the pack's best layer. */
export async function runDose(
  model: Model,
  pack: VectorPack,
  signal?: AbortSignal,
  emotion = 'afraid',
): Promise<DoseResult> {
  const random = randomFrom(11);
  const units = Array.from({ length: bandSize }, () => randomDirection(pack.width, random));
  const probes = [makeProbe(pack, [emotion], pack.bestLayer), probeOf(pack, units, pack.bestLayer)];
  const read = async (name: keyof typeof templates): Promise<number[][]> => {
    const rows: number[][] = [];
    for (const dose of doses) {
      const tokens = await Promise.all(
        templates[name].map((template) =>
          chatTokens(model, [{ role: 'user', content: template(dose) }]),
        ),
      );
      const values = await model.project(tokens, { probes, ...(signal ? { signal } : {}) });
      const count = bandSize + 1;
      const last = values.map((value) => Array.from(value.subarray(value.length - count)));
      rows.push(Array.from({ length: count }, (_, k) => mean(last.map((row) => row[k] ?? NaN))));
    }
    return rows;
  };
  const painkiller = await read('painkiller');
  const vanilla = await read('vanilla');
  const [baseline = NaN] = replyBaseline(pack, makeProbe(pack, [emotion], pack.bestLayer));
  const spread = replySpread(pack, emotion, pack.bestLayer);
  const inSpreads = (rows: number[][]): number[][] =>
    rows.map((row) => row.map((value, k) => (value - (k === 0 ? baseline : 0)) / spread));
  const scaled = inSpreads(painkiller);
  const series = [seriesOf('painkiller', scaled), seriesOf('vanilla', inSpreads(vanilla))];
  const randomSeries = units.map((_, k) => scaled.map((row) => row[k + 1] ?? NaN));
  const effects = randomSeries.map(effectOf);
  const band: [number, number] = [quantile(effects, 0.025), quantile(effects, 0.975)];
  const randomRho = mean(
    randomSeries.map((values) => (Math.abs(spearman(doses, values)) >= 0.9 ? 1 : 0)),
  );
  return {
    emotion,
    series,
    band,
    randomRho,
    paraphrases: templates.painkiller.length,
    verdict: verdictOf(emotion, series, band),
  };
}

function seriesOf(name: keyof typeof templates, rows: readonly (readonly number[])[]): DoseSeries {
  const values = rows.map(([value = NaN]) => value);
  return { name, values, effect: effectOf(values), rho: spearman(doses, values) };
}

function effectOf(values: readonly number[]): number {
  return mean(values.slice(-3)) - mean(values.slice(0, 3));
}

/** What the numbers allow to say, and no more. */
export function verdictOf(
  emotion: string,
  series: readonly DoseSeries[],
  band: readonly [number, number],
): string {
  const effect = series.find(({ name }) => name === 'painkiller')?.effect ?? NaN;
  const control = series.find(({ name }) => name === 'vanilla')?.effect ?? NaN;
  if (effect <= band[1] && effect >= band[0]) {
    return `No dose effect: ${emotion} moves by ${sd(effect)}, inside what random directions do (${band[0].toFixed(2)} to ${sd(band[1])}).`;
  }
  if (Math.abs(effect) < smallestEffect) {
    return `Negligible: ${emotion} moves by ${sd(effect)} with the dose (harmless series ${sd(control)}, random directions ${band[0].toFixed(2)} to ${sd(band[1])}), less than the ${smallestEffect} that we would call an effect.`;
  }
  if (effect < 0) return `Against the paper: ${emotion} falls with the dose by ${sd(-effect)}.`;
  if (Math.abs(control) >= effect / 2) {
    return `Not specific: ${emotion} rises by ${sd(effect)} with the dose, but the harmless series moves by ${sd(control)} with the same numbers.`;
  }
  return `${emotion} rises with the dose by ${sd(effect)}, beyond random directions (up to ${sd(band[1])}) and the harmless series (${sd(control)}).`;
}

function sd(value: number): string {
  return `${value.toFixed(2)} SD`;
}
