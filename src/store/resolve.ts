/** @file What `--model` means: a known name, a path, a file on the hub, or another program's model. */
import { basename, isAbsolute, resolve } from 'node:path';

import { InvalidInputError, NotFoundError } from '../errors.ts';
import { readGgufHeader } from '../formats/gguf.ts';
import { modelsFolder } from './cache.ts';
import { discoverModels, type FoundModel, type Roots } from './discover.ts';
import {
  cachedPath,
  fetchModel,
  type FetchOptions,
  type FetchPlan,
  hubUrl,
  planOf,
} from './fetch.ts';
import { loadRegistry } from './registry.ts';

/** A model file on this disk. */
export interface ResolvedModel {
  readonly name: string;
  /** A file whose header was checked. */
  readonly path: string;
}

export interface ResolveOptions extends FetchOptions {
  /** Folders of other programs. @default defaultRoots() */
  readonly roots?: Roots;
}

/** Finds or fetches a model. Throws NotFoundError with near names, or what fetchModel throws. */
export async function resolveModel(
  spec: string,
  options: ResolveOptions = {},
): Promise<ResolvedModel> {
  const resolved = await locate(spec, options);
  readGgufHeader(resolved.path);
  return resolved;
}

async function locate(spec: string, options: ResolveOptions): Promise<ResolvedModel> {
  const entry = loadRegistry().find(({ name }) => name === spec);
  if (entry !== undefined)
    return { name: entry.name, path: await fetchModel(planOf(entry), options) };
  if (spec.endsWith('.gguf') && !spec.startsWith('hf:')) {
    return { name: basename(spec, '.gguf'), path: isAbsolute(spec) ? spec : resolve(spec) };
  }
  const others = discoverModels(options.roots);
  const other = others.find((model) => namesOf(model).includes(spec));
  if (other !== undefined) return { name: other.name, path: other.path };
  if (spec.startsWith('hf:')) {
    const plan = await hubPlan(spec, options.signal);
    return { name: plan.fileName.replace(/\.gguf$/, ''), path: await fetchModel(plan, options) };
  }
  const known = [...loadRegistry().map(({ name }) => name), ...others.map(({ name }) => name)];
  throw new NotFoundError('model', spec, known);
}

/** The names by which a found model can be asked for. */
function namesOf(model: FoundModel): string[] {
  const plain = [model.name, `${model.program}:${model.name}`];
  if (model.program === 'hub') plain.push(`hf:${model.name}`, `hf:${model.name.split(':')[0]}`);
  if (model.program === 'ollama' && model.name.endsWith(':latest'))
    plain.push(model.name.slice(0, -':latest'.length));
  return plain;
}

/** `hf:OWNER/REPO[:FILE]`; without a file the smallest 4-bit one of the repository is taken. */
async function hubPlan(spec: string, signal: AbortSignal | undefined): Promise<FetchPlan> {
  const match = /^hf:([\w.-]+)\/([\w.-]+)(?::([\w./-]+\.gguf))?$/.exec(spec);
  if (match === null || spec.includes('..')) {
    throw new InvalidInputError(
      `model: expected hf:OWNER/REPO or hf:OWNER/REPO:FILE.gguf, got "${spec}"`,
    );
  }
  const repo = `${match[1]}/${match[2]}`;
  const { fileInfo, files } = await import('./hub.ts');
  const file = match[3] ?? (await files(repo, signal));
  const { bytes, sha256 } = await fileInfo(repo, file, signal);
  return {
    fileName: `${repo}/${file}`.replaceAll('/', '--'),
    bytes,
    sha256,
    url: hubUrl(repo, file),
    pythonPackages: [],
  };
}

export interface ListedModel {
  readonly name: string;
  readonly title: string;
  readonly bytes: number;
  /** Path on this disk, or null if it must be fetched first. */
  readonly path: string | null;
  readonly source: 'known' | FoundModel['program'];
}

/** Known models and those of other programs. */
export function listModels(options: { home?: string; roots?: Roots } = {}): ListedModel[] {
  modelsFolder(options.home);
  return [
    ...loadRegistry().map((entry) => ({
      name: entry.name,
      title: `${entry.title}: ${entry.role}`,
      bytes: entry.bytes,
      path: cachedPath(planOf(entry), options.home),
      source: 'known' as const,
    })),
    ...discoverModels(options.roots).map(({ name, program, path, bytes }) => ({
      name,
      title: `from ${program}`,
      bytes,
      path,
      source: program,
    })),
  ];
}
