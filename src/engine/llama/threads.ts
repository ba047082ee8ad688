/** @file How many threads to compute on. */
import { availableParallelism } from 'node:os';

/** Cores that this process may use, at most 16: beyond, small models only wait for each other. */
export function defaultThreads(): number {
  return Math.max(1, Math.min(16, availableParallelism()));
}
