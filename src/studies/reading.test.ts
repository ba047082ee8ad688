import { expect, test } from 'vitest';

import { displayMax, paintedTrace, type Reading, strongestOver } from './reading.ts';

/** Two emotions over six tokens; position 3 is a sink with readings a hundred times the others. */
const reading: Reading = {
  layer: 1,
  emotions: ['calm', 'afraid'],
  tokens: ['<s>', 'a', 'b', 'sink', 'c', 'd'],
  values: Float32Array.of(9, 9, 0.1, 0.2, 0.3, 0.2, -40, 40, 0.2, 0.1, 0.2, 0.1),
  beforeReply: null,
  windows: null,
};

test('attention sinks count for nothing: neither the first token nor a later one', () => {
  const ranked = strongestOver(reading);
  // Means of 0.1 0.3 0.2 0.2 and 0.2 0.2 0.1 0.1, by hand.
  expect(ranked.map(({ emotion }) => emotion)).toEqual(['calm', 'afraid']);
  expect(ranked[0]!.value).toBeCloseTo(0.2, 6);
  expect(ranked[1]!.value).toBeCloseTo(0.15, 6);
  expect(paintedTrace(reading, 'afraid').map((value) => Math.round(value * 10) / 10)).toEqual([
    0, 0.2, 0.2, 0, 0.1, 0.1,
  ]);
  expect(displayMax(reading, 'calm')).toBeCloseTo(0.2, 6);
});
