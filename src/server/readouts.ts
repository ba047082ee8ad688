/** @file Which directions a reply or text is read on, and how a row of readings becomes named numbers. */
import type { Probe } from '../engine/engine.ts';
import { NotFoundError } from '../errors.ts';
import { centreAndSpread } from '../vectors/calibration.ts';
import { makeProbe, replySpread, type VectorPack } from '../vectors/pack.ts';

interface WantedReadouts {
  /** Emotions that are reported. */
  readonly shown: readonly string[];
  /** Emotions that are only watched. */
  readonly others: readonly string[];
  /** How many of the strongest of all emotions are reported. */
  readonly top: number;
  /** @default pack.bestLayer */
  readonly layer?: number;
}

export interface Readouts {
  readonly probe: Probe;
  /** Emotion of each direction of the probe. */
  readonly names: readonly string[];
  /** Emotion to reading, of the shown ones. */
  readonly read: (row: Float32Array) => Record<string, number>;
  /** The strongest with their distance from neutral text in standard deviations; undefined if none are wanted. */
  readonly rank: (row: Float32Array) => [string, number][] | undefined;
  /** One reading; NaN of an emotion that is not read. */
  readonly readingOf: (row: Float32Array, emotion: string) => number;
}

export type ReadoutPlanner = (wanted: WantedReadouts) => Readouts;

/** Probes kept, so that requests alike share one; a probe of all emotions holds about 1.4 MB. */
const keptProbes = 16;

/** Makes plans for one pack. A plan throws NotFoundError for an emotion that the pack lacks. */
export function createReadoutPlanner(pack: VectorPack): ReadoutPlanner {
  const probes = new Map<string, Probe>();
  const probeOf = (names: readonly string[], layer: number): Probe => {
    const key = `${layer} ${names.join(' ')}`;
    const known = probes.get(key);
    const probe = known ?? makeProbe(pack, names, layer);
    probes.delete(key);
    probes.set(key, probe);
    const [oldest] = probes.keys();
    if (probes.size > keptProbes && oldest !== undefined) probes.delete(oldest);
    return probe;
  };
  return ({ shown, others, top, layer = pack.bestLayer }) => {
    for (const name of [...shown, ...others])
      if (!pack.emotions.includes(name)) throw new NotFoundError('emotion', name, pack.emotions);
    const wanted = new Set([...shown, ...others]);
    // In the pack's order, so that requests for the same emotions share the engine's cache.
    const names = top > 0 ? pack.emotions : pack.emotions.filter((name) => wanted.has(name));
    const columns = shown.map((name) => [name, names.indexOf(name)] as const);
    const scales = top > 0 ? names.map((name) => scaleOf(pack, name, layer)) : [];
    return {
      probe: probeOf(names, layer),
      names,
      read: (row) =>
        Object.fromEntries(columns.map(([name, k]) => [name, rounded(row[k] ?? Number.NaN)])),
      rank: (row) => {
        if (top === 0) return undefined;
        return scales
          .map(({ median, spread }, k): [string, number] => [
            names[k] ?? '',
            ((row[k] ?? Number.NaN) - median) / spread,
          ])
          .filter(([, z]) => Number.isFinite(z))
          .toSorted(([, a], [, b]) => b - a)
          .slice(0, top)
          .map(([name, z]) => [name, Math.round(z * 100) / 100]);
      },
      readingOf: (row, emotion) => row[names.indexOf(emotion)] ?? Number.NaN,
    };
  };
}

/** The calibration holds at the pack's best layer; elsewhere the spread before replies stands in. */
function scaleOf(
  pack: VectorPack,
  emotion: string,
  layer: number,
): { median: number; spread: number } {
  return layer === pack.bestLayer
    ? centreAndSpread(pack, emotion)
    : { median: 0, spread: replySpread(pack, emotion, layer) };
}

/** To five decimals: finer digits are noise of the quantisation and double the bytes on the wire. */
export function rounded(value: number): number {
  return Math.round(value * 1e5) / 1e5;
}
