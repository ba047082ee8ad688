/** @file From `--model` and its companions to an open model and its vector pack, with progress. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type LlamaModel, openLlamaModel, type OpenModelOptions } from '../engine/llama/model.ts';
import { InvalidInputError } from '../errors.ts';
import { limbicHome } from '../store/cache.ts';
import { defaultModelName } from '../store/registry.ts';
import { resolveModel } from '../store/resolve.ts';
import { assertPackFits, loadPack, type VectorPack } from '../vectors/pack.ts';
import { type Context, text, type Values, wholeNumber } from './command.ts';
import { createProgress } from './progress.ts';

export type ModelSettings = Omit<OpenModelOptions, 'name'>;

/** What `--context`, `--threads`, `--gpu-layers` and `--library` say. */
export function modelSettings(values: Values): ModelSettings {
  const limits = { min: 256, max: 1_000_000, fallback: 4096 };
  const contextLength = wholeNumber(values, 'context', limits);
  const threads = wholeNumber(values, 'threads', { min: 1, max: 512, fallback: 0 });
  const gpuLayers = wholeNumber(values, 'gpu-layers', { min: -1, max: 1000, fallback: -1 });
  const libraryFolder = text(values, 'library');
  return {
    contextLength,
    gpuLayers,
    ...(threads === 0 ? {} : { threads }),
    ...(libraryFolder === undefined ? {} : { libraryFolder }),
  };
}

/** Opens the model that the options name; fetches it first if needed. */
export async function openNamedModel({
  values,
  signal,
}: Pick<Context, 'values' | 'signal'>): Promise<LlamaModel> {
  const settings = modelSettings(values);
  const { name, path } = await withFetchProgress(text(values, 'model') ?? defaultModelName, signal);
  return openLlamaModel(path, { ...settings, name });
}

/** Finds or fetches a model, with a bar while bytes arrive. */
export async function withFetchProgress(
  spec: string,
  signal: AbortSignal,
): Promise<{ name: string; path: string }> {
  const bars = new Map<string, ReturnType<typeof createProgress>>();
  try {
    return await resolveModel(spec, {
      signal,
      onProgress: ({ phase, doneBytes, totalBytes, source }) => {
        const bar =
          bars.get(phase) ??
          createProgress(`${phase === 'download' ? 'fetching' : 'checking'} ${spec}`);
        bars.set(phase, bar);
        const share = totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 0;
        bar.update(
          share,
          `${(doneBytes / 1e6).toFixed(0)} of ${(totalBytes / 1e6).toFixed(0)} MB (${source})`,
        );
      },
    });
  } finally {
    for (const bar of bars.values()) bar.end();
  }
}

/** `--pack FILE`, the pack in the cache, or the one shipped for the model. */
export function loadPackFor(values: Values, model: LlamaModel): VectorPack {
  const asked = text(values, 'pack');
  const candidates =
    asked === undefined
      ? [cachedPackPath(model.info.name), shippedPackPath(model.info.name)]
      : [asked];
  const path = candidates.find((candidate) => existsSync(candidate)) ?? asked;
  if (path === undefined) {
    throw new InvalidInputError(
      `pack: expected emotion vectors for ${model.info.name}, found none`,
      {
        hint: `make them with: limbic extract --model ${model.info.name}`,
      },
    );
  }
  const pack = loadPack(path);
  assertPackFits(pack, model.info);
  return pack;
}

/** Where `limbic extract` puts a pack by default. */
export function cachedPackPath(modelName: string): string {
  return join(limbicHome(), 'packs', `${modelName.replaceAll(/[^\w.-]+/g, '-')}.safetensors`);
}

/** Where story means of a model are kept when no pack is named. */
export function cachedMeansPath(spec: string = defaultModelName): string {
  return join(limbicHome(), 'means', `${spec.replaceAll(/[^\w.-]+/g, '-')}.means`);
}

function shippedPackPath(modelName: string): string {
  return fileURLToPath(new URL(`../../data/packs/${modelName}.safetensors`, import.meta.url));
}

/** A file of the corpus that ships with limbic. */
export function corpusFile(name: string): string {
  return fileURLToPath(new URL(`../../data/corpus/${name}`, import.meta.url));
}

/** `--stories A,B`, or both shipped sets. */
export function storyFiles(values: Values): string[] {
  return (
    text(values, 'stories')?.split(',') ?? ['stories.jsonl', 'stories-plain.jsonl'].map(corpusFile)
  );
}
