/**
 * @file Made-up readings: of messages and twins along directions, of scenarios, scenes and conversations. Texts differ
 * more than conditions do, paraphrases of one text go together, and without an effect an emotion is a direction like
 * the random ones.
 */
import { type Random, gaussian } from '../../src/math/random.ts';
import type { BindingData } from '../../src/studies/binding-effects.ts';
import {
  arms,
  type Chain,
  type DriftData,
  targets,
  type Turn,
} from '../../src/studies/drift-effects.ts';
import type { Cell } from '../../src/studies/intensity.ts';

const list = <T>(length: number, make: (index: number) => T): T[] =>
  Array.from({ length }, (_, i) => make(i));

/** Signs of afraid, sad, calm, happy in templates like those of the study. */
export const intensityTemplates = [
  { expected: { afraid: 1, sad: 0, calm: -1, happy: 0 } },
  { expected: { afraid: 1, sad: 0, calm: -1, happy: 0 } },
  { expected: { afraid: -1, sad: -1, calm: 1, happy: 1 } },
  { expected: { afraid: 1, sad: 1, calm: -1, happy: -1 } },
  { expected: { afraid: -1, sad: -1, calm: 1, happy: 1 } },
  { expected: { afraid: 1, sad: 1, calm: -1, happy: -1 } },
] as const;

/** Readings along 6 values, 4 paraphrases; `planted` rises for afraid, in standard deviations over the twins. */
export function intensityCells(random: Random, planted = 0, directions = 104): Cell[] {
  return intensityTemplates.map(({ expected }): Cell => {
    // How a template moves a direction by itself, which its paraphrases share.
    const slopes = list(
      directions,
      (d) => 0.5 * gaussian(random) + (d === 0 ? planted * expected.afraid : 0),
    );
    const series = (isTwin: boolean): number[][][] =>
      list(4, () => {
        const levels = list(directions, () => gaussian(random));
        return list(6, (v) =>
          list(directions, (d) => {
            const rise = isTwin ? 0 : (slopes[d] ?? 0) * (v >= 3 ? 0.5 : -0.5);
            return (levels[d] ?? 0) + rise + 0.2 * gaussian(random);
          }),
        );
      });
    return { messages: series(false), twins: series(true) };
  });
}

/** Readings [items][emotions] in which some emotions read high everywhere; `planted` is added to the own one. */
export function rankedReadings(
  targetsOf: readonly number[],
  emotions: number,
  { random, planted = 0, shared }: { random: Random; planted?: number; shared?: number[][] },
): number[][] {
  const usual = list(emotions, () => gaussian(random));
  return targetsOf.map((own, i) =>
    list(
      emotions,
      (k) =>
        (usual[k] ?? 0) + (shared?.[i]?.[k] ?? 0) + gaussian(random) + (k === own ? planted : 0),
    ),
  );
}

/** Conversations of 20 turns in all arms; `planted` is what an opening adds to its own emotion, falling by half in 300 tokens. */
export function driftData(
  random: Random,
  { planted = 0, drift = 0, conversations = 6, directions = 200 } = {},
): DriftData {
  const count = targets.length + directions;
  const dialogues = list(60, () => list(count, () => gaussian(random)));
  const turnOf = (dialogue: number, at: number, lift: (d: number) => number): Turn => ({
    dialogue,
    turn: 0,
    at,
    tokens: 80,
    values: (dialogues[dialogue] ?? []).map((own, d) => own + lift(d) + 0.3 * gaussian(random)),
  });
  const base = dialogues.map((_, i) => turnOf(i, 0, () => 0));
  return {
    base,
    random: directions,
    seed: 1,
    conversations: list(conversations, (c) => {
      const wander = list(count, () => 0.3 * gaussian(random));
      return Object.fromEntries(
        arms.map((arm): [string, Chain] => {
          const own = targets.findIndex((name) => name === arm);
          // What this opening does to any direction, emotion or not.
          const left = list(count, () => (arm === 'neutral' ? 0 : 0.5 * gaussian(random)));
          const atOpening = (d: number): number => (left[d] ?? 0) + (d === own ? planted : 0);
          return [
            arm,
            {
              opening: list(count, (d) => atOpening(d) + 0.5 * gaussian(random)),
              turns: list(20, (t) =>
                turnOf(
                  (c * 20 + t) % 60,
                  80 * t + 40,
                  (d) =>
                    (((wander[d] ?? 0) + (d === 0 ? drift : 0)) * 80 * t) / 1000 +
                    atOpening(d) * 2 ** (-(80 * t) / 300),
                ),
              ),
            },
          ];
        }),
      ) as DriftData['conversations'][number];
    }),
  };
}

/** Items of four conditions in which any direction may be moved by a condition; `affirmed` and `bound` are planted. */
export function bindingData(
  random: Random,
  { affirmed = 0, bound = 0 }: { affirmed?: number; bound?: number } = {},
): BindingData {
  const emotions = ['happy', 'calm', 'proud', 'desperate', 'angry', 'afraid', 'sad', 'guilty'];
  const directions = 100;
  const count = emotions.length + directions;
  const items = list(24, (i) => ({ emotion: emotions[i % emotions.length] ?? '' }));
  const moved = list(2, () => list(4, () => list(count, () => 0.2 * gaussian(random))));
  return {
    items: items as unknown as BindingData['items'],
    layers: [3],
    bestLayer: 3,
    settings: { random: directions, seed: 1 },
    cells: items.map((_, i) => {
      const levels = list(count, () => gaussian(random));
      return {
        readings: list(2, (readout) =>
          list(4, (condition) => [
            list(count, (d) => {
              const own = d === i % emotions.length && condition < 3 ? affirmed : 0;
              const lost = d === i % emotions.length && condition > 0 && condition < 3 ? bound : 0;
              const shift = condition === 3 ? 0 : (moved[readout]?.[condition]?.[d] ?? 0);
              return (levels[d] ?? 0) + shift + own - lost + 0.5 * gaussian(random);
            }),
          ]),
        ),
      };
    }),
  };
}
