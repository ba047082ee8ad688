import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createEventParser, readEvents } from './sse.ts';

const stream = 'data: {"a":1}\n\n: a comment\nid: 7\ndata: one\ndata: two\r\n\r\ndata:[DONE]\n\n';
const events = ['{"a":1}', 'one\ntwo', '[DONE]'];

test('createEventParser gives the same events however the text is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
      const parse = createEventParser();
      const places = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
      const pieces = places.slice(1).map((end, i) => stream.slice(places[i], end));
      expect(pieces.flatMap(parse)).toEqual(events);
    }),
  );
});

async function collect(...pieces: Uint8Array[]): Promise<string[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  const found: string[] = [];
  for await (const data of readEvents(body)) found.push(data);
  return found;
}

test('readEvents ends at [DONE] and joins letters that were cut in their bytes', async () => {
  const bytes = new TextEncoder().encode('data: caf\u00E9\n\ndata: [DONE]\n\ndata: late\n\n');
  expect(await collect(bytes.slice(0, 10), bytes.slice(10))).toEqual(['caf\u00E9']);
});

test('readEvents gives a last event that lacks its empty line', async () => {
  expect(await collect(new TextEncoder().encode('data: last'))).toEqual(['last']);
});
