import { expect, test } from 'vitest';

import type { Probe } from '../engine.ts';
import { ReceivedProbes, SentProbes } from './kept-probes.ts';

const probe = (layer: number, numbers = 4): Probe => ({
  layer,
  directions: new Float32Array(numbers),
  bias: new Float32Array(1),
  scale: 1,
});

test('a probe travels once and is the same object at each call', () => {
  const [sent, received] = [new SentProbes(), new ReceivedProbes()];
  const [a, b] = [probe(1), probe(2)];
  const first = sent.message([a, b, a]);
  expect(first.probes.filter((one) => 'probe' in one)).toHaveLength(2);
  const [a1, b1, a2] = received.of(first);
  expect([a1, b1, a2]).toEqual([a, b, a]);
  const second = sent.message([b, a]);
  expect(second.probes.filter((one) => 'probe' in one)).toHaveLength(0);
  expect(received.of(second)).toEqual([b, a]);
  expect(received.of(second)[1]).toBe(a1);
});

test('the least recently used go when there are too many, never those of the call', () => {
  const [sent, received] = [new SentProbes(), new ReceivedProbes()];
  const [a, b, c] = [probe(1, 6e6), probe(2, 6e6), probe(3, 6e6)];
  received.of(sent.message([a]));
  received.of(sent.message([b]));
  received.of(sent.message([a]));
  const last = sent.message([c]);
  expect(last.dropped).toEqual([2]);
  received.of(last);
  const again = sent.message([b, a]);
  expect(again.probes.map((one) => 'probe' in one)).toEqual([true, false]);
  expect(received.of(again)).toEqual([b, a]);
  const huge = [probe(4, 9e6), probe(5, 9e6)];
  expect(received.of(sent.message(huge))).toEqual(huge);
});
