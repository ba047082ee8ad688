/** @file Opens a model for a pass over many texts: on its own weights, or on a Q8_0 copy if that is faster. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { readMeansHead } from '../capture/means-file.ts';
import { chooseWeights, type WeightChoice } from '../capture/weights.ts';
import { type LlamaModel, openLlamaModel } from '../engine/llama/model.ts';
import { requantize } from '../engine/llama/requantize.ts';
import { InvalidInputError, LimbicError } from '../errors.ts';
import { limbicHome } from '../store/cache.ts';
import { type Context, text } from './command.ts';
import { modelSettings, openNamedModel, type ModelSettings } from './open-model.ts';
import { createProgress } from './progress.ts';

export const weightsOption = {
  weights: {
    type: 'string',
    value: 'W',
    summary:
      'auto (default): a Q8_0 copy when it is measured faster and agrees; file: the file itself',
  },
} as const;

export interface ExtractionModel extends AsyncDisposable {
  readonly model: LlamaModel;
  readonly weights: WeightChoice['weights'];
  /** Of the model's own file. */
  readonly quantisation: string;
}

/**
 * Opens what the options name. `sample` are a few of the texts, to measure with; a pass that `meansPath`
 * holds a part of goes on with the weights that it began with.
 */
export async function openForExtraction(
  context: Pick<Context, 'values' | 'signal'>,
  { sample, meansPath }: { sample: readonly string[]; meansPath: string },
): Promise<ExtractionModel> {
  const asked = text(context.values, 'weights') ?? 'auto';
  if (asked !== 'auto' && asked !== 'file')
    throw new InvalidInputError(`--weights: expected auto or file, got "${asked}"`);
  const begun = readMeansHead(meansPath);
  const model = await openNamedModel(context);
  const own: ExtractionModel = {
    model,
    weights: 'file',
    quantisation: model.info.quantisation,
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
  const before = begun?.fingerprint === model.info.fingerprint ? begun.weights : undefined;
  if (asked === 'file' || before === 'file' || model.info.path === null) return own;
  try {
    const settings = modelSettings(context.values);
    const copy = await openCopy(model, model.info.path, { settings, signal: context.signal });
    if (copy === null) return own;
    const weights =
      before === 'q8_0 copy'
        ? before
        : await measure(model, copy, { sample, signal: context.signal });
    const [kept, dropped] = weights === 'file' ? [model, copy] : [copy, model];
    await dropped[Symbol.asyncDispose]();
    return {
      ...own,
      model: kept,
      weights,
      [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
    };
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
}

async function measure(
  model: LlamaModel,
  copy: LlamaModel,
  { sample, signal }: { sample: readonly string[]; signal: AbortSignal },
): Promise<WeightChoice['weights']> {
  const { weights, speedup, cosine } = await chooseWeights(model, copy, sample, { signal });
  const figures = `x${speedup.toFixed(2)} as fast, residuals at cosine ${cosine.toFixed(4)}`;
  console.error(
    `a Q8_0 copy is ${figures}: using the ${weights === 'file' ? 'file itself' : 'copy'}`,
  );
  return weights;
}

/** The copy of a model, made once and kept in the cache; null, with a word why, if it can't be had. */
async function openCopy(
  model: LlamaModel,
  path: string,
  { settings, signal }: { settings: ModelSettings; signal: AbortSignal },
): Promise<LlamaModel | null> {
  const folder = join(limbicHome(), 'extraction');
  const { size, mtimeMs } = statSync(path);
  const key = createHash('sha256')
    .update(JSON.stringify([path, size, mtimeMs]))
    .digest('hex');
  const copy = join(folder, `${model.info.fingerprint}-${key.slice(0, 8)}.q8_0.gguf`);
  try {
    if (!existsSync(copy)) {
      mkdirSync(folder, { recursive: true });
      const { bavail, bsize } = statfsSync(folder);
      if (bavail * bsize < 2.5 * size) {
        console.error('no Q8_0 copy was made: too little disk space; using the file itself');
        return null;
      }
      const bar = createProgress('making a Q8_0 copy');
      try {
        await requantize(path, copy, {
          signal,
          onProgress: (share) => bar.update(share),
          ...(settings.libraryFolder === undefined
            ? {}
            : { libraryFolder: settings.libraryFolder }),
        });
      } finally {
        bar.end();
      }
    }
    return await openLlamaModel(copy, { ...settings, name: model.info.name });
  } catch (error) {
    if (!(error instanceof LimbicError)) throw error;
    console.error(`no Q8_0 copy: ${error.message}; using the file itself`);
    return null;
  }
}
