import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, expect, test } from 'vitest';

import { openToyLab } from '../../test/toy-server.ts';
import { chatTokens } from '../engine/chat-template.ts';
import { makeProbe } from '../vectors/pack.ts';
import { alignAround, differenceMap, mapLayers, mapSection, measureMap } from './intensity-map.ts';
import { intensityStudy } from './intensity.ts';
import { fill, loadIntensity } from './stimuli.ts';
import type { StudyLab } from './study.ts';

const dataFile = (name: string): string =>
  fileURLToPath(new URL(`../../data/${name}`, import.meta.url));
const { model, pack } = await openToyLab();
const lab: StudyLab = {
  model,
  pack,
  signal: new AbortController().signal,
  data: dataFile,
  open: async () => model,
};
const folder = mkdtempSync(join(tmpdir(), 'limbic-map-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const [template] = loadIntensity(dataFile('studies/intensity.jsonl'));

test('alignAround leaves digits that two numbers share at either end to the number', () => {
  const tokens = (number: string): string[] => ['I', ' took', ' ', ...number.split(''), ' mg', '.'];
  expect(alignAround(tokens('250'), tokens('16000'))).toEqual({ before: 3, after: 2 });
  expect(alignAround(tokens('250'), tokens('2000'))).toEqual({ before: 3, after: 2 });
  expect(alignAround(tokens('7'), tokens('77'))).toEqual({ before: 3, after: 2 });
  // A number that is one token, and one that ends the text.
  expect(alignAround(['age', ' 9'], ['age', ' 87'])).toEqual({ before: 1, after: 0 });
});

test('differenceMap subtracts token by token from both ends and averages over the number', () => {
  // Two layers; readings of layer 0 are the position, of layer 1 ten times a value set by hand.
  const low = {
    pieces: ['a', '5', '0', 'z'],
    readings: Float32Array.from([0, 1, 1, 2, 2, 4, 3, 7]),
  };
  const high = {
    pieces: ['a', '1', '0', '0', '0', 'z'],
    readings: Float32Array.from([0, 1, 1, 3, 2, 5, 3, 5, 4, 7, 5, 9.5]),
  };
  expect(differenceMap(low, high, 2)).toEqual({
    tokens: ['a', '50 → 1000', 'z'],
    values: [
      // Mean of positions 1 to 4 less mean of 1 and 2; then 5 less 3.
      [0, 2.5 - 1.5, 2],
      // (3 + 5 + 5 + 7) / 4 less (2 + 4) / 2; then 9.5 less 7.
      [0, 5 - 3, 2.5],
    ],
  });
});

test('mapLayers thins a deep pack to every second layer and keeps the best one', () => {
  const layers = Array.from({ length: 17 }, (_, i) => i);
  expect(mapLayers({ ...pack, layers: layers.slice(1), bestLayer: 9 })).toHaveLength(16);
  expect(mapLayers({ ...pack, layers, bestLayer: 9 })).toEqual([1, 3, 5, 7, 9, 11, 13, 15]);
});

test('measureMap ends with the difference right before the reply, and nothing differs before the number', async () => {
  const cell = await measureMap(lab, template!, 'happy');
  const { message, layers } = cell;
  expect(layers).toEqual(pack.layers);
  const number = message.tokens.indexOf('250 → 16000');
  expect(message.tokens.slice(0, number).join('')).toBe('I took ');
  expect(message.tokens.slice(number + 1).join('')).toContain(' mg of paracetamol');
  const ends = [250, 16_000].map(async (x) => {
    const content = fill(template!.paraphrases[0]!, x);
    const tokens = await chatTokens(model, [{ role: 'user', content }]);
    const probes = [makeProbe(pack, ['happy'], pack.bestLayer)];
    const [readings] = await model.project([tokens], { probes });
    return readings!.at(-1)!;
  });
  const [low, high] = await Promise.all(ends);
  const row = message.values[layers.indexOf(pack.bestLayer)]!;
  expect(row.at(-1)).toBeCloseTo(high! - low!, 5);
  expect(row.slice(0, number)).toEqual(row.slice(0, number).map(() => 0));
  const section = mapSection(template!, cell, { emotion: 'happy', bestLayer: pack.bestLayer });
  expect(section.body.match(/role="region"/g)).toHaveLength(2);
});

test('run of intensity records a map a template after its own cells, and none when switched off', async () => {
  const short = {
    ...template!,
    values: [1, 20, 300],
    paraphrases: ['{x} a', 'b {x}'],
    neutral: ['{x} c', 'd {x}'],
  };
  writeFileSync(
    join(folder, 'short.jsonl'),
    ['painkiller', 'other'].map((id) => JSON.stringify({ ...short, id })).join('\n'),
  );
  // The toy pack has other emotions; under the study's names its vectors do as well.
  const named = { ...pack, emotions: ['afraid', 'sad', 'calm', 'happy', 'desperate'] };
  const run = async (
    settings: object,
  ): Promise<{ keys: string[]; result: string; plan: number }> => {
    const keys: string[] = [];
    const small = { random: 10, paraphrases: 2, maps: 1, ...settings };
    const own = { ...lab, pack: named, data: () => join(folder, 'short.jsonl') };
    const result = await intensityStudy.run(own, small, {
      cell: async (key, measure) => {
        keys.push(key);
        return measure();
      },
    });
    const { cells } = intensityStudy.plan(small, own);
    return { keys, result: JSON.stringify(result), plan: cells };
  };
  const [with1, without] = [await run({}), await run({ map: '' })];
  expect(with1.keys).toEqual([...without.keys, 'map:painkiller']);
  expect([with1.plan, without.plan]).toEqual([with1.keys.length, without.keys.length]);
  const measuresOf = (text: string): unknown =>
    (JSON.parse(text) as { measures: unknown }).measures;
  expect(measuresOf(with1.result)).toEqual(measuresOf(without.result));
  await expect(run({ map: 'afrid' })).rejects.toThrow('nothing is called "afrid"');
});
