/** @file A program whose engine writes a long reply, to be killed by a test: `toy-parent.js HOST`. It prints the engine's id. */
import { openToyProcess } from './toy-process.ts';

const model = await openToyProcess(process.argv[2] ?? '');
const prompt = await model.tokenize('Tell me a long story.');
let isSaid = false;
const onToken = (): void => {
  if (!isSaid) console.log(model.pid);
  isSaid = true;
};
for (;;) await model.generate([{ prompt, maxTokens: 900 }], { onToken });
