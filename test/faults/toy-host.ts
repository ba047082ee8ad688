/** @file The engine's child process on the toy engine. A text that says so makes it run out of memory. */
import { answerCalls } from '../../src/engine/llama/answering.ts';
import { createToyBackend } from '../../src/engine/toy/backend.ts';
import { exhaust } from './toy-process.ts';

answerCalls(() => {
  const backend = createToyBackend({ blocks: 6 });
  const tokenize = backend.tokenize.bind(backend);
  backend.tokenize = (text, ...rest) => {
    if (text.includes(exhaust)) fill();
    return tokenize(text, ...rest);
  };
  return { backend, selfTest: 0 };
});

function fill(): never {
  for (const held: number[][] = []; ;) held.push(Array.from({ length: 10_000 }, (_, i) => i + 0.5));
}
