import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { randomFrom } from '../src/math/random.ts';
import { readRun } from '../src/store/runs.ts';

const program = 'dist/test/toy-study.js';
const home = mkdtempSync(join(tmpdir(), 'limbic-killed-'));
const settings = JSON.stringify({ paraphrases: 2, random: 10 });

beforeAll(async () => {
  const target = { ssr: 'test/toy-study.ts', outDir: 'dist/test' };
  await build({ configFile: false, logLevel: 'silent', build: target });
});
afterAll(() => {
  rmSync('dist/test', { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
});

interface Ended {
  /** Null when it was killed. */
  readonly code: number | null;
  /** From the moment that the run was open. */
  readonly milliseconds: number;
}

/** Runs the study in a folder, from where a run of it stopped; kills it without warning so long after it opened the run. */
function studyIn(folder: string, killAfter?: number): Promise<Ended> {
  const [run] = idsIn(folder);
  return new Promise((resolve) => {
    const args = [program, folder, 'intensity', settings, ...(run === undefined ? [] : [run])];
    const child: ChildProcess = spawn('node', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let [opened, timer]: [number, NodeJS.Timeout | undefined] = [NaN, undefined];
    // It says the id as soon as the run is there.
    child.stdout?.once('data', () => {
      opened = performance.now();
      if (killAfter !== undefined) timer = setTimeout(() => child.kill('SIGKILL'), killAfter);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, milliseconds: performance.now() - opened });
    });
  });
}

function idsIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function outcomeOf(folder: string): { events: string; summary: unknown; cells: number } {
  const [id = ''] = idsIn(folder);
  const { summary, records } = readRun(id, folder);
  const events = readFileSync(join(folder, id, 'events.jsonl'), 'utf8');
  return { events, summary, cells: records };
}

test('a run killed at ten random points and gone on with equals one that nothing interrupted', async () => {
  const whole = join(home, 'whole');
  const { code, milliseconds } = await studyIn(whole);
  expect(code).toBe(0);
  const expected = outcomeOf(whole);
  expect(expected.cells).toBeGreaterThanOrEqual(6);
  const random = randomFrom(20);
  // A run that gets done between two kills is compared, and the next kills hit another one.
  let [runs, midway] = [0, 0];
  for (let kills = 0; kills < 10; runs++) {
    const folder = join(home, `killed-${runs}`);
    let last: number | null = null;
    while (last === null && kills < 10) {
      ({ code: last } = await studyIn(folder, random() * milliseconds * 0.5));
      if (last !== null) continue;
      kills += 1;
      const { cells } = outcomeOf(folder);
      if (cells > 0 && cells < expected.cells) midway += 1;
    }
    if (last === null) ({ code: last } = await studyIn(folder));
    expect(last).toBe(0);
    expect(idsIn(folder)).toHaveLength(1);
    // The same seed gives the same bytes, whatever happened on the way.
    expect(outcomeOf(folder)).toEqual(expected);
  }
  // Else every kill came before the first cell or after the last, and nothing was gone on with.
  expect(midway).toBeGreaterThanOrEqual(3);
}, 240_000);
