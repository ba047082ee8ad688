import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { FormatError } from '../errors.ts';
import { loadPack, type VectorPack, writePack } from './pack.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-pack-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const two = Float32Array.of(1, 2);
const pack: VectorPack = {
  version: 2,
  fingerprint: 'f00d',
  modelName: 'toy',
  quantisation: 'F32',
  architecture: 'llama',
  blocks: 3,
  width: 2,
  layers: [1],
  emotions: ['calm'],
  bestLayer: 1,
  scores: [],
  stories: 1,
  topics: 1,
  corpusHash: 'c',
  recipe: { from: 20, centring: 'grand-mean', readout: { kind: 'raw' }, weights: 'file' },
  vectors: [two],
  centres: [two],
  replyCentres: [two],
  replySpreads: [Float32Array.of(1)],
  filters: [{ axes: [], shrink: [] }],
  norms: Float32Array.of(70_000),
  stability: Float32Array.of(0.5),
  quantiles: new Float32Array(0),
};

test('loadPack gives back a pack whose norm no half holds', () => {
  const path = join(folder, 'good');
  writePack(path, pack);
  expect(loadPack(path)).toEqual(pack);
});

test.each([
  ['a layer twice', { layers: [1, 1] }, /whose layers does not fit/],
  [
    'an emotion twice',
    { emotions: ['calm', 'calm'], vectors: [Float32Array.of(1, 2, 3, 4)] },
    /whose emotions does not fit/,
  ],
  ['a name that moves a cursor', { emotions: ['\u{1b}[2Jcalm'] }, /whose emotions.0 does not fit/],
  ['a best layer that it lacks', { bestLayer: 2 }, /whose bestLayer does not fit/],
  ['a norm of 0', { norms: Float32Array.of(0) }, /norms: expected numbers above 0, got 0/],
  ['an infinite vector', { vectors: [Float32Array.of(1, Infinity)] }, /vectors: expected finite/],
])('loadPack of %s throws FormatError', (_, change, message) => {
  const path = join(folder, 'bad');
  writePack(path, { ...pack, ...change });
  expect(() => loadPack(path)).toThrow(FormatError);
  expect(() => loadPack(path)).toThrow(message);
});
