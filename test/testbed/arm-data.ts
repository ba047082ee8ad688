/** @file Made-up outcomes of steered arms: items that differ more than arms do, slopes of directions, noise of each cell. */
import { type Random, gaussian } from '../../src/math/random.ts';
import type { Arm } from '../../src/studies/arms.ts';

export interface ArmsPlan {
  readonly emotions: readonly string[];
  readonly doses: readonly number[];
  /** Doses of the random directions. @default those of the emotions */
  readonly controlDoses?: readonly number[];
  readonly random: number;
  readonly mixtures: number;
}

/** Arms as `armsOf` makes them, but without vectors: nothing is steered. */
export function plainArms({
  emotions,
  doses,
  controlDoses = doses,
  random,
  mixtures,
}: ArmsPlan): Arm[] {
  const of = (kind: 'emotion' | 'random', direction: string, own: readonly number[]): Arm[] =>
    [...own.map((dose) => -dose).toReversed(), ...own].map((dose) => ({
      key: `${direction} ${dose > 0 ? '+' : ''}${dose}`,
      kind,
      direction,
      dose,
      steering: null,
    }));
  const names = (word: string, count: number): string[] =>
    Array.from({ length: count }, (_, k) => `${word} ${k + 1}`);
  return [
    { key: 'unsteered', kind: 'unsteered', direction: 'unsteered', dose: 0, steering: null },
    ...emotions.flatMap((name) => of('emotion', name, doses)),
    ...[...names('random', random), ...names('mixture', mixtures)].flatMap((name) =>
      of('random', name, controlDoses),
    ),
  ];
}

export interface Truth {
  /** Spread of the cells about what the item and the arm give. */
  readonly noise: number;
  /**
   * Spread of the directions' slopes, at a dose of 0.1, over mixtures and emotions; plain random directions have
   * a third of it, as they move a model less. 0 for directions that do nothing at all.
   */
  readonly slopes: number;
  /** Slope at a dose of 0.1 that is planted on top. */
  readonly planted?: Readonly<Record<string, number>>;
}

/** One outcome, [arm][item]: the item's level, the direction's slope, noise. */
export function armOutcome(
  arms: readonly Arm[],
  items: number,
  { noise, slopes, planted = {} }: Truth,
  random: Random,
): Map<string, number[]> {
  const levels = Array.from({ length: items }, () => gaussian(random));
  const names = [...new Set(arms.map(({ direction }) => direction))];
  const slopeOf = new Map(
    names.map((name) => {
      const share = name === 'unsteered' ? 0 : name.startsWith('random') ? 1 / 3 : 1;
      return [name, gaussian(random) * slopes * share + (planted[name] ?? 0)];
    }),
  );
  return new Map(
    arms.map(({ key, direction, dose }) => [
      key,
      levels.map(
        (level) => level + 10 * dose * (slopeOf.get(direction) ?? 0) + noise * gaussian(random),
      ),
    ]),
  );
}
