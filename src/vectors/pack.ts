/** @file The vector pack: emotion vectors of one model in a safetensors file, with where they came from. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';

import { z } from 'zod';

import type { ModelInfo, Probe } from '../engine/engine.ts';
import {
  FormatError,
  InvalidInputError,
  isShowable,
  NotFoundError,
  UnsupportedModelError,
} from '../errors.ts';
import { readTensors, type Tensor, writeTensors } from '../formats/safetensors.ts';
import { jsonRoom, parsePlainJson } from '../formats/stranger-json.ts';
import { dot, unit } from '../math/vector.ts';
import { type Filter, noFilter, readingDirection } from './filter.ts';

export const packVersion = 2;

/**
 * How directions are read unless asked otherwise: the winner of docs/recipe.md. 48 axes keep a pack of the
 * default model below 8 MB.
 */
export const defaultReadout = { kind: 'whitened', shrinkage: 0.7, axes: 48 } as const;

/** Values in a header; those of packs with 171 emotions are below 1,000. */
const headerValues = 100_000;

const areUnique = (list: readonly unknown[]): boolean => new Set(list).size === list.length;
const scoreSchema = z.object({
  layer: z.number().int(),
  /** Leave-one-topic-out accuracy, shares from 0 to 1. */
  top1: z.number(),
  top5: z.number(),
});
const conceptSchema = z.object({
  positives: z.number().int(),
  negatives: z.number().int(),
  /** At the best layer, held out: AUC with its 95 % interval, accuracy, p of the permutation null. */
  auc: z.number(),
  interval: z.array(z.number()).length(2),
  accuracy: z.number(),
  p: z.number(),
  /** AUC of the number of tokens alone. */
  lengthAuc: z.number(),
});
const headerSchema = z
  .object({
    version: z.literal(packVersion),
    fingerprint: z.string(),
    modelName: z.string(),
    /** Of the model's file, whatever the stories ran on. */
    quantisation: z.string(),
    architecture: z.string(),
    blocks: z.number().int().positive(),
    width: z.number().int().positive(),
    layers: z
      .array(z.number().int().nonnegative())
      .min(1)
      .refine(areUnique, 'expected each layer once'),
    emotions: z
      .array(z.string().refine(isShowable, 'expected what can be shown'))
      .min(1)
      .refine(areUnique, 'expected each emotion once'),
    /** The layer with the best held-out accuracy. */
    bestLayer: z.number().int(),
    scores: z.array(scoreSchema),
    stories: z.number().int(),
    topics: z.number().int(),
    corpusHash: z.string(),
    recipe: z.object({
      from: z.number().int(),
      centring: z.literal('grand-mean'),
      readout: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('raw') }),
        z.object({ kind: z.literal('neutral'), share: z.number() }),
        z.object({ kind: z.literal('whitened'), shrinkage: z.number(), axes: z.number().int() }),
      ]),
      weights: z.string(),
    }),
    /** Of the neutral texts that calibration.ts read. */
    calibration: z.object({ texts: z.number().int(), tokens: z.number().int() }).optional(),
    /** In a pack of `limbic concept`, whose only emotion is the concept and whose topics are its pairs. */
    concept: conceptSchema.optional(),
  })
  .refine(({ layers, bestLayer }) => layers.includes(bestLayer), {
    path: ['bestLayer'],
    message: 'expected one of the layers',
  });
type PackHeader = z.infer<typeof headerSchema>;
export type ConceptScore = z.infer<typeof conceptSchema>;
export type LayerScore = z.infer<typeof scoreSchema>;

/** The vectors of one model, with all that reading and steering need; arrays of layers are in the order of `layers`. */
export interface VectorPack extends PackHeader {
  /** One array a layer: [emotions, width], emotion mean minus grand mean, in residual units. */
  readonly vectors: readonly Float32Array[];
  /** One array a layer: [width], the mean over emotion means. */
  readonly centres: readonly Float32Array[];
  /** One array a layer: [width], the mean residual where a reply begins, after neutral messages. */
  readonly replyCentres: readonly Float32Array[];
  /** One array a layer: [emotions], standard deviation of the readings there over neutral messages. */
  readonly replySpreads: readonly Float32Array[];
  /** One filter a layer, for reading; see filter.ts. Steering uses the vectors as they are. */
  readonly filters: readonly Filter[];
  /** Mean residual norm per layer over the pooled story positions, [layers]. */
  readonly norms: Float32Array;
  /** [emotions], mean cosine of the vector at the best layer with bootstrap draws of the topics. */
  readonly stability: Float32Array;
  /** [emotions, calibrationLevels], quantiles of the readings on neutral text; empty if never calibrated. */
  readonly quantiles: Float32Array;
}

/** Shares at which a calibrated pack holds quantiles of the readings. */
export const calibrationLevels = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995];

/** Writes a pack; `F16` halves its size at a relative error of at most 2^-11 a value. */
export function writePack(path: string, pack: VectorPack, precision: 'F16' | 'F32' = 'F16'): void {
  const {
    vectors,
    centres,
    replyCentres,
    replySpreads,
    filters,
    norms,
    stability,
    quantiles,
    ...header
  } = pack;
  const tensors = new Map<string, Tensor>([
    ['norms', { shape: [norms.length], data: norms }],
    ['stability', { shape: [stability.length], data: stability }],
  ]);
  if (quantiles.length > 0) {
    const shape = [pack.emotions.length, calibrationLevels.length];
    tensors.set('quantiles', { shape, data: quantiles });
  }
  for (const [slot, layer] of pack.layers.entries()) {
    const data = vectors[slot];
    const centre = centres[slot];
    const replyCentre = replyCentres[slot];
    const spread = replySpreads[slot];
    const { axes, shrink } = filters[slot] ?? { axes: [], shrink: [] };
    if (!data || !centre || !replyCentre || !spread) continue;
    tensors.set(`layer.${layer}.vectors`, { shape: [pack.emotions.length, pack.width], data });
    tensors.set(`layer.${layer}.centre`, { shape: [pack.width], data: centre });
    tensors.set(`layer.${layer}.reply-centre`, { shape: [pack.width], data: replyCentre });
    tensors.set(`layer.${layer}.reply-spread`, { shape: [spread.length], data: spread });
    const flat = new Float32Array(axes.length * pack.width);
    for (const [k, axis] of axes.entries()) flat.set(axis, k * pack.width);
    tensors.set(`layer.${layer}.axes`, { shape: [axes.length, pack.width], data: flat });
    tensors.set(`layer.${layer}.shrink`, { shape: [axes.length], data: Float32Array.from(shrink) });
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
  // A pack from few texts has no spread.
  const { tensors, metadata } = readTensors(path, (name) => name.endsWith('.reply-spread'));
  const header = parseHeader(path, metadata['limbic']);
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
    replyCentres: header.layers.map((layer) => take(`layer.${layer}.reply-centre`, header.width)),
    replySpreads: header.layers.map((layer) =>
      take(`layer.${layer}.reply-spread`, header.emotions.length),
    ),
    filters: header.layers.map((layer) => {
      const shrink = tensors.get(`layer.${layer}.shrink`)?.data ?? new Float32Array(0);
      const flat = take(`layer.${layer}.axes`, shrink.length * header.width);
      const axes = Array.from(shrink, (_, k) =>
        flat.slice(k * header.width, (k + 1) * header.width),
      );
      return { axes, shrink: [...shrink] };
    }),
    norms: positive(path, take('norms', header.layers.length)),
    stability: take('stability', header.emotions.length),
    quantiles: tensors.has('quantiles')
      ? take('quantiles', header.emotions.length * calibrationLevels.length)
      : new Float32Array(0),
  };
}

/** Readings are shares of these. */
function positive(path: string, norms: Float32Array): Float32Array {
  const bad = norms.findIndex((norm) => !(norm > 0));
  if (bad < 0) return norms;
  throw new FormatError(path, 8, `tensor norms: expected numbers above 0, got ${norms[bad]}`);
}

function parseHeader(path: string, text: string | undefined): PackHeader {
  const room = jsonRoom(headerValues);
  const value = parsePlainJson(text ?? 'null', { path, offset: 8, where: 'limbic: ' }, room);
  const parsed = headerSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { version } = z.object({ version: z.number() }).safeParse(value).data ?? {};
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  const got =
    version === undefined
      ? 'a file without its header'
      : version === packVersion
        ? `a header whose ${field} does not fit`
        : `version ${version}`;
  throw new FormatError(
    path,
    8,
    `expected a limbic vector pack of version ${packVersion}, got ${got}`,
    {
      hint: 'make it anew with: limbic extract',
    },
  );
}

/** Identifies the vectors and how they are read: the best layer with its vectors, filter and zero, 16 hex digits. */
export function packHash(pack: VectorPack): string {
  const slot = slotOf(pack, pack.bestLayer);
  const hash = createHash('sha256').update(`${pack.fingerprint} ${pack.bestLayer}`);
  const parts = [pack.vectors, pack.replyCentres].map((layers) => layers[slot]);
  for (const part of [...parts, ...(pack.filters[slot]?.axes ?? [])])
    if (part !== undefined)
      hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return hash.digest('hex').slice(0, 16);
}

/** Refuses a pack of another model; another quantisation of the same model passes. */
export function assertPackFits(pack: VectorPack, info: ModelInfo): void {
  if (pack.fingerprint === info.fingerprint && pack.width === info.width) return;
  throw new UnsupportedModelError(
    `pack: expected vectors of ${info.name} (${info.architecture}, ${info.blocks} blocks of ${info.width}), got those of ${pack.modelName} (${pack.architecture}, ${pack.blocks} blocks of ${pack.width})`,
    { hint: 'make a pack for this model with: limbic extract --model NAME --out FILE' },
  );
}

/** What to say when a pack was made from another quantisation of the model; null if it was not. */
export function quantisationWarning(pack: VectorPack, info: ModelInfo): string | null {
  if (pack.quantisation === info.quantisation) return null;
  return `the vectors were made from ${pack.modelName} in ${pack.quantisation}, this file is ${info.quantisation}: directions agree closely, but levels may shift`;
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

/** The emotion's vector at a layer, [width], in residual units; NotFoundError lists near names. */
export function emotionVector(pack: VectorPack, emotion: string, layer: number): Float32Array {
  const index = pack.emotions.indexOf(emotion);
  if (index < 0) throw new NotFoundError('emotion', emotion, pack.emotions);
  const vectors = pack.vectors[slotOf(pack, layer)] ?? new Float32Array(0);
  return vectors.slice(index * pack.width, (index + 1) * pack.width);
}

/** The emotion's vector scaled to length 1, [width]: what steering adds. */
export function emotionDirection(pack: VectorPack, emotion: string, layer: number): Float32Array {
  return unit(emotionVector(pack, emotion, layer));
}

/** Mean residual norm at a layer, in residual units. */
export function normAt(pack: VectorPack, layer: number): number {
  return pack.norms[slotOf(pack, layer)] ?? NaN;
}

/**
 * Probe whose readings are projections of the centred residual on emotion directions through the pack's
 * filter, as shares of the mean residual norm (typically -0.2 to 0.2).
 */
export function makeProbe(pack: VectorPack, emotions: readonly string[], layer: number): Probe {
  const made = probesMade.get(pack) ?? new Map<string, Probe>();
  probesMade.set(pack, made);
  const key = JSON.stringify([layer, emotions]);
  const probe =
    made.get(key) ??
    probeOf(
      pack,
      emotions.map((emotion) => emotionVector(pack, emotion, layer)),
      layer,
    );
  // To the end: the first is the one that goes.
  made.delete(key);
  made.set(key, probe);
  for (const oldest of made.keys()) if (made.size > probesKept) made.delete(oldest);
  return probe;
}

/** The same readings are asked for thousands of times, and engines keep what they made of a probe. */
const probesMade = new WeakMap<VectorPack, Map<string, Probe>>();
const probesKept = 256;

/** The same for any vectors [width] of any length, e.g. random ones as a control band. */
export function probeOf(pack: VectorPack, vectors: readonly Float32Array[], layer: number): Probe {
  const slot = slotOf(pack, layer);
  const centre = pack.centres[slot] ?? new Float32Array(pack.width);
  const filter = pack.filters[slot] ?? noFilter;
  const reading = vectors.map((vector) => readingDirection(filter, vector));
  const directions = new Float32Array(vectors.length * pack.width);
  for (const [k, direction] of reading.entries()) directions.set(direction, k * pack.width);
  return {
    layer,
    directions,
    bias: Float32Array.from(reading, (direction) => dot(direction, centre)),
    scale: 1 / normAt(pack, layer),
  };
}

/** Standard deviation of an emotion's readings where a reply begins, over neutral messages. */
export function replySpread(pack: VectorPack, emotion: string, layer: number): number {
  const index = pack.emotions.indexOf(emotion);
  if (index < 0) throw new NotFoundError('emotion', emotion, pack.emotions);
  return pack.replySpreads[slotOf(pack, layer)]?.[index] ?? NaN;
}

/**
 * What a probe reads on average where a reply begins after a neutral message, one value a direction:
 * subtract it from a reading at that place, so that 0 means neutral there.
 */
export function replyBaseline(pack: VectorPack, probe: Probe): Float32Array {
  const centre = pack.replyCentres[slotOf(pack, probe.layer)] ?? new Float32Array(pack.width);
  return probe.bias.map((bias, k) => {
    const direction = probe.directions.subarray(k * pack.width, (k + 1) * pack.width);
    return (dot(direction, centre) - bias) * probe.scale;
  });
}
