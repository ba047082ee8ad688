import fc from 'fast-check';
import { expect } from 'vitest';

import { openMeansFile, readMeansHead } from '../../src/capture/means-file.ts';
import { fuzz } from './harness.ts';
import { changes, mutated, mutatedJson, type Part, part } from './mutators.ts';

const file = fc
  .record({
    layers: fc.uniqueArray(fc.nat(20), { minLength: 1, maxLength: 3 }),
    starts: fc.uniqueArray(fc.nat(50), { minLength: 1, maxLength: 2 }),
    width: fc.integer({ min: 1, max: 4 }),
    records: fc.nat(3),
    list: changes,
  })
  .map(({ layers, starts, width, records, list }): Part[] => {
    const head = {
      version: 2,
      fingerprint: 'f',
      name: 'm',
      weights: 'file',
      corpus: 'c',
      width,
      layers,
      starts,
    };
    const values = records * layers.length * starts.length * (width + 1);
    const floats = Array.from({ length: values }, () => ({
      bytes: Buffer.alloc(4, 0x3c),
      isNumber: true,
    }));
    return [part.bytes(mutatedJson(head, list)), part.bytes('\n'), ...floats];
  });
const files = fc.tuple(file, file, changes).map(([own, donor, list]) => mutated(own, list, donor));

fuzz('any broken file of story means', files, {
  name: 'any.means',
  read: (path, size) => {
    const head = readMeansHead(path);
    if (head === null) return;
    const { layers, starts, width } = head;
    for (const list of [layers, starts]) {
      expect(new Set(list).size).toBe(list.length);
      expect(list.every((value) => Number.isSafeInteger(value) && value >= 0)).toBe(true);
    }
    const length = layers.length * starts.length * (width + 1);
    const means = openMeansFile(path, { ...head, layers: layers.slice(0, 1) });
    expect(means.head).toEqual(head);
    const next: number[] = [];
    const count = means.read((index, record) => {
      next.push(index);
      expect(record.length).toBe(length);
      expect(record.every(Number.isFinite)).toBe(true);
    });
    expect(next).toEqual([...Array(count).keys()]);
    expect(count * length * 4).toBeLessThanOrEqual(size);
    // What it gave is still there, and nothing that is no record follows.
    expect(openMeansFile(path, head).read(() => undefined)).toBe(count);
  },
});
