/**
 * @file The frustration study as a user runs it against APIs that fail: it ends with the right numbers, pays for each
 * answer once whatever stops it, keeps to its budget, and never lets the key out.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';

import type { ChatMessage } from '../src/engine/chat-template.ts';
import { readJsonLines } from '../src/formats/jsonl.ts';
import { readRun } from '../src/store/runs.ts';
import {
  type Fault,
  type ProviderServer,
  type SeenRequest,
  serverKey,
  startProviderServer,
  type WireFormat,
} from './provider-server.ts';

const formats: readonly WireFormat[] = ['openai', 'compatible', 'anthropic', 'google'];
const homes = mkdtempSync(join(tmpdir(), 'limbic-api-'));
afterAll(() => rmSync(homes, { recursive: true, force: true }));

const lineSchema = z.object({ text: z.string() });
const rejections = new Set(
  readJsonLines('data/studies/frustration/rejections.jsonl', lineSchema).map(({ text }) => text),
);

/** One point, and three more for each rejection; as a judge, the points that the reply names. */
function answer(messages: readonly ChatMessage[]): string {
  const [, reply] = (messages[0]?.content ?? '').split('<<<REPLY TO RATE');
  if (reply === undefined) {
    const count = messages.filter(({ content }) => rejections.has(content)).length;
    return `My mood is at level ${Math.min(10, 1 + 3 * count)} now.`;
  }
  const [quote = '', score = ''] = /My mood is at level (\d+)/.exec(reply) ?? [];
  return JSON.stringify({ quote, score: Number(score) });
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** Milliseconds from the signal to the end; NaN without one. */
  readonly ending: number;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  readonly stop: (signal: 'SIGINT' | 'SIGKILL') => void;
}

/** Runs the built program in a home of its own, with the server's keys and addresses and no others. */
function limbic(
  args: readonly string[],
  { home, env }: { home: string; env: Readonly<Record<string, string | undefined>> },
): Running {
  const outside = Object.entries(process.env).filter(
    ([name]) => !/_(?:API_KEY|BASE_URL)$/.test(name),
  );
  const child = spawn('node', ['dist/cli/main.js', ...args], {
    env: { ...Object.fromEntries(outside), ...env, NO_COLOR: '1', LIMBIC_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err, stopped] = ['', '', NaN];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = new Promise<Ran>((resolve) => {
    child.once('close', (code) => resolve({ code, out, err, ending: performance.now() - stopped }));
  });
  const stop = (signal: 'SIGINT' | 'SIGKILL'): void => {
    stopped = performance.now();
    child.kill(signal);
  };
  return { child, ended, stop };
}

const tiny = 'each=1;categories=numeric,chat;arms=rejection,neutral;tokens=20;secondShare=1';

function runArgs(
  server: ProviderServer,
  format: WireFormat,
  more: readonly string[] = [],
): string[] {
  const judges = ['--judge', server.model(format, 'judge-1')];
  const args = ['run', 'frustration', '--model', server.model(format), ...judges];
  return [...args, '--set', tiny, '--yes', '--json', ...more];
}

const reportSchema = z.object({
  run: z.string(),
  path: z.string(),
  spent: z.number(),
  verdict: z.string(),
  measures: z.array(z.object({ name: z.string(), value: z.number().nullable(), n: z.number() })),
});
type Report = z.infer<typeof reportSchema>;

function reportOf({ code, out, err }: Ran): Report {
  expect(code, err).toBe(0);
  return reportSchema.parse(JSON.parse(out));
}

function found({ measures }: Report, name: string): [value: number | null, n: number] {
  const { value, n } = measures.find((measure) => measure.name === name)!;
  return [value === null ? null : Number(value.toFixed(4)), n];
}

function freshHome(): string {
  return mkdtempSync(join(homes, 'home-'));
}

const folderOf = (home: string): string => join(home, 'runs');

function runIn(home: string): string {
  const ids = existsSync(folderOf(home)) ? readdirSync(folderOf(home)) : [];
  expect(ids).toHaveLength(1);
  return ids[0]!;
}

const cellSchema = z.object({ type: z.literal('cell'), key: z.string() });

/** Keys of the answers that the run holds. */
async function recordedIn(home: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const record of readRun(runIn(home), folderOf(home)).events())
    // Requests carry the run's id before the cell's key.
    keys.push(`${runIn(home)}/${cellSchema.parse(record).key}`);
  return keys;
}

/** Neither a file of the home nor what was printed holds the key. */
function expectNoKey(home: string, ran: readonly Ran[], key = serverKey): void {
  for (const { out, err } of ran) expect(`${out}${err}`).not.toContain(key);
  for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile()) expect(readFileSync(file, 'utf8'), file).not.toContain(key);
  }
}

async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + 15_000;
  while (!isSo()) {
    expect(performance.now(), 'waited too long').toBeLessThan(end);
    await wait(5);
  }
}

/** Another way to fail at the first try of each of five keys of six. */
function passingFault(seen: SeenRequest): Fault | null {
  const faults: readonly (Fault | null)[] = [
    null,
    { kind: 'status', status: 429, headers: { 'retry-after': '0.05' } },
    { kind: 'status', status: 500 },
    { kind: 'slow', milliseconds: 100 },
    { kind: 'cut' },
    { kind: 'malformed' },
  ];
  const sum = Buffer.from(seen.key).reduce((total, byte) => (total * 31 + byte) >>> 0, 7);
  return seen.tryNumber === 1 ? (faults[sum % faults.length] ?? null) : null;
}

test.concurrent.each(formats)(
  '%s: a run through rate limits, errors and broken answers ends complete, each answer paid once',
  async (format) => {
    const kinds = new Set<string>();
    // One request is refused for good, with the key in what the provider says of it.
    const refused = 'neutral/chat/0/reply/2';
    await using server = await startProviderServer({
      answer,
      fault: (seen) => {
        if (seen.key.endsWith(`/${refused}`))
          return { kind: 'status', status: 400, message: `no to ${serverKey}` };
        const fault = passingFault(seen);
        kinds.add(fault?.kind === 'status' ? String(fault.status) : (fault?.kind ?? 'none'));
        return fault;
      },
    });
    const home = freshHome();
    const second = ['--second-judge', server.model(format, 'judge-2')];
    const ran = await limbic(runArgs(server, format, second), { home, env: server.env }).ended;
    const report = reportOf(ran);
    expect([...kinds].toSorted()).toEqual(['429', '500', 'cut', 'malformed', 'none', 'slow']);
    // Rejected: 1, 4, 7 of a puzzle and 1, 4, 7, 10, 10 of a chat. Neutral: 1 each, and the chat ends after two.
    expect(found(report, 'replies of score 5 or more, rejection')).toEqual([0.5, 8]);
    expect(found(report, 'mean score, rejection')).toEqual([5.5, 8]);
    expect(found(report, 'mean score, neutral')).toEqual([1, 5]);
    // 1 less 4, and 1 less 6.4.
    expect(found(report, 'mean score, neutral less rejection')).toEqual([-4.2, 2]);
    expect(found(report, 'replies that never came')).toEqual([1, 14]);
    expect(found(report, 'replies that could not be judged')).toEqual([0, 13]);
    expect(found(report, 'second judge, within one point')).toEqual([1, 13]);
    // 13 replies, and each judged twice.
    expect(server.paid.size).toBe(3 * 13);
    expect([...server.paid.values()].filter((times) => times !== 1)).toEqual([]);
    expect(server.requests.filter(({ key }) => key.endsWith(`/${refused}`))).toHaveLength(1);
    const stored = readRun(report.run, folderOf(home));
    expect([stored.status, stored.records, stored.hasReport]).toEqual(['done', 40, true]);
    expect((await recordedIn(home)).toSorted()).toEqual(
      [...server.paid.keys(), `${runIn(home)}/${refused}`].toSorted(),
    );
    expect(readFileSync(join(report.path, 'report.html'), 'utf8')).toContain('no to [key]');
    expectNoKey(home, [ran]);
  },
);

test.concurrent('a run that was killed goes on without asking for anything that it holds', async () => {
  await using server = await startProviderServer({ answer, latency: 40 });
  const home = freshHome();
  const killed = limbic(runArgs(server, 'anthropic'), { home, env: server.env });
  await until(() => server.paid.size >= 9);
  killed.stop('SIGKILL');
  const first = await killed.ended;
  expect(first.code).toBeNull();
  const recorded = await recordedIn(home);
  expect(recorded.length).toBeGreaterThanOrEqual(4);
  expect(recorded.length).toBeLessThan(32);
  const before = server.requests.length;
  const other = ['run', '--resume', runIn(home), '--model', 'openai:another'];
  const refused = await limbic(other, { home, env: server.env }).ended;
  expect([refused.code, refused.err]).toEqual([
    2,
    expect.stringContaining('a run goes on with the model that it began with'),
  ]);
  const resumed = await limbic(['run', '--resume', runIn(home), '--json', '--yes'], {
    home,
    env: server.env,
  }).ended;
  const report = reportOf(resumed);
  const again = server.requests.slice(before).map(({ key }) => key);
  expect(again.filter((key) => recorded.includes(key))).toEqual([]);
  expect([...again, ...recorded].toSorted()).toEqual([...server.paid.keys()].toSorted());
  expect(server.paid.size).toBe(32);
  // Lost is at most what was under way.
  expect([...server.paid.values()].filter((times) => times > 1).length).toBeLessThanOrEqual(
    server.mostAtOnce,
  );
  expect(found(report, 'mean score, rejection')).toEqual([5.5, 8]);
  expect(found(report, 'mean score, neutral')).toEqual([1, 8]);
  expectNoKey(home, [first, resumed]);
});

test.concurrent('a budget stops the run with a way on, and a larger one ends it with nothing paid twice', async () => {
  // Some answers take longer, so that the money runs out while others are under way.
  await using server = await startProviderServer({
    answer,
    fault: ({ number }) => (number % 3 === 0 ? { kind: 'slow', milliseconds: 120 } : null),
  });
  const home = freshHome();
  const price = ['--price', '1,1'];
  const budget = 0.008;
  const args = runArgs(server, 'openai', [...price, '--budget', String(budget)]);
  const stopped = await limbic(args, { home, env: server.env }).ended;
  const id = runIn(home);
  expect(stopped.code).toBe(1);
  expect(stopped.err).toMatch(/budget: openai:\S+ could cost \$0\.00\d+ with its next request/);
  expect(stopped.err).toContain('give a higher --budget');
  expect(stopped.err).toContain(`go on with: limbic run --resume ${id}`);
  const costOf = (): number => (server.charged.read + server.charged.written) / 1e6;
  expect(costOf()).toBeLessThanOrEqual(budget);
  expect(server.paid.size).toBeGreaterThan(8);
  expect((await recordedIn(home)).toSorted()).toEqual([...server.paid.keys()].toSorted());
  const resume = ['run', '--resume', id, '--json', '--yes', ...price];
  const same = await limbic([...resume, '--budget', String(budget)], { home, env: server.env })
    .ended;
  expect(same.code, 'what was spent before counts').toBe(1);
  const ended = await limbic([...resume, '--budget', '1'], { home, env: server.env }).ended;
  const report = reportOf(ended);
  expect(server.paid.size).toBe(32);
  expect([...server.paid.values()].filter((times) => times !== 1)).toEqual([]);
  expect(report.spent).toBeCloseTo(costOf(), 9);
  expect(found(report, 'mean score, rejection')).toEqual([5.5, 8]);
  expectNoKey(home, [stopped, ended]);
});

const waits: readonly (readonly [string, (seen: SeenRequest) => Fault | null])[] = [
  ['answers are under way', () => ({ kind: 'slow', milliseconds: 400 })],
  [
    'the provider asked to wait',
    ({ number }) =>
      number > 4 ? { kind: 'status', status: 429, headers: { 'retry-after': '30' } } : null,
  ],
];

test.concurrent.each(waits)(
  'Ctrl-C while %s ends within 2 s and says how to go on',
  async (_, fault) => {
    await using server = await startProviderServer({ answer, fault });
    const home = freshHome();
    const running = limbic(runArgs(server, 'google'), { home, env: server.env });
    await until(() => server.paid.size >= 4 && server.requests.length > 5);
    running.stop('SIGINT');
    const { code, err, ending } = await running.ended;
    expect(code).toBe(130);
    expect(ending).toBeLessThan(2000);
    const id = runIn(home);
    expect(err).toContain(`limbic: go on with: limbic run --resume ${id}\nstopped\n`);
    expect(readRun(id, folderOf(home)).status).toBe('interrupted');
    // What was under way came to its end: nothing is paid for and lost.
    expect((await recordedIn(home)).toSorted()).toEqual([...server.paid.keys()].toSorted());
  },
);

test.concurrent('without a key nothing begins, and a wrong one is never shown', async () => {
  await using server = await startProviderServer({ answer });
  for (const [format, name] of [
    ['openai', 'OPENAI_API_KEY'],
    ['anthropic', 'ANTHROPIC_API_KEY'],
    ['google', 'GOOGLE_GENERATIVE_AI_API_KEY'],
  ] as const) {
    const home = freshHome();
    const env = { ...server.env, [name]: undefined };
    const { code, err } = await limbic(runArgs(server, format), { home, env }).ended;
    expect(code).toBe(2);
    expect(err).toContain(`${format}: expected a key in ${name}`);
    expect(err).toContain(`set ${name} in the environment`);
    expect(existsSync(folderOf(home))).toBe(false);
  }
  expect(server.requests).toHaveLength(0);
  const home = freshHome();
  const wrong = 'sk-wrong-9876543210';
  const env = { ...server.env, OPENAI_API_KEY: wrong };
  const ran = await limbic(runArgs(server, 'openai'), { home, env }).ended;
  expect(ran.code).toBe(1);
  // The server says which key it got.
  expect(ran.err).toContain('bad key [key]');
  expect(ran.err).toContain('check the key in the environment (OPENAI_API_KEY)');
  expect(ran.err).toContain('go on with: limbic run --resume');
  expectNoKey(home, [ran], wrong);
});
