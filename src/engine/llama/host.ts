/**
 * @file The engine's child process: owns the native library. If native code aborts, only this process ends; the client
 * sees it and starts a new one.
 */
import { selfTest } from '../self-test.ts';
import { answerCalls } from './answering.ts';
import { LlamaBackend } from './backend.ts';
import { bind } from './binding.ts';
import { describeDevice, quietLog } from './device.ts';
import { findLibrary } from './library.ts';

answerCalls((options) => {
  const library = findLibrary({
    gpu: options.gpuLayers !== 0,
    ...(options.libraryFolder === undefined ? {} : { folder: options.libraryFolder }),
  });
  const binding = bind(library);
  quietLog(binding);
  const backend = new LlamaBackend(binding, options, describeDevice(binding, library));
  return { backend, selfTest: selfTest(backend) };
});
