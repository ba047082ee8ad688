/**
 * @file The numbers of the drift study, from its cells alone: drift with position against the same text near
 * the start, and what is left of an emotional beginning at a distance.
 */
import { fitLine } from '../math/least-squares.ts';
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, deviation, mean, quantile } from '../math/stats.ts';

export const targets = ['desperate', 'afraid', 'happy', 'calm'] as const;
export const arms = ['neutral', ...targets] as const;
export type Arm = (typeof arms)[number];

/** A question with its reply, where it stands in a conversation, and its mean readings. */
export interface Turn {
  /** Index of the neutral dialogue, and of the turn in it. */
  readonly dialogue: number;
  readonly turn: number;
  /** Its middle, in tokens after the opening exchange. */
  readonly at: number;
  readonly tokens: number;
  /** [targets, then random directions] */
  readonly values: readonly number[];
}

/** One conversation in one arm. */
export interface Chain {
  /** Mean readings over the opening exchange. */
  readonly opening: readonly number[];
  readonly turns: readonly Turn[];
}

export interface DriftData {
  /** Each neutral dialogue alone behind one neutral opening. */
  readonly base: readonly Turn[];
  /** [conversations], the same dialogues in the same order in every arm. */
  readonly conversations: readonly Readonly<Record<Arm, Chain>>[];
  readonly random: number;
  readonly seed: number;
}

/** A stretch of a conversation, in tokens after the opening exchange; null is the exchange itself. */
export type Stretch = readonly [from: number, to: number] | null;
export const stretches: readonly Stretch[] = [
  null,
  [0, 200],
  [200, 500],
  [500, 1000],
  [1000, Infinity],
];

export interface Estimate {
  readonly value: number;
  readonly interval: readonly [low: number, high: number];
  /** Conversations. */
  readonly n: number;
  /** 95 % of the random directions. */
  readonly band: readonly [low: number, high: number];
  /** Share of the random directions that are as large by size, the estimate itself among them. */
  readonly p: number;
}

/** Slopes and openings: a verdict asks as many questions, and what comes after an opening only if that counts. */
const questions = 2 * targets.length;

/** `signOf` for a verdict: beyond so many random directions that all its questions are false in 5 % at most. */
export function claimOf(one: Estimate): -1 | 0 | 1 {
  return one.p < 0.05 / questions ? signOf(one) : 0;
}

/** Whether an estimate counts, and its sign: its interval excludes 0 and it lies beyond the random directions. */
export function signOf({ value, interval: [low, high], band }: Estimate): -1 | 0 | 1 {
  if (low > 0 && value > band[1]) return 1;
  if (high < 0 && value < band[0]) return -1;
  return 0;
}

/** Estimate of one direction over the conversations; null values are left out, null if none is left. */
function estimate(
  { random, seed }: DriftData,
  direction: number,
  valuesOf: (direction: number) => readonly (number | null)[],
): Estimate | null {
  const kept = (d: number): number[] => valuesOf(d).filter((value) => value !== null);
  const own = kept(direction);
  if (own.length === 0) return null;
  const others = Array.from({ length: random }, (_, r) => mean(kept(targets.length + r)));
  const value = mean(own);
  const asLarge = others.filter((other) => Math.abs(other) >= Math.abs(value)).length;
  return {
    value,
    interval: bootstrapMean(own, randomFrom(seed + 1)),
    n: own.length,
    band: [quantile(others, 0.025), quantile(others, 0.975)],
    p: (1 + asLarge) / (1 + others.length),
  };
}

/** Standard deviation of each direction's readings over the turns of neutral dialogues near the start. */
function spreadsOf({ base }: DriftData): number[] {
  return (base[0]?.values ?? []).map((_, d) =>
    deviation(base.map(({ values }) => values[d] ?? NaN)),
  );
}

/**
 * Shifts of one conversation's neutral arm: how much higher each turn reads than the same turn near the start,
 * [turns] of {at, values [directions]}, in standard deviations.
 */
function shiftsOf(data: DriftData, { turns }: Chain): { at: number; values: number[] }[] {
  const spreads = spreadsOf(data);
  const nearStart = new Map(data.base.map((turn) => [`${turn.dialogue}.${turn.turn}`, turn]));
  return turns.map(({ dialogue, turn, at, values }) => {
    const before = nearStart.get(`${dialogue}.${turn}`)?.values ?? [];
    return {
      at,
      values: values.map((value, d) => (value - (before[d] ?? NaN)) / (spreads[d] ?? NaN)),
    };
  });
}

/** Change per 1,000 tokens of each target in the neutral arm, in standard deviations over neutral turns. */
export function driftSlopes(data: DriftData): (Estimate | null)[] {
  const shifts = data.conversations.map(({ neutral }) => shiftsOf(data, neutral));
  const slopes = (d: number): number[] =>
    shifts.map(
      (turns) => fitLine(turns.map(({ at, values }) => [at / 1000, values[d] ?? NaN])).slope,
    );
  return targets.map((_, d) => estimate(data, d, slopes));
}

/** Shift of each target by distance, in steps of so many tokens: [steps][targets]. */
export function driftCurve(data: DriftData, step: number): (Estimate | null)[][] {
  const shifts = data.conversations.map(({ neutral }) => shiftsOf(data, neutral));
  const last = Math.max(...shifts.flatMap((turns) => turns.map(({ at }) => at)));
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, k) => {
    const within = (d: number): (number | null)[] =>
      shifts.map((turns) => {
        const inside = turns.filter(({ at }) => Math.floor(at / step) === k);
        return inside.length === 0 ? null : mean(inside.map(({ values }) => values[d] ?? NaN));
      });
    return targets.map((_target, d) => estimate(data, d, within));
  });
}

/** Emotional less neutral beginning at each turn, which has the same text in both: {at, tokens, values}. */
function differencesOf(
  spreads: readonly number[],
  conversation: Readonly<Record<Arm, Chain>>,
  arm: Arm,
): { at: number; tokens: number; values: number[] }[] {
  const { neutral } = conversation;
  return conversation[arm].turns.map(({ at, tokens, values }, i) => ({
    at,
    tokens,
    values: values.map(
      (value, d) => (value - (neutral.turns[i]?.values[d] ?? NaN)) / (spreads[d] ?? NaN),
    ),
  }));
}

/** What a direction (index among the targets) reads more in an arm than in the neutral one, over a stretch. */
export function carryOver(
  data: DriftData,
  arm: Arm,
  direction: number,
  stretch: Stretch,
): Estimate | null {
  const spreads = spreadsOf(data);
  const perConversation = data.conversations.map((conversation) => {
    const turns = differencesOf(spreads, conversation, arm).filter(
      ({ at }) => stretch !== null && at >= stretch[0] && at < stretch[1],
    );
    return { conversation, turns, tokens: turns.reduce((sum, { tokens }) => sum + tokens, 0) };
  });
  return estimate(data, direction, (d) =>
    perConversation.map(({ conversation, turns, tokens }) => {
      if (stretch === null)
        return (
          ((conversation[arm].opening[d] ?? NaN) - (conversation.neutral.opening[d] ?? NaN)) /
          (spreads[d] ?? NaN)
        );
      if (tokens === 0) return null;
      return turns.reduce((sum, turn) => sum + (turn.values[d] ?? NaN) * turn.tokens, 0) / tokens;
    }),
  );
}

export interface HalfLife {
  /** Tokens, at most the length of the longest conversation; null if it does not fall by half in it. */
  readonly value: number | null;
  readonly interval: readonly [low: number, high: number];
  /** Longest distance that was read, in tokens: no half-life above it can be told. */
  readonly limit: number;
  readonly n: number;
}

/** Half-lives that are tried lie so far apart: 5 %, far finer than the interval. */
const halfLifeStep = 1.05;
/** Shortest half-life that turns of some 80 tokens can tell. */
const shortest = 25;

/**
 * Tokens after which the carry-over of an arm's own emotion has halved: the exponential decay that fits the
 * differences of all turns best by least squares, bootstrapped over the conversations.
 */
export function halfLifeOf(data: DriftData, arm: (typeof targets)[number]): HalfLife {
  const d = targets.indexOf(arm);
  const spreads = spreadsOf(data);
  const all = data.conversations.map((conversation) =>
    differencesOf(spreads, conversation, arm).map(({ at, values }) => ({
      at,
      y: values[d] ?? NaN,
    })),
  );
  const limit = Math.max(...all.flat().map(({ at }) => at));
  const count = Math.floor(Math.log(limit / shortest) / Math.log(halfLifeStep)) + 1;
  const grid = Array.from({ length: Math.max(1, count) }, (_, k) => shortest * halfLifeStep ** k);
  // Of y = a w with w = 2^(-at / h) the squares left are yy - yw^2 / ww; sums add up over conversations.
  const sums = all.map((points) =>
    grid.map((h) => {
      let [yw, ww] = [0, 0];
      for (const { at, y } of points) {
        const w = 2 ** (-at / h);
        yw += y * w;
        ww += w * w;
      }
      return { yw, ww };
    }),
  );
  const best = (drawn: readonly number[]): number => {
    let found = { h: limit, explained: 0 };
    for (const [k, h] of grid.entries()) {
      const yw = drawn.reduce((sum, c) => sum + (sums[c]?.[k]?.yw ?? 0), 0);
      const ww = drawn.reduce((sum, c) => sum + (sums[c]?.[k]?.ww ?? 0), 0);
      // A carry-over below 0 is no decay of one above it.
      if (yw > 0 && (yw * yw) / ww > found.explained) found = { h, explained: (yw * yw) / ww };
    }
    return found.h;
  };
  const indices = all.map((_, c) => c);
  const random = randomFrom(data.seed + 2);
  const draws = Array.from({ length: 1000 }, () =>
    best(indices.map(() => Math.floor(random() * all.length))),
  );
  const value = best(indices);
  return {
    value: value >= (grid.at(-1) ?? limit) ? null : value,
    interval: [quantile(draws, 0.025), quantile(draws, 0.975)],
    limit,
    n: all.length,
  };
}
