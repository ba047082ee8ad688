/**
 * @file The native loader under model files that our header check may pass and that lie all the same: whatever it does
 * with one (refuse, abort, crash, or run it), only the engine's process is its to end, and the error is one sentence.
 */
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { openLlamaModel } from '../src/engine/llama/model.ts';
import { LimbicError, shown } from '../src/errors.ts';
import { randomFrom } from '../src/math/random.ts';
import { needs, testModel } from './models.ts';
import { u32 } from './tiny-gguf.ts';

const path = testModel('smollm2-135m');
const folder = mkdtempSync(join(tmpdir(), 'limbic-loader-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Edit = readonly [at: number, bytes: Buffer];
const f32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
};

/** Edits of numbers in the header, each with what it says. */
function lies(header: Buffer): (readonly [string, Edit])[] {
  /** Where the value of a metadata key begins: behind the key and its type. */
  const valueOf = (key: string): number => {
    const at = header.indexOf(key);
    expect(at, key).toBeGreaterThan(0);
    return at + key.length + 4;
  };
  const numbers: [string, number[]][] = [
    ['llama.block_count', [0, 1, 31, 100_000]],
    ['llama.attention.head_count', [0, 7, 4_000_000_000]],
    ['llama.attention.head_count_kv', [0, 2, 100]],
    ['llama.embedding_length', [0, 575, 2 ** 31]],
    ['llama.feed_forward_length', [0, 1]],
    ['llama.context_length', [0, 4_294_967_295]],
    ['llama.rope.dimension_count', [0, 1_000_001]],
    ['tokenizer.ggml.eos_token_id', [4_000_000_000]],
    ['tokenizer.ggml.bos_token_id', [49_152]],
  ];
  /** The number of dimensions stands behind a tensor's name; then its sizes, its kind and where it begins. */
  const tensor = (name: string): number => header.indexOf(name) + name.length;
  return [
    ...numbers.flatMap(([key, values]) =>
      values.map((value) => [`${key} ${value}`, [valueOf(key), u32(value)]] as const),
    ),
    ['a norm of NaN', [valueOf('llama.attention.layer_norm_rms_epsilon'), f32(NaN)]],
    ['another kind of weights', [tensor('blk.3.attn_q.weight') + 4 + 16, u32(8)]],
    ['a kind that there is not', [tensor('blk.3.attn_q.weight') + 4 + 16, u32(200)]],
    ['a size of 2^40', [tensor('blk.3.ffn_up.weight') + 4 + 5, u32(256)]],
    ['a tensor of another name', [tensor('blk.5.ffn_up.weight') - 3, Buffer.from('x')]],
  ];
}

/** What became of a file: `ran`, or the message of the error. */
async function outcomeOf(file: string): Promise<string> {
  try {
    await using model = await openLlamaModel(file, { contextLength: 256 });
    const prompt = await model.tokenize('Rain on the roof.');
    await model.generate([{ prompt, maxTokens: 4 }]);
    return 'ran';
  } catch (error) {
    expect(error).toBeInstanceOf(LimbicError);
    return (error as Error).message;
  }
}

test.skipIf(path === null)(
  `files that lie to the native loader end its process and no other${needs('smollm2-135m')}`,
  async () => {
    const header = readFileSync(path!).subarray(0, 8_000_000);
    const random = randomFrom(20260131);
    // Among the metadata and the tensors' descriptions, wherever it hits.
    const noise = Array.from({ length: 12 }, (_, i) => {
      const at = 24 + Math.floor(random() * 1.9e6);
      return [`noise ${i} at ${at}`, [at, Buffer.of(Math.floor(random() * 256))]] as const;
    });
    const file = join(folder, 'lies.gguf');
    const outcomes = new Map<string, string>();
    for (const [name, [at, bytes]] of [...lies(header), ...noise]) {
      copyFileSync(path!, file);
      const handle = openSync(file, 'r+');
      writeSync(handle, bytes, 0, bytes.length, at);
      closeSync(handle);
      const outcome = await outcomeOf(file);
      expect(shown(outcome), name).toBe(outcome);
      outcomes.set(name, outcome);
    }
    console.log([...outcomes].map(([name, outcome]) => `${name}: ${outcome}`).join('\n'));
    // Which the loader refuses, with its reason.
    expect(outcomes.get('llama.block_count 31')).toMatch(/could not load .*: .*blk\.30/);
    // Some pass our check and are the native loader's to refuse; an honest file runs as before.
    expect([...outcomes.values()].some((outcome) => /llama\.cpp|process/.test(outcome))).toBe(true);
    expect(await outcomeOf(path!)).toBe('ran');
  },
  300_000,
);
