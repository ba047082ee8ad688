/**
 * @file The engine's child process: owns the native library. If native code aborts, only this process ends; the client
 * sees it and starts a new one.
 */
import { EngineError } from '../../errors.ts';
import { selfTest } from '../self-test.ts';
import { answerCalls } from './answering.ts';
import { LlamaBackend } from './backend.ts';
import { bind } from './binding.ts';
import { describeDevice, quietLog } from './device.ts';
import { findLibrary } from './library.ts';
import { addServers } from './rpc.ts';
import { chooseThreads, defaultThreads, threadCandidates } from './threads.ts';

answerCalls((options) => {
  const library = findLibrary({
    gpu: options.gpuLayers !== 0,
    ...(options.libraryFolder === undefined ? {} : { folder: options.libraryFolder }),
  });
  const binding = bind(library);
  const refusal = quietLog(binding);
  if (options.rpcServers !== undefined) addServers(binding, library, options.rpcServers);
  const backend = open(
    () => new LlamaBackend(binding, options, describeDevice(binding, library)),
    refusal,
  );
  return { backend, selfTest: selfTest(backend), tune: (budget) => tune(backend, budget) };
});

/** Opens a model; an error says why the library refused it, if it said so. */
function open(make: () => LlamaBackend, refusal: () => string): LlamaBackend {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof EngineError) || refusal() === '') throw error;
    throw new EngineError(`${error.message}: ${refusal()}`, { cause: error });
  }
}

/** Decodes a token after a short text on each number of threads and goes on with the best. */
function tune(backend: LlamaBackend, budget: number): number {
  const text = backend.tokenize('The old harbour was quiet that evening, and', true, false);
  const decode = (tokens: Int32Array, from: number): void =>
    backend.decode({
      tokens,
      positions: tokens.map((_, i) => from + i),
      sequences: new Int32Array(tokens.length),
      wantsLogits: new Uint8Array(tokens.length).fill(1, -1),
    });
  backend.begin({ layers: [], earlyExit: false });
  decode(text, 0);
  let position = text.length;
  const { threads: chosen } = chooseThreads(
    threadCandidates(defaultThreads()),
    (threads) => {
      backend.useThreads(threads);
      decode(text.slice(-1), position++);
    },
    { budget },
  );
  backend.useThreads(chosen);
  return chosen;
}
