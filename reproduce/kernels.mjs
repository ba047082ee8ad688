/** @file Turns src/math/kernels.wat into src/math/kernels-wasm.ts. A test holds the two together. */
import { readFileSync, writeFileSync } from 'node:fs';

import openWabt from 'wabt';

const source = new URL('../src/math/kernels.wat', import.meta.url);
const wabt = await openWabt();
const module = wabt.parseWat('kernels.wat', readFileSync(source, 'utf8'));
module.validate();
const text = Buffer.from(module.toBinary({}).buffer).toString('base64');
const lines = text.match(/.{1,88}/g).map((line) => `  '${line}'`);
writeFileSync(
  new URL('../src/math/kernels-wasm.ts', import.meta.url),
  `/** @file Made from kernels.wat by \`node reproduce/kernels.mjs\`. */\nexport const kernelsWasm =\n${lines.join(' +\n')};\n`,
);
