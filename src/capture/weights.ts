/**
 * @file Which weights a pass over stories runs on: the file itself, or a Q8_0 copy that the processor
 * computes faster. Decided by measuring both on a few texts, never by the name of the quantisation.
 */
import type { Model } from '../engine/engine.ts';
import { mean } from '../math/stats.ts';
import { addInto, cosine } from '../math/vector.ts';

export interface WeightChoice {
  readonly weights: 'file' | 'q8_0 copy';
  /** Prefill speed of the copy as a multiple of the file's. */
  readonly speedup: number;
  /** Worst layer's mean cosine between the centred residuals of both; 1 is no difference. */
  readonly cosine: number;
}

/** A copy must agree at least so well with the file; our four models lie at .998 or better. */
const leastCosine = 0.99;
/** A copy must be at least so much faster, or the file itself is used. */
const leastSpeedup = 1.15;

/**
 * Reads `texts` (five or more, each longer than `from` tokens) with both models at all layers and says
 * which to use. Centred by the mean over the texts, so that huge constant components hide nothing.
 */
export async function chooseWeights(
  file: Model,
  copy: Model,
  texts: readonly string[],
  options: { from?: number; signal?: AbortSignal } = {},
): Promise<WeightChoice> {
  const own = await timedCapture(file, texts, options);
  const other = await timedCapture(copy, texts, options);
  const agreement = own.layers.map((layer, slot) =>
    mean(cosinesOf(layer, other.layers[slot] ?? [])),
  );
  const worst = Math.min(...agreement);
  const speedup = own.milliseconds / other.milliseconds;
  const isBetter = worst >= leastCosine && speedup >= leastSpeedup;
  return { weights: isBetter ? 'q8_0 copy' : 'file', speedup, cosine: worst };
}

/** Centred rows per layer and the time of the second pass; the first one warms up. */
async function timedCapture(
  model: Model,
  texts: readonly string[],
  { from = 20, signal }: { from?: number; signal?: AbortSignal },
): Promise<{ layers: Float32Array[][]; milliseconds: number }> {
  const { blocks, width } = model.info;
  const layers = Array.from({ length: blocks - 1 }, (_, layer) => layer);
  const tokens = await Promise.all(texts.map((text) => model.tokenize(text)));
  const options = {
    layers,
    pooling: 'mean',
    starts: [from],
    ...(signal ? { signal } : {}),
  } as const;
  await model.capture(tokens.slice(0, 1), options);
  const started = performance.now();
  const captured = await model.capture(tokens, options);
  const milliseconds = performance.now() - started;
  const rows = layers.map((_, slot) =>
    captured.map((one) => one.rows.slice(slot * width, (slot + 1) * width)),
  );
  return { layers: rows.map(centred), milliseconds };
}

function centred(rows: readonly Float32Array[]): Float32Array[] {
  const centre = new Float32Array(rows[0]?.length ?? 0);
  for (const row of rows) addInto(centre, row, 1 / rows.length);
  return rows.map((row) => row.map((value, k) => value - (centre[k] ?? 0)));
}

function cosinesOf(a: readonly Float32Array[], b: readonly Float32Array[]): number[] {
  return a.map((row, i) => cosine(row, b[i] ?? new Float32Array(row.length)));
}
