import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { openToyLab } from '../../test/toy-server.ts';
import {
  arms,
  carryOver,
  type Chain,
  type DriftData,
  driftSlopes,
  halfLifeOf,
  signOf,
  stretches,
  targets,
} from './drift-effects.ts';
import { driftResult } from './drift-report.ts';
import { driftStudy } from './drift.ts';
import { createRecorder } from './recorder.ts';

const noModel = (): never => {
  throw new Error('this study opens no other model');
};

const random = 40;
const count = targets.length + random;
const turnsEach = 20;
/** Base readings are 0.1 and -0.1 in turn: their deviation over 20 turns is 0.1 sqrt(20 / 19). */
const spread = 0.1 * Math.sqrt(20 / 19);
const baseValue = (dialogue: number): number => (dialogue % 2 === 0 ? 0.1 : -0.1);

interface Planted {
  /** Added to a reading of the neutral arm at a distance. */
  readonly drift?: (at: number, direction: number) => number;
  /** Added to it in the desperate arm. */
  readonly carry?: (at: number, direction: number) => number;
}

/** Six conversations of 20 turns of 75 tokens, each in another order, with a small wobble. */
function dataOf({ drift = () => 0, carry = () => 0 }: Planted): DriftData {
  const dialogues = [...Array.from({ length: turnsEach }).keys()];
  const chain = (c: number, add: (at: number, d: number) => number): Chain => ({
    opening: Array.from(
      { length: count },
      (_, d) => add(-1, d) + (((c * 3 + d * 7) % 5) - 2) / 1000,
    ),
    turns: dialogues.map((_, k) => {
      const dialogue = (k * 3 + c * 7) % turnsEach;
      const at = 75 * (k + 0.5);
      const values = Array.from(
        { length: count },
        (__, d) => baseValue(dialogue) + (((k * 5 + c * 3 + d * 7) % 9) - 4) / 2000 + add(at, d),
      );
      return { dialogue, turn: 0, at, tokens: 75, values };
    }),
  });
  const conversations = Array.from({ length: 6 }, (_, c) => {
    const plain = chain(c, drift);
    const moved = chain(c + 1, (at, d) => drift(at, d) + carry(at, d));
    // The same dialogues in the same order in every arm.
    const desperate = {
      opening: moved.opening,
      turns: plain.turns.map((turn, k) => ({
        ...turn,
        values: turn.values.map((value, d) => value + carry(turn.at, d) + ((k + d + c) % 3) / 5000),
      })),
    };
    return { neutral: plain, desperate, afraid: plain, happy: plain, calm: plain };
  });
  const base = dialogues.map((dialogue) => ({
    dialogue,
    turn: 0,
    at: 40,
    tokens: 75,
    values: Array.from({ length: count }, () => baseValue(dialogue)),
  }));
  return { base, conversations, random, seed: 1 };
}

test('driftSlopes finds a planted drift with position, whatever the dialogues, and none where none is', () => {
  const data = dataOf({ drift: (at, d) => (d === 1 ? (0.05 * at) / 1000 : 0) });
  const [desperate, afraid] = driftSlopes(data);
  // 0.05 a 1,000 tokens; the wobble of 0.002 a turn moves a slope by less than 0.05 deviations.
  expect(Math.abs(afraid!.value - 0.05 / spread)).toBeLessThan(0.05);
  expect([signOf(desperate!), signOf(afraid!)]).toEqual([0, 1]);
  expect(afraid!.n).toBe(6);
});

test('a drift that random directions share does not count', () => {
  const data = dataOf({
    drift: (at, d) => ((d % 2 === 0 ? 1 : -1) * 0.05 * at) / 1000,
  });
  const [desperate] = driftSlopes(data);
  expect(desperate!.interval[0]).toBeGreaterThan(0);
  expect(signOf(desperate!)).toBe(0);
});

test('carryOver and halfLifeOf find a planted decay of 300 tokens', () => {
  const decay = (at: number): number => 0.2 * 2 ** (-at / 300);
  const data = dataOf({ carry: (at, d) => (d !== 0 ? 0 : at < 0 ? 0.4 : decay(at)) });
  const at = stretches.map((stretch) => carryOver(data, 'desperate', 0, stretch)!);
  // Turns in the middle of 0 to 200 tokens: 37.5, 112.5 and 187.5.
  const first = (decay(37.5) + decay(112.5) + decay(187.5)) / 3 / spread;
  expect(Math.abs(at[1]!.value - first)).toBeLessThan(0.01);
  expect(Math.abs(at[0]!.value - 0.4 / spread)).toBeLessThan(0.05);
  expect(at.slice(0, 3).map(signOf)).toEqual([1, 1, 1]);
  const { value, interval } = halfLifeOf(data, 'desperate');
  // The grid has steps of 5 %.
  expect(Math.abs(Math.log(value! / 300))).toBeLessThan(0.06);
  expect(interval[0]).toBeLessThanOrEqual(value!);
  // Nothing was planted in the other arms.
  expect(carryOver(data, 'afraid', 1, [0, 200])!.value).toBe(0);
});

test('a carry-over that does not fall has no half-life, and without one the report says why', () => {
  const constant = dataOf({ carry: (_at, d) => (d === 0 ? 0.2 : 0) });
  expect(halfLifeOf(constant, 'desperate').value).toBeNull();
  const notes = { layer: 3, openings: [], answer: 'Yes.', budget: 1024, asked: 2500 };
  const { measures, verdict } = driftResult(dataOf({}), notes);
  const half = measures.filter(({ name }) => name.includes('half-life'));
  expect(half.map(({ value }) => value)).toEqual([null, null, null, null]);
  expect(half[0]!.note).toMatch(/not beyond the control/);
  expect(verdict).toMatch(/no reading drifts/);
  expect(verdict).toMatch(/conversations end there and not at 2500/);
});

test('the study runs on the toy model within its context, and its cells give the same bytes again', async () => {
  const { model: whole, pack } = await openToyLab();
  await using toy = whole;
  const model = { ...toy, info: { ...toy.info, contextLength: 300 } };
  const folder = mkdtempSync(join(tmpdir(), 'limbic-drift-'));
  mkdirSync(join(folder, 'studies'));
  mkdirSync(join(folder, 'corpus'));
  const write = (name: string, lines: readonly object[]): void =>
    writeFileSync(join(folder, name), lines.map((line) => JSON.stringify(line)).join('\n'));
  write(
    'corpus/neutral.jsonl',
    Array.from({ length: 6 }, (_, k) => ({
      kind: 'dialogue',
      subject: `box ${k}`,
      messages: [
        { role: 'user', content: `Box ${k}?` },
        { role: 'assistant', content: `On shelf ${k * k}.` },
        ...(k % 2 === 0
          ? [
              { role: 'user', content: 'And then?' },
              { role: 'assistant', content: `Row ${k}.` },
            ]
          : []),
      ],
    })),
  );
  write(
    'corpus/scenarios.jsonl',
    targets.map((emotion) => ({ emotion, id: emotion, text: `${emotion} day`, accepted: [] })),
  );
  write(
    'studies/binding.jsonl',
    [1, 2].map((k) => ({
      id: `${k}`,
      emotion: 'sad',
      affirmed: 'a',
      negated: 'b',
      other: 'c',
      neutral: `plain day ${k}`,
    })),
  );
  const lab = {
    model,
    // The toy pack lacks one of the targets; another vector stands for it.
    pack: { ...pack, emotions: pack.emotions.map((name) => (name === 'sad' ? 'afraid' : name)) },
    data: (name: string) => join(folder, name),
    open: noModel,
    signal: new AbortController().signal,
  };
  const settings = { tokens: 4000, conversations: 2, random: 20 };
  const cells = new Map<string, object>();
  const recorder = createRecorder(
    {
      append: ({ key, data }: { key?: unknown; data?: unknown }) =>
        cells.set(key as string, data as object),
    },
    new Map(),
  );
  const first = await driftStudy.run(lab, settings, recorder);
  expect(cells.size).toBe(driftStudy.plan(settings, lab).cells);
  expect(first.verdict).toMatch(/context holds 300 tokens/);
  for (const arm of arms) {
    const { turns } = cells.get(`conversation 1 ${arm}`) as Chain;
    const neutral = (cells.get('conversation 1 neutral') as Chain).turns;
    // The same text at the same distance from the opening in every arm.
    expect(turns.map(({ dialogue, at }) => [dialogue, at])).toEqual(
      neutral.map(({ dialogue, at }) => [dialogue, at]),
    );
    // A turn begins where the one before it ends.
    for (const [k, turn] of turns.slice(1).entries())
      expect(turn.at - turn.tokens / 2).toBe(turns[k]!.at + turns[k]!.tokens / 2);
  }
  const noMore = createRecorder(
    {
      append: () => {
        throw new RangeError('nothing is measured again');
      },
    },
    cells,
  );
  expect(JSON.stringify(await driftStudy.run(lab, settings, noMore))).toBe(JSON.stringify(first));
});
