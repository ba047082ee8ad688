import fc from 'fast-check';
import { expect } from 'vitest';
import { z } from 'zod';

import { readJsonLines } from '../../src/formats/jsonl.ts';
import { readTranscripts } from '../../src/formats/transcripts.ts';
import { fuzz } from './harness.ts';
import { type Change, changes, mutatedBytes, mutatedJson, rareChanges } from './mutators.ts';

/** Most lines as they are, so that a reader comes far; the list changes the bytes of all. */
const joined = (lines: readonly string[], end: string, list: readonly Change[]): Buffer =>
  mutatedBytes(Buffer.from(lines.join(end)), list);
const lineEnd = fc.constantFrom('\n', '\r\n', '\n\n');

const rowSchema = z.object({
  text: z.string(),
  score: z.number(),
  tags: z.array(z.string()).optional(),
});
const row = fc.record({
  text: fc.string({ maxLength: 20 }),
  score: fc.double({ noNaN: true, noDefaultInfinity: true }),
  tags: fc.array(fc.constantFrom('a', 'b'), { maxLength: 3 }),
});
const rows = fc
  .tuple(fc.array(fc.tuple(row, rareChanges), { maxLength: 5 }), lineEnd, rareChanges)
  .map(([lines, end, list]) =>
    joined(
      lines.map(([value, inner]) => mutatedJson(value, inner)),
      end,
      list,
    ),
  );

fuzz('any broken JSONL', rows, {
  name: 'any.jsonl',
  read: (path) => {
    for (const { text, score } of readJsonLines(path, rowSchema)) {
      expect(typeof text).toBe('string');
      expect(Number.isFinite(score)).toBe(true);
    }
  },
});

const content = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constant(null),
  fc.array(
    fc.constantFrom<unknown>(
      'x',
      { type: 'text', text: 'y' },
      { type: 'image_url', image_url: { url: 'data:' } },
    ),
    { maxLength: 3 },
  ),
);
const message = fc.record({
  role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool', 'function'),
  content,
});
const conversation = fc.record({ messages: fc.array(message, { maxLength: 4 }) });
const sample = fc.record({
  id: fc.oneof(fc.nat(), fc.string({ maxLength: 5 })),
  epoch: fc.integer({ min: 1, max: 3 }),
  messages: fc.array(message, { maxLength: 3 }),
});

const read = async (path: string, size: number): Promise<void> => {
  const { sha256, transcripts } = await readTranscripts(path);
  expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  let held = 0;
  for (const { name, messages } of transcripts) {
    expect(name.length).toBeLessThan(130);
    expect(name).not.toMatch(/[\p{Cc}\p{Cs}]/u);
    for (const { role, text } of messages) {
      expect(['system', 'user', 'assistant', 'tool']).toContain(role);
      expect(text).not.toMatch(/\p{Cs}/u);
      held += text.length;
    }
  }
  expect(held).toBeLessThanOrEqual(size);
};

const openai = fc
  .tuple(
    fc.array(fc.tuple(conversation, rareChanges), { minLength: 1, maxLength: 4 }),
    lineEnd,
    rareChanges,
  )
  .map(([lines, end, list]) =>
    joined(
      lines.map(([value, inner]) => mutatedJson(value, inner)),
      end,
      list,
    ),
  );
fuzz('any broken file of OpenAI messages', openai, { name: 'openai.jsonl', read });

const whole = fc
  .tuple(
    fc.oneof(
      fc.array(conversation, { maxLength: 3 }),
      fc
        .array(sample, { maxLength: 3 })
        .map((samples) => ({ version: 2, status: 'success', eval: { task: 't' }, samples })),
    ),
    changes,
    rareChanges,
    fc.boolean(),
  )
  .map(([value, inner, list, isBroad]) => {
    const text = mutatedJson(value, inner);
    return mutatedBytes(
      Buffer.from(isBroad ? text.replaceAll(/(?<=[[{,])(?=[[{"])/g, '\n  ') : text),
      list,
    );
  });
fuzz('any broken Inspect log or array of conversations', whole, { name: 'log.json', read });
