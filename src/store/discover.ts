/** @file GGUF files that other programs left on this disk: Ollama, LM Studio, the hub's cache. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative, sep } from 'node:path';

import { z } from 'zod';

import { isShowable } from '../errors.ts';
import { jsonRoom, parsePlainJson } from '../formats/stranger-json.ts';

export interface FoundModel {
  /** The name that its own program uses, e.g. `llama3.2:1b`. */
  readonly name: string;
  readonly program: 'ollama' | 'lm-studio' | 'hub';
  readonly path: string;
  readonly bytes: number;
}

export interface Roots {
  readonly ollama: readonly string[];
  readonly lmStudio: readonly string[];
  readonly hub: readonly string[];
}

/** Where the programs keep their models on this machine. */
function defaultRoots(environment: NodeJS.ProcessEnv = process.env): Roots {
  const home = homedir();
  return {
    ollama: [
      environment['OLLAMA_MODELS'] || join(home, '.ollama', 'models'),
      '/usr/share/ollama/.ollama/models',
    ],
    lmStudio: [join(home, '.lmstudio', 'models'), join(home, '.cache', 'lm-studio', 'models')],
    hub: [
      environment['HF_HUB_CACHE'] ||
        join(environment['HF_HOME'] || join(home, '.cache', 'huggingface'), 'hub'),
    ],
  };
}

const manifestSchema = z.object({
  layers: z.array(
    z.object({ mediaType: z.string(), digest: z.string().regex(/^sha256:[0-9a-f]{64}$/) }),
  ),
});
const modelLayer = 'application/vnd.ollama.image.model';

/** Bytes of a manifest, at most, and values in it; those in circulation have below 5 kB and 100. */
const manifestLimit = { bytes: 1e6, values: 10_000 };

/**
 * All models found, in the order Ollama, LM Studio, hub. Unreadable folders, manifests that are none and names that a
 * terminal can't show are skipped.
 */
export function discoverModels(roots: Roots = defaultRoots()): FoundModel[] {
  return [
    ...roots.ollama.flatMap(inOllama),
    ...roots.lmStudio.flatMap(inLmStudio),
    ...roots.hub.flatMap(inHubCache),
  ];
}

/** Files under a folder, with paths relative to it; links are followed. */
function filesUnder(root: string): string[] {
  if (!existsSync(root)) return [];
  try {
    return readdirSync(root, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}

function found(name: string, program: FoundModel['program'], path: string): FoundModel[] {
  // Whoever made a repository chose the names in it.
  if (!isShowable(name)) return [];
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? [{ name, program, path, bytes: stats.size }] : [];
}

function inOllama(root: string): FoundModel[] {
  const manifests = join(root, 'manifests');
  return filesUnder(manifests).flatMap((file) => {
    const parts = file.split(sep);
    const [, owner = '', model = '', tag = ''] = parts;
    if (parts.length !== 4) return [];
    const parsed = manifestSchema.safeParse(readJson(join(manifests, file)));
    const layer = parsed.data?.layers.find(({ mediaType }) => mediaType === modelLayer);
    if (layer === undefined) return [];
    const name = `${owner === 'library' ? '' : `${owner}/`}${model}:${tag}`;
    return found(name, 'ollama', join(root, 'blobs', layer.digest.replace(':', '-')));
  });
}

function readJson(path: string): unknown {
  try {
    const about = statSync(path);
    // A pipe would be waited for, and a device has no end.
    if (!about.isFile() || about.size > manifestLimit.bytes) return null;
    const text = readFileSync(path, 'utf8');
    return parsePlainJson(text, { path, offset: 0 }, jsonRoom(manifestLimit.values));
  } catch {
    return null;
  }
}

/** Model files, without the later parts of split ones and without projectors for images. */
function isModelFile(file: string): boolean {
  return (
    file.endsWith('.gguf') && !/-(?!00001)\d{5}-of-\d{5}\.gguf$/.test(file) && !/mmproj/i.test(file)
  );
}

function inLmStudio(root: string): FoundModel[] {
  return filesUnder(root)
    .filter(isModelFile)
    .flatMap((file) =>
      found(
        file
          .split(sep)
          .join('/')
          .replace(/\.gguf$/, ''),
        'lm-studio',
        join(root, file),
      ),
    );
}

function inHubCache(root: string): FoundModel[] {
  return filesUnder(root).flatMap((file) => {
    const match = /^models--([^/\\]+)[/\\]snapshots[/\\][^/\\]+[/\\](.+)$/.exec(file);
    if (match === null || !isModelFile(file)) return [];
    const [owner = '', ...repo] = (match[1] ?? '').split('--');
    const inner = relative('.', match[2] ?? '')
      .split(sep)
      .join('/');
    return found(`${owner}/${repo.join('--')}:${inner}`, 'hub', join(root, file));
  });
}
