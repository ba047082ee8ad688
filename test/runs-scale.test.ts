/** @file Runs of many events: told in bounded memory and on pages of bounded size. LIMBIC_SCALE=100000 is the whole. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';

import type { RunDetail } from '../src/api/lab.ts';
import { createRun } from '../src/store/runs.ts';

const outDir = 'dist/test-runs';
const home = mkdtempSync(join(tmpdir(), 'limbic-scale-'));
const folder = join(home, 'runs');
const long = Math.max(30_000, Number(process.env['LIMBIC_SCALE'] ?? 0));
/** Enough that all that is bounded is full. */
const short = 10_000;
/** Largest resident set of any of these, and what the further events may add, in megabytes. */
const limit = { peak: 250, growth: 30 };
/** A heap in which the events of a long run have no room; without it the collector lets 100 MB of waste lie about. */
const heap = '--max-old-space-size=64';
const told = 'process.on("exit",()=>console.error("peak "+process.resourceUsage().maxRSS/1024))';

const token = { text: ' word', readouts: { happy: 0.0123, calm: -0.0234 } };
const cellOf = (i: number): object => ({
  type: 'cell',
  key: `item-${i}`,
  data: { prompt: `What is ${i}?`, reply: 'A number. '.repeat(20), outcome: i % 2 === 0, score: i },
});
/** Four conversations in turns; half of the turns are replies of eight tokens. */
const turnOf = (i: number): object => ({
  type: 'turn',
  conversation: `agent-${i % 4}`,
  role: i % 8 < 4 ? 'user' : 'assistant',
  content: `Turn ${i}`,
  ...(i % 8 < 4 ? {} : { tokens: Array.from({ length: 8 }, () => token) }),
});

const runs = new Map<string, string>();
function make(kind: string, count: number, lineOf: (i: number) => object): void {
  const about = { kind, title: 'many', model: 'toy', fingerprint: 'f', packHash: null };
  const run = createRun({ ...about, limbicVersion: '0', parameters: {} }, folder);
  const lines = Array.from({ length: count }, (_, i) => `${JSON.stringify(lineOf(i))}\n`);
  writeFileSync(join(run.path, 'events.jsonl'), lines.join(''));
  run[Symbol.dispose]();
  runs.set(`${kind}-${count}`, run.id);
}
beforeAll(async () => {
  const target = { ssr: 'test/toy-runs.ts', outDir };
  await build({ configFile: false, logLevel: 'silent', build: target });
  for (const count of [short, long]) {
    make('intensity', count, cellOf);
    make('watch', count, turnOf);
  }
});
afterAll(() => {
  rmSync(outDir, { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
});

interface Ran {
  readonly out: string;
  /** Megabytes. */
  readonly peak: number;
  readonly seconds: number;
}

/** Runs a program and measures its peak. */
function measure(args: readonly string[]): Promise<Ran> {
  const started = performance.now();
  const env = { ...process.env, LIMBIC_HOME: home };
  const options = { env, maxBuffer: 64e6 };
  return new Promise((resolve, reject) => {
    execFile(
      'node',
      [heap, '--import', `data:text/javascript,${told}`, ...args],
      options,
      (e, out, err) => {
        if (e !== null) reject(e);
        else {
          const peak = Number(/peak ([\d.]+)/.exec(err)?.[1]);
          resolve({ out, peak, seconds: (performance.now() - started) / 1000 });
        }
      },
    );
  });
}

/** Measures both sizes, says what they took, checks the limits and gives what the long one printed. */
async function both(label: string, argsOf: (count: number) => readonly string[]): Promise<string> {
  const few = await measure(argsOf(short));
  const many = await measure(argsOf(long));
  const inWords = ({ peak, seconds }: Ran): string =>
    `${peak.toFixed(0)} MB in ${seconds.toFixed(1)} s`;
  console.log(`${label}: ${short} events ${inWords(few)}, ${long} events ${inWords(many)}`);
  expect(many.peak).toBeLessThan(limit.peak);
  expect(many.peak - few.peak).toBeLessThan(limit.growth);
  return many.out;
}

const program = 'dist/cli/main.js';
const idOf = (name: string): string => runs.get(name) ?? '';

test(`limbic runs shows and exports ${long} cells in bounded memory`, async () => {
  const listed = await both('runs list', () => [program, 'runs']);
  expect(listed).toContain(String(long));
  await both('runs show', (count) => [program, 'runs', 'show', idOf(`intensity-${count}`)]);
  const out = join(home, 'log.json');
  await both('runs export', (count) => [
    program,
    'runs',
    'export',
    idOf(`intensity-${count}`),
    '--out',
    out,
  ]);
  expect(statSync(out).size).toBeGreaterThan(long * 500);
});

test(`the server's page of ${long} turns gets a part of them, and any other part`, async () => {
  const out = await both('page', (count) => [
    join(outDir, 'toy-runs.js'),
    folder,
    idOf(`watch-${count}`),
    'page',
  ]);
  const { sizes, first, second } = JSON.parse(out) as {
    sizes: number[];
    first: RunDetail;
    second: RunDetail;
  };
  for (const size of sizes) expect(size).toBeLessThan(5e6);
  expect(first.total).toEqual({ conversations: 4, turns: long });
  expect(first.conversations.map(({ count, turns }) => [count, turns.length])).toEqual([
    [long / 4, 1000],
    ...[1, 2, 3].map(() => [long / 4, 0]),
  ]);
  expect(first.conversations[0]!.turns[999]!.content).toBe(`Turn ${999 * 4}`);
  const [other, chosen] = second.conversations;
  expect(other!.turns).toEqual([]);
  expect(chosen).toMatchObject({ name: 'agent-1', index: 1, from: 1500 });
  expect(chosen!.turns[0]!.content).toBe(`Turn ${1500 * 4 + 1}`);
});

test(`the report of a watch of ${long} turns counts all and shows both ends`, async () => {
  const out = await both('watch report', (count) => [
    join(outDir, 'toy-runs.js'),
    folder,
    idOf(`watch-${count}`),
    'watch',
  ]);
  const { summary, bytes } = JSON.parse(out) as { summary: object; bytes: number };
  expect(summary).toMatchObject({ conversations: 4, replies: long / 2, tokens: 4 * long });
  expect(bytes).toBeLessThan(5.5e6);
});
