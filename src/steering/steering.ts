/**
 * @file Doses to steering vectors. A dose is a share of the mean residual norm of each steered layer,
 * so that the same number means about the same push at every depth and in every model.
 */
import type { Steering } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';
import { type Random, randomDirection } from '../math/random.ts';
import { addInto, norm, scale } from '../math/vector.ts';
import { emotionDirection, normAt, type VectorPack } from '../vectors/pack.ts';

/** How much of an emotion to add. */
export interface Dose {
  readonly emotion: string;
  /** Share of the mean residual norm per steered layer; negative turns the emotion down. */
  readonly dose: number;
}

/**
 * Sum of the doses over the steered layers above which a warning is due. One published calibration
 * (protocol section 1.5) saw text hold together near 0.7 norms and fall apart near 1.9.
 */
export const coherenceLimit = 0.7;

/** Parses `desperate=0.05,calm=-0.05`; throws InvalidInputError with what was expected. */
export function parseDoses(text: string): Dose[] {
  return text.split(',').map((part) => {
    const [emotion = '', value = ''] = part.split('=').map((side) => side.trim());
    const dose = Number(value);
    if (emotion === '' || value === '' || !Number.isFinite(dose) || Math.abs(dose) > 5) {
      throw new InvalidInputError(
        `steer: expected emotion=dose with a dose from -5 to 5, got "${part.trim()}"`,
        { hint: 'for example: desperate=0.05,calm=-0.05' },
      );
    }
    return { emotion, dose };
  });
}

/** The middle third of the blocks, where behaviour is steered (protocol section 1.5). */
export function middleLayers(pack: VectorPack): number[] {
  const from = Math.max(1, Math.round(pack.blocks / 3));
  const to = Math.round((2 * pack.blocks) / 3);
  return pack.layers.filter((layer) => layer >= from && layer <= to);
}

/** Adds up the doses at each layer. @param layers @default middleLayers(pack) */
export function buildSteering(
  pack: VectorPack,
  doses: readonly Dose[],
  layers: readonly number[] = middleLayers(pack),
): Steering {
  return overLayers(pack, layers, (layer) => {
    const sum = new Float32Array(pack.width);
    for (const { emotion, dose } of doses)
      addInto(sum, emotionDirection(pack, emotion, layer), dose);
    return sum;
  });
}

/** A random direction, another at each layer, at the same dose: the control of every steering effect. */
export function randomSteering(
  pack: VectorPack,
  dose: number,
  random: Random,
  layers: readonly number[] = middleLayers(pack),
): Steering {
  return overLayers(pack, layers, () => scale(randomDirection(pack.width, random), dose));
}

function overLayers(
  pack: VectorPack,
  layers: readonly number[],
  at: (layer: number) => Float32Array,
): Steering {
  if (layers.some((layer) => layer < 1)) {
    throw new InvalidInputError(
      'steer: expected layers from 1 on, got 0 (the first block cannot be steered)',
    );
  }
  return {
    vectors: new Map(layers.map((layer) => [layer, scale(at(layer), normAt(pack, layer))])),
  };
}

/** Strength summed over the layers, in mean residual norms; compare with coherenceLimit. */
export function totalDose(pack: VectorPack, steering: Steering): number {
  let total = 0;
  for (const [layer, vector] of steering.vectors) total += norm(vector) / normAt(pack, layer);
  return total;
}
