import fc from 'fast-check';
import { expect } from 'vitest';

import { readTensors } from '../../src/formats/safetensors.ts';
import { loadPack } from '../../src/vectors/pack.ts';
import { fuzz } from './harness.ts';
import {
  changes,
  mutated,
  mutatedJson,
  type Change,
  type Part,
  part,
  rareChanges,
} from './mutators.ts';

interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The file's three parts; the header as JSON that `list` has changed, the length before it right for it. */
function layOut(
  entries: readonly Entry[],
  metadata: Readonly<Record<string, string>>,
  isHalf: boolean,
  list: readonly Change[],
): Part[] {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const size = isHalf ? 2 : 4;
  let at = 0;
  for (const { name, shape } of entries) {
    const bytes = shape.reduce((product, side) => product * side, size);
    header[name] = { dtype: isHalf ? 'F16' : 'F32', shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const json = mutatedJson(header, list);
  // 0x3c3c is 1.06 as a half, 0x3c3c3c3c is 0.0115 as a float.
  const words = Array.from({ length: at / size }, () => ({
    bytes: Buffer.alloc(size, 0x3c),
    isNumber: !isHalf,
  }));
  return [part.u64(Buffer.byteLength(json)), part.bytes(json), ...words];
}

const file = fc
  .record({
    entries: fc.array(
      fc.record({
        name: fc.constantFrom('a', 'b', 'c', 'layer.1.vectors', '../d'),
        shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
      }),
      { maxLength: 4 },
    ),
    isHalf: fc.boolean(),
    list: rareChanges,
  })
  .map(({ entries, isHalf, list }) =>
    layOut(
      [...new Map(entries.map((entry) => [entry.name, entry])).values()],
      { format: 'pt' },
      isHalf,
      list,
    ),
  );

const files = fc.tuple(file, file, changes).map(([own, donor, list]) => mutated(own, list, donor));

fuzz('any broken file of tensors', files, {
  name: 'any.safetensors',
  read: (path, size) => {
    const { tensors, metadata } = readTensors(path);
    expect(Object.values(metadata).every((value) => typeof value === 'string')).toBe(true);
    let held = 0;
    for (const { shape, data } of tensors.values()) {
      expect(shape.reduce((product, side) => product * side, 1)).toBe(data.length);
      expect(data.every(Number.isFinite)).toBe(true);
      held += data.length;
    }
    // No byte is read twice.
    expect(held * 2).toBeLessThanOrEqual(size);
  },
});

const packLists = fc.tuple(rareChanges, rareChanges, rareChanges);
const pack = fc
  .record({
    width: fc.integer({ min: 1, max: 4 }),
    layers: fc.uniqueArray(fc.nat(8), { minLength: 1, maxLength: 3 }),
    emotions: fc.uniqueArray(fc.constantFrom('calm', 'sad', 'glad'), {
      minLength: 1,
      maxLength: 3,
    }),
    axes: fc.nat(2),
    isCalibrated: fc.boolean(),
    isHalf: fc.boolean(),
    lists: packLists,
  })
  .map(({ width, layers, emotions, axes, isCalibrated, isHalf, lists: [inner, outer, bytes] }) => {
    const head = {
      version: 2,
      fingerprint: 'f00d',
      modelName: 'toy',
      quantisation: 'F32',
      architecture: 'llama',
      blocks: 9,
      width,
      layers,
      emotions,
      bestLayer: layers[0],
      scores: [{ layer: layers[0], top1: 0.5, top5: 0.9 }],
      stories: 4,
      topics: 2,
      corpusHash: 'c',
      recipe: {
        from: 20,
        centring: 'grand-mean',
        readout: { kind: 'whitened', shrinkage: 0.7, axes },
        weights: 'file',
      },
    };
    const entries = [
      { name: 'norms', shape: [layers.length] },
      { name: 'stability', shape: [emotions.length] },
      ...(isCalibrated ? [{ name: 'quantiles', shape: [emotions.length, 11] }] : []),
      ...layers.flatMap((layer) => [
        { name: `layer.${layer}.vectors`, shape: [emotions.length, width] },
        { name: `layer.${layer}.centre`, shape: [width] },
        { name: `layer.${layer}.reply-centre`, shape: [width] },
        { name: `layer.${layer}.reply-spread`, shape: [emotions.length] },
        { name: `layer.${layer}.axes`, shape: [axes, width] },
        { name: `layer.${layer}.shrink`, shape: [axes] },
      ]),
    ];
    const parts = layOut(entries, { limbic: mutatedJson(head, inner) }, isHalf, outer);
    return mutated(parts, bytes, parts);
  });

fuzz('any broken vector pack', pack, {
  name: 'any-pack.safetensors',
  read: (path, size) => {
    const found = loadPack(path);
    const { layers, emotions, width } = found;
    expect(new Set(layers).size).toBe(layers.length);
    expect(new Set(emotions).size).toBe(emotions.length);
    expect(layers).toContain(found.bestLayer);
    const lists: [readonly Float32Array[], number][] = [
      [found.vectors, emotions.length * width],
      [found.centres, width],
      [found.replyCentres, width],
      [found.replySpreads, emotions.length],
    ];
    for (const [list, length] of lists)
      expect(list.map((data) => data.length)).toEqual(layers.map(() => length));
    expect(found.norms.length).toBe(layers.length);
    expect(found.norms.every((norm) => norm > 0)).toBe(true);
    for (const { axes, shrink } of found.filters) {
      expect(axes.length).toBe(shrink.length);
      expect(axes.every((axis) => axis.length === width && axis.every(Number.isFinite))).toBe(true);
      expect(shrink.every(Number.isFinite)).toBe(true);
    }
    const all = [...lists.flatMap(([list]) => list), found.norms, found.stability, found.quantiles];
    // A spread may be unmeasured, which is NaN.
    const measured = all.filter((data) => !found.replySpreads.includes(data));
    expect(measured.every((data) => data.every(Number.isFinite))).toBe(true);
    expect(found.replySpreads.every((data) => !data.includes(Infinity))).toBe(true);
    expect(all.reduce((sum, { length }) => sum + length, 0) * 2).toBeLessThanOrEqual(size);
  },
});
