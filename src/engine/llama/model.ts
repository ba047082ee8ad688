/** @file Opens a GGUF file as a Model whose work happens in a child process. */
import { basename } from 'node:path';

import { readAllParts } from '../../formats/gguf.ts';
import type { Captured, Generated, LensResult, Model, ModelInfo } from '../engine.ts';
import { fingerprintOf, hashNorms } from '../fingerprint.ts';
import { HostClient } from './client.ts';
import type { Opened } from './protocol.ts';
import { assertReachable } from './rpc.ts';
import { defaultThreads } from './threads.ts';

/** How a file is opened. */
export interface OpenModelOptions {
  /** Name shown in reports. @default the file's name */
  readonly name?: string;
  /** Positions that all sequences of a call share. @default 4096 */
  readonly contextLength?: number;
  /** Sequences that run side by side. @default 16 */
  readonly maxSequences?: number;
  /** `measured`: the fewest that decode as fast as any, found in about a second. @default all cores, at most 16 */
  readonly threads?: number | 'measured';
  /** Blocks to put on a graphics card; 0 keeps all on the processor, -1 is all. @default -1 */
  readonly gpuLayers?: number;
  /** Folder of a llama.cpp that the user built. */
  readonly libraryFolder?: string;
  /** Other machines that compute blocks, `HOST:PORT` each; a library with llama.cpp's RPC back end is needed. */
  readonly rpcServers?: readonly string[];
}

/** Milliseconds that the choice of a number of threads may take; slow models take three rounds all the same. */
const tuningBudget = 1000;

/** A model whose engine is llama.cpp in a process of its own. */
export interface LlamaModel extends Model {
  /** Process id of the engine's child. */
  readonly pid: number | undefined;
  /** Deviation of the steering self-test at load, as a share of the vector's norm. */
  readonly selfTest: number;
}

/** Loads a GGUF file. Throws EngineError if the library cannot, UnsupportedModelError if it cannot be steered. */
export async function openLlamaModel(
  path: string,
  options: OpenModelOptions = {},
): Promise<LlamaModel> {
  // Before the native loader sees it: what is no whole model is refused in one sentence.
  const parts = readAllParts(path);
  if (options.rpcServers !== undefined) await assertReachable(options.rpcServers);
  const client = new HostClient({
    path,
    contextLength: options.contextLength ?? 4096,
    maxSequences: options.maxSequences ?? 16,
    threads: typeof options.threads === 'number' ? options.threads : defaultThreads(),
    gpuLayers: options.gpuLayers ?? -1,
    ...(options.libraryFolder === undefined ? {} : { libraryFolder: options.libraryFolder }),
    ...(options.rpcServers === undefined ? {} : { rpcServers: options.rpcServers }),
  });
  const opened = (await client.open()) as Opened;
  const threads =
    options.threads === 'measured' ? await client.tune(tuningBudget) : opened.info.threads;
  const info: ModelInfo = {
    ...opened.info,
    threads,
    name: options.name ?? basename(path),
    fingerprint: fingerprintOf(opened.info, hashNorms(parts)),
    quantisation: parts[0]?.header.quantisation ?? 'unknown',
    path,
  };
  return modelOf(client, info, opened.selfTest);
}

/** A model whose calls a child answers; the model owns the client from here on. */
export function modelOf(client: HostClient, info: ModelInfo, selfTest: number): LlamaModel {
  return {
    info,
    selfTest,
    get pid() {
      return client.pid;
    },
    get sequences() {
      return client.sequences;
    },
    tokenize: async (text, { addSpecial = true, parseSpecial = false } = {}) =>
      (await client.call({ name: 'tokenize', text, addSpecial, parseSpecial }, {})) as Int32Array,
    pieces: async (tokens) => (await client.call({ name: 'pieces', tokens }, {})) as string[],
    capture: async (sequences, { signal, onProgress, ...rest }) =>
      (await client.call(
        { name: 'capture', sequences, options: rest },
        listen({ signal, onProgress }),
      )) as Captured[],
    project: async (sequences, { signal, onProgress, ...rest }) =>
      (await client.call(
        { name: 'project', sequences, options: rest },
        listen({ signal, onProgress }),
      )) as Float32Array[],
    generate: async (requests, { signal, onProgress, onToken, ...rest } = {}) =>
      (await client.call(
        { name: 'generate', requests, options: rest, streams: onToken !== undefined },
        listen({ signal, onProgress, onToken }),
      )) as Generated[],
    lens: async (prompts, vectors, { signal, onProgress, ...rest } = {}) =>
      (await client.call(
        { name: 'lens', prompts, vectors, options: rest },
        listen({ signal, onProgress }),
      )) as LensResult[],
    score: async (requests, { signal, onProgress, ...rest } = {}) =>
      (await client.call(
        { name: 'score', requests, options: rest },
        listen({ signal, onProgress }),
      )) as Float32Array[],
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

/** Drops the listeners that are not there, as exact optional properties want it. */
function listen<T extends object>(listeners: T): { [K in keyof T]: NonNullable<T[K]> } {
  const present = Object.entries(listeners).filter(([, listener]) => listener !== undefined);
  return Object.fromEntries(present) as { [K in keyof T]: NonNullable<T[K]> };
}
