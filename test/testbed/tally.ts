/**
 * @file Counts what a verdict says of data whose truth is known: how often it claims what is not there, how often it
 * finds what was planted, how often an interval holds the true value. `LIMBIC_TESTBED=400` makes as many runs of
 * each; without it a test makes the few that fit an ordinary test run. Every run has its own seed, so that a failure
 * comes back. `LIMBIC_TESTBED_OUT` names a file that gets one JSON line a tally, which docs/calibration.md is made of.
 */
import { appendFileSync } from 'node:fs';

import { expect } from 'vitest';

import { type Random, randomFrom } from '../../src/math/random.ts';
import { wilson } from '../../src/math/stats.ts';

const asked = Number(process.env['LIMBIC_TESTBED'] ?? 0);

/** A test fails where the truth would give so extreme a count in fewer than 1 of 1,000 times. */
const surprise = 0.001;

export interface Tally {
  readonly hits: number;
  readonly n: number;
}

interface Counted {
  /** `cheating`; `math` for what the studies share. */
  readonly study: string;
  /** What is counted, in words. */
  readonly what: string;
  /** Runs of an ordinary test; `LIMBIC_TESTBED` sets another number. */
  readonly runs: number;
  /** One run: whether the claim was made, or the interval holds the truth. */
  readonly run: (random: Random, seed: number) => boolean;
}

/** Claims on data without an effect. Fails where they are too many for a rate of 5 %. */
export function expectFewFalse(counted: Counted): void {
  const { hits, n } = count('null', counted);
  expect(tailFrom(hits, n, 0.05), `${hits} of ${n} claims of nothing`).toBeGreaterThan(surprise);
}

/** Claims on data with an effect. Fails where they are too few for the power that is stated. */
export function expectPower(counted: Counted & { readonly least: number }): void {
  const { hits, n } = count('power', counted);
  expect(tailFrom(n - hits, n, 1 - counted.least), `${hits} of ${n} found`).toBeGreaterThan(
    surprise,
  );
}

/** Intervals at 95 % that hold the truth. Fails where they are too few for 90 % or too many for 98 %. */
export function expectCoverage(counted: Counted): void {
  const { hits, n } = count('coverage', counted);
  expect(tailFrom(n - hits, n, 0.1), `${hits} of ${n} intervals hold`).toBeGreaterThan(surprise);
  expect(tailFrom(hits, n, 0.98), `${hits} of ${n} intervals hold`).toBeGreaterThan(surprise);
}

/** Intervals that are known to be wide or narrow, counted and told, without a limit. */
export function tellCoverage(counted: Counted): Tally {
  return count('coverage', counted);
}

function count(kind: string, { study, what, runs, run }: Counted): Tally {
  const n = asked > 0 ? asked : runs;
  let hits = 0;
  for (let seed = 1; seed <= n; seed++) if (run(randomFrom(seed * 7919), seed)) hits++;
  const out = process.env['LIMBIC_TESTBED_OUT'];
  if (out !== undefined) {
    const interval = wilson(hits, n).map((end) => Number(end.toFixed(3)));
    appendFileSync(out, `${JSON.stringify({ study, what, kind, hits, n, interval })}\n`);
  }
  return { hits, n };
}

/** Chance of `hits` or more of `n` at a rate between 0 and 1. */
export function tailFrom(hits: number, n: number, rate: number): number {
  // In logarithms: 0.02^400 is below the smallest double.
  let [logTerm, sum] = [n * Math.log(1 - rate), 0];
  for (let k = 0; k <= n; k++) {
    if (k >= hits) sum += Math.exp(logTerm);
    logTerm += Math.log((n - k) / (k + 1)) + Math.log(rate / (1 - rate));
  }
  return Math.min(1, sum);
}
