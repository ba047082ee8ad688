import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { openToyLab } from '../../test/toy-server.ts';
import {
  type BindingCell,
  type BindingData,
  bindingEffects,
  conditions,
  shareKept,
} from './binding-effects.ts';
import { bindingResult, bindingStudy } from './binding.ts';
import { createRecorder } from './recorder.ts';

const noModel = (): never => {
  throw new Error('this study opens no other model');
};

const emotions = ['happy', 'loving', 'proud', 'calm', 'sad', 'angry', 'guilty', 'afraid'];
const items = emotions.flatMap((emotion) =>
  [1, 2, 3].map((k) => ({
    id: `${emotion}-${k}`,
    emotion,
    affirmed: `affirmed ${emotion} ${k}`,
    negated: 'n',
    other: 'o',
    neutral: 'z',
  })),
);
const random = 100;
/** Neutral readings are 1 and -1 in turn: their deviation over 24 items is sqrt(24 / 23). */
const spread = Math.sqrt(24 / 23);

/** Cells in which `planted` is added to the neutral reading of a direction, beside a small wobble. */
function dataOf(
  planted: (condition: string, emotion: string, direction: string) => number,
): BindingData {
  const directions = [...emotions, ...Array.from({ length: random }, (_, r) => `random ${r}`)];
  const cells = items.map(({ emotion }, i): BindingCell => {
    const reading = conditions.map((condition, c) => [
      directions.map((direction, d) => {
        const wobble = condition === 'neutral' ? 0 : (((i * 7 + d * 5 + c * 3) % 11) - 5) / 100;
        return (i % 2 === 0 ? 1 : -1) + wobble + planted(condition, emotion, direction);
      }),
    ]);
    return { readings: [reading, reading] };
  });
  return { items, cells, layers: [3], bestLayer: 3, settings: { random, seed: 1 } };
}

test('a planted effect that negation halves and a colleague keeps comes out as that', () => {
  const size: Record<string, number> = { affirmed: 3, negated: 1.5, other: 3 };
  const data = dataOf((condition, emotion, direction) =>
    emotion === direction ? (size[condition] ?? 0) : 0,
  );
  const [affirmed, negated, other] = bindingEffects(data, 0, 0);
  // The wobble is at most 0.05, the differences of two at most 0.1.
  expect(Math.abs(affirmed!.own.value - 3 / spread)).toBeLessThan(0.05);
  expect(Math.abs(negated!.own.value - 1.5 / spread)).toBeLessThan(0.1);
  expect(Math.abs(other!.own.value)).toBeLessThan(0.1);
  expect([affirmed, negated].map((effect) => effect!.sign)).toEqual([1, 1]);
  expect(affirmed!.overSide.n).toBe(24);
  expect(affirmed!.overSide.interval[0]).toBeGreaterThan(2.5);
  expect(Math.abs(shareKept(data, 0, 0, 'negated').value - 0.5)).toBeLessThan(0.03);
  expect(Math.abs(shareKept(data, 0, 0, 'other').value - 1)).toBeLessThan(0.03);
  const { measures, verdict } = bindingResult(data);
  expect(measures).toHaveLength(16);
  expect(verdict).toMatch(/Denied, it keeps (49|50|51) % .*is beyond the controls and more than/);
});

test('an effect that all emotions share is none, and one that a side shares is one of valence', () => {
  const pleasant = new Set(emotions.slice(0, 4));
  const all = dataOf((condition, _emotion, direction) =>
    condition === 'affirmed' && !direction.startsWith('random') ? 3 : 0,
  );
  expect(bindingEffects(all, 0, 0)[0]!.sign).toBe(0);
  const valence = dataOf((condition, emotion, direction) =>
    condition === 'affirmed' &&
    emotions.includes(direction) &&
    pleasant.has(emotion) === pleasant.has(direction)
      ? 3
      : 0,
  );
  const [effect] = bindingEffects(valence, 0, 0);
  expect(effect!.sign).toBe(1);
  // 3 of the 7 others are on the side of the own emotion.
  expect(Math.abs(effect!.others - (3 * 3) / 7 / spread)).toBeLessThan(0.05);
  expect(Math.abs(effect!.overSide.value)).toBeLessThan(0.05);
});

test('an effect within the sets of random directions does not count, whatever its interval', () => {
  // Every random direction moves by 5 on the items of one emotion each, so that sets move as well.
  const data = dataOf((condition, emotion, direction) =>
    condition !== 'affirmed'
      ? 0
      : emotion === direction
        ? 0.3
        : direction.startsWith('random') && Number(direction.slice(7)) % 2 === 0
          ? 5
          : 0,
  );
  const [effect] = bindingEffects(data, 0, 0);
  expect(effect!.own.interval[0]).toBeGreaterThan(0);
  expect(effect!.band[1]).toBeGreaterThan(effect!.own.value);
  expect(effect!.sign).toBe(0);
});

test('without an affirmed effect the shares are null and say why', () => {
  const { measures, verdict } = bindingResult(dataOf(() => 0));
  const shares = measures.filter(({ name }) => name.startsWith('share kept'));
  expect(shares).toHaveLength(4);
  for (const { value, note } of shares) {
    expect(value).toBeNull();
    expect(note).toMatch(/nothing to keep/);
  }
  expect(verdict).toMatch(/nothing can be said of binding/);
});

test('the study runs on the toy model, and a second start from its cells gives the same bytes', async () => {
  const toy = await openToyLab();
  await using model = toy.model;
  const folder = mkdtempSync(join(tmpdir(), 'limbic-binding-'));
  mkdirSync(join(folder, 'studies'));
  const lines = ['happy', 'happy', 'sad', 'sad', 'calm'].map((emotion, i) =>
    JSON.stringify({
      id: `${emotion}-${i}`,
      emotion,
      affirmed: `It is so ${i}.`,
      negated: `It is not so ${i}.`,
      other: `He says so ${i}.`,
      neutral: `Box ${i}.`,
    }),
  );
  writeFileSync(join(folder, 'studies/binding.jsonl'), lines.join('\n'));
  const lab = {
    model,
    pack: toy.pack,
    data: (name: string) => join(folder, name),
    open: noModel,
    signal: new AbortController().signal,
  };
  const settings = { layers: 2, random: 20 };
  const cells = new Map<string, object>();
  const recorder = createRecorder(
    {
      append: ({ key, data }: { key?: unknown; data?: unknown }) =>
        cells.set(key as string, data as object),
    },
    new Map(),
  );
  const first = await bindingStudy.run(lab, settings, recorder);
  expect(cells.size).toBe(bindingStudy.plan(settings, lab).cells);
  const noMore = createRecorder(
    {
      append: () => {
        throw new RangeError('nothing is measured again');
      },
    },
    cells,
  );
  expect(JSON.stringify(await bindingStudy.run(lab, settings, noMore))).toBe(JSON.stringify(first));
  expect(first.measures.every(({ value }) => value === null || Number.isFinite(value))).toBe(true);
});
