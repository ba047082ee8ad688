import { expect, test } from 'vitest';

import { createToyBackend } from './backend.ts';
import { makeWeights } from './weights.ts';

/** A plain forward pass over a whole sequence in float64, without cache or batches: the independent reference. */
function reference(tokens: readonly number[], seed: number): number[][][] {
  const shape = { blocks: 4, width: 32, heads: 4 };
  const { embedding, blocks } = makeWeights(shape, seed);
  const width = shape.width;
  const size = width / shape.heads;
  const times = (m: Float32Array, x: number[]): number[] =>
    Array.from({ length: m.length / x.length }, (_, r) =>
      x.reduce((sum, value, k) => sum + value * m[r * x.length + k]!, 0),
    );
  const norm = (x: number[]): number[] => {
    const root = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + 1e-5);
    return x.map((value) => value / root);
  };
  const turn = (x: number[], position: number): number[] =>
    x.map((value, k) => {
      const angle = position * 10_000 ** (-((k - (k % 2)) % size) / size);
      return k % 2 === 0
        ? value * Math.cos(angle) - x[k + 1]! * Math.sin(angle)
        : x[k - 1]! * Math.sin(angle) + value * Math.cos(angle);
    });
  let residuals = tokens.map((token) =>
    Array.from(embedding.slice(token * width, (token + 1) * width)),
  );
  return blocks.map((block) => {
    const queries = residuals.map((x, p) => turn(times(block.query, norm(x)), p));
    const keys = residuals.map((x, p) => turn(times(block.key, norm(x)), p));
    const values = residuals.map((x) => times(block.value, norm(x)));
    residuals = residuals.map((x, p) => {
      const mixed = x.map((_, k) => {
        const head = Math.floor(k / size);
        const scores = keys.slice(0, p + 1).map((key) => {
          let sum = 0;
          for (let j = head * size; j < (head + 1) * size; j++) sum += queries[p]![j]! * key[j]!;
          return Math.exp(sum / Math.sqrt(size));
        });
        const total = scores.reduce((sum, score) => sum + score, 0);
        return scores.reduce((sum, score, q) => sum + (score / total) * values[q]![k]!, 0);
      });
      const after = times(block.output, mixed).map((value, k) => value + x[k]!);
      const gate = times(block.gate, norm(after));
      const up = times(block.up, norm(after));
      const hidden = gate.map((value, k) => (value / (1 + Math.exp(-value))) * up[k]!);
      return times(block.down, hidden).map((value, k) => value + after[k]!);
    });
    return residuals;
  });
}

test('toy residuals equal those of a plain float64 pass over the whole sequence', () => {
  const backend = createToyBackend({ seed: 3 });
  const tokens = [...backend.tokenize('A kettle sings in the hall.', true, false)];
  backend.begin({ layers: [0, 1, 2], earlyExit: false });
  // In two batches, so that the second half reads the cache.
  const expected = reference(tokens, 3);
  let worst = 0;
  for (const [from, to] of [
    [0, 11],
    [11, tokens.length],
  ] as const) {
    const part = tokens.slice(from, to);
    backend.decode({
      tokens: Int32Array.from(part),
      positions: Int32Array.from(part, (_, i) => from + i),
      sequences: new Int32Array(part.length),
      wantsLogits: new Uint8Array(part.length),
    });
    for (const layer of [0, 1, 2]) {
      const rows = backend.residual(layer);
      for (const [i, value] of rows.entries())
        worst = Math.max(
          worst,
          Math.abs(value - expected[layer]![from + Math.floor(i / 32)]![i % 32]!),
        );
    }
  }
  // float32 sums of 64 products of size 1 stay below 1e-5 a block.
  expect(worst).toBeLessThan(1e-4);
  expect(worst).toBeGreaterThan(0);
});

test('a copied sequence goes on as its original would', () => {
  const backend = createToyBackend();
  backend.begin({ layers: [2], earlyExit: false });
  const step = (token: number, position: number, sequence: number): Float32Array => {
    backend.decode({
      tokens: Int32Array.of(token),
      positions: Int32Array.of(position),
      sequences: Int32Array.of(sequence),
      wantsLogits: Uint8Array.of(1),
    });
    return backend.logits(0);
  };
  step(65, 0, 0);
  step(66, 1, 0);
  backend.copySequence(0, 1, 1);
  const original = step(67, 2, 0);
  step(66, 1, 1);
  expect([...step(67, 2, 1)]).toEqual([...original]);
});

test('a vector of the wrong width is refused before anything is computed', () => {
  const backend = createToyBackend();
  expect(() => backend.steer(new Map([[1, new Float32Array(31)]]))).toThrow(
    'steer: expected 32 values, got 31',
  );
  expect(() => backend.steer(new Map([[0, new Float32Array(32)]]))).toThrow(
    'expected a layer from 1 to 3, got 0',
  );
});

test('decode refuses what llama.cpp refuses: gaps, strange tokens and sequences, a full context, a closed engine', () => {
  const backend = createToyBackend({ contextLength: 8 });
  const decode = (token: number, position: number, sequence: number): void =>
    backend.decode({
      tokens: Int32Array.of(token),
      positions: Int32Array.of(position),
      sequences: Int32Array.of(sequence),
      wantsLogits: Uint8Array.of(1),
    });
  backend.begin({ layers: [], earlyExit: false });
  expect(() => decode(70, 1, 0)).toThrow('decode: expected position 0 of sequence 0, got 1');
  expect(() => decode(99_999, 0, 0)).toThrow(/expected a token below/);
  expect(() => decode(70, 0, 8)).toThrow('decode: expected a sequence below 8, got 8');
  for (let position = 0; position < 8; position++) decode(70, position, 0);
  expect(() => decode(70, 8, 0)).toThrow('decode: expected at most 8 positions, got 9');
  expect(() => backend.begin({ layers: [9], earlyExit: false })).toThrow(
    /layer from 0 to 3, got 9/,
  );
  expect(() => backend.steer(new Map([[1.5, new Float32Array(32)]]))).toThrow(/got 1.5/);
  backend.dispose();
  expect(() => decode(70, 0, 0)).toThrow('the toy engine was used after it was closed');
  expect(() => createToyBackend({ width: 30 })).toThrow(/width that 2 x 4 heads divide, got 30/);
});
