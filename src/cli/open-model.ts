/** @file From `--model` and its companions to an open model and its vector pack, with progress. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type LlamaModel, openLlamaModel, type OpenModelOptions } from '../engine/llama/model.ts';
import { parseServers } from '../engine/llama/rpc.ts';
import { limbicHome } from '../store/cache.ts';
import { keepThreads, keptThreads } from '../store/kept-threads.ts';
import { defaultModelName } from '../store/registry.ts';
import { resolveModel } from '../store/resolve.ts';
import { type Context, text, type Values, wholeNumber } from './command.ts';
import { createProgress } from './progress.ts';

export type ModelSettings = Omit<OpenModelOptions, 'name'>;

/** What `--context`, `--threads`, `--gpu-layers`, `--library` and `--rpc` say. */
export function modelSettings(values: Values): ModelSettings {
  const limits = { min: 256, max: 1_000_000, fallback: 4096 };
  const contextLength = wholeNumber(values, 'context', limits);
  const threads = wholeNumber(values, 'threads', { min: 1, max: 512, fallback: 0 });
  const gpuLayers = wholeNumber(values, 'gpu-layers', { min: -1, max: 1000, fallback: -1 });
  const libraryFolder = text(values, 'library');
  const rpc = text(values, 'rpc');
  return {
    contextLength,
    gpuLayers,
    ...(threads === 0 ? {} : { threads }),
    ...(libraryFolder === undefined ? {} : { libraryFolder }),
    ...(rpc === undefined ? {} : { rpcServers: parseServers(rpc) }),
  };
}

/** Finds the model that the options name; fetches it first if needed. */
export async function resolveNamed({
  values,
  signal,
}: Pick<Context, 'values' | 'signal'>): Promise<{ name: string; path: string }> {
  return withFetchProgress(text(values, 'model') ?? defaultModelName, signal);
}

/** Opens the model that the options name; fetches it first if needed. */
export async function openNamedModel(
  context: Pick<Context, 'values' | 'signal'>,
): Promise<LlamaModel> {
  const settings = modelSettings(context.values);
  const { name, path } = await resolveNamed(context);
  const kept = settings.threads ?? keptThreads(path);
  const model = await openLlamaModel(path, { ...settings, name, threads: kept ?? 'measured' });
  if (kept === undefined) keepThreads(path, model.info.threads);
  return model;
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

/** Where `limbic extract` puts a pack by default. */
export function cachedPackPath(modelName: string): string {
  return join(limbicHome(), 'packs', `${modelName.replaceAll(/[^\w.-]+/g, '-')}.safetensors`);
}

/** Where story means of a model are kept when no pack is named. */
export function cachedMeansPath(spec: string = defaultModelName): string {
  return join(limbicHome(), 'means', `${spec.replaceAll(/[^\w.-]+/g, '-')}.means`);
}

/** Where the pack of a model is, if it ships with limbic. */
export function shippedPackPath(modelName: string): string {
  return dataFile(`packs/${modelName}.safetensors`);
}

/** A file of the data that ships with limbic. */
export function dataFile(name: string): string {
  return fileURLToPath(new URL(`../../data/${name}`, import.meta.url));
}

/** A file of the corpus that ships with limbic. */
export function corpusFile(name: string): string {
  return dataFile(`corpus/${name}`);
}

/** `--stories A,B`, or both shipped sets. */
export function storyFiles(values: Values): string[] {
  return (
    text(values, 'stories')?.split(',') ?? ['stories.jsonl', 'stories-plain.jsonl'].map(corpusFile)
  );
}
