/** @file How many threads to compute on: all cores at first, or the fewest that are as fast, by a measurement. */
import { availableParallelism } from 'node:os';

import { quantile } from '../../math/stats.ts';

/** Cores that this process may use, at most 16: beyond, small models only wait for each other. */
export function defaultThreads(): number {
  return Math.max(1, Math.min(16, availableParallelism()));
}

/** How long a token took on so many threads. */
export interface ThreadTrial {
  readonly threads: number;
  /** Median over the rounds, of one decoded token. */
  readonly milliseconds: number;
}

/** Counts that are tried: quarters of the cores, each once, rising. Cores that share a unit show in them. */
export function threadCandidates(cores: number): number[] {
  const most = Math.max(1, Math.min(32, cores));
  return [...new Set([1, 2, 3, 4].map((quarter) => Math.ceil((quarter * most) / 4)))];
}

/** Fewer threads are as good where a token takes at most this share longer: the machine is not ours alone. */
const tolerance = 0.03;
/** Rounds at least, whatever they take. */
const leastRounds = 3;
const mostRounds = 15;

/**
 * Times `decode`, which computes a token on so many threads, on each candidate in turns for about `budget`
 * milliseconds, and returns all trials with the fewest threads that are as fast as the fastest.
 */
export function chooseThreads(
  candidates: readonly number[],
  decode: (threads: number) => void,
  { budget, now = () => performance.now() }: { budget: number; now?: () => number },
): { threads: number; trials: ThreadTrial[] } {
  const times = new Map<number, number[]>(candidates.map((threads) => [threads, []]));
  // The first touches memory for all others.
  for (const threads of candidates) decode(threads);
  const began = now();
  for (let round = 0; round < mostRounds; round++) {
    if (round >= leastRounds && now() - began > budget) break;
    for (const threads of round % 2 === 0 ? candidates : candidates.toReversed()) {
      const start = now();
      decode(threads);
      times.get(threads)?.push(now() - start);
    }
  }
  const trials = [...times].map(([threads, own]) => ({
    threads,
    milliseconds: quantile(own, 0.5),
  }));
  const best = Math.min(...trials.map(({ milliseconds }) => milliseconds));
  const chosen = trials.find(({ milliseconds }) => milliseconds <= best * (1 + tolerance));
  return { threads: chosen?.threads ?? candidates.at(-1) ?? 1, trials };
}
