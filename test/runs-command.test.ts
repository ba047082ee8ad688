import { spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { createRun, type Run } from '../src/store/runs.ts';

const home = realpathSync(mkdtempSync(join(tmpdir(), 'limbic-runs-command-')));
const runs = join(home, 'runs');
const program = join(process.cwd(), 'dist/cli/main.js');
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program with a home and a folder of its own; it gets a Ctrl-C when `stops` says so. */
function limbic(args: readonly string[], stops?: () => boolean): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn('node', [program, 'runs', ...args], {
      cwd: home,
      env: { ...process.env, NO_COLOR: '1', LIMBIC_HOME: home, DISPLAY: ':0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const timer = setInterval(() => {
      if (stops?.() !== true) return;
      clearInterval(timer);
      child.kill('SIGINT');
    }, 10);
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.once('close', (code) => {
      clearInterval(timer);
      resolve({ code, out, err });
    });
  });
}

function begin(kind = 'intensity'): Run {
  const about = { kind, title: 'made by a test', model: 'toy', fingerprint: 'f', packHash: null };
  return createRun({ ...about, limbicVersion: '0', parameters: { seed: 1 } }, runs);
}
function finished(): Run {
  const run = begin();
  run.append({ type: 'cell', key: 'dog', data: { prompt: 'Hi', reply: 'yes', outcome: 'kind' } });
  run.append({ type: 'cell', key: 'cat', data: { readings: [1, 2, 3] } });
  const measures = [{ name: 'afraid', value: 0.5, interval: [0.4, 0.6], n: 2 }];
  run.finish('done', { verdict: 'It is so.', measures });
  run.writeReport('<p>naïve</p>');
  return run;
}
/** Files that are left in the folder, without the runs. */
const files = (): string[] => readdirSync(home).filter((name) => name !== 'runs');
const inOneSentence = ({ code, out, err }: Ran, message: RegExp): void => {
  expect(err).toMatch(message);
  expect(err.trim().split('\n')).toHaveLength(1);
  expect(out).toBe('');
  expect(code).toBe(2);
};

test('runs report prints the path alone, and --out copies the page there', async () => {
  const run = finished();
  const path = join(run.path, 'report.html');
  expect(await limbic(['report', run.id])).toEqual({ code: 0, out: `${path}\n`, err: '' });
  writeFileSync(join(home, 'page.html'), 'an older page');
  const copied = await limbic(['report', run.id, '--out', 'page.html']);
  expect(copied).toEqual({
    code: 0,
    out: `${path}\n`,
    err: `copied to ${join(home, 'page.html')}\n`,
  });
  expect(readFileSync(join(home, 'page.html'), 'utf8')).toBe('<p>naïve</p>');
  const json = await limbic(['report', run.id, '--out', 'page.html', '--json']);
  expect(JSON.parse(json.out)).toEqual({ run: run.id, path, copy: join(home, 'page.html') });
  expect(files()).toEqual(['page.html']);
  rmSync(join(home, 'page.html'));
});

test('runs report of a run without one says in a sentence what to do', async () => {
  const stopped = begin();
  stopped[Symbol.dispose]();
  inOneSentence(
    await limbic(['report', stopped.id]),
    new RegExp(`expected a report, got none; make it with: limbic run --resume ${stopped.id}\n`),
  );
  const done = begin();
  done.finish('done', {});
  inOneSentence(await limbic(['report', done.id]), /make it anew with: limbic run intensity\n/);
  using running = begin();
  inOneSentence(await limbic(['report', running.id]), /writes it at its end; wait for that\n/);
  using served = begin('serve');
  inOneSentence(await limbic(['report', served.id]), /only studies have one, and this is serve\n/);
});

test.each(['report', 'export'])('runs %s writes over no folder, device or run', async (action) => {
  const { id, path } = finished();
  mkdirSync(join(home, 'folder'));
  symlinkSync(path, join(home, 'way-in'));
  const write = (out: string): Promise<Ran> => limbic([action, id, '--out', out]);
  inOneSentence(await write('folder'), /--out: expected a file, got the folder folder/);
  inOneSentence(await write('new/'), /--out: expected a file, got the folder new\//);
  inOneSentence(await write(''), /--out: expected a file, got the folder \./);
  inOneSentence(await write('/dev/null'), /--out: expected a file, got the device or pipe/);
  inOneSentence(await write('nowhere/x.json'), /--out: expected a folder at .*nowhere, got none/);
  const before = readFileSync(join(path, 'events.jsonl'), 'utf8');
  for (const out of [join(path, 'events.jsonl'), 'way-in/events.jsonl', 'runs/new.json'])
    inOneSentence(await write(out), /--out: expected a file outside the folder of runs/);
  expect(readFileSync(join(path, 'events.jsonl'), 'utf8')).toBe(before);
  expect(readdirSync(join(home, 'folder'))).toEqual([]);
  expect(files().toSorted()).toEqual(['folder', 'way-in']);
  for (const name of files()) rmSync(join(home, name), { recursive: true });
});

test('runs export writes an Inspect log under a name that inspect view lists', async () => {
  const run = finished();
  const { code, out, err } = await limbic(['export', run.id]);
  expect(code, err).toBe(0);
  const [name = ''] = files();
  expect(out).toBe(`${join(home, name)}\n`);
  expect(name).toMatch(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d.*\.json$/);
  expect(err).toBe(`2 samples\nlook at it with: inspect view --log-dir ${home}\n`);
  const text = readFileSync(join(home, name), 'utf8');
  const ended = (
    JSON.parse(readFileSync(join(run.path, 'summary.json'), 'utf8')) as { ended: string }
  ).ended;
  expect(JSON.parse(text)).toMatchObject({
    version: 2,
    status: 'success',
    eval: { task: 'limbic/intensity', model: 'limbic/toy', run_id: run.id },
    results: { scores: [{ metrics: { afraid: { value: 0.5 } } }, { name: 'outcome' }] },
    stats: { completed_at: ended.replace('Z', '+00:00') },
    samples: [
      {
        id: 'dog',
        input: 'Hi',
        output: { completion: 'yes' },
        scores: { outcome: { value: 'kind' } },
      },
      { id: 'cat', input: '', metadata: { readings: [1, 2, 3] } },
    ],
  });
  const args = ['--format', 'inspect', '--out', 'mine.json', '--json'];
  const named = await limbic(['export', run.id, ...args]);
  expect(JSON.parse(named.out)).toMatchObject({
    run: run.id,
    path: join(home, 'mine.json'),
    format: 'inspect',
    samples: 2,
    bytes: Buffer.byteLength(text),
    notes: [expect.stringContaining('inspect view leaves out mine.json')],
  });
  expect(readFileSync(join(home, 'mine.json'), 'utf8')).toBe(text);
  for (const each of files()) rmSync(join(home, each));
});

test('runs export that fails or is stopped leaves the old file and no part of a new one', async () => {
  using damaged = begin();
  appendFileSync(join(damaged.path, 'events.jsonl'), 'oops\n');
  writeFileSync(join(home, 'log.json'), 'old');
  const failed = await limbic(['export', damaged.id, '--out', 'log.json']);
  expect(failed).toMatchObject({ code: 2, out: '' });
  expect(failed.err).toMatch(/events\.jsonl: line 1: not JSON/);
  // About 150 MB, which take seconds to read.
  using long = begin();
  const data = { readings: Array.from({ length: 1000 }, (_, k) => k / 7) };
  for (let block = 0; block < 20; block++) {
    const cells = Array.from({ length: 400 }, (_, i) =>
      JSON.stringify({ type: 'cell', key: `${block} ${i}`, data }),
    );
    appendFileSync(join(long.path, 'events.jsonl'), `${cells.join('\n')}\n`);
  }
  let hadPart = false;
  const stopped = await limbic(['export', long.id, '--out', 'log.json'], () => {
    hadPart ||= files().some((name) => name.endsWith('.part'));
    return hadPart;
  });
  expect(hadPart).toBe(true);
  expect(stopped).toEqual({ code: 130, out: '', err: 'stopped\n' });
  expect(readFileSync(join(home, 'log.json'), 'utf8')).toBe('old');
  expect(files()).toEqual(['log.json']);
  rmSync(join(home, 'log.json'));
});

test('runs refuses what an action does not take, in one sentence', async () => {
  const { id } = finished();
  inOneSentence(await limbic(['print']), /expected list, show, compare, report or export, got/);
  for (const action of ['show', 'compare', 'report', 'export'])
    inOneSentence(await limbic([action]), new RegExp(`runs ${action}: expected a run, got none`));
  for (const action of ['export', 'show'])
    inOneSentence(
      await limbic([action, id, id]),
      new RegExp(`runs ${action}: expected one run, got 2`),
    );
  inOneSentence(await limbic(['list', id]), /runs list: expected no run, got 1/);
  inOneSentence(await limbic(['show', id, '--out', 'x']), /--out with report or export only/);
  inOneSentence(await limbic(['report', id, '--format', 'inspect']), /--format with export only/);
  inOneSentence(
    await limbic(['export', id, '--format', 'csv']),
    /--format: expected inspect, got "csv"/,
  );
  const wrong = `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`;
  inOneSentence(await limbic(['report', wrong]), /run: nothing is called .*did you mean/);
  expect(files()).toEqual([]);
});

test('runs lists, shows and compares as before', async () => {
  const [a, b] = [finished(), finished()];
  expect((await limbic([])).out).toContain(a.id);
  const shown = await limbic(['show', a.id]);
  expect(shown.out).toMatch(/afraid: 0\.500 \(0\.400 to 0\.600\), n 2\nIt is so\.\n$/);
  const compared = await limbic(['compare', a.id, b.id]);
  expect(compared.out).toMatch(/afraid {2}0\.500 \(0\.40 to 0\.60\)/);
});
