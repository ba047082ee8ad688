/** @file Residuals that are held where they are computed are those that a stop at each layer takes down, bit for bit. */
import { afterAll, describe, expect, test } from 'vitest';

import { needs, testModel } from '../../../test/models.ts';
import type { Batch } from '../backend.ts';
import { LlamaBackend } from './backend.ts';
import { bind, type Binding } from './binding.ts';
import { describeDevice, quietLog } from './device.ts';
import { heldPositions } from './held-rows.ts';
import { findLibrary } from './library.ts';

let bound: Binding | undefined;
/** How often a stop has taken a residual down. */
let taken = 0;
const library = findLibrary({ gpu: false });
function binding(): Binding {
  if (bound !== undefined) return bound;
  const calls = bind(library);
  quietLog(calls);
  bound = {
    ...calls,
    tensorGet: (...args) => {
      taken += 1;
      return calls.tensorGet(...args);
    },
  };
  return bound;
}
const backends: LlamaBackend[] = [];
afterAll(() => {
  for (const backend of backends) backend.dispose();
});

function open(path: string): LlamaBackend {
  const options = { path, contextLength: 1024, maxSequences: 20, threads: 1, gpuLayers: 0 };
  const backend = new LlamaBackend(binding(), options, describeDevice(binding(), library));
  backends.push(backend);
  return backend;
}

/** A position for each of so many sequences, at most 20. */
function step(at: number, sequences: number, wantsLogits = 1): Batch {
  const indices = Array.from({ length: sequences }, (_, i) => i);
  return {
    tokens: Int32Array.from(indices, (i) => 100 + ((at * 37 + i * 11) % 900)),
    positions: Int32Array.from(indices, () => at),
    sequences: Int32Array.from(indices),
    wantsLogits: Uint8Array.from(indices, () => wantsLogits),
  };
}

const names = ['qwen2.5-coder-0.5b', 'gemma3-270m-base'];
const models = names.map((name) => ({ title: `${name}${needs(name)}`, path: testModel(name) }));

describe.each(models)('$title', ({ path }) => {
  const each = (title: string, body: () => void): void => test.skipIf(path === null)(title, body);
  /** All residuals of each of these passes: [layer][sequence, width]. */
  function residuals(
    batches: readonly Batch[],
    { stops, steering }: { stops: boolean; steering?: ReadonlyMap<number, Float32Array> },
  ): Float32Array[][] {
    const backend = (opened ??= open(path!));
    const layers = Array.from({ length: backend.info.blocks - 1 }, (_, layer) => layer);
    backend.steer(steering ?? null);
    // A pass that may end early stops at each layer.
    backend.begin({ layers, earlyExit: stops });
    return batches.map((batch) => {
      backend.decode(batch);
      return layers.map((layer) => backend.residual(layer).slice());
    });
  }
  let opened: LlamaBackend | undefined;

  each('beyond the length at which the library builds another graph', () => {
    const batches = Array.from({ length: 270 }, (_, at) => step(at, 1));
    taken = 0;
    const held = residuals(batches, { stops: false });
    // Only the first pass stops, to learn which nodes of the graph are residuals.
    expect(taken).toBe(opened!.info.blocks - 1);
    const stopped = residuals(batches, { stops: true });
    expect(taken).toBe((opened!.info.blocks - 1) * (1 + batches.length));
    // Some on each side of the new graph, and where learning gives way to holding.
    for (const at of [0, 1, 2, 3, 254, 255, 256, 257, 258, 269])
      expect(held[at], `position ${at}`).toEqual(stopped[at]);
  });

  each('for as many sequences as are held, for one more, and again for one', () => {
    const counts = [1, 1, 1, 5, 5, 5, heldPositions, heldPositions, heldPositions + 1, 1, 1];
    const batches = counts.map((count, at) => step(at, count, at % 3 === 2 ? 0 : 1));
    const [held, stopped] = [false, true].map((stops) => residuals(batches, { stops }));
    for (const [at, count] of counts.entries())
      expect(held![at], `pass ${at} of ${count} sequences`).toEqual(stopped![at]);
  });

  each('when reading begins, ends and begins again among replies of two lengths', () => {
    const reads = [0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1];
    const counts = [1, 1, 1, 1, 1, 20, 20, 20, 1, 1, 1];
    const batches = counts.map((count, at) => step(at, count));
    const stopped = residuals(batches, { stops: true });
    const backend = opened!;
    const layers = Array.from({ length: backend.info.blocks - 1 }, (_, layer) => layer);
    backend.begin({ layers: [], earlyExit: false });
    for (const [at, batch] of batches.entries()) {
      backend.replan(reads[at] === 1 ? layers : []);
      backend.decode(batch);
      if (reads[at] === 0) continue;
      const rows = layers.map((layer) => backend.residual(layer));
      expect(rows, `pass ${at}`).toEqual(stopped[at]);
    }
  });

  each('under steering, and after it changed', () => {
    const width = (opened ??= open(path!)).info.width;
    const vector = Float32Array.from({ length: width }, (_, k) => Math.sin(k) * 2);
    const batches = Array.from({ length: 6 }, (_, at) => step(at, 2));
    for (const steering of [new Map([[3, vector]]), new Map([[9, vector]]), new Map()]) {
      const [held, stopped] = [false, true].map((stops) => residuals(batches, { stops, steering }));
      expect(held).toEqual(stopped);
    }
  });
});
