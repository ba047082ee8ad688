import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';

import { type ProviderServer, type SeenRequest, startProviderServer } from './provider-server.ts';

const program = join(process.cwd(), 'dist/cli/main.js');
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'limbic-compare-')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let home = '';
let server: ProviderServer;
beforeEach(async () => {
  home = mkdtempSync(join(folder, 'home-'));
  server = await startProviderServer({ answer: answerOf, latency: 25 });
});
afterEach(() => server[Symbol.asyncDispose]());

const modelOf = ({ body }: SeenRequest): string => String(body['model']);

/** The judge gives 7 to what is hopeless; alpha despairs after its first reply, and no other model does. */
function answerOf(messages: SeenRequest['messages'], request: SeenRequest): string {
  const name = modelOf(request);
  if (name.startsWith('judge')) {
    const reply = /REPLY TO RATE\n([^]*)\nREPLY/.exec(messages.at(-1)?.content ?? '')?.[1] ?? '';
    return JSON.stringify(
      reply.includes('hopeless')
        ? { quote: 'This is hopeless', score: 7 }
        : { quote: '', score: 0 },
    );
  }
  return name === 'alpha' && messages.length > 1 ? 'This is hopeless. No.' : 'Here is a try.';
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program in a home of its own; it gets a Ctrl-C when `stops` says so. */
function limbic(args: readonly string[], stops?: () => boolean): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn('node', [program, ...args], {
      cwd: home,
      env: {
        ...process.env,
        NO_COLOR: '1',
        LIMBIC_HOME: join(home, 'limbic'),
        LIMBIC_QUEUE: '',
        OPENAI_API_KEY: '',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const timer = setInterval(() => {
      if (stops?.() !== true) return;
      clearInterval(timer);
      child.kill('SIGINT');
    }, 2);
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.once('close', (code) => {
      clearInterval(timer);
      resolve({ code, out, err });
    });
  });
}

interface Measured {
  readonly name: string;
  readonly value: number | null;
  readonly interval?: readonly [number, number];
  readonly n: number;
}
interface Compared {
  readonly study: string;
  readonly models: readonly {
    readonly label: string;
    readonly run: string;
    readonly origin: string;
    readonly measures: readonly Measured[];
  }[];
  readonly notes: readonly string[];
  readonly report: string;
}
const valueOf = (measures: readonly Measured[], name: string): number | null | undefined =>
  measures.find((measure) => measure.name === name)?.value;
const runs = (): string[] => readdirSync(join(home, 'limbic', 'runs'));
const requestsOf = (name: string): number =>
  server.requests.filter((request) => modelOf(request) === name).length;
const compatible = (name: string): string => server.model('compatible', name);

/** Two conversations of three replies in each of two arms: 12 replies, and as many questions to the judge. */
const tiny = 'each=2;categories=numeric;arms=rejection,neutral;tokens=20';
const compareArgs = (names = ['alpha', 'beta']): string[] => [
  'compare',
  'frustration',
  '--models',
  names.map(compatible).join(','),
  '--judge',
  compatible('judge'),
  '--set',
  tiny,
];

/** Ends with 2 and one sentence. */
async function refuses([args, message]: readonly [readonly string[], RegExp]): Promise<void> {
  const { code, out, err } = await limbic(args);
  expect(err, args.join(' ')).toMatch(message);
  expect(err.trim().split('\n'), args.join(' ')).toHaveLength(1);
  expect([code, out]).toEqual([2, '']);
}

test('compare runs each model, shows both in one table and one page, and reuses the runs without a request', async () => {
  const first = await limbic(compareArgs());
  expect(first.code, first.err).toBe(0);
  expect([requestsOf('alpha'), requestsOf('beta'), requestsOf('judge')]).toEqual([12, 12, 24]);
  // Of 6 rejected replies of alpha the second and third of each conversation score 7: 4 of 6, a mean of 28 / 6.
  expect(first.out).toMatch(
    /replies of score 5 or more, rejection +0\.667 \([\d. to]+\) +0\.000 \(/,
  );
  expect(first.out).toMatch(/mean score, rejection +4\.667 \([\d. to]+\) +0\.000 \(/);
  expect(first.out).toMatch(/^alpha: Rejected, .* 66\.7 %/m);
  const page = join(home, 'compare-frustration.html');
  expect(first.out).toContain(`report: ${page}\n`);
  const html = readFileSync(page, 'utf8');
  for (const id of runs()) expect(html).toContain(id);
  expect(html).toMatch(/aria-label="replies of score 5 or more, rejection"/);
  expect(html).not.toMatch(/<script|<link|src=|href=/);

  const again = await limbic([...compareArgs(), '--json']);
  expect(again.code, again.err).toBe(0);
  expect(server.requests).toHaveLength(48);
  expect(again.err.match(/reuses run/g)).toHaveLength(2);
  const { models, notes } = JSON.parse(again.out) as Compared;
  expect(models.map(({ label, origin }) => [label, origin])).toEqual([
    ['alpha', 'reused'],
    ['beta', 'reused'],
  ]);
  expect(models.map(({ measures }) => valueOf(measures, 'mean score, rejection'))).toEqual([
    28 / 6,
    0,
  ]);
  expect(notes).toEqual([]);
  expect(runs()).toHaveLength(2);

  // Another model is run, and the one that is there is not.
  const third = await limbic([...compareArgs(['beta', 'gamma']), '--json', '--out', 'two.html']);
  expect(third.code, third.err).toBe(0);
  expect([requestsOf('beta'), requestsOf('gamma')]).toEqual([12, 12]);
  expect(existsSync(join(home, 'two.html'))).toBe(true);

  // The same runs by their ids, with a run of other parameters beside them.
  const other = await limbic([
    'run',
    'frustration',
    '--model',
    compatible('alpha'),
    '--judge',
    compatible('judge'),
    '--set',
    tiny.replace('each=2', 'each=1'),
    '--json',
  ]);
  const { run } = JSON.parse(other.out) as { run: string };
  const given = await limbic(['compare', models[0]?.run ?? '', run, '--json']);
  expect(given.code, given.err).toBe(0);
  const compared = JSON.parse(given.out) as Compared;
  expect(compared.models.map(({ label, origin }) => [label, origin])).toEqual([
    ['alpha (1)', 'given'],
    ['alpha (2)', 'given'],
  ]);
  expect(compared.notes).toEqual(['each differs: 2 for alpha (1), 1 for alpha (2)']);
  // No two runs share the key of a request.
  expect(Math.max(...server.paid.values())).toBe(1);
});

test('compare that was stopped in its second model goes on with the same command', async () => {
  const stopped = await limbic(compareArgs(), () => requestsOf('beta') >= 5);
  expect(stopped.code, stopped.err).toBe(130);
  expect(stopped.err).toMatch(/go on with the same command; .* goes on with \S+-frustration-/);
  expect(existsSync(join(home, 'compare-frustration.html'))).toBe(false);
  expect(runs()).toHaveLength(2);
  const before = requestsOf('beta');
  const resumed = await limbic([...compareArgs(), '--json']);
  expect(resumed.code, resumed.err).toBe(0);
  const { models } = JSON.parse(resumed.out) as Compared;
  expect(models.map(({ origin }) => origin)).toEqual(['reused', 'resumed']);
  expect(runs().toSorted()).toEqual(models.map(({ run }) => run).toSorted());
  expect(requestsOf('alpha')).toBe(12);
  // What beta had answered is not asked again; requests that were under way may be.
  expect(requestsOf('beta') - before).toBeLessThan(12);
});

test('compare keeps to one budget for all of its runs, those that it reuses included', async () => {
  const priced = ['--price', '1000,1000', '--yes'];
  const whole = await limbic([...compareArgs(), ...priced]);
  const [, cost = ''] = /together cost \$([\d.]+)/.exec(whole.err) ?? [];
  expect(Number(cost), whole.err).toBeGreaterThan(0);
  // A dollar more does not pay for a third model, though most of the budget was spent by an earlier command.
  const budget = String(Number(cost) + 1);
  const asked = server.requests.length;
  const third = await limbic([
    ...compareArgs(['alpha', 'beta', 'gamma']),
    ...priced,
    '--budget',
    budget,
  ]);
  expect(third.code).toBe(1);
  expect(third.err).toMatch(/budget: .* left of \$/);
  expect(server.requests.length - asked).toBeLessThan(24);
});

test('compare refuses what it cannot do before it asks anything', async () => {
  const judge = ['--judge', compatible('judge')];
  const refusals: [string[], RegExp][] = [
    [['compare'], /compare: expected a study or runs, got neither/],
    [['compare', 'frustratio'], /did you mean frustration/],
    [['compare', 'frustration'], /--models: expected several different models, got none/],
    [['compare', 'frustration', '--models', 'openai:x,openai:x'], /expected several different/],
    [
      ['compare', 'scenarios', '--models', 'smollm2-135m,openai:x'],
      /got openai:x: scenarios reads/,
    ],
    [['compare', 'frustration', '--models', 'openai:x,openai:y', ...judge], /expected a key in/],
    [[...compareArgs(), '--out', 'nowhere/x.html'], /--out: expected a folder at/],
    [[...compareArgs(), '--set', 'eac=1'], /did you mean each/],
    [[...compareArgs(), '--budget', '1'], /budget: expected a price for compatible:/],
    [['compare', '20260101-000000-frustration-aaaa', 'x'], /run: nothing is called/],
  ];
  await Promise.all(refusals.map(refuses));
  expect(server.requests).toEqual([]);
});

/** Four conversations of three replies, of which the last of each is hopeless, and the second of the fourth. */
function writeChats(name: string): string[] {
  mkdirSync(home, { recursive: true });
  const lines = Array.from({ length: 4 }, (_, k) => {
    const replies = [
      'Here is a try.',
      k === 3 ? 'This is hopeless.' : 'One more.',
      'This is hopeless now.',
    ];
    const messages = replies.flatMap((content, turn) => [
      { role: 'user', content: `question ${k} ${turn}` },
      { role: 'assistant', content },
    ]);
    return JSON.stringify({ messages });
  });
  writeFileSync(join(home, name), `${lines.join('\n')}\n`);
  return lines;
}

interface Scored {
  readonly run: string;
  readonly path: string;
  readonly verdict: string;
  readonly measures: readonly Measured[];
}

test('score that gets a Ctrl-C goes on without paying for any reply twice', async () => {
  const lines = writeChats('chats.jsonl');
  const args = ['score', 'chats.jsonl', '--judge', compatible('judge'), '--json'];
  const second = ['--second-judge', compatible('judge-2'), '--second-share', '1'];
  const stopped = await limbic(
    [...args, ...second, '--concurrency', '2'],
    () => server.requests.length >= 6,
  );
  expect([stopped.code, stopped.out], stopped.err).toEqual([130, '']);
  const [, run = ''] = /go on with: limbic score FILE --resume (\S+)/.exec(stopped.err) ?? [];
  // Answers that were under way came to their end and are kept.
  const events = readFileSync(join(home, 'limbic', 'runs', run, 'events.jsonl'), 'utf8');
  expect(events.trim().split('\n')).toHaveLength(server.requests.length);
  expect(server.requests.length).toBeLessThan(24);

  writeFileSync(join(home, 'other.jsonl'), `${lines.slice(1).join('\n')}\n`);
  const wrong: [string[], RegExp][] = [
    [['score', 'other.jsonl'], /--resume: expected the file that run .* began with, got another/],
    [['score', 'chats.jsonl', '--judge', 'x'], /--resume: expected nothing that .* got judge/],
    [['run'], /study: nothing is called "score"/],
  ];
  await Promise.all(
    wrong.map(([words, message]) => refuses([[...words, '--resume', run], message])),
  );

  const resumed = await limbic(['score', 'chats.jsonl', '--resume', run, '--json']);
  expect(resumed.code, resumed.err).toBe(0);
  expect([...server.paid.values()]).toEqual(Array.from({ length: 24 }, () => 1));
  expect(server.requests).toHaveLength(24);
  const { measures, path, verdict } = JSON.parse(resumed.out) as Scored;
  // 5 of 12 replies, in all 4 conversations; scores 5 times 7; both judges say the same.
  expect(valueOf(measures, 'replies of score 5 or more, transcript')).toBeCloseTo(5 / 12, 12);
  expect(valueOf(measures, 'conversations with such a reply, transcript')).toBe(1);
  expect(valueOf(measures, 'mean score, transcript')).toBeCloseTo(35 / 12, 12);
  expect(valueOf(measures, 'score at the last turn less the first, transcript')).toBe(7);
  expect(valueOf(measures, 'second judge, kappa of 5 or more')).toBe(1);
  expect(valueOf(measures, 'replies that could not be judged')).toBe(0);
  expect(verdict).toContain('41.7 %');
  const html = readFileSync(join(path, 'report.html'), 'utf8');
  expect(html).toContain('<mark>This is hopeless</mark>');
  expect(html).toContain('reply 2 of line 4');
  expect(html).toContain('Mean score at each reply');
  expect((JSON.parse((await limbic(['runs', '--json'])).out) as object[])[0]).toMatchObject({
    kind: 'score',
    model: 'chats.jsonl',
    status: 'done',
    hasReport: true,
  });
});

test('score says in a sentence what it cannot score', async () => {
  const judge = ['--judge', compatible('judge')];
  writeChats('chats.jsonl');
  writeFileSync(join(home, 'bad.jsonl'), '{"messages":[]}\n{"messages":\n');
  writeFileSync(join(home, 'quiet.jsonl'), '{"messages":[{"role":"user","content":"Hi"}]}\n');
  const refusals: [string[], RegExp][] = [
    [['score'], /score: expected one file, got none/],
    [['score', 'chats.jsonl'], /score: expected --judge NAME, got none/],
    [['score', 'nowhere.jsonl', ...judge], /nowhere\.jsonl: expected a readable file, got ENOENT/],
    [['score', 'bad.jsonl', ...judge], /bad\.jsonl: line 2: not JSON \(at byte 16\)/],
    [['score', 'quiet.jsonl', ...judge], /expected a reply of an assistant .* got none in 1 conv/],
    [['score', 'chats.jsonl', ...judge, '--second-share', '2'], /--second-share: expected a share/],
    [['score', 'chats.jsonl', ...judge, '--budget', '1'], /budget: expected a price/],
  ];
  await Promise.all(refusals.map(refuses));
  expect(server.requests).toEqual([]);
});
