/**
 * @file How readings spread on neutral everyday text: the scale on which a reading is shown (standard
 * deviations above such text) and the percentiles that thresholds name. Readings of different emotions
 * have different levels and spreads, so a threshold in plain units would fire for one and never for
 * another.
 */
import type { NeutralText } from '../capture/neutral.ts';
import { chatTokens } from '../engine/chat-template.ts';
import type { Model } from '../engine/engine.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { quantile } from '../math/stats.ts';
import { calibrationLevels, makeProbe, replySpread, type VectorPack } from './pack.ts';

/** Positions left out at the beginning of each text, where the residual stream is far from typical. */
const skipped = 10;
/** Distance of the 10th and 90th percentile of a normal distribution, in standard deviations. */
const deciles = 2.5631;

/** Reads every position of the texts at the pack's best layer and returns the pack with its quantiles. */
export async function calibrate(
  model: Model,
  pack: VectorPack,
  texts: readonly NeutralText[],
  options: { signal?: AbortSignal; onProgress?: (done: number) => void } = {},
): Promise<VectorPack> {
  const sequences = await Promise.all(
    texts.map((text) =>
      text.kind === 'passage' ? model.tokenize(text.text) : chatTokens(model, text.messages),
    ),
  );
  const probes = [makeProbe(pack, pack.emotions, pack.bestLayer)];
  const readings = await model.project(sequences, { probes, ...options });
  const count = pack.emotions.length;
  const rows = readings.flatMap((values) => {
    const positions = values.length / count;
    return Array.from({ length: Math.max(0, positions - skipped) }, (_, i) =>
      values.subarray((i + skipped) * count, (i + skipped + 1) * count),
    );
  });
  const quantiles = new Float32Array(count * calibrationLevels.length);
  for (let e = 0; e < count; e++) {
    const values = rows.map((row) => row[e] ?? NaN).toSorted((a, b) => a - b);
    for (const [k, level] of calibrationLevels.entries())
      quantiles[e * calibrationLevels.length + k] = quantile(values, level);
  }
  return { ...pack, calibration: { texts: texts.length, tokens: rows.length }, quantiles };
}

/** Median and robust standard deviation of an emotion's readings on neutral text. */
export function centreAndSpread(
  pack: VectorPack,
  emotion: string,
): { median: number; spread: number } {
  if (pack.quantiles.length === 0)
    return { median: 0, spread: replySpread(pack, emotion, pack.bestLayer) };
  const at = (share: number): number => percentileAt(pack, emotion, share);
  return { median: at(0.5), spread: (at(0.9) - at(0.1)) / deciles };
}

/** The same for several emotions, by name. */
export function scaleOf(
  pack: VectorPack,
  emotions: readonly string[],
): Record<string, { median: number; spread: number }> {
  return Object.fromEntries(emotions.map((name) => [name, centreAndSpread(pack, name)]));
}

/**
 * The reading below which a share of the neutral positions lies, between the stored quantiles by
 * interpolation. Throws InvalidInputError for a pack that was never calibrated, or a share beyond the
 * stored ones.
 */
export function percentileAt(pack: VectorPack, emotion: string, share: number): number {
  const row = pack.emotions.indexOf(emotion);
  if (row < 0) throw new NotFoundError('emotion', emotion, pack.emotions);
  if (pack.quantiles.length === 0)
    throw new InvalidInputError(
      `percentile: expected a calibrated pack, got ${pack.modelName} without quantiles`,
      { hint: 'run: limbic calibrate' },
    );
  const [first = 0, last = 1] = [calibrationLevels[0], calibrationLevels.at(-1)];
  if (!(share >= first && share <= last))
    throw new InvalidInputError(
      `percentile: expected one from ${first * 100} to ${last * 100}, got ${share * 100}`,
    );
  const valueAt = (k: number): number => pack.quantiles[row * calibrationLevels.length + k] ?? NaN;
  const upper = calibrationLevels.findIndex((level) => level >= share);
  const high = calibrationLevels[upper] ?? 1;
  const low = calibrationLevels[upper - 1] ?? high;
  if (high === low) return valueAt(upper);
  const weight = (share - low) / (high - low);
  return valueAt(upper - 1) * (1 - weight) + valueAt(upper) * weight;
}
