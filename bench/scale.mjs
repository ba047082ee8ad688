/**
 * @file What a token costs as a line in what is asked of it: emotions read, layers read, replies side by side,
 * positions before it. Each point is measured in turns, least squares give the line, its residuals say how far it
 * holds. docs/scale.md reckons with them.
 *
 * Usage: npm run build; node bench/scale.mjs [MODEL [ROUNDS]] > scale.json
 */
import { fileURLToPath } from 'node:url';

import { loadPack, makeProbe, openLlamaModel, randomFrom, resolveModel } from '../dist/index.js';
import { fitLine } from '../dist/math/least-squares.js';

const [name = 'smollm2-135m', roundCount = '5'] = process.argv.slice(2);
const rounds = Number(roundCount);
const { path } = await resolveModel(name);
const pack = loadPack(fileURLToPath(new URL(`../data/packs/${name}.safetensors`, import.meta.url)));
const model = await openLlamaModel(path, { name });
const tokens = 48;
const random = randomFrom(3);
const opening = await model.tokenize('The old harbour was quiet that evening, and');
const filler = Int32Array.from({ length: 3600 }, () => 100 + Math.floor(random() * 5000));

const randomProbe = (count) => ({
  layer: pack.bestLayer,
  directions: Float32Array.from({ length: count * pack.width }, () => random() - 0.5),
  bias: new Float32Array(count),
  scale: 1,
});
const probesOf = (count) => (count === 0 ? [] : [randomProbe(count)]);
const manyLayers = (count) =>
  pack.layers.slice(0, count).map((layer) => makeProbe(pack, pack.emotions, layer));

/** Milliseconds of one step that writes a token in each reply, without the time to the first token. */
async function step({ prompt = opening, probes = [], replies = 1 }) {
  const requests = (maxTokens) => Array.from({ length: replies }, () => ({ prompt, maxTokens }));
  const time = async (maxTokens) => {
    const began = performance.now();
    const written = await model.generate(requests(maxTokens), { probes });
    return {
      ms: performance.now() - began,
      steps: Math.max(...written.map((one) => one.tokens.length)),
    };
  };
  const [short, long] = [await time(1), await time(tokens + 1)];
  return (long.ms - short.ms) / Math.max(1, long.steps - short.steps);
}

/** Milliseconds of a token after so many others, from the times at which tokens arrive: reading them takes far longer. */
async function stepAfter(positions) {
  const times = [];
  const request = { prompt: filler.slice(0, positions), maxTokens: tokens };
  await model.generate([request], { onToken: () => times.push(performance.now()) });
  return (times.at(-1) - times[0]) / Math.max(1, times.length - 1);
}

async function prefill(length) {
  const began = performance.now();
  await model.score([{ prompt: filler.slice(0, length), continuation: Int32Array.of(100) }]);
  return performance.now() - began;
}

const lines = {
  'ms a token by emotions read at one layer': [0, 171, 500, 1000, 2000].map((x) => ({
    x,
    run: () => step({ probes: probesOf(x) }),
  })),
  [`ms a token by layers read, ${pack.emotions.length} emotions each`]: [
    0,
    ...[0.25, 0.5, 0.75, 1].map((share) => Math.round(share * pack.layers.length)),
  ].map((x) => ({ x, run: () => step({ probes: manyLayers(x) }) })),
  'ms a step by replies side by side': [1, 2, 4, 8, 16].map((x) => ({
    x,
    run: () => step({ replies: x }),
  })),
  'ms a token by positions before it': [16, 512, 1024, 2048, 3584].map((x) => ({
    x,
    run: () => stepAfter(x),
  })),
  'ms a text by tokens read': [64, 128, 256, 512].map((x) => ({ x, run: () => prefill(x) })),
};

const points = Object.entries(lines).flatMap(([line, own]) =>
  own.map((point) => ({ line, ...point, times: [] })),
);
await step({});
for (let round = 0; round < rounds; round++) {
  process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  for (const point of round % 2 === 0 ? points : points.toReversed()) {
    point.times.push(await point.run());
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const fits = Object.keys(lines).map((line) => {
  const own = points
    .filter((point) => point.line === line)
    .map(({ x, times }) => ({
      x,
      y: median(times),
      least: Math.min(...times),
      most: Math.max(...times),
    }));
  const { slope, intercept, residuals } = fitLine(own.map(({ x, y }) => [x, y]));
  const squares = residuals.reduce((sum, value) => sum + value ** 2, 0);
  const residual = Math.sqrt(squares / (own.length - 2));
  return { line, intercept, slope, residual, points: own };
});
console.log(
  JSON.stringify(
    {
      model: name,
      threads: model.info.threads,
      device: model.info.device,
      blocks: model.info.blocks,
      width: model.info.width,
      rounds,
      fits,
    },
    null,
    1,
  ),
);
await model[Symbol.asyncDispose]();
