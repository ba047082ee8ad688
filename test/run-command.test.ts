import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { modelsFolder } from '../src/store/cache.ts';
import { needs, testModel } from './models.ts';

const name = 'smollm2-135m';
const isMissing = testModel(name) === null;
const home = mkdtempSync(join(tmpdir(), 'limbic-run-'));
beforeAll(() => {
  if (!isMissing) symlinkSync(modelsFolder(), join(home, 'models'));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program with a home of its own; `stopAt` gets a Ctrl-C when that shows on standard error. */
function limbic(args: readonly string[], stopAt?: RegExp): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn('node', ['dist/cli/main.js', ...args], {
      env: { ...process.env, NO_COLOR: '1', LIMBIC_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err, isStopped] = ['', '', false];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
      if (isStopped || stopAt === undefined || !stopAt.test(err)) return;
      isStopped = true;
      child.kill('SIGINT');
    });
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

interface Report {
  readonly run: string;
  readonly path: string;
  readonly verdict: string;
  readonly measures: readonly { name: string; value: number; n: number }[];
}
const eventsOf = (path: string): string => readFileSync(join(path, 'events.jsonl'), 'utf8');

test('run refuses what it does not know, in one sentence', async () => {
  const study = await limbic(['run', 'intensty']);
  expect(study.code).toBe(2);
  expect(study.err).toContain('did you mean intensity?');
  const parameter = await limbic(['run', 'intensity', '--set', 'paraphrase=2']);
  expect(parameter.err).toContain('did you mean paraphrases?');
  const value = await limbic(['run', 'intensity', '--set', 'paraphrases=lots']);
  expect(value.err).toMatch(/--set paraphrases: .*number/i);
  const split = await limbic(['run', 'intensity', '--set', 'paraphrases=2', 'random=20']);
  expect(split.code).toBe(2);
  expect(split.err).toContain('run: expected one study, got intensity, random=20');
  const reuse = await limbic(['run', '--resume', 'any', '--reuse']);
  expect(reuse.err).toContain(
    '--resume: expected nothing that changes the run beside it, got reuse',
  );
});

test.skipIf(isMissing)(
  `run scenarios finds the emotions far above chance, writes a report, and repeats its bytes${needs(name)}`,
  async () => {
    const args = ['run', 'scenarios', '--set', 'step=100', '--json'];
    const first = await limbic(args);
    expect(first.code, first.err).toBe(0);
    expect(first.err).toContain('tokens to read');
    const report = JSON.parse(first.out) as Report;
    const rank = report.measures.find(({ name: title }) => title.includes('over the message'));
    // Chance is 6.5; docs/measurements.md has 1.29.
    expect(rank!.value).toBeLessThan(2);
    expect(rank!.n).toBe(48);
    const html = readFileSync(join(report.path, 'report.html'), 'utf8');
    expect(html).toContain(report.verdict.slice(0, 40));
    const second = JSON.parse((await limbic(args)).out) as Report;
    expect(eventsOf(second.path)).toBe(eventsOf(report.path));
    const list = await limbic(['runs', '--json']);
    expect((JSON.parse(list.out) as { status: string }[]).map(({ status }) => status)).toEqual([
      'done',
      'done',
    ]);
    const compared = await limbic(['runs', 'compare', report.run, second.run]);
    expect(compared.out).toContain('mean rank, over the message');
  },
  120_000,
);

test.skipIf(isMissing)(
  `run intensity stops at Ctrl-C and goes on to the same bytes as an uninterrupted run${needs(name)}`,
  async () => {
    const args = ['run', 'intensity', '--quick', '--json', '--set', 'random=10;map='];
    const stopped = await limbic(args, /intensity\s+1\d %|intensity\s*[2-9]\d %/);
    expect(stopped.code).toBe(130);
    const [, run = ''] = /go on with: limbic run --resume (\S+)/.exec(stopped.err) ?? [];
    const changed = await limbic(['run', '--resume', run, '--set', 'random=20']);
    expect([changed.code, changed.err]).toEqual([
      2,
      expect.stringContaining('goes on as it began'),
    ]);
    const resumed = await limbic(['run', '--resume', run, '--json']);
    expect(resumed.code, resumed.err).toBe(0);
    const whole = await limbic(args);
    const [a, b] = [JSON.parse(resumed.out) as Report, JSON.parse(whole.out) as Report];
    expect(eventsOf(a.path)).toBe(eventsOf(b.path));
    expect(a.measures).toEqual(b.measures);
    expect(a.measures.map(({ n }) => n)).not.toContain(0);
  },
  180_000,
);
