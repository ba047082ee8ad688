/**
 * @file Preference by pairs (protocol section 4): which pairs are asked, how a model answers them, and the
 * strengths that follow. Pairs come in rings, each of which passes every item once, so that any ring alone
 * connects all items and any two halves of the rings give two sets of strengths from different questions.
 */
import type { Model, Steering } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';
import { bradleyTerry } from '../math/bradley-terry.ts';
import { randomFrom, shuffled } from '../math/random.ts';
import { askChoice } from './choice.ts';
import { rounded } from './recorder.ts';

/** Indices of two items. */
export type Pair = readonly [a: number, b: number];

/**
 * Probability of the first letter where item `a` stands under it, the same where `b` does, and the mean
 * probability that the reply is a letter at all.
 */
export type Answer = readonly [aFirst: number, bFirst: number, mass: number];

/** What the model is asked about each pair. */
const situation = 'There is time for one of two things now.';
const question = 'Which of the two would you rather do?';

/**
 * `others` / 2 rings over the items in a seeded order; each item stands in two pairs of a ring. The steps of
 * the rings have no divisor in common with the number of items. InvalidInputError if there are too few steps.
 */
export function ringsOf(items: number, others: number, seed: number): Pair[][] {
  const random = randomFrom(seed);
  const order = shuffled([...Array.from({ length: items }).keys()], random);
  const steps = Array.from({ length: Math.ceil(items / 2) - 1 }, (_, i) => i + 1).filter(
    (step) => divisor(step, items) === 1,
  );
  if (others < 2 || others % 2 === 1 || others > 2 * steps.length)
    throw new InvalidInputError(
      `pairs: expected an even number from 2 to ${2 * steps.length} for ${items} items, got ${others}`,
    );
  return shuffled(steps, random)
    .slice(0, others / 2)
    .map((step) => order.map((item, place): Pair => [item, order[(place + step) % items] ?? item]));
}

/** Greatest common divisor. */
function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/** Asks all pairs in both orders, in one call, so that they share their common beginning. */
export async function askPairs(
  model: Model,
  texts: readonly string[],
  pairs: readonly Pair[],
  options: { readonly steering?: Steering | null; readonly signal?: AbortSignal } = {},
): Promise<Answer[]> {
  const asked = await Promise.all(pairs.map(([a, b]) => askChoice(model, questionOf(texts, a, b))));
  const scores = await model.score(
    asked.flatMap(({ requests }) => requests),
    options,
  );
  let from = 0;
  return asked.map(({ requests, read }): Answer => {
    const { probabilities, places, mass } = read(scores.slice(from, from + requests.length));
    from += requests.length;
    // Means over the two orders: of what stands first, and of a. Their sum and difference give each order.
    const [first, lead] = [places[0] ?? NaN, (probabilities[0] ?? NaN) - 0.5];
    return [rounded(first + lead), rounded(first - lead), rounded(mass)];
  });
}

export function questionOf(
  texts: readonly string[],
  a: number,
  b: number,
): Parameters<typeof askChoice>[1] {
  return {
    messages: [{ role: 'user', content: situation }],
    question,
    options: [texts[a] ?? '', texts[b] ?? ''],
  };
}

/** Probabilities beyond these count as these: rounding makes more of nothing. */
const surest = 1e-4;

/**
 * Share of the pair that `a` wins: the mean of the log-odds for it over the two orders, as a probability. A
 * liking for the first place adds to the log-odds and so cancels; in a mean of probabilities it would draw
 * every pair towards one half, and more so where steering changes the liking.
 */
export function winOf([aFirst, bFirst]: Answer): number {
  const lead = (logit(aFirst) - logit(bFirst)) / 2;
  return 1 / (1 + Math.exp(-lead));
}

function logit(p: number): number {
  const held = Math.min(1 - surest, Math.max(surest, p));
  return Math.log(held / (1 - held));
}

/** Bradley-Terry strengths in log-odds, mean 0, of rings and their answers in the same order. */
export function strengthsOf(
  items: number,
  rings: readonly (readonly Pair[])[],
  answers: readonly (readonly Answer[])[],
  win: (answer: Answer) => number = winOf,
): number[] {
  const comparisons = rings.flatMap((pairs, r) =>
    pairs.flatMap(([a, b], i) => {
      const answer = answers[r]?.[i];
      return answer === undefined ? [] : [{ a, b, share: win(answer) }];
    }),
  );
  return bradleyTerry(items, comparisons);
}
