/** @file What a user gets beside our own code: hashes, exact versions, licences, and the list that ships with it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly object[];
}
interface Sbom {
  readonly bomFormat: string;
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const { packages } = read('package-lock.json') as {
  packages: Record<string, LockedPackage>;
};
const { '': root, ...installed } = packages;
const entries = Object.entries(installed);
const nameOf = (path: string): string => path.split('node_modules/').at(-1)!;
const sbom = read('sbom.cdx.json') as Sbom;
const folder = mkdtempSync(join(tmpdir(), 'limbic-supply-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Of the llama.cpp packages for other systems: the registry at hand did not serve them, so the lock has no hash. */
const unserved = ['mac-arm64-metal', 'mac-x64', 'win-arm64', 'win-x64'].map(
  (name) => `@node-llama-cpp/${name}`,
);
/** Where limbic is said to run: Linux with glibc, x64 or arm64. */
const isForHere = ({ os, cpu, libc }: LockedPackage): boolean =>
  (os?.includes('linux') ?? true) &&
  (cpu?.some((name) => ['x64', 'arm64'].includes(name)) ?? true) &&
  (libc?.includes('glibc') ?? true);
/** Those for other libraries than glibc that do not say so. */
const isMusl = (path: string): boolean => path.endsWith('-musl');

test('package-lock.json has the SHA-512 of every package, but for four that its registry did not serve', () => {
  const bare = entries.filter(([, { integrity }]) => integrity?.startsWith('sha512-') !== true);
  const production = bare.filter(([, { dev }]) => dev !== true).map(([path]) => nameOf(path));
  expect(production).toEqual(unserved);
  // Of what only develops, the binaries of systems that nobody tested on.
  const here = bare.filter(([path, locked]) => isForHere(locked) && !isMusl(path));
  expect(here.map(([path]) => path)).toEqual([]);
});

test('every package that limbic itself asks for has one exact version', () => {
  const { dependencies, optionalDependencies } = read('package.json') as LockedPackage;
  const asked = { ...dependencies, ...optionalDependencies };
  const loose = Object.entries(asked).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
  expect(loose).toEqual([]);
  const other = Object.entries(asked).filter(
    ([name, version]) => installed[`node_modules/${name}`]?.version !== version,
  );
  expect(other).toEqual([]);
});

test('whatever is native is pinned exactly, but for one optional package of a dependency', () => {
  const production = entries.filter(([, { dev }]) => dev !== true);
  const native = new Set(
    production
      .filter(([, { os, cpu, hasInstallScript }]) => os ?? cpu ?? hasInstallScript)
      .map(([path]) => nameOf(path)),
  );
  expect(native.size).toBeGreaterThan(30);
  const loose = [['', root!] as const, ...production].flatMap(([path, locked]) =>
    Object.entries({ ...locked.dependencies, ...locked.optionalDependencies })
      .filter(([name, version]) => native.has(name) && !/^\d+\.\d+\.\d+$/.test(version))
      .map(([name]) => `${nameOf(path)} asks for ${name}`),
  );
  // It makes the queue's messages smaller; the queue works without it.
  expect(loose).toEqual(['msgpackr asks for msgpackr-extract']);
});

test('only two packages run a script when they are installed', () => {
  const scripts = entries.filter(
    ([, { dev, hasInstallScript }]) => dev !== true && hasInstallScript,
  );
  expect(scripts.map(([path]) => nameOf(path))).toEqual(['koffi', 'msgpackr-extract']);
});

test('sbom.cdx.json and docs/licences.md are those of package-lock.json', () => {
  execFileSync('node', ['reproduce/supply-chain.mjs', folder]);
  for (const file of ['sbom.cdx.json', 'docs/licences.md'])
    expect(readFileSync(file, 'utf8'), `${file}: run node reproduce/supply-chain.mjs`).toBe(
      readFileSync(join(folder, file), 'utf8'),
    );
});

/** What a package in node_modules says of itself. */
interface Manifest extends LockedPackage {
  readonly name: string;
}

/** Where Node finds a package for one in the folder `from`; null if it is not there. */
function lookUp(from: string, name: string): string | null {
  const path = join(from, 'node_modules', name);
  if (existsSync(path)) return path;
  return from === ''
    ? null
    : lookUp(from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))), name);
}

/** Everything that is installed for the packages that limbic asks for, found as Node finds it. */
function reachable(): Manifest[] {
  const found = new Map<string, Manifest>();
  const visit = (from: string, { dependencies, optionalDependencies }: LockedPackage): void => {
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const path = lookUp(from, name);
      if (path === null || found.has(path)) continue;
      const manifest = read(join(path, 'package.json')) as Manifest;
      found.set(path, manifest);
      visit(path, manifest);
    }
  };
  visit('', read('package.json') as LockedPackage);
  return [...found.values()];
}

test('sbom.cdx.json names every package that is installed, with its own licence', () => {
  const listed = new Map(sbom.components.map((component) => [component['bom-ref'], component]));
  const there = reachable();
  expect(there.length).toBeGreaterThan(45);
  const missing = there.filter(({ name, version }) => !listed.has(`${name}@${version}`));
  expect(missing.map(({ name }) => name)).toEqual([]);
  for (const { name, version, license } of there) {
    const [licence] = listed.get(`${name}@${version}`)?.licenses ?? [];
    const isChoice = license?.startsWith('(');
    expect(licence, name).toEqual(
      isChoice === true ? { expression: license } : { license: { id: license } },
    );
  }
});

test('sbom.cdx.json has the hashes that npm tells, a licence each, and edges that lead somewhere', () => {
  const told = JSON.parse(
    execFileSync(
      'npm',
      ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only', '--offline'],
      { encoding: 'utf8', maxBuffer: 2 ** 26 },
    ),
  ) as Sbom;
  const byRef = new Map(told.components.map((component) => [component['bom-ref'], component]));
  for (const { 'bom-ref': ref, purl, hashes, licenses, name } of sbom.components) {
    expect(licenses, ref).toHaveLength(1);
    expect(byRef.get(ref)?.purl, ref).toBe(purl);
    expect(byRef.get(ref)?.hashes, ref).toEqual(hashes);
    if (!unserved.includes(name)) expect(hashes?.[0]?.content, ref).toMatch(/^[0-9a-f]{128}$/);
  }
  const refs = new Set(['limbic@0.1.0', ...sbom.components.map((part) => part['bom-ref'])]);
  const edges = sbom.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]);
  expect(edges.filter((ref) => !refs.has(ref))).toEqual([]);
  expect(new Set(edges)).toEqual(refs);
}, 120_000);

test('what the page is built of is in sbom.cdx.json, and its copyright is in NOTICE', () => {
  const sources = readdirSync('web', { recursive: true, encoding: 'utf8' }).filter((file) =>
    /(?<!\.test)\.tsx?$/.test(file),
  );
  const imported = sources.flatMap((file) =>
    [...readFileSync(join('web', file), 'utf8').matchAll(/from '((?:@\w+\/)?\w[^'/]*)/g)].map(
      ([, name = '']) => name,
    ),
  );
  expect([...new Set(imported)]).toEqual(['preact']);
  expect(sbom.components.map(({ name }) => name)).toContain('preact');
  const [, line = ''] = /^(Copyright .*)$/m.exec(
    readFileSync('node_modules/preact/LICENSE', 'utf8'),
  )!;
  expect(readFileSync('NOTICE', 'utf8')).toContain(line);
});

const refused: [string, string | undefined][] = [
  ['GPL-3.0-only', 'GPL-3.0-only'],
  ['MIT AND LGPL-2.1-or-later', 'MIT AND LGPL-2.1-or-later'],
  ['SEE LICENSE IN terms.txt', 'SEE LICENSE IN terms.txt'],
  ['none', undefined],
];
test.each(refused)('a package whose licence is %s fails the list of licences', (told, license) => {
  const { license: own, ...zod } = installed['node_modules/zod']!;
  expect(own).toBe('MIT');
  const changed = license === undefined ? zod : { ...zod, license };
  const lock = join(folder, 'lock.json');
  writeFileSync(lock, JSON.stringify({ packages: { ...packages, 'node_modules/zod': changed } }));
  const { status, stderr } = spawnSync('node', ['reproduce/supply-chain.mjs', folder, lock], {
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toContain('zod: expected one of the licences 0BSD, ');
  expect(stderr).toContain(`, got ${told}`);
});
