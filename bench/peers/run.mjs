/**
 * @file The same work by limbic and by the Python tools, in one run and in turns: mean residuals of texts (extraction),
 * and a greedy reply with 171 readings a token and a steering vector (generation). Token ids, vectors and the GGUF
 * file are the same for all.
 *
 * Usage: npm run build; bash bench/peers/install.sh; node bench/peers/run.mjs [MODEL [ROUNDS [TOOL,TOOL [TEXTS]]]] > result.json
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { openForExtraction } from '../../dist/cli/extraction-model.js';
import { buildSteering, loadPack, makeProbe } from '../../dist/index.js';

const [modelName = 'smollm2-135m', roundCount = '3', only, askedTexts = '48'] =
  process.argv.slice(2);
const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '../..');
const rounds = Number(roundCount);
const tools = only?.split(',') ?? [
  'transformers',
  'repeng',
  'steering-vectors',
  'transformer-lens',
  'saklas',
  'llama-cpp-python',
];
/** Those of the second environment; see install.sh. */
const olderTools = new Set(['repeng', 'steering-vectors']);
/** Texts of the extraction, and where their means begin. */
const textCount = Number(askedTexts);
const start = 20;
const replyTokens = 64;

const stories = readFileSync(join(root, 'data/corpus/stories.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .slice(0, textCount)
  .map((line) => JSON.parse(line).text);

const controller = new AbortController();
const open = (weights) =>
  openForExtraction(
    { values: { model: modelName, weights }, signal: controller.signal },
    { sample: stories.slice(0, 8), meansPath: join(tmpdir(), 'no-means-here') },
  );
const file = await open('file');
const { model } = file;
const pack = loadPack(join(root, `data/packs/${modelName}.safetensors`));
const depth = Math.round((2 * model.info.blocks) / 3);
const layers = Array.from({ length: depth + 1 }, (_, k) => k);
const texts = await Promise.all(stories.map((story) => model.tokenize(story)));
const prompt = await model.tokenize('The old harbour was quiet that evening, and');
const tokenCount = texts.reduce((sum, text) => sum + text.length, 0);
const probe = makeProbe(pack, pack.emotions, pack.bestLayer);
const steering = buildSteering(pack, [{ emotion: 'calm', dose: 0.02 }]);
const fast = await open('auto');

const extraction = async (engine) => {
  const captured = await engine.capture(texts, { layers, pooling: 'mean', starts: [start] });
  return captured.map(({ rows }) => rows);
};
const generation = async () => {
  const [reply] = await model.generate([{ prompt, maxTokens: replyTokens }], {
    probes: [probe],
    steering,
  });
  return reply;
};

/** Runs the work and says how many tokens a second it made. */
async function timed(tokens, work) {
  const began = performance.now();
  const value = await work();
  return { tokensPerSecond: tokens / ((performance.now() - began) / 1000), value };
}

/** A tool in a process of its own, which answers one line of JSON to each line. */
class Peer {
  constructor(tool, workload) {
    this.tool = tool;
    const environment = olderTools.has(tool) ? '.venv-4' : '.venv';
    this.child = spawn(
      join(here, environment, 'bin/python'),
      [join(here, 'peer.py'), tool, workload],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    this.errors = '';
    this.child.stderr.setEncoding('utf8').on('data', (text) => {
      this.errors = (this.errors + text).slice(-3000);
    });
    this.ended = new Promise((resolve) => {
      this.child.on('error', (error) => resolve({ error: error.message }));
      this.child.on('close', () => resolve({ error: this.errors.trim().split('\n').at(-1) }));
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ask(work) {
    this.child.stdin.write(`${work}\n`, () => {
      // A process that is gone answers through `ended`.
    });
    const line = this.lines
      .next()
      .then(({ value }) => (value === undefined ? this.ended : JSON.parse(value)));
    return Promise.race([line, this.ended]);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'limbic-peers-'));
const numbers = (name, values) => {
  writeFileSync(
    join(folder, name),
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  );
  return join(folder, name);
};
const workload = join(folder, 'workload.json');
writeFileSync(
  workload,
  JSON.stringify({
    gguf: model.info.path,
    modelName,
    width: model.info.width,
    texts: texts.map((text) => [...text]),
    prompt: [...prompt],
    start,
    layers,
    readLayer: pack.bestLayer,
    directions: numbers('directions', probe.directions),
    steering: [...steering.vectors].map(([layer, vector]) => ({
      layer,
      file: numbers(`steer-${layer}`, vector),
    })),
    replyTokens,
    threads: model.info.threads,
  }),
);

const rates = new Map();
const note = (name, work, answer) => {
  const key = `${name}\t${work}`;
  rates.set(key, [...(rates.get(key) ?? []), answer]);
};
const reference = { extraction: await extraction(model), generation: await generation() };
numbers('expected', reference.extraction[0]);
const peers = [];
for (const tool of tools) {
  const peer = new Peer(tool, workload);
  process.stderr.write(`${tool}: opening and tuning\n`);
  const opened = await peer.ask('open');
  note(tool, 'open', opened);
  if (opened.error === undefined) peers.push(peer);
  else process.stderr.write(`${tool}: ${opened.error}\n`);
}
for (let round = 0; round < rounds; round++) {
  process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  const turn = [
    async () =>
      note('limbic, the file', 'extraction', await timed(tokenCount, () => extraction(model))),
    async () =>
      note(
        'limbic, as limbic extract',
        'extraction',
        await timed(tokenCount, () => extraction(fast.model)),
      ),
    async () => note('limbic, the file', 'generation', await timed(replyTokens, generation)),
    ...peers.flatMap((peer) =>
      ['extraction', 'generation'].map(
        (work) => async () => note(peer.tool, work, await peer.ask(work)),
      ),
    ),
  ];
  for (const step of round % 2 === 0 ? turn : turn.toReversed()) await step();
}
for (const peer of peers) peer.child.kill();

/** Cosine of a tool's mean residuals of the first text, all layers one after the other, with limbic's. */
function agreement(values) {
  if (values === undefined || values === null) return null;
  const own = reference.extraction[0];
  let [dot, a, b] = [0, 0, 0];
  for (const [k, value] of values.entries()) {
    dot += value * own[k];
    a += value * value;
    b += own[k] * own[k];
  }
  return values.length === own.length ? dot / Math.sqrt(a * b) : null;
}

const medianOf = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const result = [...rates].map(([key, answers]) => {
  const [name, work] = key.split('\t');
  const speeds = answers.map((answer) => answer.tokensPerSecond).filter((speed) => speed > 0);
  const { settings, does, error, firstText, tokens } = answers[0];
  return {
    name,
    work,
    ...(speeds.length === 0
      ? {}
      : { median: medianOf(speeds), least: Math.min(...speeds), most: Math.max(...speeds) }),
    ...(settings === undefined ? {} : { settings }),
    ...(does === undefined ? {} : { does }),
    ...(error === undefined ? {} : { error }),
    ...(firstText === undefined ? {} : { cosine: agreement(firstText) }),
    ...(tokens === undefined
      ? {}
      : {
          sameTokens: tokens.filter((token, k) => token === reference.generation.tokens[k]?.token)
            .length,
        }),
  };
});
console.log(
  JSON.stringify(
    {
      model: modelName,
      quantisation: model.info.quantisation,
      fingerprint: model.info.fingerprint,
      weightsOfExtraction: fast.weights,
      machine: `${cpus().length} cores, ${cpus()[0]?.model ?? '?'}`,
      threads: model.info.threads,
      texts: textCount,
      tokens: tokenCount,
      layers: layers.length,
      replyTokens,
      rounds,
      result,
    },
    null,
    2,
  ),
);
await file[Symbol.asyncDispose]();
await fast[Symbol.asyncDispose]();
rmSync(folder, { recursive: true });
