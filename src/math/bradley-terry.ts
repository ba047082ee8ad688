/**
 * @file Strengths of items from comparisons in pairs (Bradley and Terry, 1952): the log-odds that one wins
 * against another is the difference of their strengths. Maximum of the posterior by minorisation and
 * maximisation (Hunter, 2004), each round of which raises it. There are no standard errors: a probability
 * counts as a share of one win, which is no sample; intervals are for a bootstrap over the items.
 */
import { InvalidInputError } from '../errors.ts';

export interface Comparison {
  /** Indices of two different items. */
  readonly a: number;
  readonly b: number;
  /** What `a` won of this comparison, from 0 to 1; a probability is a soft win. */
  readonly share: number;
}

export interface BradleyTerryOptions {
  /**
   * Comparisons that each item gets besides, spread evenly over all others and half won. Above 0; keeps the
   * strength of an item that always wins finite, and ties together items that were never compared.
   * @default defaultPrior
   */
  readonly prior?: number;
}

/** A tenth of one comparison: of two items that met 12 times, it draws the share of wins to .5 by 1 %. */
const defaultPrior = 0.1;
/** Largest change of a strength in a round, in log-odds, at which the strengths have settled. */
const tolerance = 1e-10;
/** One ring of 64 items with strengths from -4 to 4, the slowest design in use, takes 1,400. */
const roundLimit = 20_000;

/**
 * One strength an item in log-odds, with mean 0. Throws InvalidInputError for an index, a share or a prior out
 * of range, and where the strengths do not settle within 20,000 rounds, as without enough of a prior.
 */
export function bradleyTerry(
  items: number,
  comparisons: readonly Comparison[],
  { prior = defaultPrior }: BradleyTerryOptions = {},
): number[] {
  assertSound(items, comparisons, prior);
  if (items === 1) return [0];
  // [items][items]: how often two met.
  const met = Array.from({ length: items }, (_, i) =>
    Float64Array.from({ length: items }, (__, j) => (i === j ? 0 : prior / (items - 1))),
  );
  const wins = Array.from({ length: items }, () => prior / 2);
  for (const { a, b, share } of comparisons) {
    met[a]![b]! += 1;
    met[b]![a]! += 1;
    wins[a]! += share;
    wins[b]! += 1 - share;
  }
  let strengths = wins.map(() => 0);
  let change = Infinity;
  for (let round = 0; round < roundLimit; round++) {
    const worths = strengths.map(Math.exp);
    const next = centred(
      wins.map((won, i) => {
        const rate = met[i]!.reduce((sum, times, j) => sum + times / (worths[i]! + worths[j]!), 0);
        return Math.log(won / rate);
      }),
    );
    change = Math.max(...next.map((strength, i) => Math.abs(strength - strengths[i]!)));
    strengths = next;
    if (change < tolerance) return strengths;
  }
  throw new InvalidInputError(
    `bradley-terry: expected strengths to settle within ${roundLimit} rounds, got a change of ${change.toPrecision(2)} in the last with a prior of ${prior}`,
    { hint: `a larger prior (${defaultPrior} by default) settles items that win or lose always` },
  );
}

function centred(strengths: readonly number[]): number[] {
  const centre = strengths.reduce((sum, value) => sum + value, 0) / strengths.length;
  return strengths.map((value) => value - centre);
}

function assertSound(items: number, comparisons: readonly Comparison[], prior: number): void {
  const isItem = (index: number): boolean => Number.isInteger(index) && index >= 0 && index < items;
  if (!(items >= 1 && prior > 0 && Number.isFinite(prior)))
    throw new InvalidInputError(
      `bradley-terry: expected at least one item and a prior above 0, got ${items} and ${prior}`,
    );
  for (const { a, b, share } of comparisons) {
    if (!isItem(a) || !isItem(b) || a === b)
      throw new InvalidInputError(
        `bradley-terry: expected two different items from 0 to ${items - 1}, got ${a} and ${b}`,
      );
    if (!(share >= 0 && share <= 1))
      throw new InvalidInputError(
        `bradley-terry: expected a share of the win from 0 to 1, got ${share}`,
      );
  }
}
