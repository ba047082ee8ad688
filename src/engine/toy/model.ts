/** @file The toy engine as a Model, in this process. */
import type { Model } from '../engine.ts';
import { fingerprintOf } from '../fingerprint.ts';
import { lens } from '../lens.ts';
import { piecesOf } from '../pieces.ts';
import { capture, project, score } from '../runner.ts';
import { generate, Scheduler } from '../scheduler.ts';
import { createToyBackend, type ToyOptions } from './backend.ts';

/** Opens a toy model; calls queue and share the engine as on any other. */
export function openToyModel(options: ToyOptions = {}): Model {
  const backend = createToyBackend(options);
  const scheduler = new Scheduler(backend);
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => scheduler.alone(run);
  return {
    info: {
      ...backend.info,
      name: 'toy',
      fingerprint: fingerprintOf(backend.info, ''),
      quantisation: 'F32',
      path: null,
    },
    tokenize: async (text, { addSpecial = true, parseSpecial = false } = {}) =>
      backend.tokenize(text, addSpecial, parseSpecial),
    pieces: async (tokens) => piecesOf(backend, tokens),
    capture: (sequences, call) => inTurn(() => capture(backend, sequences, call)),
    project: (sequences, call) => inTurn(() => project(backend, sequences, call)),
    generate: (requests, call = {}) => generate(scheduler, requests, call),
    lens: (prompts, vectors, call = {}) => inTurn(() => lens(backend, prompts, vectors, call)),
    score: (requests, call = {}) => inTurn(() => score(backend, requests, call)),
    [Symbol.asyncDispose]: async () => backend.dispose(),
  };
}
