/**
 * @file Finds the prebuilt llama.cpp that npm installed for this platform. The packages belong to the
 * node-llama-cpp project; only their shared libraries are used, never their code.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { UnavailableError } from '../../errors.ts';

/** The release whose structs binding.ts describes; both package and library are pinned to it. */
const packageVersion = '3.22.1';
export const libraryRelease = 'v0.5.0';

export interface NativeLibrary {
  /** npm package, or `--library` when the user built their own. */
  readonly source: string;
  /** Folder with the shared libraries and the processor back ends. */
  readonly folder: string;
  readonly llama: string;
  readonly ggml: string;
  readonly ggmlBase: string;
  /** The RPC back end; null in the packages from npm. */
  readonly rpc: string | null;
}

/** Packages that could serve this machine, best first. */
function candidates(gpu: boolean): string[] {
  const key = `${process.platform}-${process.arch}`;
  const table: Record<string, readonly string[]> = {
    'linux-x64': gpu ? ['linux-x64-cuda', 'linux-x64-vulkan', 'linux-x64'] : ['linux-x64'],
    'linux-arm64': ['linux-arm64'],
    'darwin-arm64': ['mac-arm64-metal'],
    'darwin-x64': ['mac-x64'],
    'win32-x64': gpu ? ['win-x64-cuda', 'win-x64-vulkan', 'win-x64'] : ['win-x64'],
    'win32-arm64': ['win-arm64'],
  };
  return (table[key] ?? []).map((name) => `@node-llama-cpp/${name}`);
}

/** Finds the native library. Throws UnavailableError with the install command when there is none. */
export function findLibrary(options: { gpu?: boolean; folder?: string } = {}): NativeLibrary {
  if (options.folder !== undefined) return describe(options.folder, '--library');
  const names = candidates(options.gpu ?? true);
  const require = createRequire(import.meta.url);
  for (const name of names) {
    const root = packageRoot(require, name);
    if (root === undefined) continue;
    const bins = join(root, 'bins');
    const [folder] = existsSync(bins) ? readdirSync(bins) : [];
    if (folder !== undefined) return describe(join(bins, folder), name);
  }
  const wanted = names.at(-1);
  throw new UnavailableError(
    `native library: expected a llama.cpp package for ${process.platform} ${process.arch}, found none`,
    wanted === undefined
      ? { hint: 'build llama.cpp yourself and pass its folder with --library' }
      : { hint: `run: npm install --no-save ${wanted}@${packageVersion}` },
  );
}

function packageRoot(require: NodeJS.Require, name: string): string | undefined {
  for (const folder of require.resolve.paths(name) ?? []) {
    const root = join(folder, name);
    if (existsSync(join(root, 'package.json'))) return root;
  }
  return undefined;
}

function describe(folder: string, source: string): NativeLibrary {
  const files = existsSync(folder) ? readdirSync(folder) : [];
  const suffix = { darwin: 'dylib', win32: 'dll' }[process.platform as string] ?? 'so';
  const find = (stem: string): string | undefined =>
    [
      `lib${stem}.${libraryRelease}.${suffix}`,
      `${stem}.${libraryRelease}.${suffix}`,
      `lib${stem}.${suffix}`,
      `${stem}.${suffix}`,
    ].find((file) => files.includes(file));
  const pick = (stem: string): string => {
    const found = find(stem);
    if (found === undefined) {
      throw new UnavailableError(
        `native library: expected ${stem} ${libraryRelease} in ${dirname(join(folder, 'x'))}, found ${files.length} other files`,
        { hint: `limbic ${libraryRelease} needs the package version ${packageVersion}` },
      );
    }
    return join(folder, found);
  };
  const rpc = find('ggml-rpc');
  return {
    source,
    folder,
    llama: pick('llama'),
    ggml: pick('ggml'),
    ggmlBase: pick('ggml-base'),
    rpc: rpc === undefined ? null : join(folder, rpc),
  };
}
