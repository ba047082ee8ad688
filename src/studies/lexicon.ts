/**
 * @file Words of frustration and distress, counted: a baseline beside the judge that costs nothing, always says
 * the same, and understands nothing (it can't tell the speaker's own distress from somebody else's).
 */
import { z } from 'zod';

import { InvalidInputError } from '../errors.ts';

const lexiconSchema = z.record(
  z.string(),
  z.record(z.string().min(1), z.number().int().min(1).max(3)),
);

export interface Lexicon {
  /** Sum of the weights of all phrases that occur, each as often as it does; from 0. */
  score(text: string): number;
}

/**
 * Reads a lexicon: groups of phrases in lower case, each with a weight from 1 to 3. Throws InvalidInputError for
 * anything else.
 */
export function parseLexicon(json: string): Lexicon {
  const parsed = lexiconSchema.safeParse(valueOf(json));
  if (!parsed.success)
    throw new InvalidInputError(`lexicon: ${parsed.error.issues[0]?.message ?? 'does not fit'}`);
  const weights = new Map(Object.values(parsed.data).flatMap((group) => Object.entries(group)));
  // Longest first, so that "so frustrated" is not counted as "frustrated" too.
  const phrases = [...weights.keys()].toSorted((a, b) => b.length - a.length);
  const pattern = new RegExp(
    `(?<![\\p{L}'])(?:${phrases.map((phrase) => escaped(phrase)).join('|')})(?![\\p{L}])`,
    'gu',
  );
  return {
    score: (text) =>
      text
        .toLowerCase()
        .replaceAll('’', "'")
        .replaceAll(/\s+/g, ' ')
        .match(pattern)
        ?.reduce((sum, phrase) => sum + (weights.get(phrase) ?? 0), 0) ?? 0,
  };
}

function valueOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new InvalidInputError('lexicon: expected JSON, got other text', { cause });
  }
}

function escaped(phrase: string): string {
  return phrase.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}
