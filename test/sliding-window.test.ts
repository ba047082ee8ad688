/** @file A model with a sliding window forgets cells of idle conversations: what is left must not be continued. */
import { expect, test } from 'vitest';

import { openLlamaModel } from '../src/engine/llama/model.ts';
import { randomFrom } from '../src/math/random.ts';
import { needs, testModel } from './models.ts';

const name = 'gemma3-270m-base';

/** Positions that a branch of the second conversation finds in the cache after these. */
async function reusedAfter(lengths: readonly number[]): Promise<number> {
  await using model = await openLlamaModel(testModel(name)!, { contextLength: 2048 });
  const random = randomFrom(3);
  const textOf = (length: number): Int32Array =>
    Int32Array.from({ length }, () => 1000 + Math.floor(random() * 5000));
  const texts = lengths.map(textOf);
  for (const prompt of texts) await model.generate([{ prompt, maxTokens: 1 }], { reuse: true });
  const prompt = Int32Array.from([...texts[1]!.slice(0, 700), ...textOf(5)]);
  const [reply] = await model.generate([{ prompt, maxTokens: 1 }], { reuse: true });
  return reply!.reused;
}

test.skipIf(testModel(name) === null)(
  `a conversation that another one pushed out of the window is read anew${needs(name)}`,
  async () => {
    expect(await reusedAfter([900, 900])).toBe(700);
    // The third takes the room of the first and, where its window allows it, that of the second.
    expect(await reusedAfter([900, 900, 1100])).toBe(0);
  },
  120_000,
);
