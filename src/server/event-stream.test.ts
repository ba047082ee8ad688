import { expect, test } from 'vitest';

import type { GeneratedToken } from '../engine/engine.ts';
import { EventStream } from './event-stream.ts';
import type { ReplyUpdate } from './reply.ts';

const update = (text: string): ReplyUpdate => ({
  text,
  chosen: [{ text } as GeneratedToken],
  tokens: [],
  events: [],
});
const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** A stream with a count of how often its events became JSON. */
function open(onCancel: () => void = () => undefined): {
  stream: EventStream;
  reader: ReadableStreamDefaultReader<Uint8Array>;
  count: () => number;
  read: () => Promise<unknown>;
} {
  let count = 0;
  const stream = new EventStream(({ text, chosen }) => {
    const toJSON = (): object => {
      count++;
      return { text, tokens: chosen.length };
    };
    return { toJSON };
  }, onCancel);
  const reader = stream.response.body!.getReader();
  const decoder = new TextDecoder();
  const read = async (): Promise<unknown> => {
    const { value, done } = await reader.read();
    if (done) return null;
    const text = decoder.decode(value);
    expect(text).toMatch(/^data: .*\n\n$/);
    return text.includes('[DONE]') ? 'done' : JSON.parse(text.slice(6));
  };
  return { stream, reader, read, count: () => count };
}

test('the first token is sent at once, and those that follow closely share an event', async () => {
  const { stream, read, count } = open();
  const started = performance.now();
  for (const text of ['a', 'b', 'c']) stream.push(update(text));
  expect(await read()).toEqual({ text: 'a', tokens: 1 });
  expect(performance.now() - started).toBeLessThan(10);
  expect(await read()).toEqual({ text: 'bc', tokens: 2 });
  expect(performance.now() - started).toBeGreaterThan(8);
  await pause(30);
  stream.push(update('d'));
  expect(await read()).toEqual({ text: 'd', tokens: 1 });
  // Each event becomes JSON once, however many tokens it carries.
  expect(count()).toBe(3);
});

test('what is sent last comes behind everything gathered', async () => {
  const { stream, read } = open();
  stream.push(update('a'));
  stream.push(update('b'));
  stream.send({ last: true });
  stream.send('[DONE]');
  stream.end();
  const events = [await read(), await read(), await read(), await read(), await read()];
  expect(events).toEqual([
    { text: 'a', tokens: 1 },
    { text: 'b', tokens: 1 },
    { last: true },
    'done',
    null,
  ]);
});

test('a slow reader gets fewer and larger events, and every token', async () => {
  const { stream, read } = open();
  for (let i = 0; i < 6; i++) {
    stream.push(update(String(i)));
    await pause(20);
  }
  expect(await read()).toEqual({ text: '0', tokens: 1 });
  const rest = (await read()) as { text: string };
  stream.send('[DONE]');
  expect(rest.text).toMatch(/^123/);
  const tail = (await read()) as 'done' | { text: string };
  expect(`0${rest.text}${tail === 'done' ? '' : tail.text}`).toBe('012345');
});

test('a reader that goes away is noticed once, and nothing is sent to it', async () => {
  let cancelled = 0;
  const { stream, reader, count } = open(() => cancelled++);
  stream.push(update('a'));
  await reader.cancel();
  stream.push(update('b'));
  stream.send('[DONE]');
  stream.end();
  await pause(30);
  expect([cancelled, count()]).toEqual([1, 1]);
});
