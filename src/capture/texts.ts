/** @file The two sides of a contrast: loads them, and pools each text's residuals at all layers. */
import { z } from 'zod';

import type { Captured, Model } from '../engine/engine.ts';
import { InvalidInputError, shown } from '../errors.ts';
import { readJsonLines, readText } from '../formats/jsonl.ts';
import { quantile } from '../math/stats.ts';
import { tablesOf } from './neutral.ts';
import { defaultFrom } from './stories.ts';

const textSchema = z.object({
  text: z.string().trim().min(1),
  pair: z
    .union([z.string().min(1), z.number()])
    .transform(String)
    .optional(),
});
type ContrastText = z.infer<typeof textSchema>;

export interface Contrast {
  readonly positives: readonly ContrastText[];
  readonly negatives: readonly ContrastText[];
  /** Every text has its pair: positive i and negative i belong together. */
  readonly paired: boolean;
}

/** Fewest texts on each side: with fewer no interval says anything. */
export const fewestTexts = 8;
/** Texts shorter than so many tokens hardly reach past defaultFrom; they are pooled from shortFrom. */
const shortTokens = 30;
/** The first position is an attention sink and says nothing of the text. */
const shortFrom = 1;
/** A text whose mean norm is so many times the median holds a second attention sink, which drowns all else. */
const sinkRatio = 3;
/** Texts in one call to the engine: enough to fill batches, few enough that the bar moves. */
const chunkSize = 32;

/**
 * Reads both sides: a text a line, or JSONL of {text, pair} where the file's name ends with .jsonl or its
 * first line begins with {. Texts with pairs are brought into the order of the positives. InvalidInputError
 * on fewer than 8 texts, a text that stands twice, or pairs that are not complete.
 * @param isPaired line i of one file belongs to line i of the other, whatever their pairs
 */
export function loadContrast(positive: string, negative: string, isPaired = false): Contrast {
  const [positives, negatives] = [loadSide(positive), loadSide(negative)];
  refuseRepeats([...positives, ...negatives], `${positive} and ${negative}`);
  if (isPaired) {
    if (positives.length !== negatives.length)
      throw new InvalidInputError(
        `${negative}: expected ${positives.length} texts, as many as in ${positive}, got ${negatives.length}`,
        { hint: 'without --paired the numbers may differ' },
      );
    const number = ({ text }: ContrastText, i: number): ContrastText => ({
      text,
      pair: `${i + 1}`,
    });
    return { positives: positives.map(number), negatives: negatives.map(number), paired: true };
  }
  const withPair = [...positives, ...negatives].filter(({ pair }) => pair !== undefined).length;
  if (withPair === 0) return { positives, negatives, paired: false };
  const all = positives.length + negatives.length;
  if (withPair < all)
    throw new InvalidInputError(
      `${positive} and ${negative}: expected a pair on every line or on none, got ${withPair} of ${all}`,
      { hint: 'add the missing pairs, or take all of them away' },
    );
  const byPair = pairsOf(negatives, negative);
  const wanted = pairsOf(positives, positive);
  const lonely =
    [...wanted.keys()].find((pair) => !byPair.has(pair)) ??
    [...byPair.keys()].find((pair) => !wanted.has(pair));
  if (lonely !== undefined)
    throw new InvalidInputError(
      `${wanted.has(lonely) ? negative : positive}: expected a text of pair ${shown(lonely)}, as in the other file, got none`,
      { hint: 'add it, or remove its partner' },
    );
  return {
    positives,
    negatives: [...wanted.keys()].flatMap((pair) => byPair.get(pair) ?? []),
    paired: true,
  };
}

function loadSide(path: string): ContrastText[] {
  const content = readText(path);
  if (content.includes('\0'))
    throw new InvalidInputError(`${path}: expected a text file, got one with zero bytes`);
  const lines = content.split('\n').map((line) => line.trim());
  const isJson = path.endsWith('.jsonl') || content.trim().startsWith('{');
  const texts: ContrastText[] = isJson
    ? readJsonLines(path, textSchema)
    : lines.filter((line) => line !== '').map((text) => ({ text }));
  if (texts.length < fewestTexts)
    throw new InvalidInputError(
      `${path}: expected at least ${fewestTexts} texts, one a line, got ${texts.length}`,
      { hint: 'two dozen a side or more give usable intervals' },
    );
  return texts;
}

/** A text on both sides of a fold would be read by itself. */
function refuseRepeats(texts: readonly ContrastText[], where: string): void {
  const seen = new Set<string>();
  for (const { text } of texts) {
    if (seen.has(text))
      throw new InvalidInputError(
        `${where}: expected each text once, got "${shown(text.slice(0, 60))}${text.length > 60 ? '…' : ''}" twice`,
        { hint: 'remove one of them' },
      );
    seen.add(text);
  }
}

function pairsOf(texts: readonly ContrastText[], path: string): Map<string, ContrastText> {
  const result = new Map<string, ContrastText>();
  for (const text of texts) {
    const { pair = '' } = text;
    if (result.has(pair))
      throw new InvalidInputError(`${path}: expected one text of pair ${shown(pair)}, got two`, {
        hint: 'give each pair its own name',
      });
    result.set(pair, text);
  }
  return result;
}

export interface CaptureTextsOptions {
  /** First pooled position; a shorter text is read at its last one. @default defaultFrom, or 1 when most texts have fewer than 30 tokens */
  readonly from?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface PooledTexts {
  /** First pooled position. */
  readonly from: number;
  readonly layers: readonly number[];
  readonly width: number;
  readonly tokenCounts: readonly number[];
  /** One table a layer: [texts, width], row-major, in the order given. */
  readonly means: readonly Float32Array[];
  /** Mean residual norm per layer over the texts, [layers]. */
  readonly norms: Float32Array;
  /** Texts with an attention sink among the pooled positions: a residual far larger than any other. */
  readonly sinks: readonly number[];
}

/** Mean residual of each text from position `from` on, at every layer but the last. InvalidInputError if a text is longer than the context. */
export async function captureTexts(
  model: Model,
  texts: readonly string[],
  options: CaptureTextsOptions = {},
): Promise<PooledTexts> {
  const { blocks, width, contextLength } = model.info;
  const layers = Array.from({ length: blocks - 1 }, (_, layer) => layer);
  const tokens = await Promise.all(texts.map((text) => model.tokenize(text)));
  const tokenCounts = tokens.map(({ length }) => length);
  const tooLong = tokenCounts.findIndex((count) => count > contextLength);
  if (tooLong >= 0)
    throw new InvalidInputError(
      `texts: expected at most ${contextLength} tokens each, got ${tokenCounts[tooLong]} in "${texts[tooLong]?.slice(0, 40)}…"`,
      { hint: 'shorten it, or give a larger --context' },
    );
  const from = options.from ?? (quantile(tokenCounts, 0.5) < shortTokens ? shortFrom : defaultFrom);
  const norms = new Float32Array(layers.length);
  const captured: Captured[] = [];
  for (let start = 0; start < tokens.length; start += chunkSize) {
    const chunk = await model.capture(tokens.slice(start, start + chunkSize), {
      layers,
      pooling: 'mean',
      starts: [from],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    captured.push(...chunk);
    options.onProgress?.(captured.length, tokens.length);
  }
  for (const one of captured)
    for (const slot of layers.keys())
      norms[slot] = (norms[slot] ?? 0) + (one.norms[slot] ?? 0) / captured.length;
  const sinks = textsWithSink(captured);
  const means = tablesOf(captured, layers, width);
  return { from, layers, width, tokenCounts, means, norms, sinks };
}

function textsWithSink(captured: readonly Captured[]): number[] {
  const layers = captured[0]?.norms.length ?? 0;
  const limits = Array.from(
    { length: layers },
    (_, slot) =>
      sinkRatio *
      quantile(
        captured.map(({ norms }) => norms[slot] ?? NaN),
        0.5,
      ),
  );
  return captured.flatMap(({ norms }, i) =>
    limits.some((limit, slot) => (norms[slot] ?? 0) > limit) ? [i] : [],
  );
}
