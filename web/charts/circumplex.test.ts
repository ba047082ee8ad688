import { expect, test } from 'vitest';

import { endsOf, nearestEmotion, placeLabels, pointOf } from './circumplex.tsx';

const emotions = [
  ['happy', 0.9, 0.1],
  ['sad', -0.8, -0.2],
  ['calm', 0.2, -0.9],
  ['alarmed', -0.1, 1],
].map(([name, x, y]) => ({
  name: String(name),
  x: Number(x),
  y: Number(y),
  median: 0,
  spread: 1,
  near: [],
  stability: null,
}));

test('nearestEmotion finds the point under the pointer, and none far from all', () => {
  const sad = emotions.find(({ name }) => name === 'sad');
  const [x, y] = pointOf(sad ?? { x: 0, y: 0 }, 300);
  expect(nearestEmotion(emotions, [x + 3, y], { size: 300, reach: 20 })?.name).toBe('sad');
  expect(nearestEmotion(emotions, [150, 150], { size: 300, reach: 20 })).toBeNull();
});

test('endsOf names the emotions at the left, right, bottom and top', () => {
  expect(endsOf(emotions)).toEqual(['sad', 'happy', 'calm', 'alarmed']);
});

test('placeLabels keeps two names apart that would cover each other', () => {
  const [a, b] = placeLabels(
    [
      ['mad', [100, 50]],
      ['irate', [104, 53]],
    ],
    300,
  );
  expect(Math.abs((a?.y ?? 0) - (b?.y ?? 0))).toBeGreaterThanOrEqual(14);
});
