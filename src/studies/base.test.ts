import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { openToyLab } from '../../test/toy-server.ts';
import type { Model, ModelInfo } from '../engine/engine.ts';
import { openToyModel } from '../engine/toy/model.ts';
import { gaussian, randomFrom } from '../math/random.ts';
import type { Run } from '../store/runs.ts';
import { makeProbe } from '../vectors/pack.ts';
import { baseResult } from './base-report.ts';
import { baseStudy, spaced } from './base.ts';
import { createRecorder } from './recorder.ts';
import type { StudyLab, StudyResult } from './study.ts';

const { model, pack } = await openToyLab();
const folder = mkdtempSync(join(tmpdir(), 'limbic-base-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const emotions = ['happy', 'sad', 'calm'];
mkdirSync(join(folder, 'corpus'));
const write = (name: string, rows: readonly object[]): void =>
  writeFileSync(join(folder, 'corpus', name), rows.map((row) => JSON.stringify(row)).join('\n'));
const each = (texts: (emotion: string, i: number) => object): object[] =>
  [...emotions, 'unheard-of'].flatMap((emotion) => [1, 2, 3].map((i) => texts(emotion, i)));
write(
  'scenarios.jsonl',
  each((emotion, i) => ({
    emotion,
    id: `${emotion}-${i}`,
    text: `${i} of ${emotion} today`,
    accepted: [],
  })),
);
write(
  'held-out.jsonl',
  each((emotion, i) => ({ emotion, topic: i, text: `${emotion} ${i} ${emotion} was here` })),
);
write(
  'neutral.jsonl',
  Array.from({ length: 8 }, (_, i) => ({
    kind: 'dialogue',
    subject: 'times',
    messages: [
      { role: 'user', content: `When does line ${i * i} leave?` },
      { role: 'assistant', content: 'At nine.' },
    ],
  })),
);

/** A toy base: other weights by its seed, other facts by `info`; counts how often it was closed. */
function toyBase(info: Partial<ModelInfo> = {}, seed = 2): { base: Model; closed: () => number } {
  let closed = 0;
  const inner = openToyModel({ blocks: 6, seed });
  const base: Model = {
    ...inner,
    info: { ...inner.info, name: 'toy-base', quantisation: 'Q8_0', ...info },
    [Symbol.asyncDispose]: async () => {
      closed++;
    },
  };
  return { base, closed: () => closed };
}

function labWith(base: Model): StudyLab {
  return {
    model,
    pack,
    signal: new AbortController().signal,
    data: (name) => join(folder, name),
    open: async () => base,
  };
}

const settings = { base: 'toy-base', random: 20 };
/** Keeps cells where a run would write them. */
function keepIn(cells: Map<string, object>): Pick<Run, 'append'> {
  return {
    append: (record: { key?: unknown; data?: unknown }) =>
      void cells.set(String(record.key), record.data as object),
  };
}
const runWith = (base: Model): Promise<StudyResult> =>
  baseStudy.run(labWith(base), settings, createRecorder({ append: () => {} }, new Map()));

test('base reads both models on the same tokens, closes the base, and repeats its result from the cells', async () => {
  const seen = { instruct: new Set<string>(), base: new Set<string>() };
  const { base, closed } = toyBase({ chatTemplate: null });
  const spy = (inner: Model, list: Set<string>): Model => ({
    ...inner,
    capture: (sequences, options) => {
      for (const tokens of sequences) list.add(tokens.join(' '));
      return inner.capture(sequences, options);
    },
  });
  const known = new Map<string, object>();
  const recorder = createRecorder(keepIn(known), new Map());
  const lab = { ...labWith(spy(base, seen.base)), model: spy(model, seen.instruct) };
  const first = await baseStudy.run(lab, settings, recorder);
  expect(seen.base).toEqual(seen.instruct);
  expect(seen.base.size).toBe(8 + 9 + 9);
  expect(closed()).toBe(1);
  expect(known.size).toBe(baseStudy.plan(settings, lab).cells);
  const capture = (): Promise<never> => Promise.reject(new TypeError('read again'));
  const idle = { ...labWith({ ...toyBase().base, capture }), model: { ...model, capture } };
  const again = await baseStudy.run(idle, settings, createRecorder(keepIn(new Map()), known));
  expect(JSON.stringify(again)).toBe(JSON.stringify(first));
  for (const { value, n, control } of first.measures) {
    expect(Number.isFinite(value)).toBe(true);
    expect(n).toBeGreaterThan(0);
    expect(control).toBeTruthy();
  }
});

test('base finds nothing between a model and its copy under another quantisation', async () => {
  const { base } = toyBase({}, 1);
  const { measures, verdict } = await runWith(base);
  const of = (part: string): (number | null)[] =>
    measures.filter(({ name }) => name.includes(part)).map(({ value }) => value);
  expect(of('emotions moved')).toEqual([0, 0]);
  expect(of('rank in instruct less in base')).toEqual([0, 0, 0]);
  for (const cosine of of('cosine')) expect(cosine).toBeCloseTo(1, 5);
  expect(verdict).toContain('two quantisations of one model');
  expect(verdict).toContain('no emotion of 5 reads differently');
});

test('baseResult finds a planted advantage of the instruct model and a planted shift, and says so', () => {
  const random = randomFrom(5);
  const noise = (): number[] => Array.from({ length: pack.width }, () => gaussian(random));
  const moved = (row: readonly number[], emotion: string, by: number): number[] => {
    const { directions } = makeProbe(pack, [emotion], pack.bestLayer);
    const length = Math.hypot(...directions);
    return row.map((x, i) => x + (by * directions[i]!) / length);
  };
  const items = Array.from({ length: 30 }, (_, i) => emotions[i % emotions.length]!);
  const texts = {
    neutral: items.map(() => []),
    scenarios: items.map((emotion, i) => ({ emotion, id: `${i}`, text: '', accepted: [] })),
    stories: items.map((emotion, i) => ({ emotion, topic: `${i}`, text: '' })),
  };
  const plain = items.map(noise);
  // Every story reads as its own emotion, but in the base model nine of 30 as the next one.
  const storiesWith = (wrong: number): number[][] =>
    items.map((_, i) =>
      moved(plain[i]!, items[(7 * i) % items.length < wrong ? (i + 1) % items.length : i]!, 40),
    );
  const readings = { neutral: plain, reply: plain, message: plain, stories: storiesWith(0) };
  const side = { name: 'a', quantisation: 'F32', fingerprint: 'f' };
  const { measures, verdict } = baseResult({
    pack,
    texts,
    sides: { instruct: side, base: { ...side, fingerprint: 'g' }, sample: '<b>' },
    settings: { random: 40, seed: 1 },
    instruct: {
      ...readings,
      message: items.map((emotion) => moved(noise(), emotion, 8)),
      reply: plain.map((row) => moved(row, 'happy', 4)),
    },
    base: { ...readings, stories: storiesWith(9) },
  });
  const of = (name: string): number => measures.find((one) => one.name === name)?.value ?? NaN;
  // The right one of three is first in every message of the instruct model; chance is 2.
  expect(of('mean rank in instruct, scenarios, over the message')).toBe(1);
  expect(of('mean rank in base, scenarios, over the message')).toBeGreaterThan(1.5);
  expect(verdict).toMatch(/over the message: mean rank 1\.00 in instruct, .* better in instruct/);
  // Nine of 30 stories fall by one or two ranks: shown at 1 %, but less than half a rank in the mean.
  const small = of('rank in instruct less in base, unseen stories');
  expect(small).toBeLessThanOrEqual(-0.3);
  expect(small).toBeGreaterThan(-0.5);
  expect(verdict).toMatch(/unseen stories: mean rank 1\.00 in instruct, .* too small to count/);
  expect(of('emotions moved, neutral messages')).toBe(0);
  expect(of('shift of happy (largest), scenarios')).toBeGreaterThan(2);
  expect(verdict).toMatch(/to scenarios \d of 5 emotions read differently .*higher: happy \+/);
  expect(verdict).not.toContain('one fingerprint');
});

test('base refuses what it cannot compare, in one sentence, and closes it', async () => {
  const refusals: [Partial<ModelInfo>, RegExp][] = [
    [
      { width: 48 },
      /^base: expected a base of toy with 6 blocks of 32, got toy-base with 6 blocks of 48$/,
    ],
    [{ blocks: 8 }, /got toy-base with 8 blocks of 32$/],
    [{ quantisation: 'F32' }, /^base: expected another model than toy, got the same weights/],
    [{ vocabulary: 100 }, /another vocabulary$/],
  ];
  for (const [info, message] of refusals) {
    const { base, closed } = toyBase(info);
    await expect(runWith(base)).rejects.toThrow(message);
    expect(closed()).toBe(1);
  }
  const { base } = toyBase();
  const other: Model = { ...base, tokenize: async () => Int32Array.of(1, 2) };
  await expect(runWith(other)).rejects.toThrow(/another vocabulary$/);
  // The same quantisation of other weights passes.
  await expect(
    runWith(toyBase({ quantisation: 'F32', fingerprint: 'other' }).base),
  ).resolves.toBeDefined();
});

test('base asks for the name of the base model before any model is opened', () => {
  const { error } = baseStudy.params.safeParse({});
  expect(error?.issues[0]?.message).toBe('expected the name or file of the base model');
  expect(baseStudy.params.safeParse({ base: ' ' }).success).toBe(false);
});

test('spaced keeps so many items evenly, and all where there are fewer', () => {
  const items = Array.from({ length: 48 }, (_, i) => i);
  expect(spaced(items, 24)).toEqual(items.filter((i) => i % 2 === 1));
  for (const count of [7, 8, 30, 47]) expect(spaced(items, count)).toHaveLength(count);
  expect(spaced(items, 100)).toEqual(items);
});
