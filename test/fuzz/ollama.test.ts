import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import fc from 'fast-check';
import { expect } from 'vitest';

import { InvalidInputError, NotFoundError } from '../../src/errors.ts';
import { discoverModels, type Roots } from '../../src/store/discover.ts';
import { resolveModel } from '../../src/store/resolve.ts';
import { tinyGguf } from '../tiny-gguf.ts';
import { fuzz } from './harness.ts';
import { changes, mutatedBytes, mutatedJson, rareChanges } from './mutators.ts';

const model = 'application/vnd.ollama.image.model';
const present = `sha256:${'ab'.repeat(32)}`;
/** Tricks that end outside of the blobs where they are believed, and names of what is no model. */
const digests = fc.oneof(
  { arbitrary: fc.constant(present), weight: 3 },
  fc.constantFrom(
    `sha256:${'cd'.repeat(32)}`,
    `sha256:${'ef'.repeat(32)}`,
    present.toUpperCase(),
    `${present}\n`,
    `${present}/../../outside`,
    'sha256:../../outside',
    '../outside',
    'sha256:/dev/zero',
    'sha256-folder',
    `sha512:${'ab'.repeat(64)}`,
    '',
  ),
);
const layer = fc.record({
  mediaType: fc.constantFrom(model, model, `${model}\0`, 'application/vnd.ollama.image.license'),
  digest: digests,
  size: fc.constantFrom(12, -1, 2 ** 53),
});
const manifests = fc
  .tuple(fc.array(layer, { minLength: 1, maxLength: 4 }), changes, rareChanges)
  .map(([layers, list, bytes]) => {
    const config = { mediaType: 'application/vnd.docker.container.image.v1+json', digest: present };
    const manifest = { schemaVersion: 2, config, layers };
    return mutatedBytes(Buffer.from(mutatedJson(manifest, list)), bytes);
  });

/** The store of which the manifest is one, with a model, a folder in place of one, and something beside it. */
function storeOf(path: string): string {
  const root = resolve(dirname(path), '../../../..');
  const blobs = join(root, 'blobs');
  if (existsSync(blobs)) return root;
  mkdirSync(join(blobs, `sha256-${'cd'.repeat(32)}`), { recursive: true });
  writeFileSync(join(blobs, present.replace(':', '-')), tinyGguf());
  symlinkSync('/nowhere', join(blobs, `sha256-${'ef'.repeat(32)}`));
  writeFileSync(join(root, 'outside'), tinyGguf());
  return root;
}

fuzz('any broken manifest of Ollama', manifests, {
  name: join('ollama', 'manifests', 'registry.ollama.ai', 'library', 'tiny', 'latest'),
  isNoFile: true,
  read: async (path) => {
    const root = storeOf(path);
    const roots: Roots = { ollama: [root], lmStudio: [], hub: [] };
    const found = discoverModels(roots);
    try {
      const resolved = await resolveModel('tiny', { roots, home: join(root, 'home') });
      expect(resolved.path).toBe(found[0]?.path);
    } catch (error) {
      expect(found).toEqual([]);
      expect(error).toBeInstanceOf(NotFoundError);
      throw new InvalidInputError((error as Error).message);
    }
    const blob = join(root, 'blobs', present.replace(':', '-'));
    const bytes = readFileSync(blob).length;
    expect(found).toEqual([{ name: 'tiny:latest', program: 'ollama', path: blob, bytes }]);
  },
});
