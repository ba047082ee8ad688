import { mkdtempSync, readFileSync, truncateSync, writeFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { captureReplyRows } from '../capture/neutral.ts';
import { captureStories, loadStories, type StoryMeans } from '../capture/stories.ts';
import type { Model } from '../engine/engine.ts';
import { openToyModel } from '../engine/toy/model.ts';
import { gaussian, randomDirection, randomFrom } from '../math/random.ts';
import { cosine, norm } from '../math/vector.ts';
import {
  buildSteering,
  middleLayers,
  parseDoses,
  randomSteering,
  totalDose,
} from '../steering/steering.ts';
import { buildPack, emotionVectors } from './extract.ts';
import {
  assertPackFits,
  defaultReadout,
  emotionDirection,
  emotionVector,
  loadPack,
  makeProbe,
  normAt,
  type VectorPack,
  writePack,
} from './pack.ts';
import { validateStories } from './validate.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-vectors-'));
const emotions = ['calm', 'afraid', 'proud', 'bored', 'sad', 'glad', 'shy', 'keen'];
const width = 40;

/** Story means with a direction planted for each emotion and another for each topic. */
function planted(strength: number, topics = 6): StoryMeans & { directions: Float32Array[] } {
  const random = randomFrom(9);
  const directions = emotions.map(() => randomDirection(width, random));
  const stories = emotions.flatMap((emotion) =>
    Array.from({ length: topics }, (_, topic) => ({ emotion, topic: String(topic), text: 'x' })),
  );
  const topicDirections = Array.from({ length: topics }, () => randomDirection(width, random));
  const means = new Float32Array(stories.length * width);
  for (const [i, { emotion, topic }] of stories.entries()) {
    for (let k = 0; k < width; k++) {
      means[i * width + k] =
        strength * directions[emotions.indexOf(emotion)]![k]! +
        5 * topicDirections[Number(topic)]![k]! +
        0.05 * gaussian(random);
    }
  }
  return {
    stories,
    layers: [1],
    width,
    means: [means],
    norms: Float32Array.of(10),
    resumed: 0,
    directions,
  };
}

async function toyPack(): Promise<{ model: Model; pack: VectorPack }> {
  const model = openToyModel({ blocks: 6 });
  const stories = ['calm', 'afraid', 'proud'].flatMap((emotion) =>
    ['1', '2', '3'].map((topic) => ({
      emotion,
      topic,
      text: `${emotion.repeat(6)} and number ${topic} of the stories`,
    })),
  );
  const captured = await captureStories(model, stories, { from: 5 });
  const { layers } = await validateStories(captured, { rounds: 2 });
  const replyRows = await captureReplyRows(
    model,
    [
      {
        kind: 'dialogue',
        subject: 'x',
        messages: [
          { role: 'user', content: 'When does it open?' },
          { role: 'assistant', content: 'At nine.' },
        ],
      },
    ],
    { layers: captured.layers },
  );
  const parts = {
    captured,
    scores: layers,
    from: 5,
    readout: defaultReadout,
    weights: 'file',
    quantisation: 'F32',
  };
  return { model, pack: buildPack(model.info, { ...parts, replyRows }) };
}

test('emotionVectors are means minus the mean of means, by hand', () => {
  // Two emotions, two stories each, width 2: means (2,1) and (0,3), centre (1,2).
  const { vectors, centre } = emotionVectors(
    Float32Array.of(1, 0, 3, 2, 0, 2, 0, 4),
    [0, 0, 1, 1],
    2,
    2,
  );
  expect([...centre]).toEqual([1, 2]);
  expect([...vectors]).toEqual([1, -1, -1, 1]);
});

test('validateStories finds planted directions, and nothing where none are planted', async () => {
  const found = await validateStories(planted(1), { rounds: 10 });
  expect(found.top1.value).toBe(1);
  expect(found.permutation.p).toBeCloseTo(1 / 11, 12);
  expect(found.permutation.mean).toBeLessThan(0.3);
  const none = await validateStories(planted(0), { rounds: 10 });
  // Chance is 1 of 8 over 48 stories: three standard deviations are 0.14.
  expect(Math.abs(none.top1.value - 0.125)).toBeLessThan(0.15);
});

test('emotionVectors of planted stories point along the planted directions', () => {
  const { directions, means } = planted(1);
  const labels = emotions.flatMap((_, e) => Array.from({ length: 6 }, () => e));
  const { vectors } = emotionVectors(means[0]!, labels, emotions.length, width);
  for (const [e, direction] of directions.entries())
    expect(cosine(vectors.slice(e * width, (e + 1) * width), direction)).toBeGreaterThan(0.8);
});

test('loadStories refuses a design that is not crossed', () => {
  const path = join(folder, 's.jsonl');
  const line = (emotion: string, topic: number): string =>
    JSON.stringify({ emotion, topic, text: 'x' });
  writeFileSync(path, [line('a', 1), line('a', 2), line('b', 1)].join('\n'));
  expect(() => loadStories(path)).toThrow(
    /expected every emotion with every topic, got 3 stories for 2 emotions x 2 topics/,
  );
  writeFileSync(path, [line('a', 1), line('a', 1)].join('\n'));
  expect(() => loadStories(path)).toThrow(/expected one story for a on topic 1, got two/);
});

test('the shipped corpus is crossed: 171 emotions with 12 topics', () => {
  const stories = loadStories('data/corpus/stories.jsonl');
  expect(stories).toHaveLength(2052);
  expect(new Set(stories.map(({ emotion }) => emotion)).size).toBe(171);
});

test('captureStories goes on after an interruption and repeats nothing', async () => {
  const inner = openToyModel();
  let captured = 0;
  const counting: Model = {
    ...inner,
    capture: (sequences, options) => (
      (captured += sequences.length),
      inner.capture(sequences, options)
    ),
  };
  const stories = Array.from({ length: 40 }, (_, i) => ({
    emotion: `e${i % 4}`,
    topic: String(Math.floor(i / 4)),
    text: `story number ${i} `.repeat(1 + (i % 3)),
  }));
  const whole = await captureStories(inner, stories);
  const meansPath = join(folder, 'run.means');
  const stop = new AbortController();
  await expect(
    captureStories(counting, stories, {
      meansPath,
      signal: stop.signal,
      onProgress: (done) => done > 0 && stop.abort(),
    }),
  ).rejects.toThrow(/abort/i);
  captured = 0;
  truncateSync(meansPath, statSync(meansPath).size - 10);
  const resumed = await captureStories(counting, stories, { meansPath });
  expect(resumed.resumed).toBe(31);
  expect(captured).toBe(9);
  expect(resumed.means).toEqual(whole.means);
  captured = 0;
  await captureStories(counting, stories, { meansPath });
  expect(captured).toBe(0);
});

test('loadPack gives back what writePack wrote, to half precision', async () => {
  const { pack, model } = await toyPack();
  const path = join(folder, 'toy.safetensors');
  writePack(path, pack);
  const read = loadPack(path);
  const numbers = {
    vectors: 0,
    centres: 0,
    norms: 0,
    replyCentres: 0,
    replySpreads: 0,
    filters: 0,
    stability: 0,
  };
  expect({ ...read, ...numbers }).toEqual({ ...pack, ...numbers });
  for (const [slot, { axes, shrink }] of pack.filters.entries()) {
    expect(read.filters[slot]!.axes).toHaveLength(axes.length);
    for (const [k, value] of shrink.entries())
      expect(read.filters[slot]!.shrink[k]).toBeCloseTo(value, 3);
  }
  for (const [k, vector] of pack.vectors.entries())
    expect(cosine(read.vectors[k]!, vector)).toBeGreaterThan(0.99999);
  assertPackFits(read, model.info);
  expect(() => assertPackFits(read, { ...model.info, fingerprint: 'other' })).toThrow(
    /pack: expected vectors of toy/,
  );
  expect(readFileSync(path).length).toBeLessThan(20_000);
});

test('loadPack of a file that is no pack says what was expected', () => {
  writeFileSync(join(folder, 'no.safetensors'), 'hello');
  expect(() => loadPack(join(folder, 'no.safetensors'))).toThrow(/expected a safetensors file/);
  expect(() => loadPack(join(folder, 'missing'))).toThrow(/pack: expected a file at/);
});

test('makeProbe reads the centred projection as a share of the norm', async () => {
  const { model, pack } = await toyPack();
  const tokens = await model.tokenize('what a quiet evening');
  const layer = pack.layers[2]!;
  const [all] = await model.capture([tokens], { layers: [layer], pooling: 'last' });
  const [readings] = await model.project([tokens], {
    probes: [makeProbe(pack, ['calm', 'afraid'], layer)],
  });
  const vector = emotionVector(pack, 'afraid', layer);
  const { axes, shrink } = pack.filters[2]!;
  // F x and v' F x / sqrt(v' F v) by plain sums, as filter.ts defines them.
  const sum = (a: Float32Array, b: Float32Array): number => a.reduce((s, x, k) => s + x * b[k]!, 0);
  const through = (a: Float32Array, b: Float32Array): number =>
    sum(a, b) - axes.reduce((s, axis, k) => s + shrink[k]! * sum(a, axis) * sum(b, axis), 0);
  const row = all!.rows.map((value, k) => value - pack.centres[2]![k]!);
  const expected = through(vector, row) / Math.sqrt(through(vector, vector)) / normAt(pack, layer);
  expect(readings!.at(-1)).toBeCloseTo(expected, 5);
});

test('buildSteering moves each layer by the dose times its mean norm', async () => {
  const { pack } = await toyPack();
  const steering = buildSteering(pack, [{ emotion: 'afraid', dose: -0.2 }], [2, 3]);
  for (const layer of [2, 3]) {
    expect(norm(steering.vectors.get(layer)!) / normAt(pack, layer)).toBeCloseTo(0.2, 5);
    expect(
      cosine(steering.vectors.get(layer)!, emotionDirection(pack, 'afraid', layer)),
    ).toBeCloseTo(-1, 5);
  }
  expect(totalDose(pack, steering)).toBeCloseTo(0.4, 5);
  expect(totalDose(pack, randomSteering(pack, 0.2, randomFrom(1), [2, 3]))).toBeCloseTo(0.4, 5);
  expect(middleLayers(pack)).toEqual([2, 3, 4]);
  expect(() => buildSteering(pack, [{ emotion: 'afrad', dose: 1 }])).toThrow(
    /nothing is called "afrad"/,
  );
});

test('parseDoses reads doses and refuses everything else', () => {
  expect(parseDoses('desperate=0.05, calm=-0.05')).toEqual([
    { emotion: 'desperate', dose: 0.05 },
    { emotion: 'calm', dose: -0.05 },
  ]);
  for (const bad of ['calm', 'calm=', '=1', 'calm=x', 'calm=9', ''])
    expect(() => parseDoses(bad), bad).toThrow(/expected emotion=dose/);
});
