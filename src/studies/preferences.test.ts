import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { chatTokens } from '../engine/chat-template.ts';
import type { Model } from '../engine/engine.ts';
import { openToyModel } from '../engine/toy/model.ts';
import { gaussian, randomDirection, randomFrom } from '../math/random.ts';
import { deviation, mean } from '../math/stats.ts';
import { dot, norm } from '../math/vector.ts';
import { middleLayers } from '../steering/steering.ts';
import { emotionDirection, makeProbe, type VectorPack } from '../vectors/pack.ts';
import { placesOf, preferencesStudy } from './preferences.ts';
import { createRecorder } from './recorder.ts';
import { activityGroups } from './stimuli.ts';

const noModel = (): never => {
  throw new Error('this study opens no other model');
};

const folder = mkdtempSync(join(tmpdir(), 'limbic-preferences-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const verbs = ['mend', 'count', 'paint', 'fold', 'stack', 'rinse', 'label', 'weigh'];
const things = ['a kite', 'two drums', 'old maps', 'wet tents'];
const activities = verbs.flatMap((verb, v) =>
  things.map((thing, t) => ({
    id: `${v}-${t}`,
    group: activityGroups[v]!,
    text: `${verb} ${thing}`,
  })),
);
const path = join(folder, 'activities.jsonl');
writeFileSync(path, activities.map((one) => JSON.stringify(one)).join('\n'));

const toy = openToyModel({ blocks: 6 });
const emotions = ['blissful', 'hostile', 'calm'];
const pack = ((): VectorPack => {
  const { fingerprint, architecture, blocks, width } = toy.info;
  const draw = randomFrom(4);
  const layers = [...Array.from({ length: blocks }).keys()];
  const each = (length: number): Float32Array[] => layers.map(() => new Float32Array(length));
  return {
    version: 2,
    modelName: 'toy',
    quantisation: 'F32',
    corpusHash: 'none',
    fingerprint,
    architecture,
    blocks,
    width,
    layers,
    emotions,
    bestLayer: 3,
    scores: [],
    stories: 0,
    topics: 0,
    recipe: { from: 5, centring: 'grand-mean', readout: { kind: 'raw' }, weights: 'file' },
    vectors: layers.map(() =>
      Float32Array.from(emotions.flatMap(() => [...randomDirection(width, draw)])),
    ),
    centres: each(width),
    replyCentres: each(width),
    replySpreads: each(emotions.length),
    filters: layers.map(() => ({ axes: [], shrink: [] })),
    norms: new Float32Array(blocks).fill(1),
    stability: new Float32Array(emotions.length).fill(1),
    quantiles: new Float32Array(0),
  };
})();

/** Readings of each activity on one emotion, found here by hand, as standard scores. */
async function readingsOf(emotion: string): Promise<number[]> {
  const probes = [makeProbe(pack, [emotion], pack.bestLayer)];
  const means = await Promise.all(
    activities.map(async ({ text }) => {
      const content = `The next thing on the list is to ${text}.`;
      const tokens = [...(await chatTokens(toy, [{ role: 'user', content }]))];
      const [row] = await toy.project([Int32Array.from(tokens)], { probes });
      // Bytes are tokens.
      const bytes = [...Buffer.from(text)];
      const start = tokens.findIndex((_, i) => bytes.every((byte, k) => tokens[i + k] === byte));
      return mean([...row!.subarray(start, start + bytes.length)]);
    }),
  );
  return means.map((value) => (value - mean(means)) / deviation(means));
}

test('an emotion that is named twice is steered once', () => {
  const cellsOf = (names: string): number =>
    preferencesStudy.plan(preferencesStudy.params.parse({ emotions: names }), lab(toy)).cells;
  expect(cellsOf('calm, sad,calm')).toBe(cellsOf('calm,sad'));
});

interface World {
  /** One an activity. */
  readonly strengths: readonly number[];
  /** What a dose of 1 of calm adds, one an activity. */
  readonly gain: readonly number[];
  /** Spread of what each pair adds for itself, whatever its members are worth. @default 0 */
  readonly whim?: number;
}

/** A number from -1 to 1 that only the two texts tell, and their order turns round. */
function whimOf(a: string, b: string): number {
  const [low = '', high = ''] = [a, b].toSorted();
  const bytes = [...Buffer.from(`${low}/${high}`)];
  const seed = bytes.reduce((hash, byte) => Math.imul(hash, 31) + byte, 7);
  return (a === low ? 1 : -1) * (2 * randomFrom(seed)() - 1);
}

/** The toy, which chooses by our strengths, with a liking for the first place, and feels calm's direction. */
function chooser({ strengths, gain, whim = 0 }: World, calls = { score: 0, project: 0 }): Model {
  const [layer = 0] = middleLayers(pack);
  return {
    ...toy,
    project: async (...given) => {
      calls.project++;
      return toy.project(...given);
    },
    score: async (requests, { steering } = {}) => {
      calls.score++;
      const vector = steering?.vectors.get(layer);
      const axis = emotionDirection(pack, 'calm', layer);
      // Only the vector itself: what a random direction has of it is left out.
      const aligned = vector === undefined ? 0 : dot(vector, axis) / norm(vector);
      const dose = Math.abs(aligned) > 0.99 ? Math.sign(aligned) * norm(vector!) : 0;
      return Promise.all(
        requests.map(async ({ prompt, continuation }) => {
          const text = (await toy.pieces(prompt)).join('');
          const named = ['A', 'B'].map(
            (letter) => new RegExp(`^${letter}: (.*)$`, 'm').exec(text)?.[1] ?? '',
          );
          const own = (whim * whimOf(named[0]!, named[1]!)) / 2;
          const values = named.map((name, place) => {
            const i = activities.findIndex((one) => one.text === name);
            const lead = place === 0 ? 1 + own : -own;
            return Math.exp(strengths[i]! + dose * gain[i]! + lead);
          });
          const [answer = ''] = (await toy.pieces(continuation)).slice(-1);
          return Float32Array.of(
            Math.log(values['AB'.indexOf(answer.trim())]! / (values[0]! + values[1]!)),
          );
        }),
      );
    },
  };
}

const settings = { pairs: 8, steeredPairs: 4, emotions: 'calm', random: 2, dose: 0.1, seed: 1 };
const signal = new AbortController().signal;
const lab = (model: Model) => ({ model, pack, signal, open: noModel, data: () => path });

test('placesOf finds the tokens of the text, also where one holds more than it', () => {
  expect(placesOf(['<s>', 'list: ', 'fold', ' a', ' kite.', '\n'], 'fold a kite')).toEqual([
    2, 3, 4,
  ]);
  expect(placesOf(['', 'fold a kite, ', 'fold a', ' kite'], 'fold a kite')).toEqual([2, 3]);
  expect(placesOf(['fold'], 'mend')).toEqual([]);
});

test('a planted preference and a planted effect of steering are found, and told in words', async () => {
  const [calm, blissful] = [await readingsOf('calm'), await readingsOf('blissful')];
  const draw = randomFrom(2);
  const world = {
    strengths: blissful.map((x) => 0.8 * x + 0.1 * gaussian(draw)),
    gain: calm.map((x) => 4 * x),
  };
  const calls = { score: 0, project: 0 };
  const known = new Map<string, object>();
  const append = (record: object): void => {
    const { key, data } = record as { key: string; data: object };
    known.set(key, data);
  };
  const plan = preferencesStudy.plan(settings, lab(toy));
  const run = (): ReturnType<typeof preferencesStudy.run> =>
    preferencesStudy.run(lab(chooser(world, calls)), settings, createRecorder({ append }, known));
  const result = await run();
  expect(known.size).toBe(plan.cells);
  const measure = (name: string) => result.measures.find((one) => one.name.startsWith(name))!;
  expect(measure('reliability').value).toBeGreaterThan(0.9);
  expect(measure('r of blissful with').value).toBeGreaterThan(0.9);
  // One more in log-odds: s(1) on average, less where the pair is decided anyhow.
  expect(measure('probability of the first').value).toBeGreaterThan(0.6);
  expect(measure('probability that the reply').value).toBeCloseTo(1, 5);
  expect(measure('steering calm: r').value).toBeGreaterThan(0.9);
  expect(result.verdict).toContain('The model chooses steadily');
  expect(result.verdict).toContain('What reads blissful is preferred more');
  expect(result.verdict).toContain('The strongest of 3 is blissful');
  // Whatever is steered here pushes along calm, only less far, and r does not see how far: no claim.
  expect(result.verdict).toContain('not clearly more than the controls do');
  const html = result.sections.map(({ lead, body }) => lead + body).join('');
  expect(html).not.toMatch(/NaN|undefined|Infinity/);
  // From the cells alone, without the model, the same bytes.
  const before = { ...calls };
  expect(JSON.stringify(await run())).toBe(JSON.stringify(result));
  expect(calls).toEqual(before);
});

test('preferences without a cause in the readings, and steering without effect, are said to be none', async () => {
  const draw = randomFrom(6);
  const none = activities.map(() => 0);
  const world = { strengths: activities.map(() => gaussian(draw)), gain: none };
  const recorder = createRecorder({ append: () => {} }, new Map());
  const { verdict } = await preferencesStudy.run(lab(chooser(world)), settings, recorder);
  expect(verdict).toContain('Reading blissful says nothing clear beyond chance');
  expect(verdict).toContain(
    'not clearly more than the controls do, or not in both halves, with calm',
  );
});

test('preferences that each pair makes up for itself are said to be unsteady', async () => {
  const none = activities.map(() => 0);
  const recorder = createRecorder({ append: () => {} }, new Map());
  const model = chooser({ strengths: none, gain: none, whim: 2 });
  const { verdict } = await preferencesStudy.run(lab(model), settings, recorder);
  expect(verdict).toContain('too unsteady to build on');
});

test('an emotion that the pack lacks is refused before the model is asked', async () => {
  const calls = { score: 0, project: 0 };
  const none = activities.map(() => 0);
  const recorder = createRecorder({ append: () => {} }, new Map());
  const asked = preferencesStudy.run(
    lab(chooser({ strengths: none, gain: none }, calls)),
    { ...settings, emotions: 'calm, blisful' },
    recorder,
  );
  await expect(asked).rejects.toThrow('nothing is called "blisful"');
  expect(calls).toEqual({ score: 0, project: 0 });
});

test('more steered pairs than pairs are refused', () => {
  expect(preferencesStudy.params.safeParse({ pairs: 4, steeredPairs: 6 }).success).toBe(false);
  expect(preferencesStudy.params.safeParse({ pairs: 5 }).success).toBe(false);
  expect(preferencesStudy.params.safeParse({ pairs: '8' }).success).toBe(true);
});
