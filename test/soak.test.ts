/** @file The short soak on the toy engine, and that it tells what leaks. `npm run soak` is the long one. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { randomFrom } from '../src/math/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-soak-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Soaked {
  readonly requests: {
    readonly answered: number;
    readonly cut: number;
    readonly refused: number;
    readonly failed: number;
  };
  readonly samples: readonly object[];
  readonly works: readonly { readonly name: string }[];
  readonly verdict: {
    readonly faults: readonly string[];
    readonly memory: { readonly server: { perHour: number; low: number; high: number } | null };
  };
}

/** Runs the soak for seconds, or judges what one saw. */
function soak(seconds: number, args: readonly string[], faults = ''): [number | null, Soaked] {
  const { status, stdout, stderr } = spawnSync(
    'node',
    ['bench/soak/run.mjs', '--engine', 'toy', '--json', ...args],
    {
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      env: {
        ...process.env,
        LIMBIC_SOAK_MINUTES: String(seconds / 60),
        LIMBIC_TOY_FAULTS: faults,
      },
    },
  );
  if (stdout === '') throw new Error(stderr);
  return [status, JSON.parse(stdout) as Soaked];
}

test('a short soak on the toy engine answers, cuts, refuses and studies, and leaves nothing behind', () => {
  const [status, { requests, samples, works, verdict }] = soak(6, []);
  expect(verdict.faults).toEqual([]);
  expect(status).toBe(0);
  expect(requests.failed).toBe(0);
  for (const count of [requests.answered, requests.cut, requests.refused])
    expect(count).toBeGreaterThan(0);
  expect(works.map(({ name }) => name)).toContain('killed study');
  expect(samples.length).toBeGreaterThan(3);
}, 120_000);

test('a soak tells of a process, a file and a sequence that a server leaves behind', () => {
  const [status, { verdict }] = soak(0, [], 'process,file,sequence');
  expect(status).toBe(1);
  expect(verdict.faults).toEqual([
    expect.stringMatching(/the idle server held 1 sequences, 0 running and 0 waiting/),
    expect.stringMatching(/1 processes outlived those that started them/),
    expect.stringMatching(/left in the folder for temporary files: limbic-forgotten-/),
  ]);
}, 120_000);

/** What an hour would have shown of a server that grows by so many MB an hour, and a heap that is swept now and then. */
function hourOf(perHour: number, seed: number): object {
  const random = randomFrom(seed);
  const samples = Array.from({ length: 60 }, (_, k) => {
    const own = 150 + (perHour * k) / 60 + 12 * (k % 7 === 0 ? 0 : (k % 7) / 7) + 4 * random();
    const one = { pid: 7, resident: own + 60, own, files: 30, children: 1 };
    return { seconds: 60 * k, server: one, engine: { ...one, pid: 8, own: 400 }, zombies: 0 };
  });
  const rest = { held: 0, running: 0, waiting: 0, restarts: 0 };
  return {
    minutes: 60,
    samples,
    idle: samples.map(({ server, engine }) => ({ ...rest, server, engine })),
    requests: { answered: 9, cut: 1, refused: 1, failed: 0, lastFault: null },
    works: [],
    end: { code: 0, orphans: 0, zombies: 0, leftovers: [] },
  };
}

function judged(seen: object): [number | null, Soaked['verdict']] {
  const file = join(folder, 'seen.json');
  writeFileSync(file, JSON.stringify(seen));
  const [status, { verdict }] = soak(0, ['--judge', file]);
  return [status, verdict];
}

test('the verdict on an hour finds 20 MB an hour, and nothing where nothing grows', () => {
  for (const seed of [1, 2, 3]) {
    const [status, still] = judged(hourOf(0, seed));
    expect(still.faults).toEqual([]);
    expect(status).toBe(0);
    expect(still.memory.server!.low).toBeLessThan(0);
    expect(still.memory.server!.high).toBeGreaterThan(0);
    const [failed, growing] = judged(hourOf(20, seed));
    expect(growing.faults).toEqual([expect.stringMatching(/^memory of the server grows by [12]/)]);
    expect(failed).toBe(1);
    expect(growing.memory.server!.low).toBeLessThan(20);
    expect(growing.memory.server!.high).toBeGreaterThan(20);
  }
});

test('the verdict names files that grow, zombies, restarts, failures and a server that does not end', () => {
  const seen = hourOf(0, 1) as { samples: { zombies: number }[]; idle: object[] };
  const idle = seen.idle.map((moment, k) => ({
    ...moment,
    restarts: k > 50 ? 1 : 0,
    engine: { pid: 8, own: 400, files: 20 + k, children: 0 },
  }));
  const samples = seen.samples.map((one, k) => ({ ...one, zombies: k === 30 ? 2 : 0 }));
  const [status, { faults }] = judged({
    ...seen,
    samples,
    idle,
    requests: { answered: 9, failed: 3, lastFault: '/nowhere: 500' },
    works: [{ name: 'study', orphans: 0, fault: 'study ended with 1: no' }],
    end: { code: 'nothing after 30 s', orphans: 0, zombies: 0, leftovers: [] },
  });
  expect(status).toBe(1);
  expect(faults).toEqual([
    'engineFiles of the idle server grew from 21 to 78',
    'the engine of the server ended 1 times',
    '2 zombies',
    'the server ended with nothing after 30 s',
    '3 requests failed: /nowhere: 500',
    '1 commands failed: study ended with 1: no',
  ]);
});
