/** @file The vector pack: emotion vectors of one model in a safetensors file, with where they came from. */
import { existsSync } from 'node:fs';

import { z } from 'zod';

import type { ModelInfo, Probe } from '../engine/engine.ts';
import { FormatError, InvalidInputError, NotFoundError, UnsupportedModelError } from '../errors.ts';
import { readTensors, type Tensor, writeTensors } from '../formats/safetensors.ts';
import { dot, unit } from '../math/vector.ts';

export const packVersion = 1;

const scoreSchema = z.object({
  layer: z.number().int(),
  /** Leave-one-topic-out accuracy, shares from 0 to 1. */
  top1: z.number(),
  top5: z.number(),
});
const headerSchema = z.object({
  version: z.literal(packVersion),
  fingerprint: z.string(),
  modelName: z.string(),
  architecture: z.string(),
  blocks: z.number().int().positive(),
  width: z.number().int().positive(),
  layers: z.array(z.number().int().nonnegative()).min(1),
  emotions: z.array(z.string()).min(1),
  /** The layer with the best held-out accuracy. */
  bestLayer: z.number().int(),
  scores: z.array(scoreSchema),
  stories: z.number().int(),
  topics: z.number().int(),
  corpusHash: z.string(),
  recipe: z.object({ from: z.number().int(), centring: z.literal('grand-mean') }),
});
type PackHeader = z.infer<typeof headerSchema>;
export type LayerScore = z.infer<typeof scoreSchema>;

export interface VectorPack extends PackHeader {
  /** One array a layer: [emotions, width], emotion mean minus grand mean, in residual units. */
  readonly vectors: readonly Float32Array[];
  /** One array a layer: [width], the mean over emotion means. */
  readonly centres: readonly Float32Array[];
  /** Mean residual norm per layer over the pooled story positions, [layers]. */
  readonly norms: Float32Array;
}

/** Writes a pack; `F16` halves its size at a relative error of at most 2^-11 a value. */
export function writePack(path: string, pack: VectorPack, precision: 'F16' | 'F32' = 'F16'): void {
  const { vectors, centres, norms, ...header } = pack;
  const tensors = new Map<string, Tensor>([['norms', { shape: [norms.length], data: norms }]]);
  for (const [slot, layer] of pack.layers.entries()) {
    const data = vectors[slot];
    const centre = centres[slot];
    if (data === undefined || centre === undefined) continue;
    tensors.set(`layer.${layer}.vectors`, { shape: [pack.emotions.length, pack.width], data });
    tensors.set(`layer.${layer}.centre`, { shape: [pack.width], data: centre });
  }
  writeTensors(path, { tensors, metadata: { limbic: JSON.stringify(header) } }, precision);
}

/** Reads a pack; throws InvalidInputError if there is no file, FormatError if it is no pack. */
export function loadPack(path: string): VectorPack {
  if (!existsSync(path)) {
    throw new InvalidInputError(`pack: expected a file at ${path}, found none`, {
      hint: 'make one with: limbic extract --model NAME --out FILE',
    });
  }
  const { tensors, metadata } = readTensors(path);
  const parsed = headerSchema.safeParse(JSON.parse(metadata['limbic'] ?? 'null'));
  if (!parsed.success) {
    throw new FormatError(path, 8, `expected a limbic vector pack of version ${packVersion}`);
  }
  const header = parsed.data;
  const take = (name: string, length: number): Float32Array => {
    const data = tensors.get(name)?.data;
    if (data?.length !== length) {
      throw new FormatError(
        path,
        8,
        `tensor ${name}: expected ${length} values, got ${data?.length ?? 'none'}`,
      );
    }
    return data;
  };
  return {
    ...header,
    vectors: header.layers.map((layer) =>
      take(`layer.${layer}.vectors`, header.emotions.length * header.width),
    ),
    centres: header.layers.map((layer) => take(`layer.${layer}.centre`, header.width)),
    norms: take('norms', header.layers.length),
  };
}

/** Refuses a pack of another model; another quantisation of the same model passes. */
export function assertPackFits(pack: VectorPack, info: ModelInfo): void {
  if (pack.fingerprint === info.fingerprint && pack.width === info.width) return;
  throw new UnsupportedModelError(
    `pack: expected vectors of ${info.name} (${info.architecture}, ${info.blocks} blocks of ${info.width}), got those of ${pack.modelName} (${pack.architecture}, ${pack.blocks} blocks of ${pack.width})`,
    { hint: 'make a pack for this model with: limbic extract --model NAME --out FILE' },
  );
}

/** Index of a layer in the pack; throws InvalidInputError if the pack lacks it. */
function slotOf(pack: VectorPack, layer: number): number {
  const slot = pack.layers.indexOf(layer);
  if (slot < 0) {
    throw new InvalidInputError(
      `layer: expected one of ${pack.layers[0]} to ${pack.layers.at(-1)}, got ${layer}`,
    );
  }
  return slot;
}

/** The emotion's vector at a layer scaled to length 1, [width]; NotFoundError lists near names. */
export function emotionDirection(pack: VectorPack, emotion: string, layer: number): Float32Array {
  const index = pack.emotions.indexOf(emotion);
  if (index < 0) throw new NotFoundError('emotion', emotion, pack.emotions);
  const vectors = pack.vectors[slotOf(pack, layer)] ?? new Float32Array(0);
  return unit(vectors.subarray(index * pack.width, (index + 1) * pack.width));
}

/** Mean residual norm at a layer, in residual units. */
export function normAt(pack: VectorPack, layer: number): number {
  return pack.norms[slotOf(pack, layer)] ?? NaN;
}

/**
 * Probe whose readings are projections of the centred residual on unit emotion directions, as shares of
 * the mean residual norm (typically -0.3 to 0.3).
 */
export function makeProbe(pack: VectorPack, emotions: readonly string[], layer: number): Probe {
  return probeOf(
    pack,
    emotions.map((emotion) => emotionDirection(pack, emotion, layer)),
    layer,
  );
}

/** The same for any unit directions [width], e.g. random ones as a control band. */
export function probeOf(pack: VectorPack, units: readonly Float32Array[], layer: number): Probe {
  const centre = pack.centres[slotOf(pack, layer)] ?? new Float32Array(pack.width);
  const directions = new Float32Array(units.length * pack.width);
  for (const [k, direction] of units.entries()) directions.set(direction, k * pack.width);
  return {
    layer,
    directions,
    bias: Float32Array.from(units, (direction) => dot(direction, centre)),
    scale: 1 / normAt(pack, layer),
  };
}
