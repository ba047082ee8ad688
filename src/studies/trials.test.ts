import { expect, test } from 'vitest';

import { rankTargets, summariseSteering } from './trials.ts';

test('rankTargets ranks each target among the names, with a p that knows chance', () => {
  const names = ['a', 'b', 'c'];
  const right = Array.from({ length: 9 }, (_, i) => names.map((_name, k) => (k === i % 3 ? 1 : 0)));
  const targets = Array.from({ length: 9 }, (_, i) => names[i % 3]!);
  const perfect = rankTargets(right, names, targets);
  expect(perfect.meanRank).toBe(1);
  expect(perfect.top1.hits).toBe(9);
  // 1,680 ways to deal three targets of each kind to nine places, one of them perfect.
  expect(perfect.p).toBeLessThan(0.003);
  // Targets turned by one: the own name is never first, and two others tie behind the first.
  const wrong = rankTargets(
    right,
    names,
    targets.map((_, i) => names[(i + 1) % 3]!),
  );
  expect(wrong.meanRank).toBe(2);
  expect(wrong.top1.hits).toBe(0);
  expect(wrong.p).toBe(1);
});

test('summariseSteering counts words against random directions, other words and other vectors, by hand', () => {
  // Words x, y. Own vectors move (x, y) by (2, 0) and (3, 1); a random one by (1, 1.5).
  const result = summariseSteering(
    ['x', 'y'],
    [
      [2, 0],
      [3, 1],
    ],
    [[1, 1.5]],
  );
  expect(result.emotions[0]).toMatchObject({ own: 2, bestRandom: 1, bestOther: 3, ownRelative: 1 });
  // x: 2 > 1; y: 1 < 1.5. Against the mean of the words: x 1 > -0.25; y -1 < 0.25. Against the other vector: x 2 < 3; y 1 > 0.
  expect(result.beatsRandom.hits).toBe(1);
  expect(result.beatsRandomRelative.hits).toBe(1);
  expect(result.beatsOthers.hits).toBe(1);
  expect(result.emotions[1]!.ownRelative).toBe(-1);
  expect(result.emotions[1]!.bestRandomRelative).toBe(0.25);
});
