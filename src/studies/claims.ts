/**
 * @file What a verdict may claim. It asks many questions at once, so each p value is raised by Holm's correction over
 * all of them, and of a direction two things are asked: whether it moves the items at all, and whether by more than
 * directions without meaning do. A few of these have a largest one that an emotion exceeds easily, so they are taken
 * as a sample of what chance does.
 */
import { holm } from '../math/paired.ts';
import { mean } from '../math/stats.ts';
import { meanP, studentP } from '../math/student.ts';
import type { DirectionEffect } from './arms.ts';

/**
 * Chance of any false claim on the arms of a verdict, at most. The questions without arms, which stand before them,
 * have the rest of 5 % (`sideLevel`).
 */
const claimLevel = 0.04;
/** A question beside the arms must pass this, two-sided though it has one side; a verdict has one or two. */
const sideLevel = 0.01;

/**
 * p value of an effect: that of its items or that of the controls, whichever is larger. Trends of random directions
 * are normal about 0 where the outcome follows a small dose, so the trend over their root mean square is a t. Plain
 * random directions move a model less than mixtures do, so it must be far out among all and among the mixtures. 1 of
 * an effect or controls without anything measured.
 */
export function effectP(effect: DirectionEffect, effects: readonly DirectionEffect[]): number {
  const controls = effects.filter(({ kind, n }) => kind === 'random' && n > 0);
  if (effect.n === 0 || controls.length === 0) return 1;
  const mixtures = controls.filter(({ direction }) => direction.startsWith('mixture'));
  const trendsOf = (list: readonly DirectionEffect[]): number[] => list.map(({ trend }) => trend);
  return Math.max(
    effect.p,
    amongP(effect.trend, trendsOf(controls)),
    mixtures.length === 0 ? 0 : amongP(effect.trend, trendsOf(mixtures)),
  );
}

/**
 * Chance that a direction without meaning does as much: the value over the root mean square of the controls', as a t
 * with one degree of freedom a control. 1 of a value of 0 and without controls.
 */
export function amongP(value: number, controls: readonly number[]): number {
  if (controls.length === 0 || value === 0) return 1;
  const square = controls.reduce((sum, control) => sum + control ** 2, 0) / controls.length;
  return studentP(value / Math.sqrt(square), controls.length);
}

/** How a difference stands to those of directions without meaning, when so many questions are asked. */
export function besideControls(
  value: number,
  controls: readonly number[],
  asked: number,
): 'beyond' | 'but no more than' | 'but not clearly beyond' {
  const largest = Math.max(0, ...controls.map(Math.abs));
  if (Math.abs(value) <= largest) return 'but no more than';
  return amongP(value, controls) < 0.05 / asked ? 'beyond' : 'but not clearly beyond';
}

/** One question of a verdict: an effect among those of the same outcome. */
export interface Asked {
  readonly effect: DirectionEffect;
  readonly effects: readonly DirectionEffect[];
}

/** The effects that hold when all questions of the verdict are counted. */
export function clearEffects(asked: readonly Asked[]): Set<DirectionEffect> {
  const corrected = holm(asked.map(({ effect, effects }) => effectP(effect, effects)));
  return new Set(
    asked.flatMap(({ effect }, i) => ((corrected[i] ?? 1) < claimLevel ? [effect] : [])),
  );
}

/** Whether a mean beside the arms lies above 0: its interval does, and its p passes `sideLevel`. */
export function isAbove(
  values: readonly number[],
  { interval }: { readonly interval?: readonly [low: number, high: number] },
): boolean {
  return (interval?.[0] ?? 0) > 0 && mean(values) > 0 && meanP(values) < sideLevel;
}

/** The same of a mean below 0. */
export function isBelow(
  values: readonly number[],
  { interval: [low, high] = [0, 0] }: { readonly interval?: readonly [low: number, high: number] },
): boolean {
  return isAbove(
    values.map((value) => -value),
    { interval: [-high, -low] },
  );
}
