/**
 * @file What the examples of the documentation import as `limbic` when a test runs them: the library, but every
 * model is the toy and every pack is the toy's, so that an example runs as it stands and in seconds.
 */
import { existsSync } from 'node:fs';

import type { Model } from '../src/engine/engine.ts';
import { openToyModel } from '../src/engine/toy/model.ts';
import { InvalidInputError } from '../src/errors.ts';
import type { VectorPack } from '../src/vectors/pack.ts';
import { openToyLab } from './toy-server.ts';

export * from '../src/index.ts';

const { pack } = await openToyLab(['afraid', 'angry', 'calm', 'desperate']);

// The names below take the place of those that the line above passes on.
export const resolveModel = async (name: string): Promise<{ name: string; path: string }> => ({
  name,
  path: `${name}.gguf`,
});
export const openLlamaModel = async (): Promise<Model> => openToyModel({ blocks: 6 });
export const loadPack = (path: string): VectorPack => {
  if (!existsSync(path))
    throw new InvalidInputError(`pack: expected a file at ${path}, found none`);
  return pack;
};
