/**
 * @file Student's t: how far a mean of few values lies from 0 in units of its own uncertainty, where a percentile
 * bootstrap of so few is too narrow.
 */
import { InvalidInputError } from '../errors.ts';
import { deviation, mean } from './stats.ts';

/**
 * Chance of a t as far from 0, either way, from 0 to 1; NaN if t is. By the finite series for whole degrees of
 * freedom. InvalidInputError unless those are a whole number from 1.
 */
export function studentP(t: number, freedom: number): number {
  if (!(Number.isInteger(freedom) && freedom >= 1))
    throw new InvalidInputError(
      `studentP: expected degrees of freedom as a whole number from 1, got ${freedom}`,
    );
  const angle = Math.atan(Math.abs(t) / Math.sqrt(freedom));
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const isOdd = freedom % 2 === 1;
  let [term, sum] = [isOdd ? cosine : 1, 0];
  for (let k = isOdd ? 1 : 0; k < freedom - 1; k += 2) {
    sum += term;
    term *= ((k + 1) / (k + 2)) * cosine * cosine;
  }
  const within = isOdd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
  return Number.isNaN(t) ? NaN : Math.min(1, Math.max(0, 1 - within));
}

/** Two-sided p value for the mean of the values being 0; 1 of fewer than two values and where all are 0. */
export function meanP(values: readonly number[]): number {
  if (values.length < 2 || values.every((value) => value === 0)) return 1;
  const error = deviation(values) / Math.sqrt(values.length);
  return studentP(mean(values) / error, values.length - 1);
}
