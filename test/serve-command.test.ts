import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { modelsFolder } from '../src/store/cache.ts';
import { needs, testModel } from './models.ts';
import { limbic } from './run-limbic.ts';

const name = 'smollm2-135m';
const isMissing = testModel(name) === null;
const folder = mkdtempSync(join(tmpdir(), 'limbic-serve-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
// A home of its own, so that the runs of the tests are not among the user's.
const home = join(folder, 'home');
const environment = { ...process.env, NO_COLOR: '1', LIMBIC_HOME: home };

/** The first text on standard output that matches, while the program goes on. */
function waitFor(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let seen = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      seen += text;
      const match = pattern.exec(seen);
      if (match !== null) resolve(match);
    });
    child.once('close', (code) => reject(new Error(`ended with ${code}: ${seen}`)));
  });
}

test('serve refuses a host for others without a token, and rules that say nothing', async () => {
  const open = await limbic(['serve', '--host', '0.0.0.0']);
  expect(open.code).toBe(2);
  expect(open.err).toContain('expected a --token of at least 16 characters');
  const short = await limbic(['serve', '--host', '0.0.0.0', '--token', 'abc']);
  expect(short.err).toContain('got a shorter one');
  const rule = await limbic(['serve', '--rules', 'desperate is high']);
  expect(rule.code).toBe(2);
  expect(rule.err).toContain('for example: desperate > p95 for 20 tokens -> stop');
  const none = await limbic(['watch']);
  expect(none.err).toContain('watch: expected a command, got none');
});

test.skipIf(isMissing)(
  `serve answers, keeps a run with --log, and Ctrl-C ends it${needs(name)}`,
  async () => {
    symlinkHome();
    const child = spawn('node', ['dist/cli/main.js', 'serve', '--port', '0', '--log'], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [, url = ''] = await waitFor(child, /page:\s+(http:\/\/127\.0\.0\.1:\d+)/);
    const page = await fetch(url);
    expect(await page.text()).toContain('<div id="app">');
    const reply = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ max_tokens: 4, messages: [{ role: 'user', content: 'Hello' }] }),
    });
    expect(((await reply.json()) as { usage: object }).usage).toMatchObject({
      completion_tokens: 4,
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    const { runs } = (await listRuns()) as { runs: { kind: string; status: string }[] };
    expect(runs).toMatchObject([{ kind: 'serve', status: 'done' }]);
  },
  60_000,
);

/** Asks the store through a second process, as another user of it would. */
async function listRuns(): Promise<unknown> {
  const script = `import { listRuns } from '${process.cwd()}/dist/store/runs.js'; console.log(JSON.stringify({ runs: listRuns() }));`;
  const file = join(folder, 'list.mjs');
  writeFileSync(file, script);
  const child = spawn('node', [file], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  const [json] = await waitFor(child, /\{.*\}/s);
  return JSON.parse(json);
}

/** The fetched models stay where they are. */
function symlinkHome(): void {
  if (existsSync(join(home, 'models'))) return;
  modelsFolder(home);
  rmSync(join(home, 'models'), { recursive: true });
  symlinkSync(modelsFolder(), join(home, 'models'));
}

const agent = `
const { OPENAI_BASE_URL, OPENAI_MODEL, OPENAI_API_KEY } = process.env;
const response = await fetch(OPENAI_BASE_URL + '/chat/completions', {
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: 'Bearer ' + OPENAI_API_KEY },
  body: JSON.stringify({
    model: OPENAI_MODEL, max_tokens: 24, temperature: 0,
    messages: [{ role: 'user', content: 'The test failed again and I have no time left!' }],
  }),
});
const { choices } = await response.json();
console.log('agent saw ' + choices[0].finish_reason);
process.exit(7);
`;

test.skipIf(isMissing)(
  `watch runs a command, fires its rules, keeps the run with a report, and ends as the command did${needs(name)}`,
  async () => {
    symlinkHome();
    const file = join(folder, 'agent.mjs');
    writeFileSync(file, agent);
    const rules = 'calm > -9 for 3 tokens; calm < 9 for 6 tokens -> stop';
    const child = spawn(
      'node',
      ['dist/cli/main.js', 'watch', '--json', '--rules', rules, '--', 'node', file, '--help'],
      { env: environment, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(7);
    expect(out).toContain('agent saw content_filter');
    expect(err).toContain('rule calm > -9 for 3 tokens');
    expect(err).toContain('stopped by calm < 9 for 6 tokens');
    const summary = JSON.parse(out.slice(out.indexOf('{'))) as {
      path: string;
      tokens: number;
      events: number;
      replies: number;
    };
    expect(summary).toMatchObject({ status: 7, replies: 1, tokens: 6, events: 2 });
    const events = readFileSync(join(summary.path, 'events.jsonl'), 'utf8').trim().split('\n');
    const turns = events.map((line) => JSON.parse(line) as { role: string; tokens?: object[] });
    expect(turns.map(({ role }) => role)).toEqual(['user', 'assistant']);
    expect(turns[1]!.tokens).toHaveLength(6);
    const report = readFileSync(join(summary.path, 'report.html'), 'utf8');
    expect(report).toContain('The test failed again and I have no time left!');
  },
  60_000,
);

test.skipIf(isMissing)(
  `watch hands a SIGTERM on to its command, keeps the run, and ends with 143${needs(name)}`,
  async () => {
    symlinkHome();
    const idle = "console.log('agent ready'); setInterval(() => {}, 1000)";
    const child = spawn('node', ['dist/cli/main.js', 'watch', '--', 'node', '-e', idle], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await waitFor(child, /agent ready/);
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(143);
    const { runs } = (await listRuns()) as { runs: { kind: string; status: string }[] };
    expect(runs).toContainEqual(expect.objectContaining({ kind: 'watch', status: 'stopped' }));
  },
  60_000,
);
