import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { helpOf } from '../src/cli/command.ts';
import { commands } from '../src/cli/commands.ts';
import { runCommand } from '../src/cli/run.ts';
import { chatStudies, studies } from '../src/studies/index.ts';
import { loadPack } from '../src/vectors/pack.ts';
import { needs, testModel } from './models.ts';
import { limbic, type Ran } from './run-limbic.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-cli-'));
const hasModel = testModel('smollm2-135m') !== null;
const note = needs('smollm2-135m');
const packPath = 'data/packs/smollm2-135m.safetensors';

const bad: [string[], RegExp][] = [
  [['nonsense'], /command: nothing is called "nonsense"/],
  [['read'], /expected one of --text, --file or --chat, got 0/],
  [['read', '--text', ''], /expected a text, got an empty one/],
  [['read', '--file', '/nowhere'], /\/nowhere: expected a readable file, got ENOENT/],
  [['read', '--nope'], /Unknown option '--nope'/],
  [['read', '--text', 'x', '--model', 'nosuch'], /model: nothing is called "nosuch"/],
  [
    ['read', '--text', 'x', '--model', '/nowhere.gguf'],
    /expected a readable file at \/nowhere.gguf/,
  ],
  [['read', '--text', 'x', '--model', 'test/cli.test.ts.gguf'], /expected a readable file/],
  [['read', '--text', 'x', '--top', 'many'], /--top: expected a whole number/],
  [['chat', '--steer', 'calm'], /expected emotion=dose/],
  [['chat', '--temperature', 'hot'], /--temperature: expected a number from 0 to 5, got "hot"/],
  [['extract', '--stories', '/nowhere'], /expected a readable file/],
  [['validate'], /expected a pack file, got none/],
  [['validate', 'package.json'], /expected a header within the file/],
  [['extract', '--means', 'README.md'], /README.md: expected a file of story means/],
  [['extract', '--weights', 'q9'], /--weights: expected auto or file, got "q9"/],
  [['recipes', '--starts', '5,1'], /--starts: expected ascending whole numbers with 20 among them/],
  [['recipes', '--layers', '3-99'], /--layers: expected a range within 0-28, got "3-99"/],
  [['stories'], /expected --out FILE or --check FILE, got neither/],
  [['stories', '--out', '/tmp/x', '--emotions', 'hapy'], /did you mean happy/],
  [['stories', '--check', '/nowhere'], /\/nowhere: expected a readable file/],
  [['stories', '--out', '/tmp/x', '--model', 'compatible:x'], /expected compatible:URL#NAME/],
  [['atlas', '--norms', 'package.json'], /norms: expected a head like/],
  [['atlas', '--norms', '/nowhere'], /\/nowhere: expected a readable file/],
  [['atlas', '--emotion', 'desprate'], /did you mean desperate/],
  [['atlas', '--compare', '/nowhere'], /expected a file at \/nowhere/],
  [['fetch'], /expected one model, got 0/],
  [['bench', '--rounds', '0'], /--rounds: expected a whole number from 3/],
];

test.each(bad)('limbic %j ends with 2 and one sentence', async (args, message) => {
  const { code, out, err } = await limbic(args);
  expect(err).toMatch(message);
  expect(err.trim().split('\n')).toHaveLength(1);
  expect(err).not.toMatch(/\n\s+at /);
  expect(out).toBe('');
  expect(code).toBe(2);
});

test('every command has help with usage, options and an example', async () => {
  for (const command of commands) {
    const help = helpOf(command);
    expect(help).toContain(`Usage: limbic ${command.name}`);
    expect(help, command.name).toMatch(/Examples:\n {2}(limbic|printf)/);
  }
  expect((await limbic(['read', '--help'])).out).toContain('--emotions a,b');
});

test('the help of every study lists its parameters, those without a default too', () => {
  for (const { name } of [...studies, ...chatStudies])
    expect(runCommand.helpFor?.([name]), name).toMatch(/^Parameters of \w+ .*:\n {2}\w+=/);
  expect(runCommand.helpFor?.(['base'])).toContain('  base=… (needed)\n  texts=1000\n');
});

test('docs/cli.md is the help of every command', () => {
  const expected = commands
    .map((command) => `## ${command.name}\n\n\`\`\`\n${helpOf(command)}\n\`\`\`\n`)
    .join('\n');
  expect(readFileSync('docs/cli.md', 'utf8')).toBe(
    `# Commands\n\nWritten by the program's own help.\n\n${expected}`,
  );
});

test('the shipped pack holds 171 emotions, is small, and reached top-1 0.36 on held-out topics', () => {
  const pack = loadPack(packPath);
  expect(pack.emotions).toHaveLength(171);
  expect(readFileSync(packPath).length).toBeLessThan(8e6);
  expect(pack.scores.find(({ layer }) => layer === pack.bestLayer)?.top1).toBeGreaterThanOrEqual(
    0.36,
  );
});

test.skipIf(!hasModel)(
  `limbic validate finds the emotions of stories it was not made from${note}`,
  async () => {
    const emotions = ['afraid', 'blissful', 'bored', 'furious', 'grief-stricken', 'proud'];
    const lines = readFileSync('data/corpus/stories.jsonl', 'utf8')
      .split('\n')
      .filter((line) => emotions.some((emotion) => line.includes(`"emotion": "${emotion}"`)));
    const stories = join(folder, 'six.jsonl');
    writeFileSync(stories, lines.join('\n'));
    const { out, code } = await limbic([
      'validate',
      packPath,
      '--stories',
      stories,
      '--layers',
      '15',
      '--json',
    ]);
    expect(code).toBe(0);
    const result = JSON.parse(out) as {
      n: number;
      top1: { value: number };
      permutation: { p: number; mean: number };
    };
    expect(result.n).toBe(72);
    // Chance is 1/6; the six lie far apart.
    expect(result.top1.value).toBeGreaterThan(0.6);
    expect(result.permutation.mean).toBeLessThan(0.35);
  },
  240_000,
);

test.skipIf(!hasModel)(
  `limbic extract stops cleanly at Ctrl-C, and the same command goes on where it stopped${note}`,
  async () => {
    const emotions = ['afraid', 'blissful', 'bored', 'furious', 'proud', 'serene'];
    const stories = join(folder, 'interrupted.jsonl');
    const lines = readFileSync('data/corpus/stories.jsonl', 'utf8')
      .split('\n')
      .filter((line) => emotions.some((emotion) => line.includes(`"emotion": "${emotion}"`)));
    writeFileSync(stories, lines.join('\n'));
    const out = join(folder, 'interrupted.safetensors');
    const args = [
      'extract',
      '--stories',
      stories,
      '--out',
      out,
      '--weights',
      'file',
      '--rounds',
      '3',
    ];
    const first = await new Promise<Ran>((resolve) => {
      const child = execFile('node', ['dist/cli/main.js', ...args], (error, stdout, err) =>
        resolve({ code: error === null ? 0 : Number(error.code), out: stdout, err }),
      );
      const timer = setInterval(() => {
        if (!existsSync(`${out}.means`) || statSync(`${out}.means`).size < 100_000) return;
        clearInterval(timer);
        child.kill('SIGINT');
      }, 20);
    });
    expect(first.code).toBe(130);
    expect(first.err.trim().split('\n').at(-1)).toBe('stopped');
    expect(existsSync(out)).toBe(false);
    const kept = statSync(`${out}.means`).size;
    const second = await limbic([...args, '--json']);
    expect(second.code).toBe(0);
    expect((JSON.parse(second.out) as { n: number }).n).toBe(72);
    // The finished part was not read again: the file only grew.
    expect(statSync(`${out}.means`).size).toBeGreaterThan(kept);
    expect(loadPack(out).emotions).toEqual(emotions);
  },
  240_000,
);

test.skipIf(!hasModel)(
  `limbic read tells a frightening passage from a peaceful one, and writes a page${note}`,
  async () => {
    const page = join(folder, 'reading.html');
    const gapOf = async (text: string): Promise<number> => {
      const { out, code } = await limbic([
        'read',
        '--text',
        text,
        '--emotions',
        'terrified,calm',
        '--json',
        '--html',
        page,
      ]);
      expect(code).toBe(0);
      const { tokens, passage } = JSON.parse(out) as {
        tokens: { readouts: { terrified: number; calm: number } }[];
        passage: { emotion: string }[];
      };
      expect(passage).toHaveLength(8);
      const gaps = tokens.slice(1).map(({ readouts }) => readouts.terrified - readouts.calm);
      return gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    };
    const frightening = await gapOf(
      'Footsteps came up the cellar stairs. She held her breath, shaking, as the handle slowly turned in the dark and the lock gave way.',
    );
    const peaceful = await gapOf(
      'Sunlight lay on the cellar stairs. She leaned back, humming, as the kettle slowly warmed on the stove and the cat stretched out.',
    );
    // Absolute levels carry the text's position and style; the contrast is what the vectors are for.
    expect(frightening).toBeGreaterThan(peaceful + 0.02);
    expect(readFileSync(page, 'utf8')).toContain('<title>A reading</title>');
  },
  120_000,
);

test.skipIf(!hasModel)(
  `limbic chat answers, steers, lists and saves${note}`,
  async () => {
    const saved = join(folder, 'chat.jsonl');
    const { out, code } = await limbic(
      ['chat', '--max-tokens', '12', '--temperature', '0'],
      `Good morning!\n/steer calm=0.05\nHow are you?\n/top 3\n/steer nothing\n/save ${saved}\n/quit\n`,
    );
    expect(code).toBe(0);
    expect(out).toMatch(/desperate .*[+-]\d\.\d{3}/);
    expect(out).toContain('steering calm +0.05');
    expect(out).toContain('expected emotion=dose');
    expect(readFileSync(saved, 'utf8').trim().split('\n')).toHaveLength(4);
  },
  120_000,
);

test.skipIf(!hasModel)(
  `limbic demo runs all five parts and writes a page without network${note}`,
  async () => {
    const page = join(folder, 'demo.html');
    const { out, code } = await limbic(['demo', '--html', page]);
    expect(code).toBe(0);
    for (const part of [
      'A story that turns',
      'Six messages',
      'dose of a painkiller',
      '"He feels',
      'cannot be passed honestly',
    ])
      expect(out).toContain(part);
    expect(readFileSync(page, 'utf8')).not.toMatch(/https?:|src=|<script/);
  },
  240_000,
);

test.skipIf(!hasModel)(
  `limbic doctor finds nothing wrong here, and models lists what is cached${note}`,
  async () => {
    const doctor = await limbic(['doctor']);
    expect(doctor.out).toMatch(/✓ engine .*steering off by/);
    expect(doctor.code).toBe(0);
    const models = JSON.parse((await limbic(['models', '--json'])).out) as {
      name: string;
      path: string | null;
    }[];
    expect(existsSync(models.find(({ name }) => name === 'smollm2-135m')?.path ?? '')).toBe(true);
  },
  120_000,
);
