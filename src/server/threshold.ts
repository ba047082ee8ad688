/** @file Thresholds as people write them, `0.12` or `p95`, to readings. */
import type { RuleThreshold } from '../steering/monitor.ts';
import { percentileAt } from '../vectors/calibration.ts';
import type { VectorPack } from '../vectors/pack.ts';

/** The reading that a threshold means; throws InvalidInputError for a percentile of a pack without calibration. */
export function thresholdOf(pack: VectorPack, emotion: string, threshold: RuleThreshold): number {
  return threshold.kind === 'reading'
    ? threshold.value
    : percentileAt(pack, emotion, threshold.share);
}

/** The same for a field of a request: a number, or `p` and a percentage. */
export function readThreshold(
  pack: VectorPack,
  emotion: string,
  threshold: number | string,
): number {
  return typeof threshold === 'number'
    ? threshold
    : percentileAt(pack, emotion, Number(threshold.slice(1)) / 100);
}
