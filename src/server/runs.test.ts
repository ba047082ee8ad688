import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { openToyLab, plainDeps } from '../../test/toy-server.ts';
import type { ChatRequestInput } from '../api/chat.ts';
import { type RunDetail, runSchema, runsSchema } from '../api/lab.ts';
import { UnavailableError } from '../errors.ts';
import { parseRule } from '../steering/monitor.ts';
import { createRun, type Run } from '../store/runs.ts';
import { createApp, type ServerApp } from './app.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-server-runs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const lab = await openToyLab();
const deps = { ...plainDeps(lab), runs: { folder } };

function newRun(): Run {
  const { name: model, fingerprint } = lab.model.info;
  const about = { kind: 'serve', title: 'A test', model, fingerprint, packHash: null };
  return createRun({ ...about, limbicVersion: '0.0.0', parameters: {} }, folder);
}
type Message = ChatRequestInput['messages'][number];
const user = (content: string): Message => ({ role: 'user', content });
const assistant = (content: string): Message => ({ role: 'assistant', content });

async function chat(
  app: ServerApp,
  messages: Message[],
  more: Partial<ChatRequestInput> = {},
  headers: Record<string, string> = {},
): Promise<string> {
  const response = await app.request('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ messages, max_tokens: 4, seed: 1, ...more }),
  });
  const { choices, limbic } = (await response.json()) as never as {
    choices: { message: { content: string } }[];
    limbic?: object;
  };
  expect(limbic === undefined).toBe(more.limbic === undefined);
  return choices[0]!.message.content;
}
async function detail(app: ServerApp, { id }: Run): Promise<RunDetail> {
  const response = await app.request(`/api/runs/${id}`);
  return runSchema.parse(await response.json());
}
const shape = ({ conversations }: RunDetail): unknown =>
  conversations.map(({ turns }) => turns.map(({ role, content }) => `${role} ${content}`));

test('a conversation is logged once, message by message, with readings of the replies', async () => {
  using log = newRun();
  const app = createApp({ ...deps, log });
  const first = await chat(app, [user('One')]);
  const messages = [user('One'), assistant(`${first} `), user('Two')];
  const second = await chat(app, messages, { limbic: { steer: { calm: 0.1 } } });
  const run = await detail(app, log);
  expect(shape(run)).toEqual([
    ['user One', `assistant ${first}`, 'user Two', `assistant ${second}`],
  ]);
  const [, reply, , steered] = run.conversations[0]!.turns;
  expect(reply?.tokens).toHaveLength(4);
  expect(Object.keys(reply!.tokens![0]!.readouts)).toEqual(['happy', 'calm']);
  expect([reply?.steer, steered?.steer]).toEqual([undefined, { calm: 0.1 }]);
  expect(run).toMatchObject({ kind: 'serve', title: 'A test', status: 'running', records: 4 });
});

test('a reply that is written anew follows the first one, and an edited message is logged again', async () => {
  using log = newRun();
  const app = createApp({ ...deps, log });
  const first = await chat(app, [user('One')]);
  const other = await chat(app, [user('One')], { seed: 2 });
  const third = await chat(app, [user('One'), assistant(other), user('Edited')]);
  expect(shape(await detail(app, log))).toEqual([
    ['user One', `assistant ${first}`, `assistant ${other}`, 'user Edited', `assistant ${third}`],
  ]);
});

test('conversations are told apart by name, by client and by their first words', async () => {
  using log = newRun();
  const app = createApp({ ...deps, log });
  const asks: [string, Partial<ChatRequestInput>, Record<string, string>][] = [
    ['One', {}, {}],
    ['Two', {}, {}],
    ['One', { user: 'ann' }, {}],
    ['One', {}, { 'x-limbic-client': 'bob' }],
    ['One', { limbic: { conversation: 'mine' } }, {}],
    ['Other', { limbic: { conversation: 'mine' } }, {}],
  ];
  for (const [text, more, headers] of asks) await chat(app, [user(text)], more, headers);
  const { conversations } = await detail(app, log);
  expect(conversations).toHaveLength(5);
  const mine = conversations.find(({ name }) => name === 'mine');
  expect(mine?.turns.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
});

test('events are logged with the reply, and a reply that a rule stopped is kept as far as it came', async () => {
  using log = newRun();
  const rules = [parseRule('calm > -1000 for 2 tokens -> stop')];
  const app = createApp({ ...deps, log, rules });
  const response = await app.request('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [user('One')], stream: true }),
  });
  await response.text();
  const [, reply] = (await detail(app, log)).conversations[0]!.turns;
  expect(reply?.tokens).toHaveLength(2);
  expect(reply?.events).toMatchObject([{ kind: 'stop', index: 1 }]);
});

test('a disk that is full ends no conversation', async () => {
  const app = createApp({
    ...deps,
    log: {
      append: () => {
        throw new UnavailableError('full');
      },
    },
  });
  expect((await chat(app, [user('One')])).length).toBeGreaterThan(0);
  expect(await (await app.request('/metrics')).text()).toContain('limbic_log_failures_total 2');
});

test('runs are listed, their reports shown in a sandbox, and ids never reach the file system', async () => {
  const run = newRun();
  run.append({ type: 'other', value: 1 });
  run.writeReport('<h1>Report</h1><script>alert(1)</script>');
  run.finish('done', {});
  using bare = newRun();
  const app = createApp(deps);
  const listed = runsSchema.parse(await (await app.request('/api/runs')).json());
  expect(listed.runs.find(({ id }) => id === run.id)).toMatchObject({
    status: 'done',
    records: 1,
    hasReport: true,
  });
  expect((await detail(app, run)).conversations).toEqual([]);
  const report = await app.request(`/api/runs/${run.id}/report`);
  expect(await report.text()).toContain('<h1>Report</h1>');
  const policy = report.headers.get('content-security-policy');
  expect(policy).toMatch(/^default-src 'none';.*; sandbox allow-scripts$/);
  expect(policy).not.toContain('allow-same-origin');
  expect(report.headers.get('cross-origin-opener-policy')).toBe('unsafe-none');
  for (const id of [`${bare.id}/report`, '..%2f..%2fetc%2fpasswd', '20260101-000000-serve-0000'])
    expect((await app.request(`/api/runs/${id}`)).status).toBe(404);
});

test('a damaged run is told by the name of its file, without the folders above it', async () => {
  using log = newRun();
  log.append({ type: 'turn', conversation: 'a', role: 'user', content: 'One' });
  appendFileSync(join(log.path, 'events.jsonl'), 'no JSON\n');
  const told: unknown[] = [];
  const app = createApp({ ...deps, report: (error) => told.push(error) });
  const response = await app.request(`/api/runs/${log.id}`);
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  expect([response.status, error.code]).toEqual([422, 'bad_file']);
  expect(error.message).toMatch(/^events\.jsonl: line 2/);
  expect(error.message).not.toContain(folder);
  expect(String(told)).toContain(folder);
});

test('a run that grows is read on from where it was, and a part of it can be asked for', async () => {
  using log = newRun();
  const app = createApp(deps);
  const add = (conversation: string, content: string): void =>
    log.append({ type: 'turn', conversation, role: 'user', content });
  for (let i = 0; i < 3; i++) add('a', `Turn ${i}`);
  log.append({ type: 'other', value: 1 });
  expect(shape(await detail(app, log))).toEqual([['user Turn 0', 'user Turn 1', 'user Turn 2']]);
  add('b', 'Naïve');
  add('a', 'Turn 3');
  const part = async (query: string): Promise<RunDetail> =>
    runSchema.parse(await (await app.request(`/api/runs/${log.id}?${query}`)).json());
  const one = await part('conversation=0&turn=2');
  expect(shape(one)).toEqual([['user Turn 2', 'user Turn 3'], []]);
  expect(one.total).toEqual({ conversations: 2, turns: 5 });
  expect(one.conversations).toMatchObject([
    { name: 'a', index: 0, count: 4, from: 2 },
    { name: 'b', index: 1, count: 1, from: 0 },
  ]);
  expect(shape(await part('conversation=1'))).toEqual([[], ['user Naïve']]);
  expect(shape(await part('conversation=7&turn=9'))).toEqual([[], []]);
  for (const query of ['conversation=-1', 'conversation=x', 'turn=1.5'])
    expect((await app.request(`/api/runs/${log.id}?${query}`)).status).toBe(400);
});
