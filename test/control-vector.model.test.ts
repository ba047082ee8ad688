import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import koffi from 'koffi';
import { afterAll, expect, test } from 'vitest';

import { findLibrary } from '../src/engine/llama/library.ts';
import { type LlamaModel, openLlamaModel } from '../src/engine/llama/model.ts';
import { readControlVector, writeControlVector } from '../src/formats/control-vector.ts';
import { buildSteering, middleLayers } from '../src/steering/steering.ts';
import { loadPack } from '../src/vectors/pack.ts';
import { needs, testModel } from './models.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-control-model-'));
const pack = loadPack('data/packs/smollm2-135m.safetensors');
const modelPath = testModel('smollm2-135m');
const note = needs('smollm2-135m');

let model: LlamaModel | undefined;
const opened = async (): Promise<LlamaModel> =>
  (model ??= await openLlamaModel(modelPath!, { contextLength: 512, maxSequences: 2 }));
afterAll(async () => model?.[Symbol.asyncDispose]());

/** The calls of llama.cpp's own GGUF reader (gguf.h). */
function nativeReader(): Record<string, (...args: unknown[]) => unknown> {
  const base = koffi.load(findLibrary().ggmlBase);
  koffi.struct('LimbicGgufInitParams', { no_alloc: 'bool', ctx: 'void*' });
  const signatures = {
    init: 'void* gguf_init_from_file(const char*, LimbicGgufInitParams)',
    free: 'void gguf_free(void*)',
    version: 'uint32 gguf_get_version(void*)',
    tensors: 'int64 gguf_get_n_tensors(void*)',
    keys: 'int64 gguf_get_n_kv(void*)',
    findKey: 'int64 gguf_find_key(void*, const char*)',
    textAt: 'const char* gguf_get_val_str(void*, int64)',
    int32At: 'int32 gguf_get_val_i32(void*, int64)',
    findTensor: 'int64 gguf_find_tensor(void*, const char*)',
    tensorType: 'int gguf_get_tensor_type(void*, int64)',
    tensorSize: 'size_t gguf_get_tensor_size(void*, int64)',
    tensorOffset: 'size_t gguf_get_tensor_offset(void*, int64)',
    dataOffset: 'size_t gguf_get_data_offset(void*)',
  };
  return Object.fromEntries(
    Object.entries(signatures).map(([name, signature]) => [name, base.func(signature)]),
  );
}

test("llama.cpp's own reader finds in an exported control vector the floats that were written", () => {
  const { vectors } = buildSteering(pack, [{ emotion: 'desperate', dose: 0.1 }]);
  expect([...vectors.keys()]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  const path = join(folder, 'desperate.gguf');
  writeControlVector(path, { modelHint: 'llama', directions: vectors });
  const gguf = nativeReader();
  const context = gguf['init']!(path, { no_alloc: true, ctx: null });
  expect(context).not.toBeNull();
  expect(gguf['version']!(context)).toBe(3);
  expect(Number(gguf['keys']!(context))).toBe(3);
  expect(Number(gguf['tensors']!(context))).toBe(11);
  const at = (key: string): unknown => gguf['findKey']!(context, key);
  expect(gguf['textAt']!(context, at('general.architecture'))).toBe('controlvector');
  expect(gguf['textAt']!(context, at('controlvector.model_hint'))).toBe('llama');
  expect(gguf['int32At']!(context, at('controlvector.layer_count'))).toBe(11);
  const bytes = readFileSync(path);
  for (const [layer, vector] of vectors) {
    const id = gguf['findTensor']!(context, `direction.${layer}`);
    expect(gguf['tensorType']!(context, id)).toBe(0);
    expect(Number(gguf['tensorSize']!(context, id))).toBe(576 * 4);
    const start = Number(gguf['dataOffset']!(context)) + Number(gguf['tensorOffset']!(context, id));
    for (const [k, value] of vector.entries()) expect(bytes.readFloatLE(start + k * 4)).toBe(value);
  }
  expect(Number(gguf['findTensor']!(context, 'direction.21'))).toBe(-1);
  gguf['free']!(context);
});

test.skipIf(modelPath === null)(
  `a steering from an imported file moves the residual exactly as the one from the pack${note}`,
  async () => {
    const subject = await opened();
    const steering = buildSteering(pack, [{ emotion: 'desperate', dose: 0.1 }]);
    const path = join(folder, 'again.gguf');
    writeControlVector(path, { modelHint: 'llama', directions: steering.vectors });
    const { directions } = readControlVector(path);
    expect([...directions]).toEqual([...steering.vectors]);
    const tokens = await subject.tokenize('The boat drifted away from the pier.');
    const layers = [9, 10, 15, 20];
    const options = { layers, pooling: 'last' as const, earlyExit: false };
    const [bare] = await subject.capture([tokens], options);
    const [ours] = await subject.capture([tokens], { ...options, steering });
    const [imported] = await subject.capture([tokens], {
      ...options,
      steering: { vectors: directions },
    });
    expect(imported!.rows).toEqual(ours!.rows);
    const width = 576;
    expect(imported!.rows.slice(0, width)).toEqual(bare!.rows.slice(0, width));
    const first = directions.get(10)!;
    const error = first.map(
      (value, k) => imported!.rows[width + k]! - bare!.rows[width + k]! - value,
    );
    // float32: the rounding of a sum is at most 2^-24 of its size; a few dozen of them.
    expect(Math.hypot(...error) / bare!.norms[1]!).toBeLessThan(1e-6);
    expect(Math.hypot(...first) / Number(pack.norms[pack.layers.indexOf(10)])).toBeCloseTo(0.1, 4);
    expect(middleLayers(pack)).toEqual([...directions.keys()]);
  },
);

/** A control vector as gguf-py lays it out for repeng, written here from the format's description alone. */
function byHand(number: number, values: Float32Array): Buffer {
  const out: number[] = [...Buffer.from('GGUF'), 3, 0, 0, 0];
  const whole = (value: number, bytes: number): void => {
    for (let k = 0; k < bytes; k++) out.push(Math.floor(value / 256 ** k) % 256);
  };
  const word = (value: string): void => {
    whole(value.length, 8);
    out.push(...Buffer.from(value));
  };
  whole(1, 8);
  whole(3, 8);
  for (const [key, value] of [
    ['general.architecture', 'controlvector'],
    ['controlvector.model_hint', 'llama'],
  ] as const) {
    word(key);
    whole(8, 4);
    word(value);
  }
  word('controlvector.layer_count');
  whole(4, 4);
  whole(1, 4);
  word(`direction.${number}`);
  whole(1, 4);
  whole(values.length, 8);
  whole(0, 4);
  whole(0, 8);
  while (out.length % 32 > 0) out.push(0);
  out.push(...new Uint8Array(values.buffer));
  return Buffer.from(out);
}

const differs: [convention: 'repeng' | 'cvector-generator', layer: number][] = [
  ['repeng', 14],
  ['cvector-generator', 13],
];

test.skipIf(modelPath === null).each(differs)(
  `direction.14 of a file of %s moves what block %i puts out, and nothing before it${note}`,
  async (convention, layer) => {
    const subject = await opened();
    const values = Float32Array.from({ length: 576 }, (_, k) => Math.sin(k * 1.7 + 1) / 8);
    const path = join(folder, 'hand.gguf');
    writeFileSync(path, byHand(14, values));
    const { directions, modelHint } = readControlVector(path, convention);
    expect(modelHint).toBe('llama');
    expect([...directions]).toEqual([[layer, values]]);
    const tokens = await subject.tokenize('Snow fell on the empty station.');
    const options = { layers: [layer - 1, layer], pooling: 'last' as const, earlyExit: false };
    const [bare] = await subject.capture([tokens], options);
    const [steered] = await subject.capture([tokens], {
      ...options,
      steering: { vectors: directions },
    });
    expect(steered!.rows.slice(0, 576)).toEqual(bare!.rows.slice(0, 576));
    const error = values.map((value, k) => steered!.rows[576 + k]! - bare!.rows[576 + k]! - value);
    expect(Math.hypot(...error) / bare!.norms[1]!).toBeLessThan(1e-6);
    expect(Math.hypot(...values)).toBeGreaterThan(2);
  },
);
