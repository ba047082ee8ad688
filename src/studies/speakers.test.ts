import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { captureReplyRows } from '../capture/neutral.ts';
import { captureStories } from '../capture/stories.ts';
import type { Model } from '../engine/engine.ts';
import { openToyModel } from '../engine/toy/model.ts';
import { gaussian, randomDirection, randomFrom } from '../math/random.ts';
import { pearson } from '../math/stats.ts';
import { cosine } from '../math/vector.ts';
import { buildPack } from '../vectors/extract.ts';
import { makeProbe, type VectorPack } from '../vectors/pack.ts';
import { validateStories } from '../vectors/validate.ts';
import { createRecorder } from './recorder.ts';
import { deflectionResult, loadScenes, type Scene, testScenes } from './speakers-deflection.ts';
import {
  decodeRow,
  type Dialogue,
  findTurns,
  loadDialogues,
  meanOver,
  readDialogues,
} from './speakers-dialogues.ts';
import {
  compare,
  correlate,
  positionResult,
  randomTwins,
  repliesResult,
} from './speakers-replies.ts';
import {
  centreTurns,
  courseOf,
  testRanks,
  transferScores,
  type TurnSet,
  type TurnSets,
  turnsResult,
} from './speakers-turns.ts';
import { speakersStudy } from './speakers.ts';
import type { StudyLab } from './study.ts';

const noModel = (): never => {
  throw new Error('this study opens no other model');
};

const twelve = 'a b c d e f g h i j k l'.split(' ');

async function toyLab(emotions: readonly string[]): Promise<{ model: Model; pack: VectorPack }> {
  const model = openToyModel({ blocks: 6 });
  const stories = emotions.flatMap((emotion) =>
    ['1', '2', '3'].map((topic) => ({ emotion, topic, text: `${emotion.repeat(6)} of ${topic}` })),
  );
  const captured = await captureStories(model, stories, { from: 5 });
  const { layers: scores } = await validateStories(captured, { rounds: 2 });
  const replyRows = await captureReplyRows(
    model,
    [
      {
        kind: 'dialogue',
        subject: 'x',
        messages: [
          { role: 'user', content: 'When?' },
          { role: 'assistant', content: 'At nine.' },
        ],
      },
    ],
    { layers: captured.layers },
  );
  const pack = buildPack(model.info, {
    captured,
    scores,
    replyRows,
    from: 5,
    readout: { kind: 'raw' },
    weights: 'file',
    quantisation: 'F32',
  });
  return { model, pack };
}

const messages = [
  { role: 'user', content: 'Is it 0 or #?' },
  { role: 'assistant', content: '#: no. No. 0' },
  { role: 'user', content: '0' },
  { role: 'assistant', content: 'Is it 0 or #?' },
] as const;

test('findTurns gives each message its own text, also where texts repeat or look like the changed ones', async () => {
  const toy = openToyModel();
  const plain: Model = { ...toy, info: { ...toy.info, chatTemplate: null } };
  for (const model of [toy, plain])
    for (const forReply of [true, false]) {
      const { tokens, ranges } = await findTurns(model, messages, { forReply });
      const pieces = await model.pieces(tokens);
      expect(ranges.map(({ start, end }) => pieces.slice(start, end).join(''))).toEqual(
        messages.map(({ content }) => content),
      );
    }
});

test('findTurns refuses a template that leaves a message out', async () => {
  const toy = openToyModel();
  const chatTemplate = '{{ messages[0].content }}|';
  const model: Model = { ...toy, info: { ...toy.info, chatTemplate } };
  await expect(findTurns(model, messages, { forReply: false })).rejects.toThrow(
    'show message 2 of 4',
  );
});

test('meanOver leaves a sink out, unless there is nothing else', () => {
  const rows = [
    [1, 0],
    [100, 0],
    [3, 0],
    [0, 2],
  ].map((row) => Float32Array.from(row));
  // Lengths 1, 100, 3, 2: median 2.5, so 100 is a sink; (1 + 3) / 2 of what is left in the range.
  expect([...meanOver(rows, [{ start: 0, end: 3 }])]).toEqual([2, 0]);
  expect([...meanOver(rows, [{ start: 1, end: 2 }])]).toEqual([100, 0]);
});

test('readDialogues reads own and other turns apart, and what stands before nobody felt is left out', async () => {
  const { model, pack } = await toyLab(['calm', 'sad', 'proud']);
  const lab: StudyLab = {
    model,
    pack,
    data: (name) => name,
    open: noModel,
    signal: new AbortController().signal,
  };
  const probe = makeProbe(pack, ['calm', 'sad'], pack.bestLayer);
  const short: Dialogue = { emotion: 'calm', speaker: 'assistant', messages: messages.slice(0, 2) };
  const long: Dialogue = { emotion: 'sad', speaker: 'assistant', messages: [...messages] };
  const [first, second] = await readDialogues(lab, [short, long], { probe, emotions: 2 });
  expect([first!.other, first!.alone]).toEqual([null, null]);
  expect(second!.turns).toHaveLength(4);
  expect([second!.user.length, second!.reply.length]).toEqual([2, 2]);
  // By the engine's own pooling: the last turn reaches from its start to the end of the text.
  const { tokens, ranges } = await findTurns(model, messages, { forReply: false });
  const [all] = await model.capture([tokens], { layers: [probe.layer], pooling: 'all' });
  const { width } = pack;
  const row = (position: number): Float32Array =>
    all!.rows.slice(position * width, (position + 1) * width);
  const { start, end } = ranges[2]!;
  // The one token of the user's second turn is its mean.
  expect(end - start).toBe(1);
  expect([...decodeRow(second!.other!)]).toEqual([...row(start)]);
  expect(second!.alone).not.toBe(second!.other);
  const dot = row(ranges[3]!.start - 1).reduce(
    (sum, value, k) => sum + value * (probe.directions[k] ?? 0),
    0,
  );
  expect(second!.reply[0]).toBeCloseTo((dot - probe.bias[0]!) * probe.scale, 4);
});

/** 36 turns, three of each emotion, each its emotion's direction and noise. */
function setOf(directions: readonly Float32Array[], seed: number, strength = 1): TurnSet {
  const random = randomFrom(seed);
  const targets = twelve.flatMap((name) => [name, name, name]);
  return {
    targets,
    folds: targets.map((_, i) => i % 3),
    readings: targets.map((target) =>
      twelve.map((name) => (name === target ? 3 * strength : 0) + gaussian(random)),
    ),
    rows: targets.map((target) => {
      const own = directions[twelve.indexOf(target)]!;
      return own.map((value) => strength * value + 0.1 * gaussian(random));
    }),
  };
}

const directionsFrom = (seed: number): Float32Array[] => {
  const random = randomFrom(seed);
  return twelve.map(() => randomDirection(40, random));
};

test('testRanks ranks by hand and knows chance', () => {
  const ranked = testRanks(
    ['a', 'b', 'c'],
    [
      [3, 2, 1],
      [3, 2, 1],
    ],
    ['a', 'c'],
  );
  expect([ranked.ranks, ranked.meanRank, ranked.chance]).toEqual([[1, 3], 2, 2]);
});

test('directions made from one speaker read the other if they are shared, and do not if they are not', () => {
  const shared = directionsFrom(1);
  const user = setOf(shared, 2);
  const sharing = setOf(shared, 3);
  const apart = setOf(directionsFrom(4), 5);
  const rank = (train: TurnSet, tested: TurnSet) =>
    testRanks(twelve, transferScores(twelve, train, tested), tested.targets);
  expect(rank(user, user).meanRank).toBeLessThan(1.5);
  expect(rank(user, sharing).meanRank).toBeLessThan(1.5);
  expect(rank(user, sharing).p).toBeLessThan(0.001);
  expect(rank(apart, apart).meanRank).toBeLessThan(1.5);
  expect(rank(user, apart).p).toBeGreaterThan(0.005);
  expect(Math.abs(rank(user, apart).meanRank - 6.5)).toBeLessThan(2);
});

test('a turn never makes the direction that reads it: unlike dialogues of one emotion read at chance', () => {
  const random = randomFrom(6);
  const set = setOf(directionsFrom(1), 7, 0);
  const alone: TurnSet = { ...set, rows: set.rows.map(() => randomDirection(40, random)) };
  const ranked = testRanks(twelve, transferScores(twelve, alone, alone), alone.targets);
  expect(ranked.p).toBeGreaterThan(0.005);
  expect(ranked.meanRank).toBeGreaterThan(4.5);
});

const dialogues: Dialogue[] = (['user', 'assistant'] as const).flatMap((speaker) =>
  twelve.flatMap((emotion) =>
    [0, 1, 2].map((): Dialogue => ({ emotion, speaker, messages: [...messages] })),
  ),
);

test('turnsResult: words follow own turns, context and transfer apart', () => {
  const shared = directionsFrom(1);
  const flat = (seed: number): TurnSet => setOf(shared, seed, 0);
  const sets: TurnSets = {
    'user own': setOf(shared, 2),
    'assistant own': setOf(shared, 3),
    'user other': setOf(shared, 4),
    'assistant other': setOf(shared, 5),
    'user alone': flat(6),
    // Its own words do it: as high without the context.
    'assistant alone': setOf(shared, 8),
  };
  const readings = dialogues.map(() => ({ turns: messages.map(() => twelve.map((_, k) => k)) }));
  const { verdict, measures } = turnsResult(twelve, sets, dialogues, readings);
  expect(verdict).toContain('reads high for the user');
  expect(verdict).toContain('reads high for the assistant');
  expect(verdict).toMatch(
    /assistant's turns it reads high too .* higher than the same words after a filler/,
  );
  expect(verdict).toMatch(
    /later turns it ranks high .* but no higher than the same words after a filler/,
  );
  expect(verdict).toContain("Directions made from one speaker's turns read the other's");
  const lift = measures.find(({ name }) => name.includes('lifts') && name.includes("assistant's"))!;
  expect(lift.interval![0]).toBeGreaterThan(0);
  const none = Object.fromEntries(
    Object.keys(sets).map((name, i) => [name, flat(20 + i)]),
  ) as unknown as TurnSets; // Object.fromEntries forgets the keys.
  const nothing = turnsResult(twelve, none, dialogues, readings).verdict;
  expect(nothing).toContain('read nothing');
  expect(nothing).toContain('cannot be read for the user');
});

test('courseOf is the own emotion less the mean of the others, by hand', () => {
  // One turn, two dialogues, two emotions: centred (1, -1) and (-1, 1), whose deviation is sqrt(4 / 3).
  const course = courseOf(['a', 'b'], ['a', 'b'], centreTurns([[[2, 0]], [[0, 2]]]));
  expect(course[0]).toBeCloseTo(2 / Math.sqrt(4 / 3), 9);
});

/** Items whose first two columns follow y with the given slope; the rest with that of random directions. */
function planted(slope: number, randomSlope: number, n = 60): { x: number[][]; y: number[][] } {
  const random = randomFrom(11);
  const y = Array.from({ length: n }, () => Array.from({ length: 32 }, () => gaussian(random)));
  const x = y.map((row) =>
    row.map((value, k) => (k < 2 ? slope : randomSlope) * value + gaussian(random) + 10 * k),
  );
  return { x, y };
}

test('correlate pools emotions that are centred one by one', () => {
  const { x, y } = planted(1, 0);
  const { r, interval, shuffles, emotions, n } = correlate(x, y, 2);
  const flat = (table: number[][]): number[] =>
    [0, 1].flatMap((k) => {
      const values = table.map((row) => row[k]!);
      const centre = values.reduce((a, b) => a + b) / values.length;
      return values.map((value) => value - centre);
    });
  expect(r).toBeCloseTo(pearson(flat(x), flat(y)), 9);
  expect(emotions[0]).toBeCloseTo(
    pearson(
      x.map((row) => row[0]!),
      y.map((row) => row[0]!),
    ),
    9,
  );
  expect(n).toBe(60);
  expect(interval[0]).toBeLessThan(r);
  expect(interval[1]).toBeGreaterThan(r);
  // Of 120 pairs without a link 95 % lie within about 2 / sqrt(120) = 0.18.
  expect(shuffles[0]).toBeLessThan(-0.1);
  expect(shuffles[1]).toBeLessThan(0.3);
  expect(r).toBeGreaterThan(shuffles[1]);
});

test('randomTwins have the angles of what they stand for, and no likeness to it', () => {
  const random = randomFrom(17);
  const [a, b] = [randomDirection(4000, random), randomDirection(4000, random)];
  const vectors = [a, a.map((value, k) => -3 * value + 4 * b[k]!), b.map((value) => 5 * value)];
  const twins = randomTwins(vectors, random);
  // Chance cosines in 4,000 dimensions are about 1 / sqrt(4000) = 0.016.
  for (const [i, twin] of twins.entries()) {
    for (const [j, other] of twins.entries())
      expect(cosine(twin, other)).toBeCloseTo(cosine(vectors[i]!, vectors[j]!), 1);
    for (const vector of vectors) expect(Math.abs(cosine(twin, vector))).toBeLessThan(0.08);
  }
});

test("positionResult calls a link the emotions' own only beyond random directions", () => {
  const words = (slope: number, randomSlope: number): string => {
    const { x, y } = planted(slope, randomSlope);
    const rows = x.map((user, i) => ({ user, reply: y[i]! }));
    return positionResult(['a', 'b'], rows).verdict;
  };
  expect(words(2, 0)).toContain('beyond each of 15 random sets');
  expect(words(1, 1)).toContain('that is not clearly more than random directions have');
  expect(words(0, 0)).toContain('no link beyond shuffles');
});

test('repliesResult compares both predictors on the same replies and counts empty ones', () => {
  const { x, y } = planted(2, 0);
  const far = planted(0.3, 0).x;
  const prompts = x.map(() => ({ emotion: 'a', messages: [...messages] }));
  const rows = x.map((before, i) => ({
    before,
    user: far[i]!,
    reply: i === 3 ? null : y[i]!,
    text: `reply ${i}`,
  }));
  const { verdict, measures, sections } = repliesResult(['a', 'b'], prompts, rows);
  expect(verdict).toContain('predicts the reply better');
  expect(measures[2]).toMatchObject({ n: 59, note: '1 empty reply left out' });
  expect(sections[1]!.body).toContain('reply 0');
  // The same predictor twice differs by nothing.
  expect(compare(x, x, y, 2)).toEqual({ difference: 0, interval: [0, 0], strict: [0, 0] });
});

const eight = twelve.slice(0, 8);
const scenes: Scene[] = eight.flatMap((feels) =>
  eight.flatMap((shows) => (feels === shows ? [] : [{ feels, shows, text: 'x' }])),
);

/** Readings with an amount for what is felt and shown, noise, and an emotion that always reads high. */
function sceneReadings(felt: number, shown: number): number[][] {
  const random = randomFrom(13);
  return scenes.map(({ feels, shows }) =>
    eight.map(
      (name) =>
        (name === feels ? felt : name === shows ? shown : 0) +
        (name === 'c' ? 50 : 0) +
        0.2 * gaussian(random),
    ),
  );
}

test('testScenes finds what is felt above what is shown, whatever an emotion reads by itself', () => {
  const { feels, shows, felt, pairs, pairMean, pairP, pairInterval } = testScenes(
    eight,
    scenes,
    sceneReadings(3, 1.5),
  );
  expect(feels.meanRank).toBeLessThan(1.1);
  expect(shows.meanRank).toBeLessThan(1.1);
  expect(feels.p).toBeLessThan(0.001);
  expect(felt).toBeGreaterThanOrEqual(54);
  expect(pairs).toHaveLength(28);
  expect(pairP).toBeLessThan(0.001);
  // Centred: felt 3 in 7 of 56 scenes, shown 1.5 in 7, so the mean is 0.5625 and the variance
  // (7 x 2.4375^2 + 7 x 0.9375^2 + 42 x 0.5625^2) / 56 + 0.04 of the noise = 1.1298.
  expect(pairMean).toBeCloseTo(1.5 / Math.sqrt(1.1298), 1);
  expect(pairInterval[0]).toBeGreaterThan(1);
});

test('deflectionResult says plainly which is higher, or that neither is', () => {
  const verdict = (felt: number, shown: number): string =>
    deflectionResult(eight, scenes, {
      layers: [4],
      best: 4,
      readings: [sceneReadings(felt, shown)],
    }).verdict;
  expect(verdict(3, 1)).toContain('the felt emotion reads higher');
  expect(verdict(1, 3)).toContain('the shown emotion reads higher');
  const none = verdict(0, 0);
  expect(none).toContain('neither reads higher');
  expect(none).toMatch(/felt one cannot be read .* shown one cannot be read/);
  expect(verdict(2, 2)).toMatch(
    /neither reads higher.* felt one reads high .* shown one reads high/,
  );
});

test('the data load, and a line that does not fit is named', () => {
  expect(loadDialogues('data/corpus/speakers.jsonl')).toHaveLength(72);
  expect(loadScenes('data/corpus/deflection.jsonl')).toHaveLength(56);
  const path = join(mkdtempSync(join(tmpdir(), 'limbic-speakers-')), 'a.jsonl');
  writeFileSync(
    path,
    JSON.stringify({ emotion: 'a', speaker: 'user', messages: messages.slice(1) }),
  );
  expect(() => loadDialogues(path)).toThrow(
    /line 1: messages: expected user and assistant in turn/,
  );
  writeFileSync(path, JSON.stringify({ feels: 'a', shows: 'a', text: 'x' }));
  expect(() => loadScenes(path)).toThrow(/line 1.*two different emotions/);
});

/** A folder with three emotions of everything, short enough for the toy. */
function smallData(names: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'limbic-speakers-'));
  mkdirSync(join(folder, 'corpus'));
  const write = (name: string, items: readonly object[]): void =>
    writeFileSync(
      join(folder, 'corpus', name),
      items.map((item) => JSON.stringify(item)).join('\n'),
    );
  const turn = (name: string, i: number): string => `${name} ${i}!`;
  write(
    'speakers.jsonl',
    names.flatMap((emotion) =>
      (['user', 'assistant'] as const).flatMap((speaker) =>
        [0, 1, 2].map((i) => ({
          emotion,
          speaker,
          messages: messages.slice(0, i === 1 ? 2 : 4).map(({ role }, m) => ({
            role,
            content: turn(role === speaker ? emotion : 'x', i + m),
          })),
        })),
      ),
    ),
  );
  write(
    'scenarios.jsonl',
    names.flatMap((emotion) =>
      [0, 1].map((i) => ({ emotion, id: `${emotion}-${i}`, text: turn(emotion, i), accepted: [] })),
    ),
  );
  write(
    'deflection.jsonl',
    names.flatMap((feels) =>
      names.flatMap((shows) =>
        feels === shows ? [] : [{ feels, shows, text: `in ${feels}, out ${shows}` }],
      ),
    ),
  );
  return folder;
}

test('the study runs on the toy, in as many cells as planned, and goes on to the same result', async () => {
  const names = ['calm', 'sad', 'proud'];
  const folder = smallData(names);
  const lab: StudyLab = {
    ...(await toyLab(names)),
    data: (name) => join(folder, name),
    open: noModel,
    signal: new AbortController().signal,
  };
  const settings = speakersStudy.params.parse({ replies: 12, tokens: 6, random: 10, step: 2 });
  const cells = new Map<string, object>();
  const record = { append: (event: object) => void cells.set(keyOf(event), dataOf(event)) };
  const result = await speakersStudy.run(lab, settings, createRecorder(record, new Map()));
  expect(cells.size).toBe(speakersStudy.plan(settings, lab).cells);
  expect([...cells.keys()].filter((key) => key.startsWith('replies'))).toHaveLength(2);
  for (const { value, interval, n } of result.measures) {
    expect(Number.isFinite(value)).toBe(true);
    expect(n).toBeGreaterThan(0);
    expect(interval?.every(Number.isFinite)).toBe(true);
  }
  expect(result.sections.map(({ body }) => body).join('')).not.toContain('NaN');
  // The first cells only: the rest is measured anew.
  const known = new Map([...cells].slice(0, 4));
  const again = await speakersStudy.run(lab, settings, createRecorder({ append: () => {} }, known));
  expect(again).toEqual(result);
});

const keyOf = (event: object): string => ('key' in event ? String(event.key) : '');
const dataOf = (event: object): object =>
  'data' in event && typeof event.data === 'object' && event.data !== null ? event.data : {};
