/**
 * @file Where the time of a token goes: a greedy reply with 171 readings and steering, in this process under V8's
 * sampling profiler, by what ran. What llama.cpp computes is one line; the rest is ours, Node's or the collector's.
 *
 * Usage: npm run build; node bench/profile.mjs [MODEL [one|all [TOKENS]]]
 */
import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';

import { LlamaBackend } from '../dist/engine/llama/backend.js';
import { bind } from '../dist/engine/llama/binding.js';
import { describeDevice, quietLog } from '../dist/engine/llama/device.js';
import { findLibrary } from '../dist/engine/llama/library.js';
import { defaultThreads } from '../dist/engine/llama/threads.js';
import { generate, Scheduler } from '../dist/engine/scheduler.js';
import { buildSteering, loadPack, makeProbe, resolveModel } from '../dist/index.js';

const [model = 'smollm2-135m', which = 'one', count = '256'] = process.argv.slice(2);
const { path } = await resolveModel(model);
const pack = loadPack(
  fileURLToPath(new URL(`../data/packs/${model}.safetensors`, import.meta.url)),
);
const library = findLibrary({ gpu: false });
const binding = bind(library);
quietLog(binding);
const options = {
  path,
  contextLength: 4096,
  maxSequences: 16,
  threads: defaultThreads(),
  gpuLayers: 0,
};
const backend = new LlamaBackend(binding, options, describeDevice(binding, library));
const scheduler = new Scheduler(backend);
const layers = which === 'all' ? pack.layers : [pack.bestLayer];
const call = {
  probes: layers.map((layer) => makeProbe(pack, pack.emotions, layer)),
  steering: buildSteering(pack, [{ emotion: 'calm', dose: 0.01 }]),
};
const prompt = backend.tokenize('The old harbour was quiet that evening, and', true, false);
const reply = (maxTokens) => generate(scheduler, [{ prompt, maxTokens }], call);

await reply(64);
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: 100 });
await session.post('Profiler.start');
const began = performance.now();
const [{ tokens }] = await reply(Number(count));
const milliseconds = performance.now() - began;
const { profile } = await session.post('Profiler.stop');

/** Where a sample counts: the caller of native code has its time. */
const places = new Map(profile.nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
const times = new Map();
for (const [i, id] of profile.samples.entries()) {
  const place = places.get(id);
  times.set(place, (times.get(place) ?? 0) + profile.timeDeltas[i]);
}
const total = [...times.values()].reduce((sum, time) => sum + time, 0);
console.log(
  `${model}, ${tokens.length} tokens, ${layers.length} layers x ${pack.emotions.length} readings and steering, ${(milliseconds / tokens.length).toFixed(2)} ms a token`,
);
for (const [place, time] of [...times].toSorted(([, a], [, b]) => b - a).slice(0, 16))
  console.log(
    `${((100 * time) / total).toFixed(2).padStart(6)} %  ${((time / 1000 / tokens.length) * 1000).toFixed(0).padStart(6)} us a token  ${place}`,
  );
backend.dispose();

/** A native call through koffi is named after the first that V8 saw, so all of them count as one. */
function placeOf({ functionName, url, lineNumber }) {
  if (functionName === '(garbage collector)' || functionName === '(idle)') return functionName;
  if (url === '') return 'llama.cpp and other native code';
  const file = url.startsWith('wasm') ? 'math/kernels.wat' : url.split('/dist/').at(-1);
  return `${functionName || '(anonymous)'}  ${file}:${lineNumber + 1}`;
}
