import { expect, test } from 'vitest';

import { renderExplorer } from '../charts/explorer.ts';
import { gaussian, randomDirection, randomFrom } from '../math/random.ts';
import { addInto, cosine } from '../math/vector.ts';
import { buildAtlas } from './atlas.ts';
import { designOf } from './held-out.ts';
import { emotionVector, packVersion, type VectorPack } from './pack.ts';
import { directionStability } from './stability.ts';

const width = 30;
const pleasant = ['glad', 'merry', 'jolly', 'sunny', 'cheery', 'bright'];
const unpleasant = ['sad', 'grim', 'bleak', 'low', 'down', 'dull'];
const emotions = [...pleasant, ...unpleasant];

/** Two bundles of vectors along opposite ends of one axis, with some noise; layer 1 is a noisier layer 0. */
function bundles(seed: number, modelName = 'planted'): VectorPack {
  const axis = randomDirection(width, randomFrom(1));
  const random = randomFrom(seed);
  const layer = (noise: number): Float32Array => {
    const vectors = new Float32Array(emotions.length * width);
    for (const [e, emotion] of emotions.entries()) {
      const row = vectors.subarray(e * width, (e + 1) * width);
      for (let k = 0; k < width; k++) row[k] = noise * gaussian(random);
      addInto(row, axis, pleasant.includes(emotion) ? 2 : -2);
    }
    return vectors;
  };
  return {
    version: packVersion,
    fingerprint: 'f',
    modelName,
    quantisation: 'F32',
    architecture: 'toy',
    blocks: 4,
    width,
    layers: [0, 1],
    emotions,
    bestLayer: 0,
    scores: [],
    stories: 0,
    topics: 0,
    corpusHash: '',
    recipe: { from: 0, centring: 'grand-mean', readout: { kind: 'raw' }, weights: 'file' },
    vectors: [layer(0.1), layer(0.2)],
    centres: [],
    replyCentres: [],
    replySpreads: [],
    filters: [],
    norms: Float32Array.of(1, 1),
    stability: new Float32Array(emotions.length).fill(1),
    quantiles: new Float32Array(0),
  };
}

test('buildAtlas groups, orders and fits planted bundles', () => {
  const pack = bundles(2);
  const ratings = new Map([
    ...pleasant.map((e) => [e, 2] as const),
    ...unpleasant.map((e) => [e, -2] as const),
  ]);
  const paperClusters = new Map(emotions.map((e) => [e, pleasant.includes(e) ? 'up' : 'down']));
  const atlas = buildAtlas(pack, {
    norms: [{ name: 'valence', ratings }],
    paperClusters,
    clusters: 2,
  });
  // By chance the neighbour is one of the 5 of 11 others that share the cluster.
  expect(atlas.clusters).toEqual({
    k: 2,
    adjustedRand: 1,
    sharedNeighbours: { value: 1, chance: 5 / 11 },
  });
  expect(new Set(atlas.emotions.slice(0, 6).map(({ cluster }) => cluster)).size).toBe(1);
  expect(atlas.variance[0]).toBeGreaterThan(0.8);
  // Pleasant emotions lie to the right by convention, whatever sign the component had.
  expect(atlas.fits[0]!.r).toBeGreaterThan(0.98);
  expect(atlas.fits[0]!.interval[0]).toBeGreaterThan(0.9);
  expect(atlas.fits[0]!.n).toBe(12);
  const glad = atlas.emotions.find(({ emotion }) => emotion === 'glad')!;
  expect(pleasant).toContain(glad.nearest[0]!.emotion);
  expect(unpleasant).toContain(glad.farthest[0]!.emotion);
  const [row, column] = ['glad', 'sad'].map((e) =>
    atlas.emotions.findIndex(({ emotion }) => emotion === e),
  );
  expect(atlas.cosines[row!]![column!]).toBeCloseTo(
    cosine(emotionVector(pack, 'glad', 0), emotionVector(pack, 'sad', 0)),
    5,
  );
  expect(atlas.layers.similarity[0]![0]).toBeCloseTo(1, 6);
});

test('buildAtlas finds the geometry of another model alike where it is, and refuses too few shared emotions', () => {
  const other = bundles(77, 'other');
  const [same] = buildAtlas(bundles(2), { others: [other] }).models;
  expect(same!.r).toBeGreaterThan(0.95);
  expect(same!.n).toBe(12);
  const strange: VectorPack = { ...bundles(5, 'mixed'), emotions: emotions.map((_, i) => `x${i}`) };
  expect(() => buildAtlas(bundles(2), { others: [strange] })).toThrow(
    'at least 4 emotions in common, got 0 in mixed',
  );
});

test('directionStability is 1 where all topics agree and low where only noise is', () => {
  const random = randomFrom(6);
  const directions = emotions.map(() => randomDirection(width, random));
  const stories = emotions.flatMap((emotion) =>
    Array.from({ length: 8 }, (_, t) => ({ emotion, topic: String(t), text: 'x' })),
  );
  const design = designOf({ stories, width });
  const table = (signal: number, noise: number): Float32Array => {
    const rows = new Float32Array(stories.length * width);
    for (const [i, { emotion }] of stories.entries()) {
      const row = rows.subarray(i * width, (i + 1) * width);
      for (let k = 0; k < width; k++) row[k] = noise * gaussian(random);
      addInto(row, directions[emotions.indexOf(emotion)]!, signal);
    }
    return rows;
  };
  for (const value of directionStability(table(1, 0), design)) expect(value).toBeCloseTo(1, 4);
  const noise = directionStability(table(0, 1), design);
  // A draw shares all its topics with the whole, in other weights: sums of 8 with weights of variance 7/8 give 1/sqrt(2).
  for (const value of noise) expect(Math.abs(value - Math.SQRT1_2)).toBeLessThan(0.15);
});

test('renderExplorer escapes names and texts for HTML and for the script element', () => {
  const html = renderExplorer({
    points: [
      {
        name: '<b>',
        group: 0,
        x: 0,
        y: 0,
        details: [['a', '</script><img>']],
        near: [],
        texts: ['<i>'],
      },
    ],
    groups: ['<u>'],
    matrix: [[1]],
    xLabel: 'x',
    yLabel: 'y',
  });
  expect(html).not.toMatch(/<(b|i|u|img)>/);
  expect(html.match(/<\/script>/g)).toHaveLength(2);
});
