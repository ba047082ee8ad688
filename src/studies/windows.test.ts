import fc from 'fast-check';
import { expect, test } from 'vitest';

import { openToyLab } from '../../test/toy-server.ts';
import { chatTokens } from '../engine/chat-template.ts';
import { openToyModel } from '../engine/toy/model.ts';
import { makeProbe } from '../vectors/pack.ts';
import { type LongReading, readLong } from './long-reading.ts';
import { displayMax, readChat, readText, strongestOver, traceOf } from './reading.ts';
import { windowsOf } from './windows.ts';

const { pack } = await openToyLab();
const model = openToyModel({ blocks: 6, contextLength: 64 });
const wide = openToyModel({ blocks: 6 });
const text = 'It cost 40 € and the naïve owner paid. '.repeat(8);

/** Everything that a reading holds, in one piece. */
async function wholeOf(reading: LongReading): Promise<{ tokens: string[]; values: number[] }> {
  const [tokens, values]: [string[], number[]] = [[], []];
  for await (const part of reading.parts()) {
    expect(part.from).toBe(tokens.length);
    tokens.push(...part.tokens);
    values.push(...part.values);
  }
  return { tokens, values };
}

test('windows take every position once, after half a window of text or all that there is', () => {
  const sizes = fc.tuple(
    fc.integer({ min: 1, max: 3000 }),
    fc.integer({ min: 16, max: 512 }),
    fc.integer({ min: 0, max: 3 }),
  );
  fc.assert(
    fc.property(sizes, ([length, size, prefix]) => {
      const windows = windowsOf(length, size, prefix);
      let next = 0;
      for (const [i, { start, from, end }] of windows.entries()) {
        expect(from).toBe(next);
        expect(end).toBeGreaterThan(from);
        expect(end - start + (i === 0 ? 0 : prefix)).toBe(i === 0 ? Math.min(length, size) : size);
        if (i > 0) expect(from - start).toBeGreaterThanOrEqual(size / 2);
        next = end;
      }
      expect(next).toBe(length);
    }),
  );
});

test('a position of a long text reads as it would in its own window alone', async () => {
  const tokens = await model.tokenize(text);
  using reading = await readLong(model, pack, { tokens, beforeReply: false });
  const { values } = await wholeOf(reading);
  expect(reading.windows).toMatchObject({ size: 64, stride: 31 });
  const probes = [makeProbe(pack, pack.emotions, pack.bestLayer)];
  const columns = pack.emotions.length;
  // The second window adds 64 to 94 and begins 32 before; the third adds 95 to 125.
  for (const [position, start] of [
    [64, 32],
    [94, 32],
    [95, 63],
  ] as const) {
    const own = Int32Array.from([256, ...tokens.slice(start, position + 1)]);
    const [alone] = await wide.project([own], { probes });
    const row = values.slice(position * columns, (position + 1) * columns);
    for (const [k, value] of alone!.slice(-columns).entries()) expect(row[k]).toBeCloseTo(value, 5);
  }
});

test('a text that fits reads the same in parts as at once', async () => {
  const tokens = await wide.tokenize(text);
  using reading = await readLong(wide, pack, { tokens, beforeReply: false });
  const whole = await readText(wide, pack, text);
  const { tokens: pieces, values } = await wholeOf(reading);
  expect(reading.windows).toBeNull();
  expect(pieces).toEqual(whole.tokens);
  expect(values).toEqual([...whole.values]);
  const [first] = strongestOver(whole);
  const ranked = reading.strongest();
  expect(ranked.map(({ emotion }) => emotion)).toEqual(
    strongestOver(whole).map(({ emotion }) => emotion),
  );
  expect(ranked[0]!.value).toBeCloseTo(first!.value, 6);
  expect(reading.displayMaxima(['calm']).get('calm')).toBeCloseTo(displayMax(whole, 'calm'), 6);
  expect(reading.isSink(0)).toBe(true);
});

test('a text of many parts keeps the characters that lie across them, and its readings', async () => {
  // 3 bytes a character: the toy's tokens are bytes, so 1024 of them end inside one.
  const many = '€'.repeat(400);
  const tokens = await model.tokenize(many);
  using reading = await readLong(model, pack, { tokens, beforeReply: false });
  const { tokens: pieces, values } = await wholeOf(reading);
  expect(pieces.slice(1).join('')).toBe(many);
  const inMemory = await readText(model, pack, many);
  expect(values).toEqual([...inMemory.values]);
  expect(inMemory.windows).toEqual(reading.windows);
  expect(reading.strongest()[0]!.value).toBeCloseTo(strongestOver(inMemory)[0]!.value, 6);
  expect(traceOf(inMemory, 'calm')).toHaveLength(tokens.length);
});

test('a long conversation is read to where its reply begins', async () => {
  const messages = [{ role: 'user', content: text } as const];
  const tokens = await chatTokens(model, messages);
  expect(tokens.length).toBeGreaterThan(200);
  using reading = await readLong(model, pack, { tokens, beforeReply: true });
  const { beforeReply } = await readChat(model, pack, messages);
  expect(reading.beforeReply).toEqual(beforeReply);
  const probes = [makeProbe(pack, pack.emotions, pack.bestLayer)];
  const [last] = await wide.project([Int32Array.from([256, ...tokens.slice(-63)])], { probes });
  const { values } = await wholeOf(reading);
  for (const [k, value] of last!.slice(-pack.emotions.length).entries())
    expect(values.at(k - pack.emotions.length)).toBeCloseTo(value, 5);
});
