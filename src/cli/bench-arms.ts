/** @file What `limbic bench` measures: each arm does the same work as its baseline, with something of ours on top. */
import type { GenerateOptions, Probe } from '../engine/engine.ts';
import type { BareEngine } from '../engine/llama/bare.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { randomDirection, randomFrom } from '../math/random.ts';
import { buildSteering } from '../steering/steering.ts';
import { makeProbe, type VectorPack } from '../vectors/pack.ts';

export interface Arm {
  readonly name: string;
  readonly baseline: string;
  /** Returns tokens per second of one repetition. */
  readonly run: () => Promise<number>;
}

/** Replies of one batch, as the rollouts of a study are written. */
const sideBySide = 8;
/** Tokens of a measured reply. */
const replyTokens = 64;

/** What reading, steering and early exit cost against the same call with nothing read. */
export function usualArms(model: LlamaModel, pack: VectorPack): Arm[] {
  const bare = 'generate, bare';
  const fullPass = 'prefill, bare full pass';
  const count = pack.emotions.length;
  const probes = [readingsOf(pack, count)];
  const generation = (name: string, options: GenerateOptions, replies = 1): Arm => ({
    name,
    baseline: bare,
    run: () => generate(model, options, replies),
  });
  return [
    generation(bare, {}),
    generation('generate, 1 reading a token', { probes: [readingsOf(pack, 1)] }),
    generation(`generate, ${count} readings a token`, { probes }),
    generation('generate, readings and steering', { probes, steering: steeringOf(pack) }),
    generation(`generate, ${sideBySide} replies side by side`, {}, sideBySide),
    { name: fullPass, baseline: fullPass, run: () => prefill(model, null) },
    {
      name: `prefill, all layers to ${pack.bestLayer}, early exit`,
      baseline: fullPass,
      run: () => prefill(model, pack.bestLayer),
    },
  ];
}

/** The same and more, against llama.cpp with nothing of ours around it. */
export function allArms(model: LlamaModel, pack: VectorPack, bare: BareEngine): Arm[] {
  const decode = 'decode, bare llama.cpp';
  const pass = 'prefill, bare llama.cpp';
  const count = pack.emotions.length;
  const probe = (layer: number, emotions: number): Probe => readingsOf(pack, emotions, layer);
  const four = spread(pack.layers, 4);
  const steering = steeringOf(pack);
  const generation = (name: string, options: GenerateOptions, replies = 1): Arm => ({
    name: `generate, ${name}`,
    baseline: decode,
    run: () => generate(model, options, replies),
  });
  const reading = (name: string, probes: readonly Probe[]): Arm => generation(name, { probes });
  const twoThirds = Math.round((2 * pack.blocks) / 3);
  return [
    { name: decode, baseline: decode, run: () => bareDecode(model, bare) },
    generation('nothing read', {}),
    ...[1, 8, count].map((n) => reading(`${n} readings, 1 layer`, [probe(pack.bestLayer, n)])),
    reading('1000 readings, 1 layer', [randomProbe(pack, 1000)]),
    reading(
      `${count} readings, 4 layers`,
      four.map((layer) => probe(layer, count)),
    ),
    reading(
      `${count} readings, all ${pack.layers.length} layers`,
      pack.layers.map((layer) => probe(layer, count)),
    ),
    generation('steering', { steering }),
    generation(`${count} readings, 1 layer, and steering`, {
      probes: [probe(pack.bestLayer, count)],
      steering,
    }),
    ...[4, 8, 16].map((n) => generation(`${n} replies side by side`, {}, n)),
    generation(
      `8 replies side by side, ${count} readings`,
      { probes: [probe(pack.bestLayer, count)] },
      8,
    ),
    { name: pass, baseline: pass, run: () => barePrefill(bare) },
    { name: 'prefill, scored', baseline: pass, run: () => prefill(model, null) },
    {
      name: `prefill, ${count} readings a position`,
      baseline: pass,
      run: () => project(model, probe(pack.bestLayer, count)),
    },
    {
      name: `prefill, all layers to ${twoThirds} (two thirds), early exit`,
      baseline: pass,
      run: () => prefill(model, twoThirds),
    },
  ];
}

function readingsOf(pack: VectorPack, count: number, layer = pack.bestLayer): Probe {
  return makeProbe(pack, pack.emotions.slice(0, count), layer);
}

/** More directions than a pack has, for the cost alone. */
function randomProbe({ width, bestLayer }: VectorPack, count: number): Probe {
  const random = randomFrom(3);
  const directions = new Float32Array(count * width);
  for (let k = 0; k < count; k++) directions.set(randomDirection(width, random), k * width);
  return { layer: bestLayer, directions, bias: new Float32Array(count), scale: 1 };
}

function steeringOf(pack: VectorPack): ReturnType<typeof buildSteering> {
  return buildSteering(pack, [{ emotion: pack.emotions[0] ?? '', dose: 0.01 }]);
}

/** `count` of the layers, evenly over them. */
function spread(layers: readonly number[], count: number): number[] {
  const step = (layers.length - 1) / Math.max(1, count - 1);
  return Array.from({ length: count }, (_, k) => layers[Math.round(k * step)]).filter(
    (layer) => layer !== undefined,
  );
}

const opening = 'The old harbour was quiet that evening, and';

/** Tokens per second of greedy replies, with the short prompt before each. */
async function generate(model: LlamaModel, options: GenerateOptions, count = 1): Promise<number> {
  const prompt = await model.tokenize(opening);
  const requests = Array.from({ length: count }, () => ({ prompt, maxTokens: replyTokens }));
  const started = performance.now();
  const replies = await model.generate(requests, options);
  const tokens = replies.reduce((sum, reply) => sum + reply.tokens.length, 0);
  return tokens / secondsSince(started);
}

async function bareDecode(model: LlamaModel, bare: BareEngine): Promise<number> {
  const prompt = await model.tokenize(opening);
  const started = performance.now();
  bare.generate(prompt, replyTokens);
  return replyTokens / secondsSince(started);
}

/** Eight texts of 128 random tokens. */
function randomTexts(): Int32Array[] {
  const random = randomFrom(5);
  return Array.from({ length: 8 }, () =>
    Int32Array.from({ length: 128 }, () => 100 + Math.floor(random() * 5000)),
  );
}

/** Tokens per second; null is a whole pass with one score at the end, else all layers up to this one. */
async function prefill(model: LlamaModel, layer: number | null): Promise<number> {
  const texts = randomTexts();
  const started = performance.now();
  if (layer === null) {
    await model.score(texts.map((prompt) => ({ prompt, continuation: Int32Array.of(100) })));
  } else {
    await model.capture(texts, {
      layers: Array.from({ length: layer + 1 }, (_, k) => k),
      pooling: 'mean',
      starts: [20],
    });
  }
  return (8 * 128) / secondsSince(started);
}

async function project(model: LlamaModel, probe: Probe): Promise<number> {
  const texts = randomTexts();
  const started = performance.now();
  await model.project(texts, { probes: [probe] });
  return (8 * 128) / secondsSince(started);
}

function barePrefill(bare: BareEngine): Promise<number> {
  const texts = randomTexts();
  const started = performance.now();
  bare.prefill(texts);
  return Promise.resolve((8 * 128) / secondsSince(started));
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
