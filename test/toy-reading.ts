/** @file A program that reads a text of TOKENS tokens on the toy engine into FOLDER; says what it held at most. */
import { join } from 'node:path';

import { writePieces } from '../src/cli/out-file.ts';
import { htmlPieces, jsonPieces, showReading } from '../src/cli/reading-output.ts';
import { openToyModel } from '../src/engine/toy/model.ts';
import { readLong } from '../src/studies/long-reading.ts';
import { openToyLab } from './toy-server.ts';

const [folder = '', tokens = ''] = process.argv.slice(2);
const shape = { blocks: 3, width: 16, heads: 2 };
const { pack: four } = await openToyLab(['afraid', 'angry', 'calm', 'happy'], shape);
// As many readings a token as a pack that ships.
const emotions = Array.from({ length: 171 }, (_, k) => four.emotions[k % 4] ?? '');
const pack = { ...four, emotions };
const model = openToyModel({ ...shape, contextLength: 64 });
const sentence = 'The kettle sang and nobody was in the hall. ';
const text = sentence.repeat(Number(tokens) / sentence.length + 1).slice(0, Number(tokens) - 1);
const input = { tokens: await model.tokenize(text), beforeReply: false };
let [held, steps] = [0, 0];
/** What is still held after a collection, at one of so many steps. */
const look = (every: number): void => {
  steps += 1;
  if (steps % every !== 0) return;
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  held = Math.max(held, heapUsed + external);
};
async function* looking(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const piece of pieces) {
    look(4);
    yield piece;
  }
}
using reading = await readLong(model, pack, input, { onProgress: () => look(50) });
const shown = showReading(reading, { model: 'toy', asked: undefined, top: 3 });
await writePieces(join(folder, `${tokens}.json`), looking(jsonPieces(shown)));
await writePieces(join(folder, `${tokens}.html`), looking(htmlPieces(shown)));
console.log(JSON.stringify({ held, peak: process.resourceUsage().maxRSS * 1024 }));
