/**
 * @file Words that one corpus uses more than another, because plain ratios put words seen once on top: log-odds
 * ratios under an informative Dirichlet prior, in units of their standard error (Monroe, Colaresi and Quinn, 2008).
 */
import { InvalidInputError } from '../errors.ts';

export interface LogOddsOptions {
  /**
   * Occurrences that the prior is worth in each corpus, spread over the words in proportion to their prior
   * counts. Above 0; the more, the more a word needs to be seen before it stands out.
   */
  readonly strength: number;
  /**
   * Counts that say how common a word is anyway; must have every word of both corpora.
   * @default the counts of both corpora added up
   */
  readonly prior?: ReadonlyMap<string, number>;
}

export interface WordContrast {
  readonly word: string;
  /** Log-odds in standard errors: positive where corpus A uses the word more, negative where B does. */
  readonly z: number;
  /** Natural logarithm of the odds of the word in A over those in B, both with the prior. */
  readonly logOdds: number;
  readonly countA: number;
  readonly countB: number;
}

/**
 * Every word that occurs in either corpus, from the most typical of A to the most typical of B; equal z by code
 * units. Words that only the prior has are left out, so two empty corpora give an empty list. The z take words as
 * independent draws, which words of one text are not: they order words and test nothing. InvalidInputError for a
 * strength that is not a number above 0, for a count that is no whole number from 0, for a prior with fewer than
 * two words, where there are no odds, and for a word that the prior lacks.
 */
export function logOddsOf(
  a: ReadonlyMap<string, number>,
  b: ReadonlyMap<string, number>,
  { strength, prior = pooled(a, b) }: LogOddsOptions,
): WordContrast[] {
  if (!(strength > 0 && Number.isFinite(strength)))
    throw new InvalidInputError(`logOddsOf: expected a strength above 0, got ${strength}`);
  const [totalA, totalB, totalPrior] = [totalOf(a), totalOf(b), totalOf(prior)];
  const words = [...pooled(a, b)].filter(([, count]) => count > 0).map(([word]) => word);
  const usable = [...prior.values()].filter((count) => count > 0).length;
  if (words.length > 0 && usable < 2)
    throw new InvalidInputError(`logOddsOf: expected a prior of two words or more, got ${usable}`);
  return words
    .map((word) => {
      const [countA, countB] = [a.get(word) ?? 0, b.get(word) ?? 0];
      const pseudo = (strength * (prior.get(word) ?? 0)) / totalPrior;
      if (pseudo === 0)
        throw new InvalidInputError(`logOddsOf: expected a prior count for "${word}", got none`, {
          hint: 'add the words of both corpora to the prior',
        });
      const [withA, withB] = [countA + pseudo, countB + pseudo];
      const logOdds =
        Math.log(withA / (totalA + strength - withA)) -
        Math.log(withB / (totalB + strength - withB));
      return { word, z: logOdds / Math.sqrt(1 / withA + 1 / withB), logOdds, countA, countB };
    })
    .toSorted((x, y) => y.z - x.z || (x.word < y.word ? -1 : 1));
}

/**
 * How often each word occurs in all texts together. A word is a run of letters and their marks in lower case and
 * composed form; apostrophes within it stay, as ' whichever way they are typed, and those at its ends go, as they
 * may be quotes. Anything else, digits too, parts words.
 */
export function countWords(texts: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) {
    const plain = text.toLowerCase().normalize('NFC').replaceAll(/[’ʼ]/gu, "'");
    for (const [word] of plain.matchAll(/\p{L}[\p{L}\p{M}]*(?:'\p{L}[\p{L}\p{M}]*)*/gu))
      counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return counts;
}

function pooled(
  a: ReadonlyMap<string, number>,
  b: ReadonlyMap<string, number>,
): Map<string, number> {
  const sum = new Map(a);
  for (const [word, count] of b) sum.set(word, (sum.get(word) ?? 0) + count);
  return sum;
}

function totalOf(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const [word, count] of counts) {
    if (!(Number.isSafeInteger(count) && count >= 0))
      throw new InvalidInputError(
        `logOddsOf: expected a whole number from 0 as count of "${word}", got ${count}`,
      );
    total += count;
  }
  return total;
}
