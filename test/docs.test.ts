/** @file The documentation is true: its links lead somewhere, its code runs, its commands exist, its site builds. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

import axe from 'axe-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { signed } from '../src/charts/terminal.ts';
import { parseCommandLine } from '../src/cli/command.ts';
import { commands } from '../src/cli/commands.ts';
import { paramsOf, studyCalled } from '../src/cli/run.ts';
import { type FinishedStudy, printStudy } from '../src/cli/study-output.ts';
import type { Backend } from '../src/engine/backend.ts';
import type { Model } from '../src/engine/engine.ts';
import { createToyBackend } from '../src/engine/toy/backend.ts';
import { openToyModel } from '../src/engine/toy/model.ts';
import { buildSteering, parseDoses, totalDose } from '../src/steering/steering.ts';
import { chatStudies, studies } from '../src/studies/index.ts';
import type { Study } from '../src/studies/study.ts';
import { loadPack } from '../src/vectors/pack.ts';
import { browserPath, launch, openPage, pictures } from './browser.ts';
import { anchorsOf, type Block, blocksOf, inlineCode, limbicCalls, linksOf } from './docs-text.ts';
import { openToyLab } from './toy-server.ts';

const inDocs = readdirSync('docs', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.md'))
  .map((file) => join('docs', file));
const files = [
  ...inDocs,
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'THREATS.md',
  'results/README.md',
];
const blocks = files.flatMap(blocksOf);

test.each(files)('%s: every link and every anchor leads somewhere', (file) => {
  const broken = linksOf(file).filter((href) => {
    if (/^https?:/.test(href)) return false;
    const [path = '', anchor] = href.split('#');
    const target = path === '' ? file : normalize(join(dirname(file), path));
    if (!existsSync(target)) return true;
    return anchor !== undefined && !anchorsOf(target).has(anchor);
  });
  expect(broken).toEqual([]);
});

// Code. The blocks lie in the repository, so that they resolve `limbic` and `zod` as a user's program does.

let folder = '';
beforeAll(() => {
  mkdirSync('dist-docs', { recursive: true });
  folder = mkdtempSync('dist-docs/blocks-');
  mkdirSync(join(folder, 'run'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const code = blocks.filter(({ language }) => language === 'ts');
const titleOf = ({ file, line }: Block): string => `${file}:${line}`;
/** `src/studies/capitals.ts`, if a block says in its first line where it would lie. */
const placeOf = ({ text }: Block): string | undefined => /^\/\/ (src\/\S+\.ts)\n/.exec(text)?.[1];
const importsLimbic = ({ text }: Block): boolean => text.includes("from 'limbic'");

/** The code with relative imports as they are from `to`. */
function movedTo(to: string, block: Block): string {
  const place = placeOf(block);
  if (place === undefined) return block.text;
  return block.text.replaceAll(/from '(\.[^']+)'/g, (_, from: string) => {
    const path = relative(to, join(dirname(place), from));
    return `from '${path}'`;
  });
}

/** Imports a block as a module that runs on the toy engine. */
async function run(block: Block): Promise<Record<string, unknown>> {
  const at = join(folder, 'run');
  const path = join(at, `${titleOf(block).replaceAll(/\W/g, '-')}.ts`);
  const toy = relative(at, 'test/docs-on-toy.ts');
  writeFileSync(path, movedTo(at, block).replaceAll("from 'limbic'", `from '${toy}'`));
  return (await import(join(process.cwd(), path))) as Record<string, unknown>;
}

test('the documentation has code for the library, a study and an engine', () => {
  expect(code.filter(importsLimbic).length).toBeGreaterThanOrEqual(3);
  expect(code.map(placeOf)).toContain('src/studies/capitals.ts');
  expect(code.map(placeOf)).toContain('src/engine/mine/model.ts');
});

test('every block of TypeScript has right types', () => {
  for (const block of code)
    writeFileSync(
      join(folder, `${titleOf(block).replaceAll(/\W/g, '-')}.ts`),
      `${movedTo(folder, block)}\nexport {};\n`,
    );
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'] }),
  );
  let complaints = '';
  try {
    execFileSync('node', ['node_modules/typescript/lib/tsc.js', '-p', folder], {
      encoding: 'utf8',
    });
  } catch (error) {
    complaints = (error as { stdout: string }).stdout;
  }
  expect(complaints).toBe('');
}, 300_000);

test.each(code.filter(importsLimbic).map((block) => [titleOf(block), block] as const))(
  '%s runs on the toy engine',
  async (_, block) => {
    const said = vi.spyOn(console, 'log').mockImplementation(() => {});
    await run(block);
    expect(said.mock.calls.length).toBeGreaterThan(0);
    expect(said.mock.calls.flat().join(' ')).not.toMatch(/NaN|undefined/);
    said.mockRestore();
  },
  120_000,
);

test('the examples of docs/library.md are JavaScript as they stand', () => {
  for (const { text } of code.filter(importsLimbic)) {
    const path = join(folder, 'run', 'as-it-stands.mjs');
    writeFileSync(path, text);
    expect(() => execFileSync('node', ['--check', path], { stdio: 'pipe' })).not.toThrow();
  }
});

test('the study of docs/add-a-study.md runs on the toy engine, the same from a run that is taken up', async () => {
  const { capitalsStudy: study } = (await run(
    code.find((block) => placeOf(block) === 'src/studies/capitals.ts')!,
  )) as { capitalsStudy: Study };
  const { model, pack } = await openToyLab(['angry', 'calm', 'happy']);
  const lab = {
    model,
    pack,
    signal: new AbortController().signal,
    data: (name: string): string => `data/${name}`,
    open: async (): Promise<Model> => openToyModel(),
  };
  const cells = new Map<string, object>();
  const recorder = {
    cell: async <T extends object>(key: string, measure: () => Promise<T>): Promise<T> => {
      if (!cells.has(key)) cells.set(key, JSON.parse(JSON.stringify(await measure())) as object);
      return cells.get(key) as T;
    },
  };
  const params = study.params.parse({ random: '20' });
  const first = await study.run(lab, params, recorder);
  expect(cells.size).toBe(study.plan(params, lab).cells);
  const [measure] = first.measures;
  expect(measure).toMatchObject({ n: 8, control: expect.stringMatching(/20 random/) as string });
  expect(measure?.value).not.toBeNaN();
  expect(await study.run({ ...lab, model: openToyModel() }, params, recorder)).toEqual(first);
}, 120_000);

test('the model of docs/add-an-engine.md reads and writes', async () => {
  const { openMyModel } = (await run(
    code.find((block) => placeOf(block) === 'src/engine/mine/model.ts')!,
  )) as { openMyModel: (name: string, backend: Backend) => Model };
  await using model = openMyModel('mine', createToyBackend());
  const prompt = await model.tokenize('Once');
  const [reply] = await model.generate([{ prompt, maxTokens: 2 }]);
  expect(reply?.tokens).toHaveLength(2);
  expect(model.info.name).toBe('mine');
});

test('docs/add-an-engine.md names every member of Backend and every test of the conformance suite', () => {
  const page = readFileSync('docs/add-an-engine.md', 'utf8');
  const backend = readFileSync('src/engine/backend.ts', 'utf8').split(
    'export interface Backend {',
  )[1];
  const members = [...backend!.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)].map(([, name]) => name!);
  const suite = readFileSync('src/engine/conformance.test.ts', 'utf8');
  const tests = [...suite.matchAll(/\brun\(\s*'([^']+)',/g)].map(([, name]) => name!);
  expect(members.length).toBeGreaterThan(10);
  expect(tests.length).toBeGreaterThan(15);
  expect([...members, ...tests].filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

// Commands.

/** Complaints about one call of limbic, by the table of commands. */
function complaintOf([name = '', ...args]: readonly string[]): string | null {
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) return `no command ${name}`;
  try {
    const { values, positionals } = parseCommandLine(command, args);
    const [study] = positionals;
    if (['run', 'compare'].includes(name) && study !== undefined && /^[a-z]+$/.test(study))
      paramsOf(studyCalled(study), values);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

const calls = [
  ...blocks
    .filter(({ language }) => language === 'sh')
    .flatMap((block) => limbicCalls(block.text).map((args) => ({ where: titleOf(block), args }))),
  ...commands.flatMap(({ name, examples }) =>
    examples.flatMap(limbicCalls).map((args) => ({ where: `examples of ${name}`, args })),
  ),
];

test('every command line in the documentation has a command, options and parameters that exist', () => {
  expect(calls.length).toBeGreaterThan(60);
  const wrong = calls
    .map(({ where, args }) => ({ where, call: args.join(' '), complaint: complaintOf(args) }))
    .filter(({ complaint }) => complaint !== null);
  expect(wrong).toEqual([]);
  expect(complaintOf(['read', '--nope'])).toMatch(/Unknown option/);
  expect(complaintOf(['run', 'scenarios', '--set', 'nope=1'])).toMatch(/nope/);
});

test('every command in the running text exists, with its options and its study', () => {
  const wrong: string[] = [];
  // Those of the documentation's own code too.
  const own = code.flatMap(({ text }) => [...text.matchAll(/^ {2}name: '(\w+)',$/gm)]);
  const known = new Set([
    ...[...studies, ...chatStudies].map(({ name }) => name),
    ...own.map(([, name = '']) => name),
  ]);
  for (const file of files)
    for (const call of inlineCode(file).flatMap((text) => limbicCalls(text))) {
      const [name = '', ...args] = call;
      const command = commands.find((candidate) => candidate.name === name);
      if (name === '' || /^[A-Z]+$/.test(name)) continue;
      const end = args.includes('--') ? args.indexOf('--') : args.length;
      const unknown = args
        .slice(0, end)
        .filter((word) => word.startsWith('--'))
        .map((word) => word.slice(2).split('=')[0] ?? '')
        .filter((option) => option !== 'help' && command?.options[option] === undefined);
      const [study = ''] = ['run', 'compare'].includes(name) ? args : [];
      const isStranger = /^[a-z]+$/.test(study) && !known.has(study);
      if (command === undefined || unknown.length > 0 || isStranger)
        wrong.push(`${file}: limbic ${call.join(' ')}`);
    }
  expect(wrong).toEqual([]);
});

// Outputs and numbers.

const firstHour = 'docs/first-hour.md';
const texts = (file: string): string[] => blocksOf(file).map(({ text }) => text);

test('the outputs of docs/first-hour.md are those of the program', () => {
  const shown = texts(firstHour);
  const said: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((line) => said.push(String(line)));
  const kept = readFileSync('results/smollm2-135m/scenarios.json', 'utf8');
  printStudy({ ...(JSON.parse(kept) as FinishedStudy), path: '…' }, false);
  log.mockRestore();
  expect(shown).toContain(said.join('\n'));
  const pack = loadPack('data/packs/smollm2-135m.safetensors');
  const steered = shown.flatMap((text) => [...text.matchAll(/^steering (\S+) (\S+): .*$/gm)]);
  expect(steered.length).toBeGreaterThan(1);
  for (const [line, emotion = '', dose = ''] of steered) {
    const steering = buildSteering(pack, parseDoses(`${emotion}=${dose}`));
    const total = totalDose(pack, steering).toFixed(2);
    expect(line).toBe(
      `steering ${emotion} ${signed(Number(dose), 2)}: ${total} norms over ${steering.vectors.size} layers`,
    );
  }
});

test('docs/first-hour.md shows the same as README.md and docs/server.md', () => {
  const demo = texts(firstHour).find((text) => text.includes('ranked by fear'));
  expect(texts('README.md').find((text) => text.includes('ranked by fear'))).toContain(demo);
  const token = texts(firstHour).find((text) => text.includes('"readouts"'));
  expect(texts('docs/server.md')).toContain(token);
});

/** Rows of docs/papers.md whose last cell links to a report, with that cell. */
const findings = readFileSync('docs/papers.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|') && line.includes('../results/'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map((cells) => [cells[1] ?? '', cells.at(-2) ?? ''] as const);

test('docs/papers.md has findings with results', () =>
  expect(findings.length).toBeGreaterThanOrEqual(8));

test.each(findings)('docs/papers.md, "%s": the numbers are those of the results', (_, cell) => {
  const kept = [...cell.matchAll(/\.\.\/(results\/[^)]+)\.html/g)]
    .map(([, path]) => readFileSync(`${path}.json`, 'utf8'))
    .join('\n');
  const numbers = [...kept.matchAll(/-?\d+(?:\.\d+)?(?:e-?\d+)?/g)].map(Number);
  const told = cell.replaceAll(/\]\([^)]*\)/g, ']').replaceAll(/\[[^\]]*\]/g, '');
  const decimals = [...told.matchAll(/[+-]?\d*\.\d+/g)].map(([text]) => text);
  const unknown = decimals.filter((text) => {
    const digits = text.split('.')[1]?.length ?? 0;
    return !numbers.some((number) => Math.abs(number - Number(text)) <= 0.5001 * 10 ** -digits);
  });
  const counts = [...told.matchAll(/\d+ of \d+|\d+ %/g)].map(([text]) => text);
  expect(decimals.length + counts.length).toBeGreaterThan(0);
  expect([...unknown, ...counts.filter((text) => !kept.includes(text))]).toEqual([]);
});

test('docs/api.md is what the docstrings say', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'limbic-api-')), 'api.md');
  execFileSync('node', ['reproduce/api-docs.mjs', path]);
  expect(readFileSync('docs/api.md', 'utf8')).toBe(readFileSync(path, 'utf8'));
});

test('every name that the library exports has a docstring', () => {
  const [exported = ''] = readFileSync('docs/api.md', 'utf8').split('\n## Types that these name');
  const bare = [...exported.matchAll(/^### (\w+)\n\n```/gm)].map(([, name]) => name);
  expect(bare).toEqual([]);
});

// The site.

let built: string | undefined;
/** Builds the site once. */
function site(): string {
  if (built === undefined) {
    built = mkdtempSync(join(tmpdir(), 'limbic-site-'));
    execFileSync('node', ['docs/site/build.mjs', built]);
  }
  return built;
}
afterAll(() => {
  if (built !== undefined) rmSync(built, { recursive: true });
});

test('npm run docs builds a site whose links lead somewhere and which asks for nothing elsewhere', () => {
  const pages = readdirSync(site(), { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.html') && !file.startsWith('files/'),
  );
  expect(pages.length).toBeGreaterThan(20);
  const textOf = new Map(pages.map((page) => [page, readFileSync(join(site(), page), 'utf8')]));
  const idsOf = (page: string): string[] =>
    [...(textOf.get(page) ?? '').matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);
  const wrong: string[] = [];
  for (const [page, text] of textOf) {
    const ids = idsOf(page);
    if (new Set(ids).size < ids.length) wrong.push(`${page}: two things have one id`);
    if (text.split('<h1').length !== 2) wrong.push(`${page}: expected one h1`);
    for (const [, tag, href = ''] of text.matchAll(/<(\w+)[^>]* (?:href|src)="([^"]*)"/g)) {
      if (/^https?:/.test(href) && tag === 'a') continue;
      const [path = '', anchor] = href.split('#');
      const target = path === '' ? page : normalize(join(dirname(page), path));
      const isThere = existsSync(join(site(), target)) && statSync(join(site(), target)).isFile();
      const isRight = isThere && (anchor === undefined || idsOf(target).includes(anchor));
      if (!isRight && href !== 'data:,') wrong.push(`${page}: ${tag} ${href}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(readFileSync(join(site(), 'site.css'), 'utf8')).not.toMatch(/url\(|@import/);
}, 120_000);

test('a Markdown file with a broken link fails the build of the site, by its name', () => {
  const page = join(folder, 'broken.mjs');
  writeFileSync(
    page,
    "import { resolveLink } from '../../docs/site/pages.mjs';\nresolveLink('docs/index.md', 'nowhere.md');\n",
  );
  expect(() => execFileSync('node', [page], { stdio: 'pipe' })).toThrow(
    'docs/index.md: expected a file at "nowhere.md", found none',
  );
});

const noBrowser = browserPath === undefined;
test.skipIf(noBrowser)(
  `the site has no serious fault for axe, light, dark and at phone width, and finds headings from the disk${noBrowser ? ' (skipped: no chromium is here)' : ''}`,
  async () => {
    const browser = await launch();
    const looks = {
      light: { colorScheme: 'light' as const },
      dark: { colorScheme: 'dark' as const },
      phone: { viewport: { width: 360, height: 740 } },
    };
    for (const [look, options] of Object.entries(looks)) {
      const at = pathToFileURL(join(site(), 'papers.html')).href;
      const { page, complaints } = await openPage(browser, at, options);
      await page.evaluate(axe.source);
      const found = await page.evaluate<{ violations: { impact: string; id: string }[] }>(
        // It would ask for the style sheet itself, which a page from the disk may not.
        'axe.run({ preload: false })',
      );
      const serious = found.violations.filter(({ impact }) =>
        ['serious', 'critical'].includes(impact),
      );
      expect(
        serious.map(({ id }) => id),
        look,
      ).toEqual([]);
      const wider = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      expect(await page.evaluate(wider), look).toBe(0);
      await page.getByLabel('Search headings').fill('watch a reply');
      const [hit] = await page.locator('#found a').all();
      await hit?.click();
      await page.waitForURL(/library\.html#watch-a-reply-and-stop-it$/);
      expect(complaints).toEqual([]);
      await page.screenshot({ path: join(pictures, `docs-${look}.png`) });
      await page.context().close();
    }
    await browser.close();
  },
  240_000,
);
