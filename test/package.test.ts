/**
 * @file The package as a user gets it: packed by npm from a copy of the sources, unpacked in an empty folder beside the
 * packages that it asks for, and run there. `npm install` would need a registry or what an earlier one left in its
 * cache, so the tarball is unpacked as npm does it, and the packages are links to those of this checkout.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { commands } from '../src/cli/commands.ts';
import { modelsFolder } from '../src/store/cache.ts';
import { loadRegistry } from '../src/store/registry.ts';
import { needs, testModel } from './models.ts';

const name = 'smollm2-135m';
const folder = mkdtempSync(join(tmpdir(), 'limbic-package-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const stage = join(folder, 'stage');
const app = join(folder, 'app');
const home = join(folder, 'home');
const own = join(app, 'node_modules/limbic');

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  version: string;
  bin: { limbic: string };
};

/** What somebody who packs may have lying about. */
const strange = [
  'dist/pictures/page.png',
  'dist/test/toy-study.js',
  'dist/renamed-long-ago.js',
  'data/packs/mine.means',
  'report.html',
  'runs/of-mine/manifest.json',
  '.env',
];
/** The vectors that would take the package over 40 MB; `limbic fetch` and extraction make up for them. */
const tooLarge = 'data/packs/qwen2.5-coder-1.5b.safetensors';

/** Files below a folder, with their paths in it. */
function filesIn(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((file) =>
    statSync(join(path, file)).isFile(),
  );
}

/** Links a package of this checkout into the application, if it is installed here. */
function link(path: string): void {
  if (!existsSync(path)) return;
  mkdirSync(dirname(join(app, path)), { recursive: true });
  symlinkSync(resolve(path), join(app, path));
}

beforeAll(() => {
  const sources = ['src', 'web', 'data', 'README.md', 'LICENSE', 'NOTICE', 'sbom.cdx.json'];
  const tools = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'vite.config.ts'];
  for (const path of [...sources, ...tools]) cpSync(path, join(stage, path), { recursive: true });
  symlinkSync(resolve('node_modules'), join(stage, 'node_modules'));
  for (const path of strange) {
    mkdirSync(dirname(join(stage, path)), { recursive: true });
    writeFileSync(join(stage, path), 'of whoever packs');
  }
  execFileSync('npm', ['pack', '--offline', '--pack-destination', folder], {
    cwd: stage,
    stdio: 'pipe',
  });
  mkdirSync(own, { recursive: true });
  const tarball = join(folder, `limbic-${manifest.version}.tgz`);
  execFileSync('tar', ['-xzf', tarball, '-C', own, '--strip-components', '1']);

  // Only what a user gets: what only develops is not there to be imported by mistake.
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  for (const [path, { dev }] of Object.entries(packages))
    if (/^node_modules\/(?!.*\/node_modules\/)/.test(path) && dev !== true) link(path);
  // As npm does it.
  const bin = join(app, 'node_modules/.bin');
  mkdirSync(bin);
  chmodSync(join(own, manifest.bin.limbic), 0o755);
  symlinkSync(join('../limbic', manifest.bin.limbic), join(bin, 'limbic'));
  mkdirSync(home);
}, 300_000);

/** Runs the program of the package, in the application's folder and with a home of its own. */
function limbic(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(join(app, 'node_modules/.bin/limbic'), args, {
    cwd: app,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: home, LIMBIC_HOME: home, NO_COLOR: '1' },
  });
  return { code: status, out: stdout, err: stderr };
}

test('the package holds what the program needs and nothing else', () => {
  const packed = filesIn(own);
  const sources = filesIn('src').filter((file) => /(?<!\.test)\.ts$/.test(file));
  const built = sources.flatMap((file) =>
    ['.js', '.d.ts'].map((end) => join('dist', file.replace(/\.ts$/, end))),
  );
  const data = execFileSync('git', ['ls-files', 'data'], { encoding: 'utf8' }).trim().split('\n');
  const expected = [
    ...built,
    ...['index.html', 'assets/page.js', 'assets/page.css'].map((file) => join('dist/web', file)),
    ...data.filter((file) => file !== tooLarge),
    'LICENSE',
    'NOTICE',
    'README.md',
    'package.json',
    'sbom.cdx.json',
  ];
  expect(sources.length).toBeGreaterThan(200);
  expect(packed.filter((file) => !expected.includes(file))).toEqual([]);
  expect(expected.filter((file) => !packed.includes(file))).toEqual([]);
});

test('the package is at most 25 MB, no file in it more than 10 MB, and all but the vectors 5 MB', () => {
  const sizes = filesIn(own).map((file) => ({ file, bytes: statSync(join(own, file)).size }));
  const total = (list: typeof sizes): number => list.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(statSync(join(folder, `limbic-${manifest.version}.tgz`)).size).toBeLessThan(25e6);
  expect(sizes.filter(({ bytes }) => bytes > 10e6)).toEqual([]);
  expect(total(sizes.filter(({ file }) => !file.endsWith('.safetensors')))).toBeLessThan(5e6);
});

test('nothing in the package names a folder of the machine that packed it', () => {
  const folders = [process.cwd(), stage, dirname(realpathSync('node_modules'))];
  const naming = filesIn(own)
    .filter((file) => !file.endsWith('.safetensors'))
    .filter((file) => {
      const text = readFileSync(join(own, file), 'utf8');
      return folders.some((path) => text.includes(path));
    });
  expect(naming).toEqual([]);
});

test('a program that imports limbic compiles against its types and runs', () => {
  for (const path of ['node_modules/@types/node', 'node_modules/undici-types']) link(path);
  const options = { strict: true, module: 'nodenext', target: 'es2023', types: ['node'] };
  writeFileSync(
    join(app, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...options, lib: ['es2023', 'esnext.disposable'] } }),
  );
  writeFileSync(join(app, 'package.json'), '{"type":"module","private":true}');
  writeFileSync(
    join(app, 'program.ts'),
    `import { type Model, openToyModel, parseDoses, parseRule, type Rule } from 'limbic';

const model: Model = openToyModel({ blocks: 3 });
const tokens = await model.tokenize('The kettle sang.');
const [captured] = await model.capture([tokens], { layers: [1], pooling: 'mean' });
const rule: Rule = parseRule('desperate > p95 for 20 tokens -> stop');
const doses: readonly { emotion: string }[] = parseDoses('calm=0.05');
// @ts-expect-error: its types are no any
const wrong: string = model.info.width;
console.log(captured?.rows.length === model.info.width, rule.tokens, doses[0]?.emotion, typeof wrong);
`,
  );
  const tsc = resolve('node_modules/typescript/lib/tsc.js');
  const compiled = spawnSync('node', [tsc, '-p', '.'], { cwd: app, encoding: 'utf8' });
  expect(compiled.stdout).toBe('');
  expect(compiled.status).toBe(0);
  const told = execFileSync('node', ['program.js'], { cwd: app, encoding: 'utf8' });
  expect(told).toBe('true 20 calm number\n');
}, 120_000);

test('limbic --help, --version and models answer from the package', () => {
  const help = limbic('--help');
  expect(help.code).toBe(0);
  for (const command of commands) expect(help.out).toContain(`  ${command.name} `);
  expect(limbic('--version')).toEqual({ code: 0, out: `${manifest.version}\n`, err: '' });
  const models = limbic('models', '--json');
  expect(models.code).toBe(0);
  const known = (JSON.parse(models.out) as { name: string }[]).map((model) => model.name);
  expect(known).toEqual(expect.arrayContaining(loadRegistry().map((entry) => entry.name)));
});

test('limbic vectors shows one of the shipped vectors from the package, without a model', () => {
  const shown = limbic('vectors', '--show', 'desperate');
  expect(shown).toMatchObject({ code: 0, err: '' });
  expect(shown.out).toMatch(/^desperate/m);
});

test('limbic demo without its model ends with one sentence', () => {
  const { code, out, err } = limbic('demo', '--model', join(folder, 'none.gguf'));
  expect(code).toBe(2);
  expect(out).toBe('');
  expect(err.trim().split('\n')).toHaveLength(1);
  expect(err).toContain('expected a readable file');
});

test.skipIf(testModel(name) === null)(
  `limbic demo runs whole from the package${needs(name)}`,
  () => {
    // The commands before may have made the folder.
    rmSync(join(home, 'models'), { recursive: true, force: true });
    symlinkSync(modelsFolder(), join(home, 'models'));
    const page = join(folder, 'demo.html');
    const { code, out, err } = limbic('demo', '--html', page);
    expect(err).not.toContain('limbic:');
    expect(code).toBe(0);
    expect(out).toContain('cannot be passed honestly');
    expect(readFileSync(page, 'utf8')).toContain('</html>');
  },
  300_000,
);
