import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { build } from 'vite';
import { afterEach, expect, test, vi } from 'vitest';

import { createRun, listRuns, type NewRun, openRun, readRun, runsFolder } from './runs.ts';

const about: NewRun = {
  kind: 'watch',
  title: 'A long day',
  model: 'toy',
  fingerprint: 'f00d',
  packHash: null,
  limbicVersion: '0.1.0',
  parameters: { rules: ['sad > p95'], temperature: 0 },
};
const home = (): string => mkdtempSync(join(tmpdir(), 'limbic-runs-'));
const collect = async (events: AsyncGenerator): Promise<unknown[]> => {
  const all: unknown[] = [];
  for await (const event of events) all.push(event);
  return all;
};
const eventsOf = async (id: string, folder: string): Promise<unknown[]> =>
  collect(readRun(id, folder).events());

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

/** Runs code beside the functions of runs.ts in another process; Node 20 cannot run .ts, so a bundle is made. */
async function inChild(code: string, shell = 'exec node "$0"'): Promise<ChildProcess> {
  const outDir = home();
  await build({
    configFile: false,
    logLevel: 'silent',
    ssr: { noExternal: true },
    build: { ssr: resolve('src/store/runs.ts'), outDir, emptyOutDir: false },
  });
  const [bundle] = readdirSync(outDir);
  const main = join(outDir, 'main.mjs');
  writeFileSync(main, `import * as runs from './${bundle}';\n${code}`);
  const child = spawn('bash', ['-c', shell, main], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}
/** The child's output up to the first line that the text is part of. */
async function waitFor(child: ChildProcess, text: string): Promise<string> {
  let seen = '';
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    seen += String(chunk);
    if (seen.includes(text)) return seen;
  }
  throw new Error(`the child ended after: ${seen}`);
}

test('a run from its first record to its report is read back as it was written', async () => {
  const folder = home();
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 31, 9, 5, 7), toFake: ['Date'] });
  const run = createRun(about, folder);
  expect(run.id).toMatch(/^20260131-090507-watch-[0-9a-f]{4}$/);
  expect(run.path).toBe(join(folder, run.id));
  run.append({ type: 'token', text: 'naïve\n🦊' });
  run.append({ type: 'end' });
  expect(readRun(run.id, folder)).toMatchObject({ status: 'running', summary: null, records: 2 });
  run.writeReport('<p>report</p>');
  run.finish('done', { mean: 0.5 });
  const stored = readRun(run.id, folder);
  expect(stored).toMatchObject({ status: 'done', summary: { mean: 0.5 }, records: 2 });
  expect(stored.manifest).toEqual({
    ...about,
    version: 1,
    id: run.id,
    started: '2026-01-31T09:05:07.000Z',
    pid: process.pid,
  });
  expect(await collect(stored.events())).toEqual([
    { type: 'token', text: 'naïve\n🦊' },
    { type: 'end' },
  ]);
  expect(readdirSync(run.path).toSorted()).toEqual([
    'events.jsonl',
    'manifest.json',
    'report.html',
    'summary.json',
  ]);
  expect(readFileSync(join(run.path, 'report.html'), 'utf8')).toBe('<p>report</p>');
});

test('a run that was finished or disposed takes no more records', () => {
  const folder = home();
  const finished = createRun(about, folder);
  finished.finish('stopped', {});
  expect(() => finished.append({})).toThrow(expect.objectContaining({ code: 'disposed' }));
  expect(() => finished.finish('done', {})).toThrow(expect.objectContaining({ code: 'disposed' }));
  const left = createRun(about, folder);
  left[Symbol.dispose]();
  left[Symbol.dispose]();
  expect(() => left.append({})).toThrow(expect.objectContaining({ code: 'disposed' }));
  expect(readRun(finished.id, folder).status).toBe('stopped');
  expect(readRun(left.id, folder).status).toBe('interrupted');
});

test('createRun refuses a kind that would not fit an id, and leaves nothing', () => {
  const folder = home();
  for (const kind of ['', 'Watch', '../x', 'a b', 'a'.repeat(41)]) {
    expect(() => createRun({ ...about, kind }, folder)).toThrow(
      expect.objectContaining({ code: 'invalid-input' }),
    );
  }
  expect(readdirSync(folder)).toEqual([]);
});

test('runs of one second have ids of their own', () => {
  const folder = home();
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1), toFake: ['Date'] });
  // With 4 hex digits, 900 draws meet with probability 1 - exp(-900² / 2 / 65536) = 0.998.
  const ids = Array.from({ length: 900 }, () => {
    using run = createRun(about, folder);
    return run.id;
  });
  expect(new Set(ids).size).toBe(900);
});

test.each([
  '../x',
  '..',
  '',
  '/etc',
  '20260131-090507-watch-00ff/../../x',
  '20260131-090507-../../x-00ff',
  '20260131-090507-watch-00ff\0',
  '20260131-090507-watch-00ff\n',
  '20260131-090507-watch-00FF',
  '20260131-090507-watch-00ff',
])('the id %j is not found, neither by readRun nor by openRun', (id) => {
  const folder = join(home(), 'runs');
  mkdirSync(join(folder, '..', 'x'), { recursive: true });
  writeFileSync(join(folder, '..', 'x', 'manifest.json'), '{}');
  for (const call of [readRun, openRun])
    expect(() => call(id, folder)).toThrow(expect.objectContaining({ code: 'not-found' }));
});

test('readRun of an id with one wrong digit names the near run', () => {
  const folder = home();
  using run = createRun(about, folder);
  const wrong = `${run.id.slice(0, -1)}${run.id.endsWith('0') ? '1' : '0'}`;
  expect(() => readRun(wrong, folder)).toThrow(
    expect.objectContaining({ hint: expect.stringContaining(run.id) as string }),
  );
});

test('a torn last line is skipped by readRun and cut off by openRun, which goes on after it', async () => {
  const folder = home();
  const { id, path } = ((): { id: string; path: string } => {
    using run = createRun(about, folder);
    run.append({ n: 0 });
    run.append({ n: 1 });
    return run;
  })();
  appendFileSync(join(path, 'events.jsonl'), '{"n":2,"text":"né');
  expect(readRun(id, folder)).toMatchObject({ status: 'interrupted', records: 2 });
  expect(await eventsOf(id, folder)).toEqual([{ n: 0 }, { n: 1 }]);
  using again = openRun(id, folder);
  // {"n":2,"text":"né is 17 characters, one of them two bytes long.
  expect(again).toMatchObject({ droppedBytes: 18, records: 2 });
  again.append({ n: 2 });
  expect(readFileSync(join(path, 'events.jsonl'), 'utf8')).toBe('{"n":0}\n{"n":1}\n{"n":2}\n');
});

test('openRun of a stopped run takes its summary away, and of a done one is refused', () => {
  const folder = home();
  const run = createRun(about, folder);
  run.append({ n: 0 });
  run.finish('stopped', { n: 1 });
  const again = openRun(run.id, folder);
  expect(again.droppedBytes).toBe(0);
  expect(readRun(run.id, folder)).toMatchObject({ status: 'running', summary: null, records: 1 });
  again.append({ n: 1 });
  again.finish('done', { n: 2 });
  expect(() => openRun(run.id, folder)).toThrow(expect.objectContaining({ code: 'conflict' }));
  expect(readRun(run.id, folder)).toMatchObject({ status: 'done', summary: { n: 2 }, records: 2 });
});

test('openRun of a run that is open in this process throws ConflictError and disturbs nothing', () => {
  const folder = home();
  using run = createRun(about, folder);
  run.append({ n: 0 });
  expect(() => openRun(run.id, folder)).toThrow(expect.objectContaining({ code: 'conflict' }));
  run.append({ n: 1 });
  expect(readRun(run.id, folder)).toMatchObject({ status: 'running', records: 2 });
});

test('a run killed while it appends loses no record that was written, and can be gone on with', async () => {
  const folder = home();
  const child = await inChild(
    `import { writeSync } from 'node:fs';
     const run = runs.createRun(${JSON.stringify(about)}, ${JSON.stringify(folder)});
     console.log(run.id);
     const text = 'x'.repeat(5000);
     for (let n = 0; ; n++) { run.append({ n, text }); writeSync(1, 'wrote ' + n + '\\n'); }`,
  );
  let output = await waitFor(child, 'wrote 200\n');
  const [id = ''] = output.split('\n');
  expect(readRun(id, folder).status).toBe('running');
  expect(() => openRun(id, folder)).toThrow(
    expect.objectContaining({ code: 'conflict', message: expect.stringContaining(`${child.pid}`) }),
  );
  child.kill('SIGKILL');
  for await (const chunk of child.stdout!) output += String(chunk);
  if (child.signalCode === null) await once(child, 'exit');
  const last = Number(/wrote (\d+)\n[^\n]*$/.exec(output)?.[1]);
  expect(last).toBeGreaterThanOrEqual(200);
  expect(readRun(id, folder).status).toBe('interrupted');
  const run = openRun(id, folder);
  // One more than it said at most: the kill may fall between the record and the word of it.
  expect([last + 1, last + 2]).toContain(run.records);
  run.append({ n: 'after' });
  run.finish('done', {});
  const events = (await eventsOf(id, folder)) as { n: unknown }[];
  expect(events.map(({ n }) => n)).toEqual([...Array(run.records - 1).keys(), 'after']);
});

test('a record that the disk refuses leaves no torn line for the next one to join', async () => {
  const folder = home();
  // A limit of 4 blocks of 1024 bytes on the size of a file: the second record does not fit.
  const child = await inChild(
    `const run = runs.createRun(${JSON.stringify(about)}, ${JSON.stringify(folder)});
     run.append({ n: 0, text: 'x'.repeat(3000) });
     try { run.append({ n: 1, text: 'x'.repeat(3000) }); } catch (error) { console.log(error.code, error.message); }
     run.append({ n: 2 });
     console.log(run.id + '.');`,
    'trap "" XFSZ; ulimit -f 4; exec node "$0"',
  );
  const output = await waitFor(child, '.\n');
  expect(output).toMatch(/^unavailable .*events\.jsonl: expected to write it, got E/);
  const [id = ''] = /[^\n]+(?=\.\n$)/.exec(output) ?? [];
  expect(await eventsOf(id, folder)).toMatchObject([{ n: 0 }, { n: 2 }]);
});

test('events of a line that is not JSON ends with the line and its byte', async () => {
  const folder = home();
  using run = createRun(about, folder);
  run.append({ a: 'é' });
  appendFileSync(join(run.path, 'events.jsonl'), 'oops\n{}\n');
  // {"a":"é"} and its newline are 11 bytes.
  await expect(eventsOf(run.id, folder)).rejects.toThrow(/line 2: not JSON \(at byte 11\)/);
});

test('events of lines longer than what is read at a time are whole', async () => {
  const folder = home();
  const run = createRun(about, folder);
  const texts = ['é'.repeat(200_000), 'short', 'ü'.repeat(700_001), ''];
  for (const text of texts) run.append({ text });
  run[Symbol.dispose]();
  appendFileSync(join(run.path, 'events.jsonl'), '{"te');
  expect(readRun(run.id, folder).records).toBe(4);
  using again = openRun(run.id, folder);
  expect(again).toMatchObject({ droppedBytes: 4, records: 4 });
  expect(await eventsOf(run.id, folder)).toEqual(texts.map((text) => ({ text })));
});

test('readRun of a damaged manifest is a FormatError, and of a newer version says to update', () => {
  const folder = home();
  using run = createRun(about, folder);
  const file = join(run.path, 'manifest.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...manifest, version: 2 }));
  expect(() => readRun(run.id, folder)).toThrow(
    expect.objectContaining({ code: 'record-version', hint: expect.stringContaining('update') }),
  );
  writeFileSync(file, JSON.stringify({ ...manifest, title: 7 }));
  expect(() => readRun(run.id, folder)).toThrow(/manifest\.json: title: .*expected string/);
  writeFileSync(file, '{');
  expect(() => readRun(run.id, folder)).toThrow(expect.objectContaining({ code: 'bad-file' }));
});

test('readRun of a run of another id, of depth and of folders in place of files is a FormatError', async () => {
  const folder = home();
  using run = createRun(about, folder);
  const file = join(run.path, 'manifest.json');
  const text = readFileSync(file, 'utf8');
  const other = '20260131-090507-watch-00ff';
  writeFileSync(file, text.replace(run.id, other));
  expect(() => readRun(run.id, folder)).toThrow(`id: expected ${run.id}, got ${other}`);
  writeFileSync(file, text);
  // JSON.stringify, which the export uses, runs out of stack there.
  const events = join(run.path, 'events.jsonl');
  appendFileSync(events, `{"a":${'['.repeat(9000)}${']'.repeat(9000)}}\n`);
  await expect(eventsOf(run.id, folder)).rejects.toThrow(
    /line 1: expected JSON at most 100 levels/,
  );
  rmSync(events);
  mkdirSync(events);
  expect(() => readRun(run.id, folder)).toThrow(/events\.jsonl: expected a file, got something/);
});

test('listRuns is newest first and leaves out what is no readable run', () => {
  const folder = home();
  expect(listRuns(join(folder, 'nowhere'))).toEqual([]);
  const at = (day: number, kind: string, status: 'done' | 'stopped' | null): string => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, day), toFake: ['Date'] });
    const run = createRun({ ...about, kind }, folder);
    for (let n = 0; n < day; n++) run.append({ n });
    if (status === null) run[Symbol.dispose]();
    else run.finish(status, {});
    return run.id;
  };
  const ids = [at(2, 'watch', 'done'), at(3, 'a-study', null), at(1, 'serve', 'stopped')];
  writeFileSync(join(folder, ids[1]!, 'report.html'), '');
  const damaged = at(4, 'watch', 'done');
  writeFileSync(join(folder, damaged, 'manifest.json'), '{');
  mkdirSync(join(folder, '20260131-090507-watch-00ff'));
  mkdirSync(join(folder, 'notes'));
  writeFileSync(join(folder, '20260131-090507-watch-00fe'), '');
  const common = { title: 'A long day', model: 'toy' };
  expect(listRuns(folder)).toEqual([
    {
      ...common,
      id: ids[1],
      kind: 'a-study',
      started: '2026-01-03T00:00:00.000Z',
      status: 'interrupted',
      records: 3,
      hasReport: true,
    },
    {
      ...common,
      id: ids[0],
      kind: 'watch',
      started: '2026-01-02T00:00:00.000Z',
      status: 'done',
      records: 2,
      hasReport: false,
    },
    {
      ...common,
      id: ids[2],
      kind: 'serve',
      started: '2026-01-01T00:00:00.000Z',
      status: 'stopped',
      records: 1,
      hasReport: false,
    },
  ]);
});

test('runs are kept below LIMBIC_HOME, in a folder that the first run makes', () => {
  const root = home();
  vi.stubEnv('LIMBIC_HOME', root);
  expect(runsFolder()).toBe(join(root, 'runs'));
  expect(existsSync(runsFolder())).toBe(false);
  using run = createRun(about);
  expect(listRuns().map(({ id }) => id)).toEqual([run.id]);
  run.append({});
  rmSync(join(run.path, 'events.jsonl'));
  expect(readRun(run.id).records).toBe(0);
});
