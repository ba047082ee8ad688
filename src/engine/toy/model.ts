/** @file The toy engine as a Model, in this process. */
import type { Model } from '../engine.ts';
import { fingerprintOf } from '../fingerprint.ts';
import { lens } from '../lens.ts';
import { piecesOf } from '../pieces.ts';
import { capture, project } from '../runner.ts';
import { generate, Scheduler } from '../scheduler.ts';
import { score } from '../scoring.ts';
import { createToyBackend, type ToyOptions } from './backend.ts';

/** Opens a toy model; calls queue and share the engine as on any other. */
export function openToyModel(options: ToyOptions = {}): Model {
  const backend = createToyBackend(options);
  const scheduler = new Scheduler(backend);
  return {
    info: {
      ...backend.info,
      name: 'toy',
      fingerprint: fingerprintOf(backend.info, ''),
      quantisation: 'F32',
      path: null,
    },
    get sequences() {
      return scheduler.sequences;
    },
    tokenize: async (text, { addSpecial = true, parseSpecial = false } = {}) =>
      backend.tokenize(text, addSpecial, parseSpecial),
    pieces: async (tokens) => piecesOf(backend, tokens),
    capture: (sequences, call) =>
      scheduler.alone(() => capture(backend, sequences, call), call.signal),
    project: (sequences, call) =>
      scheduler.alone(() => project(backend, sequences, call), call.signal),
    generate: (requests, call = {}) => generate(scheduler, requests, call),
    lens: (prompts, vectors, call = {}) =>
      scheduler.alone(() => lens(backend, prompts, vectors, call), call.signal),
    score: (requests, call = {}) =>
      scheduler.alone(() => score(backend, requests, call), call.signal),
    [Symbol.asyncDispose]: async () => backend.dispose(),
  };
}
