/** @file What the engine's process holds while it reads and steers at a full context. */
import { readFileSync, statSync } from 'node:fs';

import { expect, test } from 'vitest';

import { openLlamaModel } from '../src/engine/llama/model.ts';
import { buildSteering } from '../src/steering/steering.ts';
import { loadPack, makeProbe } from '../src/vectors/pack.ts';
import { testModel } from './models.ts';

const name = 'qwen2.5-coder-0.5b';
const positions = 4096;
/** Bytes beside the model's file, which is mapped and so counts as resident once it was read. */
const allowance = 350e6;
const reason =
  testModel(name) === null
    ? ` (skipped: ${name} is not here; limbic fetch ${name})`
    : ' (skipped: takes a minute or two; LIMBIC_SCALE=1 runs it)';
const isSkipped = testModel(name) === null || process.env['LIMBIC_SCALE'] === undefined;

/** Bytes of a process by the fields of /proc/PID/status. */
function memoryOf(pid: number): Record<string, number> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rows = status.matchAll(/^(VmHWM|VmRSS|RssAnon|RssFile):\s+(\d+) kB$/gm);
  return Object.fromEntries([...rows].map(([, field, kB]) => [field, Number(kB) * 1024]));
}

test.skipIf(isSkipped || process.platform !== 'linux')(
  `the engine holds at most the model's file and 350 MB with ${positions} positions, 171 readings and steering${isSkipped ? reason : ''}`,
  async () => {
    const path = testModel(name)!;
    const pack = loadPack(`data/packs/${name}.safetensors`);
    await using model = await openLlamaModel(path, { contextLength: positions, gpuLayers: 0 });
    const words = (length: number): Int32Array =>
      Int32Array.from({ length }, (_, i) => 1000 + ((i * 7919) % 50_000));
    const steering = buildSteering(pack, [{ emotion: 'calm', dose: 0.03 }]);
    const probes = [makeProbe(pack, pack.emotions, pack.bestLayer)];
    expect(probes[0]!.bias).toHaveLength(171);
    const told: [string, Record<string, number>][] = [];
    const look = (when: string): void => void told.push([when, memoryOf(model.pid!)]);
    look('opened');
    const [read] = await model.project([words(positions)], { probes, steering });
    expect(read).toHaveLength(positions * 171);
    look('read');
    const request = { prompt: words(256), maxTokens: 32 };
    const [reply] = await model.generate([request], { probes, steering });
    expect(reply!.tokens.length).toBeGreaterThan(0);
    look('written');
    const file = statSync(path).size;
    for (const [when, memory] of told)
      console.log(
        `${when}: ${Object.entries(memory)
          .map(([field, bytes]) => `${field} ${(bytes / 1e6).toFixed(0)} MB`)
          .join(', ')}`,
      );
    const most = told.at(-1)![1]['VmHWM']!;
    expect(most, `file ${(file / 1e6).toFixed(0)} MB`).toBeLessThan(file + allowance);
    // The map of the file is in it, so that this is a measurement of the right process.
    expect(most).toBeGreaterThan(0.8 * file);
  },
  7_200_000,
);
