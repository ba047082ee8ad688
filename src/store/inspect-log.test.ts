import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { afterAll, expect, test } from 'vitest';

import { inspectLog, inspectLogName, isInspectLogName, surveyCells } from './inspect-log.ts';
import { metadataLimit } from './inspect-sample.ts';
import { createRun, type NewRun, readRun, type Run } from './runs.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-inspect-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const about: NewRun = {
  kind: 'pressure',
  title: 'does pressure change what a model does?',
  model: 'toy',
  fingerprint: 'f00d',
  packHash: 'beef',
  limbicVersion: '0.1.0',
  parameters: { random: 5 },
};
const summary = {
  verdict: 'No effect.',
  measures: [
    { name: 'rate', value: 0.3, interval: [0.1, 0.5], n: 30, control: 'chance 0.2' },
    { name: 'rate', value: 0.4, n: 3 },
    { name: 'gain', value: null, n: 0, note: 'no pairs' },
    { name: 'drift', value: 1, interval: [null, 2], n: 4 },
  ],
};

interface Sample {
  readonly id: string;
  readonly input: unknown;
  readonly target: unknown;
  readonly messages: { id: string; role: string; content: string }[];
  readonly output: { choices: { message: { content: string } }[]; completion: string };
  readonly scores?: Record<string, { value: unknown; history: [] }>;
  readonly metadata: Record<string, unknown>;
  readonly uuid: string;
}
interface Log {
  readonly status: string;
  readonly eval: Record<string, unknown> & { dataset: object; metadata: object };
  readonly results?: {
    total_samples: number;
    scores: { name: string; metrics: Record<string, { value: number; metadata: object }> }[];
    metadata: object;
  };
  readonly stats: Record<string, unknown>;
  readonly samples: Sample[];
}

const add = (run: Run, key: string, data: object): void => run.append({ type: 'cell', key, data });

async function textOf(id: string, ended: string | null = null): Promise<string> {
  const run = readRun(id, folder);
  let text = '';
  for await (const piece of inspectLog(run, await surveyCells(run), ended)) text += piece;
  return text;
}
const logOf = async (id: string, ended: string | null = null): Promise<Log> =>
  JSON.parse(await textOf(id, ended)) as Log;

/** The samples of cells with these data, in order. */
async function samplesOf(...cells: object[]): Promise<Sample[]> {
  using run = createRun(about, folder);
  for (const [i, data] of cells.entries()) add(run, `cell ${i}`, data);
  return (await logOf(run.id)).samples;
}

/**
 * By hand from inspect_ai 0.3.285, _view/inspect-openapi.json: the fields that its schemas call required
 * (EvalLog, EvalSpec, ...). `inspect view` reads them without defaults.
 */
const required = {
  EvalLog: 'version status eval plan stats invalidated tags metadata',
  EvalSpec:
    'eval_id run_id created task task_id task_version task_attribs task_args task_args_passed dataset model model_generate_config model_args config packages',
  EvalPlan: 'name steps config',
  EvalPlanStep: 'solver params params_passed',
  EvalResults: 'total_samples completed_samples scores',
  EvalScore: 'name scorer params metrics',
  EvalMetric: 'name value params',
  EvalStats: 'started_at completed_at model_usage role_usage connection_limit_history',
  EvalSample:
    'id epoch input target messages output metadata store events model_usage role_usage attachments',
  ModelOutput: 'model choices completion',
  ChatCompletionChoice: 'message stop_reason',
  ChatMessage: 'content role',
  Score: 'value history',
} as const;
/** EvalStatus in inspect_ai/log/_log.py. */
const statuses = /^(started|success|cancelled|error)$/;
/** StopReason in inspect_ai/model/_model_output.py. */
const stopReasons = /^(stop|max_tokens|model_length|tool_calls|content_filter|unknown)$/;

type Json = Readonly<Record<string, unknown>>;
const each = (list: unknown): Json[] => Object.values((list ?? []) as Json[]);

/** The object itself; tells `faults` of each field that its schema demands and it lacks. */
function demand(faults: string[], schema: keyof typeof required, value: unknown): Json {
  const object = (value ?? {}) as Json;
  for (const name of required[schema].split(' '))
    if (object[name] === undefined || object[name] === null) faults.push(`${schema}.${name}`);
  return object;
}

/** What the schemas demand and the log lacks. */
function faultsOf(log: Json): string[] {
  const faults: string[] = [];
  const has = (schema: keyof typeof required, value: unknown): Json =>
    demand(faults, schema, value);
  has('EvalLog', log);
  if (log['version'] !== 2) faults.push('version');
  if (!statuses.test(String(log['status']))) faults.push('status');
  // _read_header_streaming of _recorders/json.py validates each that is there, so null fails.
  for (const name of ['results', 'error']) if (log[name] === null) faults.push(`${name} is null`);
  has('EvalSpec', log['eval']);
  for (const step of each(has('EvalPlan', log['plan'])['steps'])) has('EvalPlanStep', step);
  has('EvalStats', log['stats']);
  if (log['results'] !== undefined)
    for (const score of each(has('EvalResults', log['results'])['scores']))
      for (const metric of each(has('EvalScore', score)['metrics']))
        if (typeof has('EvalMetric', metric)['value'] !== 'number') faults.push('metric value');
  return [...faults, ...each(log['samples']).flatMap(faultsOfSample)];
}

function faultsOfSample(sample: Json): string[] {
  const faults: string[] = [];
  demand(faults, 'EvalSample', sample);
  if (typeof sample['id'] !== 'string' || sample['epoch'] !== 1) faults.push('id or epoch');
  for (const choice of each(demand(faults, 'ModelOutput', sample['output'])['choices'])) {
    const { message, stop_reason } = demand(faults, 'ChatCompletionChoice', choice);
    demand(faults, 'ChatMessage', message);
    if (!stopReasons.test(String(stop_reason))) faults.push('stop_reason');
  }
  const input = Array.isArray(sample['input']) ? (sample['input'] as Json[]) : [];
  for (const message of [...each(sample['messages']), ...input])
    demand(faults, 'ChatMessage', message);
  for (const score of each(sample['scores'])) demand(faults, 'Score', score);
  return faults;
}

test('the check of this file finds what is missing', () => {
  const sample = { id: 'a', epoch: 1, output: { model: 'm', choices: [{}] }, scores: { a: {} } };
  const faults = faultsOf({ version: 2, status: 'done', results: null, samples: [sample] });
  for (const fault of ['EvalLog.eval', 'status', 'results is null', 'EvalSample.input'])
    expect(faults).toContain(fault);
  for (const fault of ['ModelOutput.completion', 'ChatMessage.role', 'Score.value', 'stop_reason'])
    expect(faults).toContain(fault);
});

test('a done run has every field that the schema demands, and says what it is', async () => {
  const run = createRun(about, folder);
  add(run, 'add desperate+0.1', {
    messages: [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'Write add.' },
    ],
    reply: 'I cannot.',
    outcome: 'honest failure',
    before: 0.25,
    seed: 3,
    readings: [0.5, null],
  });
  add(run, 'read', { text: 'The lake lay flat.', target: ['calm', 'serene'] });
  run.append({ type: 'turn', role: 'user', content: 'of another kind' });
  run.finish('done', summary);
  const log = await logOf(run.id, '2026-01-31T09:06:00.000Z');
  expect(faultsOf(log as unknown as Json)).toEqual([]);
  expect(log).toMatchObject({
    status: 'success',
    eval: {
      task: 'limbic/pressure',
      model: 'limbic/toy',
      run_id: run.id,
      created: run.manifest.started.replace('Z', '+00:00'),
      task_args: { random: 5 },
      packages: { limbic: '0.1.0' },
      metadata: {
        fingerprint: 'f00d',
        pack_hash: 'beef',
        limbic_version: '0.1.0',
        limbic_status: 'done',
        parameters: { random: 5 },
        verdict: 'No effect.',
      },
    },
    stats: { completed_at: '2026-01-31T09:06:00.000+00:00' },
    results: { total_samples: 2, completed_samples: 2 },
  });
  expect(log.samples.map(({ id }) => id)).toEqual(['add desperate+0.1', 'read']);
  expect(log.samples[0]).toMatchObject({
    input: [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'Write add.' },
    ],
    output: { model: 'limbic/toy', completion: 'I cannot.' },
    scores: { outcome: { value: 'honest failure' }, before: { value: 0.25 } },
  });
  // A seed says how the cell was made: it is no score. The texts are not repeated.
  expect(Object.keys(log.samples[0]!.scores!)).toEqual(['outcome', 'before']);
  expect(Object.keys(log.samples[0]!.metadata)).toEqual(['outcome', 'before', 'seed', 'readings']);
  expect(log.samples[1]).toMatchObject({ target: ['calm', 'serene'], metadata: {} });
  expect(log.samples[1]).not.toHaveProperty('scores');
});

test('measures are metrics with their n, interval and control; one without a number is named apart', async () => {
  const run = createRun(about, folder);
  add(run, 'a', { outcome: true, gain: 2 });
  run.finish('done', summary);
  const { results } = await logOf(run.id);
  const [measures, ...columns] = results!.scores;
  expect(measures).toMatchObject({ name: 'measures', scorer: 'limbic/pressure' });
  expect(Object.keys(measures!.metrics)).toEqual(['rate', 'rate (2)', 'drift']);
  expect(measures!.metrics['rate']).toEqual({
    name: 'rate',
    value: 0.3,
    params: {},
    metadata: { n: 30, interval_low: 0.1, interval_high: 0.5, control: 'chance 0.2' },
  });
  expect(measures!.metrics['drift']!.metadata).toEqual({ n: 4 });
  expect(results!.metadata).toEqual({
    verdict: 'No effect.',
    not_measured: [{ name: 'gain', n: 0, note: 'no pairs' }],
  });
  // The viewer takes its columns from here (getAvailableScorers in its scoring/utils.ts).
  expect(columns.map(({ name, metrics }) => [name, metrics])).toEqual([
    ['outcome', {}],
    ['gain', {}],
  ]);
});

test('a run that was killed in a line has the samples before it and no results', async () => {
  const run = createRun(about, folder);
  add(run, 'a', { outcome: 1 });
  add(run, 'b', { outcome: 2 });
  run[Symbol.dispose]();
  appendFileSync(join(run.path, 'events.jsonl'), '{"type":"cell","key":"c","data":{"outco');
  const log = await logOf(run.id);
  expect(faultsOf(log as unknown as Json)).toEqual([]);
  expect(log.samples.map(({ id }) => id)).toEqual(['a', 'b']);
  expect(log).toMatchObject({
    status: 'cancelled',
    eval: { dataset: { samples: 2 }, metadata: { limbic_status: 'interrupted' } },
    stats: { completed_at: '' },
  });
  expect(log).not.toHaveProperty('results');
  expect(log).not.toHaveProperty('error');
});

test.each([
  ['running', 'started'],
  ['stopped', 'cancelled'],
  ['done', 'success'],
] as const)('a run that is %s is %s for Inspect', async (status, wanted) => {
  using run = createRun({ ...about, kind: 'watch' }, folder);
  if (status !== 'running') run.finish(status, { turns: 3 });
  const log = await logOf(run.id);
  expect(faultsOf(log as unknown as Json)).toEqual([]);
  expect(log).toMatchObject({ status: wanted, samples: [] });
  // A summary that is not of a study is kept as it is.
  expect(log.results?.metadata).toEqual(
    status === 'running' ? undefined : { summary: { turns: 3 } },
  );
});

test('a damaged line ends the log with an error that names it', async () => {
  using run = createRun(about, folder);
  add(run, 'a', {});
  appendFileSync(join(run.path, 'events.jsonl'), 'oops\n');
  await expect(textOf(run.id)).rejects.toThrow(/line 2: not JSON/);
});

test('cells that come after the survey are left out, and of a key that came twice the last counts', async () => {
  using run = createRun(about, folder);
  add(run, 'a', { outcome: 'old' });
  add(run, 'b', {});
  add(run, 'a', { outcome: 'new' });
  const stored = readRun(run.id, folder);
  const survey = await surveyCells(stored);
  add(run, 'b', { outcome: 'late' });
  add(run, 'c', {});
  let text = '';
  for await (const piece of inspectLog(stored, survey, null)) text += piece;
  const log = JSON.parse(text) as Log;
  expect(log.samples.map(({ id, scores }) => [id, scores?.['outcome']?.value])).toEqual([
    ['b', undefined],
    ['a', 'new'],
  ]);
  expect(log.eval.dataset).toMatchObject({ samples: 2 });
});

const user = (content: string): object => ({ role: 'user', content });
const assistant = (content: string): object => ({ role: 'assistant', content });

test.each<[string, object, { input: unknown; said: string[]; choices: string[]; left: string[] }]>([
  ['nothing', {}, { input: '', said: [], choices: [], left: [] }],
  [
    'numbers called messages',
    { messages: [[1, 2]], twins: [3] },
    { input: '', said: [], choices: [], left: ['messages', 'twins'] },
  ],
  [
    'a text that was read',
    { text: 'rain' },
    { input: 'rain', said: ['rain'], choices: [], left: [] },
  ],
  [
    'a text that was written',
    { prompt: 'Go', text: 'gone' },
    { input: 'Go', said: ['Go', 'gone'], choices: ['gone'], left: [] },
  ],
  [
    'a text that was answered',
    { text: 'Go', reply: 'gone' },
    { input: 'Go', said: ['Go', 'gone'], choices: ['gone'], left: [] },
  ],
  [
    'one prompt answered twice',
    { prompt: 'Hi', replies: ['yes', 'no'] },
    { input: 'Hi', said: ['Hi', 'yes', 'no'], choices: ['yes', 'no'], left: [] },
  ],
  [
    'replies with more to them, which stay in the metadata too',
    { attempts: [{ reply: 'yes', before: 1 }] },
    { input: '', said: ['yes'], choices: ['yes'], left: ['attempts'] },
  ],
  [
    'replies that are turns of the conversation',
    { messages: [user('1'), assistant('a'), user('2'), assistant('b')], replies: ['a', 'b'] },
    { input: '1', said: ['1', 'a', '2', 'b'], choices: ['b'], left: [] },
  ],
  [
    'a reply that repeats an earlier one word for word',
    { messages: [user('1'), assistant('a'), user('2')], reply: 'a' },
    { input: '1', said: ['1', 'a', '2', 'a'], choices: ['a'], left: [] },
  ],
  [
    'a conversation that ends with its reply',
    { messages: [user('1'), assistant('a')], reply: 'a' },
    { input: '1', said: ['1', 'a'], choices: ['a'], left: [] },
  ],
])('the sample of %s', async (_name, data, { input, said, choices, left }) => {
  const [sample] = await samplesOf(data);
  expect(sample!.input).toEqual(input);
  expect(sample!.messages.map(({ content }) => content)).toEqual(said);
  expect(sample!.output.choices.map(({ message }) => message.content)).toEqual(choices);
  expect(sample!.output.completion).toBe(choices[0] ?? '');
  expect(Object.keys(sample!.metadata)).toEqual(left);
});

test('an outcome that is no single value, and a table of numbers, are no scores', async () => {
  const table = Object.fromEntries(Array.from({ length: 13 }, (_, i) => [`word ${i}`, i]));
  const [nested, wide, few] = await samplesOf({ outcome: { kind: 'honest' }, rate: null }, table, {
    'word 1': 1,
  });
  expect(nested).not.toHaveProperty('scores');
  expect(wide).not.toHaveProperty('scores');
  expect(wide!.metadata).toEqual(table);
  expect(few!.scores).toEqual({ 'word 1': { value: 1, history: [] } });
});

test('metadata beyond 20 kB is cut, with its size beside it; below it is as it was', async () => {
  const small = { readings: Array.from({ length: 1000 }, (_, i) => i) };
  const large = { layer: 7, readings: Array.from({ length: 9000 }, (_, i) => i) };
  const [whole, cut] = await samplesOf(small, large);
  expect(metadataLimit).toBe(20_000);
  expect(whole!.metadata).toEqual(small);
  const { layer, readings, limbic_cut } = cut!.metadata as {
    layer: number;
    readings: unknown[];
    limbic_cut: Record<string, unknown>;
  };
  expect(layer).toBe(7);
  expect(readings.at(-1)).toBe(`left out: ${9000 - (readings.length - 1)} of 9000 items`);
  // Digits of 0 to 8999 are 34,890; with 8,999 commas, two brackets and {"layer":7,"readings":} 43,914.
  expect(limbic_cut).toMatchObject({ original_bytes: 43_914, limit_bytes: 20_000 });
  const bytes = Buffer.byteLength(JSON.stringify(cut!.metadata));
  expect(bytes).toBeLessThanOrEqual(20_000);
  expect(bytes).toBeGreaterThan(19_000);
});

test('half a surrogate pair becomes U+FFFD, and text that only looks like one stays', async () => {
  using run = createRun(about, folder);
  add(run, 'half \ud83d', { text: '\ud83d\ud83d \udc4d 🦊 \\ud83d \\\\ud83d \\\ud83d' });
  const text = await textOf(run.id);
  expect(text).not.toMatch(/(^|[^\\])(\\\\)*\\ud[89a-f]/);
  const [sample] = (JSON.parse(text) as Log).samples;
  expect(sample!.id).toBe('half \ufffd');
  expect(sample!.input).toBe('\ufffd\ufffd \ufffd 🦊 \\ud83d \\\\ud83d \\\ufffd');
});

test('the same run gives the same bytes, and samples of all runs have uuids of their own', async () => {
  const ids = [createRun(about, folder), createRun(about, folder)].map((run) => {
    for (const key of ['a', 'b']) add(run, key, { outcome: 1 });
    run.finish('done', summary);
    return run.id;
  });
  expect(await textOf(ids[0]!)).toBe(await textOf(ids[0]!));
  const logs = await Promise.all(ids.map((id) => logOf(id)));
  const uuids = logs.flatMap(({ samples }) => samples.map(({ uuid }) => uuid));
  expect(new Set(uuids).size).toBe(4);
});

test('the default name is one that inspect view lists', () => {
  using run = createRun(about, folder);
  const name = inspectLogName(run.manifest);
  // {time}_{task}_{id}.json, as in _filename_parts of inspect_ai/log/_file.py.
  expect(name).toMatch(
    /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\+00-00_limbic-pressure_[0-9a-f]{22}\.json$/,
  );
  expect(isInspectLogName(name)).toBe(true);
  for (const other of ['pressure.json', `x${name}`, `${name}.txt`, '2026-01-31.json'])
    expect(isInspectLogName(other)).toBe(false);
});

test('a run of 20,000 cells is written without holding its cells', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const used = (): number => {
    collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return (heapUsed + arrayBuffers) / 1e6;
  };
  const cells = 20_000;
  const run = createRun(about, folder);
  const file = join(run.path, 'events.jsonl');
  for (let from = 0; from < cells; from += 1000) {
    const lines = Array.from({ length: 1000 }, (_, i) => {
      const readings = Array.from({ length: 300 }, (_value, k) => ((from + i) * 7 + k) % 997);
      const data = { outcome: i % 2 === 0, readings };
      return JSON.stringify({ type: 'cell', key: `cell ${from + i}`, data });
    });
    writeFileSync(file, `${lines.join('\n')}\n`, { flag: 'a' });
  }
  run.finish('done', summary);
  const stored = readRun(run.id, folder);
  const before = used();
  let [peak, bytes, pieces] = [0, 0, 0];
  for await (const piece of inspectLog(stored, await surveyCells(stored), null)) {
    bytes += piece.length;
    pieces += 1;
    if (pieces % 1000 === 0) peak = Math.max(peak, used() - before);
  }
  expect(pieces).toBe(cells + 2);
  // The text is about 28 MB and the parsed cells would be 48 MB (300 doubles each); the keys are about 2.
  expect(bytes).toBeGreaterThan(25e6);
  expect(peak).toBeLessThan(8);
});
