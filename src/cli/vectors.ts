/** @file `limbic vectors`: what a pack holds, sums of its vectors, and control vectors in and out. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, extname } from 'node:path';

import { captureReplyRows, loadNeutral } from '../capture/neutral.ts';
import { sparkline } from '../charts/terminal.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import {
  type Convention,
  readControlVector,
  writeControlVector,
} from '../formats/control-vector.ts';
import { norm, scale } from '../math/vector.ts';
import { buildSteering, coherenceLimit } from '../steering/steering.ts';
import { defaultModelName } from '../store/registry.ts';
import { addEmotion, assertNewName, placeDirections } from '../vectors/add-emotion.ts';
import {
  combineVectors,
  formatCombination,
  parseCombination,
  type Term,
} from '../vectors/combine.ts';
import {
  type Inspection,
  inspectVector,
  type PackSummary,
  summarisePack,
} from '../vectors/inspect.ts';
import { emotionVector, loadPack, normAt, type VectorPack, writePack } from '../vectors/pack.ts';
import { type Command, type Context, jsonOption, modelOptions, text } from './command.ts';
import { openWithPack } from './make-pack.ts';
import { cachedPackPath, corpusFile, shippedPackPath } from './open-model.ts';
import { createProgress } from './progress.ts';

export const vectorsCommand: Command = {
  name: 'vectors',
  summary: 'list the emotion vectors of a model, look at one, add them up, trade control vectors',
  usage:
    '[--model NAME | --pack FILE] [--show E | --combine SUM | --export E | --import FILE] [--out FILE]',
  description: `Without an action it lists the pack. A control vector is the GGUF file that llama.cpp takes as
--control-vector and that repeng writes: direction.N steers the output of block N, counted from 0; block 0 cannot
be steered. cvector-generator names what it measured after block N - 1 direction.N: import that with --convention.
A pack keeps directions only, and layers that a file lacks read 0.`,
  options: {
    ...modelOptions,
    pack: { type: 'string', value: 'FILE', summary: "vector pack (default: the model's)" },
    show: { type: 'string', value: 'E', summary: 'length, turn and neighbours of one vector' },
    combine: {
      type: 'string',
      value: 'SUM',
      summary: 'add unit vectors at each layer, e.g. "calm - 0.5*desperate"; without --out: show',
    },
    export: { type: 'string', value: 'E', summary: 'write one emotion as a control vector' },
    import: { type: 'string', value: 'FILE', summary: 'put a control vector into a pack' },
    convention: {
      type: 'string',
      value: 'WHOSE',
      summary: 'who wrote the imported file: repeng (default) or cvector-generator',
    },
    name: { type: 'string', value: 'NAME', summary: 'name of the new vector in a pack' },
    out: {
      type: 'string',
      value: 'FILE',
      summary: '.gguf for a control vector, .safetensors for the pack with one more emotion',
    },
    dose: {
      type: 'string',
      value: 'D',
      summary:
        'mean residual norms a layer, over the middle third, at strength 1 of a control vector (default 0.05; below 0: --dose=-0.05)',
    },
    ...jsonOption,
  },
  examples: [
    'limbic vectors',
    'limbic vectors --show desperate',
    'limbic vectors --export desperate --out desperate.gguf --dose 0.05',
    'limbic vectors --combine "calm - 0.5*desperate" --name serenity --out serenity.safetensors',
    'limbic vectors --import happy.gguf --name happy-repeng --out mine.safetensors',
  ],
  run: async (context) => {
    const { values } = context;
    const actions = ['show', 'combine', 'export', 'import'].filter(
      (name) => values[name] !== undefined,
    );
    if (actions.length > 1) {
      throw new InvalidInputError(
        `vectors: expected one of --show, --combine, --export or --import, got ${actions.map((name) => `--${name}`).join(' and ')}`,
      );
    }
    const out = outOf(context, actions[0]);
    const result = await runAction(context, actions[0], out);
    console.log(values['json'] === true ? JSON.stringify(result) : describe(result));
  },
};

interface Out {
  readonly path: string;
  readonly kind: 'control vector' | 'pack';
}

/** What was written where. */
interface Written {
  readonly wrote: string;
  readonly kind: Out['kind'];
  readonly name: string;
  /** Layers that hold a vector. */
  readonly layers: readonly number[];
  /** Per layer at strength 1 in mean residual norms; null for a pack. */
  readonly dose: number | null;
  /** Layers of an imported file that the pack lacks. */
  readonly left: readonly number[];
}
type Result = PackSummary | Inspection | Written;

/** What each action can write; the first is what its error names. */
const kindsOf: Readonly<Record<string, readonly Out['kind'][]>> = {
  combine: ['control vector', 'pack'],
  export: ['control vector'],
  import: ['pack'],
};
const extensions: Readonly<Record<Out['kind'], string>> = {
  'control vector': '.gguf',
  pack: '.safetensors',
};

/** `--out` with what its ending means; null if there is none and none is needed. */
function outOf({ values }: Context, action: string | undefined): Out | null {
  const path = text(values, 'out');
  const kinds = kindsOf[action ?? ''] ?? [];
  const wanted = kinds.map((kind) => `FILE${extensions[kind]}`).join(' or ');
  if (path === undefined) {
    if (action === 'export' || action === 'import')
      throw new InvalidInputError(`--${action}: expected --out ${wanted}, got none`);
    return null;
  }
  if (kinds.length === 0)
    throw new InvalidInputError(
      '--out: expected --combine, --export or --import with it, got none',
    );
  const kind = kinds.find((candidate) => extname(path) === extensions[candidate]);
  if (kind === undefined) throw new InvalidInputError(`--out: expected ${wanted}, got "${path}"`);
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (cause) {
    throw new InvalidInputError(`--out: expected a folder to write ${path} in, got none`, {
      cause,
    });
  }
  return { path, kind };
}

async function runAction(
  context: Context,
  action: string | undefined,
  out: Out | null,
): Promise<Result> {
  const { values } = context;
  const asked = text(values, action ?? '') ?? '';
  if (action === 'import') return importVector(context, asked, out?.path ?? '');
  const dose = doseOf(context);
  const pack = await packOf(context);
  if (action === undefined) return summarisePack(pack);
  const terms =
    action === 'combine'
      ? parseCombination(asked, pack.emotions)
      : [{ emotion: known(pack, asked), weight: 1 }];
  const title = formatCombination(terms);
  if (out === null) return inspectVector(pack, title, (layer) => vectorOf(pack, terms, layer));
  if (out.kind === 'control vector') {
    const directions = controlDirections(pack, terms, dose);
    writeControlVector(out.path, { modelHint: pack.architecture, directions });
    const layers = [...directions.keys()];
    const name = text(values, 'name') ?? title;
    return { wrote: out.path, kind: out.kind, name, layers, dose, left: [] };
  }
  const name = nameOf(context, pack);
  return writeExtended(context, out.path, {
    name,
    vectorsOf: ({ layers }) => layers.map((layer) => combineVectors(pack, terms, layer)),
  });
}

/** One emotion's own vector, or the sum. */
function vectorOf(pack: VectorPack, terms: readonly Term[], layer: number): Float32Array {
  const [first, ...rest] = terms;
  return first !== undefined && rest.length === 0 && first.weight === 1
    ? emotionVector(pack, first.emotion, layer)
    : combineVectors(pack, terms, layer);
}

function known(pack: VectorPack, emotion: string): string {
  if (!pack.emotions.includes(emotion)) throw new NotFoundError('emotion', emotion, pack.emotions);
  return emotion;
}

function nameOf({ values }: Context, pack: VectorPack): string {
  const name = text(values, 'name');
  if (name === undefined)
    throw new InvalidInputError(
      '--out: expected --name NAME for the new vector of a pack, got none',
    );
  assertNewName(pack, name);
  return name;
}

function doseOf({ values }: Context): number {
  const value = text(values, 'dose') ?? '0.05';
  const dose = Number(value);
  if (value.trim() === '' || dose === 0 || !(Math.abs(dose) <= 5))
    throw new InvalidInputError(`--dose: expected a number from -5 to 5 but 0, got "${value}"`);
  return dose;
}

function conventionOf({ values }: Context): Convention {
  const value = text(values, 'convention') ?? 'repeng';
  if (value === 'repeng' || value === 'cvector-generator') return value;
  throw new InvalidInputError(`--convention: expected repeng or cvector-generator, got "${value}"`);
}

/** The pack alone, without opening the model where that can be. */
async function packOf(context: Context): Promise<VectorPack> {
  const asked = text(context.values, 'pack');
  if (asked !== undefined) return loadPack(asked);
  const name = text(context.values, 'model') ?? defaultModelName;
  const path = [cachedPackPath(name), shippedPackPath(name)].find((file) => existsSync(file));
  if (path !== undefined) return loadPack(path);
  const { model, pack } = await openWithPack(context);
  await model[Symbol.asyncDispose]();
  return pack;
}

/** Directions over the middle third of the blocks, `dose` mean residual norms long. */
function controlDirections(
  pack: VectorPack,
  terms: readonly Term[],
  dose: number,
): Map<number, Float32Array> {
  const sums = buildSteering(
    pack,
    terms.map(({ emotion, weight }) => ({ emotion, dose: weight })),
  );
  const directions = new Map<number, Float32Array>();
  for (const [layer, sum] of sums.vectors) {
    const length = norm(sum);
    if (length > 0) directions.set(layer, scale(sum, (dose * normAt(pack, layer)) / length));
  }
  if (directions.size === 0) {
    throw new InvalidInputError(
      `export: expected a vector at one of the middle layers of ${pack.modelName}, got zeros there`,
    );
  }
  return directions;
}

async function importVector(context: Context, from: string, out: string): Promise<Written> {
  const convention = conventionOf(context);
  const { directions, modelHint } = readControlVector(from, convention);
  const pack = await packOf(context);
  const name = nameOf(context, pack);
  const { vectors, left } = placeDirections(pack, directions);
  if (modelHint !== '' && modelHint !== pack.architecture) {
    console.error(
      `note: the file says that it was made for ${modelHint}, the pack is of ${pack.modelName} (${pack.architecture})`,
    );
  }
  const written = await writeExtended(context, out, { name, vectorsOf: () => vectors });
  return { ...written, left };
}

/** Measures the readings of the new vector where a reply begins, after neutral messages, and writes the pack. */
async function writeExtended(
  context: Context,
  out: string,
  { name, vectorsOf }: { name: string; vectorsOf: (pack: VectorPack) => readonly Float32Array[] },
): Promise<Written> {
  const { model: opened, pack } = await openWithPack(context);
  await using model = opened;
  const { signal } = context;
  const vectors = vectorsOf(pack);
  const layers = pack.layers.filter((_, slot) => norm(vectors[slot] ?? new Float32Array(0)) > 0);
  const bar = createProgress('reading neutral messages');
  try {
    const tables = await captureReplyRows(model, loadNeutral(corpusFile('neutral.jsonl')), {
      layers,
      signal,
      onProgress: (done, total) => bar.update(done / total),
    });
    const rows = pack.layers.map((layer) => tables[layers.indexOf(layer)] ?? new Float32Array(0));
    writePack(out, addEmotion(pack, name, vectors, rows));
  } finally {
    bar.end();
  }
  return { wrote: out, kind: 'pack', name, layers, dose: null, left: [] };
}

function describe(result: Result): string {
  if ('wrote' in result) return describeWritten(result);
  return 'nearest' in result ? describeVector(result) : describePack(result);
}

function range(layers: readonly number[]): string {
  const [first = 0, last = first] = [layers[0], layers.at(-1)];
  const isWhole = last - first + 1 === layers.length;
  return isWhole ? `${first} to ${last}` : layers.join(', ');
}

function describePack(pack: PackSummary): string {
  const score =
    pack.top1 === null || pack.top5 === null
      ? 'accuracy not known'
      : `held-out top-1 ${pack.top1.toFixed(3)}, top-5 ${pack.top5.toFixed(3)} (chance ${(1 / pack.emotions.length).toFixed(3)})`;
  const cells = pack.emotions.map(
    ({ emotion, stability }) => `${emotion} ${stability === null ? '–' : stability.toFixed(2)}`,
  );
  const width = Math.max(...cells.map((cell) => cell.length)) + 2;
  const columns = Math.max(1, Math.floor(100 / width));
  const rows = Array.from({ length: Math.ceil(cells.length / columns) }, (_, i) =>
    cells
      .slice(i * columns, (i + 1) * columns)
      .map((cell) => cell.padEnd(width))
      .join('')
      .trimEnd(),
  );
  return [
    `${pack.model} (${pack.architecture}, ${pack.quantisation}): ${pack.emotions.length} emotion vectors of ${pack.width} values after blocks ${range(pack.layers)} of ${pack.blocks}`,
    `best after block ${pack.bestLayer}: ${score}; from ${pack.stories} stories on ${pack.topics} topics`,
    'stability (mean cosine with the vector from other draws of the topics, – is not measured):',
    ...rows.map((row) => `  ${row}`),
  ].join('\n');
}

function describeVector({ name, layers, bestLayer, nearest, farthest }: Inspection): string {
  const at = layers.find(({ layer }) => layer === bestLayer);
  const turns = layers.flatMap(({ cosineToPrevious, layer }) =>
    cosineToPrevious === null ? [] : [{ layer, cosine: cosineToPrevious }],
  );
  const least = turns.toSorted((a, b) => a.cosine - b.cosine)[0];
  const line = (what: string, values: readonly number[], digits: number): string =>
    values.length === 0
      ? `${what.padEnd(34)}none`
      : `${what.padEnd(34)}${sparkline(values)}  ${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}`;
  const list = (neighbours: typeof nearest): string =>
    neighbours.map(({ emotion, cosine }) => `${emotion} ${cosine.toFixed(2)}`).join(', ') || 'none';
  return [
    `${name}, after blocks ${range(layers.map(({ layer }) => layer))}`,
    line(
      'length, residual units',
      layers.map((layer) => layer.norm),
      2,
    ),
    `${line(
      'share of the mean residual norm',
      layers.map(({ share }) => share),
      3,
    )}; ${at?.share.toFixed(3)} at layer ${bestLayer}`,
    `${line(
      'cosine with the layer before',
      turns.map(({ cosine }) => cosine),
      2,
    )}${least === undefined ? '' : `; least at layer ${least.layer}`}`,
    `at layer ${bestLayer}, as readings compare: nearest ${list(nearest)}`,
    `  farthest ${list(farthest)}`,
  ].join('\n');
}

function describeWritten({ wrote, kind, name, layers, dose, left }: Written): string {
  if (kind === 'pack' || dose === null) {
    return [
      `wrote ${wrote}: the pack with ${name} at layers ${range(layers)}`,
      ...(left.length === 0 ? [] : [`left out: layers ${range(left)}, which the pack lacks`]),
      `try: limbic read --pack ${wrote} --emotions "${name}" --text "..."`,
    ].join('\n');
  }
  const total = Math.abs(dose) * layers.length;
  return [
    `wrote ${wrote}: ${name} at layers ${range(layers)}, ${dose} mean residual norms each at strength 1, ${total.toFixed(2)} in all`,
    ...(total > coherenceLimit
      ? [
          `note: above about ${coherenceLimit} in all text falls apart; start at strength ${(coherenceLimit / total).toFixed(2)}`,
        ]
      : []),
    `try: llama-cli -m MODEL.gguf --control-vector ${wrote}`,
  ].join('\n');
}
