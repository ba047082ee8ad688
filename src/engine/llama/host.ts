/**
 * @file The engine's child process: owns the native library, runs one call after another, answers by
 * messages. If native code aborts, only this process ends; the client sees it and starts a new one.
 */
import { LimbicError } from '../../errors.ts';
import type { Backend } from '../backend.ts';
import { generate } from '../generation.ts';
import { lens } from '../lens.ts';
import { piecesOf } from '../pieces.ts';
import { capture, project, score } from '../runner.ts';
import { selfTest } from '../self-test.ts';
import { LlamaBackend } from './backend.ts';
import { bind } from './binding.ts';
import { describeDevice, quietLog } from './device.ts';
import { findLibrary } from './library.ts';
import type { Answer, Call, FromHost, OpenOptions, ToHost } from './protocol.ts';

let backend: Backend | undefined;
const aborts = new Map<number, AbortController>();
let queue: Promise<void> = Promise.resolve();

function send(message: FromHost): void {
  process.send?.(message);
}

function open(options: OpenOptions): { info: Backend['info']; selfTest: number } {
  const library = findLibrary({
    gpu: options.gpuLayers !== 0,
    ...(options.libraryFolder === undefined ? {} : { folder: options.libraryFolder }),
  });
  const binding = bind(library);
  quietLog(binding);
  backend = new LlamaBackend(binding, options, describeDevice(binding, library));
  return { info: backend.info, selfTest: selfTest(backend) };
}

function opened(): Backend {
  if (backend === undefined) throw new TypeError('the engine host was called before open');
  return backend;
}

async function perform(id: number, call: Call, signal: AbortSignal): Promise<Answer> {
  const onProgress = (done: number): void => send({ type: 'progress', id, done });
  switch (call.name) {
    case 'open':
      return open(call.options);
    case 'tokenize':
      return opened().tokenize(call.text, call.addSpecial, call.parseSpecial);
    case 'pieces':
      return piecesOf(opened(), call.tokens);
    case 'capture':
      return capture(opened(), call.sequences, { ...call.options, signal, onProgress });
    case 'project':
      return project(opened(), call.sequences, { ...call.options, signal, onProgress });
    case 'lens':
      return lens(opened(), call.prompts, call.vectors, { ...call.options, signal, onProgress });
    case 'score':
      return score(opened(), call.requests, { ...call.options, signal, onProgress });
    case 'generate':
      return generate(opened(), call.requests, {
        ...call.options,
        signal,
        onProgress,
        ...(call.streams ? { onToken: (token): void => send({ type: 'token', id, token }) } : {}),
      });
  }
}

async function handle(id: number, call: Call): Promise<void> {
  const controller = aborts.get(id) ?? new AbortController();
  try {
    controller.signal.throwIfAborted();
    send({ type: 'answer', id, answer: await perform(id, call, controller.signal) });
  } catch (error) {
    const known = error instanceof LimbicError;
    send({
      type: 'error',
      id,
      aborted: controller.signal.aborted,
      code: known ? error.code : 'engine',
      message: error instanceof Error ? error.message : String(error),
      ...(known && error.hint !== undefined ? { hint: error.hint } : {}),
    });
  } finally {
    aborts.delete(id);
  }
}

process.on('message', (message: ToHost) => {
  if (message.type === 'abort') {
    aborts.get(message.id)?.abort();
    return;
  }
  aborts.set(message.id, new AbortController());
  queue = queue.then(() => handle(message.id, message.call));
});
// The parent decides when to stop: Ctrl-C in the terminal reaches this process too.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
