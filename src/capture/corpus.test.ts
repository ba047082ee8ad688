import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { openToyModel } from '../engine/toy/model.ts';
import { apiWriter, parseChatApi } from './chat-api.ts';
import { type MeansHead, openMeansFile, readMeansHead } from './means-file.ts';
import { corpusProblems, loadWordForms, storyProblems } from './story-rules.ts';
import { localWriter, tidy, writeStories } from './story-writer.ts';
import { chooseWeights } from './weights.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-corpus-'));
const formsPath = join(folder, 'forms.txt');
writeFileSync(formsPath, 'sad\tsad,sadly,sadden*\non edge\ton edge\n');
const forms = loadWordForms(formsPath);
const words = (n: number, word = 'rain'): string =>
  Array.from({ length: n }, (_, i) => `${word}${i}`).join(' ');
const fine = (seed: number): string => `${words(59, `w${seed}x`)}.`;

test('storyProblems finds forms of the word as whole words, and lengths out of range', () => {
  const problems = (text: string, emotion = 'sad'): string[] =>
    storyProblems({ emotion, text }, forms);
  expect(problems(words(60))).toEqual([]);
  expect(problems(`${words(60)} It saddened her.`)).toEqual(['names its emotion: "saddened"']);
  expect(problems(`${words(60)} A SAD day.`)).toEqual(['names its emotion: "SAD"']);
  expect(problems(`${words(60)} The crusade on edges.`)).toEqual([]);
  expect(problems(`${words(60)} He was on edge.`, 'on edge')).toHaveLength(1);
  expect(problems(`${words(60)} He was keen.`, 'keen')).toEqual(['names its emotion: "keen"']);
  expect(problems(words(49))).toEqual(['expected 50 to 115 words, got 49']);
  expect(problems(words(116))).toEqual(['expected 50 to 115 words, got 116']);
});

test('loadWordForms names the line that does not read', () => {
  writeFileSync(join(folder, 'bad.txt'), 'sad\tsad\nglad\n');
  expect(() => loadWordForms(join(folder, 'bad.txt'))).toThrow(/in line 2, got "glad"/);
});

test('corpusProblems finds shared runs of words and openings that are used too often', () => {
  const story = (topic: number, text: string) => ({ emotion: 'sad', topic: String(topic), text });
  const run = 'one two three four five six seven eight nine';
  expect(corpusProblems([story(1, `a ${run} b`), story(2, `c ${run} d`)])).toEqual([
    `sad (1) and sad (2) share "${run}"`,
  ]);
  const same = Array.from({ length: 5 }, (_, i) => story(i, `It was a ${words(3, `q${i}`)}`));
  expect(corpusProblems(same)).toEqual(['5 stories begin with "it was a", expected at most 4']);
});

test('tidy keeps whole sentences, without title, preface or quotes', () => {
  expect(tidy('**The Bus**\n# Scene\nHere is the scene:\nShe ran. He did not')).toBe('She ran.');
  expect(tidy('"She ran. He stood."')).toBe('She ran. He stood.');
  expect(tidy('"Run!" she said. He stood.')).toBe('"Run!" she said. He stood.');
  const long = Array.from({ length: 30 }, (_, i) => `Sentence ${i} has five words.`).join(' ');
  expect(tidy(long).split(' ').length).toBeLessThanOrEqual(115);
  expect(tidy(long).endsWith('words.')).toBe(true);
});

test('writeStories asks again for what breaks a rule, keeps what is done, and says what is missing', async () => {
  const out = join(folder, 'out.jsonl');
  const cells = ['1', '2', '3'].map((topic) => ({
    emotion: 'sad',
    topic,
    subject: `subject ${topic}`,
  }));
  const asked: string[] = [];
  const writer = async (requests: readonly { cell: { topic: string }; seed: number }[]) =>
    requests.map(({ cell, seed }) => {
      asked.push(cell.topic);
      if (cell.topic === '2') return `${words(60)} sadly.`;
      return cell.topic === '3' && asked.filter((t) => t === '3').length === 1
        ? 'too short.'
        : fine(seed);
    });
  const result = await writeStories(cells, writer, { out, forms, attempts: 3 });
  expect(result).toEqual({
    written: 2,
    resumed: 0,
    tried: 6,
    missing: [{ cell: cells[1], problem: 'names its emotion: "sadly"' }],
  });
  asked.length = 0;
  const again = await writeStories(cells, async (r) => r.map(({ seed }) => fine(seed)), {
    out,
    forms,
  });
  expect(again).toMatchObject({ written: 1, resumed: 2, tried: 1, missing: [] });
  expect(readFileSync(out, 'utf8').trim().split('\n')).toHaveLength(3);
});

test('localWriter writes with the model itself, the same for the same seed', async () => {
  const model = openToyModel({ contextLength: 4096 });
  const write = localWriter(model);
  const request = { cell: { emotion: 'sad', topic: '1', subject: 'x' }, prompt: 'Write.', seed: 5 };
  const [a] = await write([request]);
  const [b] = await write([request]);
  expect(a).toBe(b);
  expect(a!.length).toBeGreaterThan(20);
});

test('apiWriter speaks the chat API, waits when asked to, and says what went wrong', async () => {
  const seen: { key: string | undefined; body: Record<string, unknown> }[] = [];
  let status = [429, 200, 401];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      seen.push({
        key: request.headers.authorization,
        body: JSON.parse(text) as Record<string, unknown>,
      });
      const [next = 200, ...rest] = status;
      status = rest;
      response.writeHead(next, { 'retry-after': '0.01', 'content-type': 'application/json' });
      response.end(JSON.stringify({ choices: [{ message: { content: 'A scene.' } }] }));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const api = parseChatApi(`compatible:http://127.0.0.1:${port}/v1#some/model`);
  const write = apiWriter(api!, 'secret');
  const request = { cell: { emotion: 'sad', topic: '1', subject: 'x' }, prompt: 'Write.', seed: 5 };
  expect(await write([request])).toEqual(['A scene.']);
  expect(seen).toHaveLength(2);
  expect(seen[0]!.key).toBe('Bearer secret');
  expect(seen[0]!.body).toMatchObject({ model: 'some/model', seed: 5 });
  await expect(write([request])).rejects.toThrow(/expected a reply, got status 401/);
  server.close();
  expect(parseChatApi('smollm2-135m')).toBeNull();
  expect(() => parseChatApi('compatible:nonsense')).toThrow('expected compatible:URL#NAME');
});

test('a means file serves passes that want fewer layers or starts, and no other', () => {
  const path = join(folder, 'a.means');
  const head = {
    version: 2,
    fingerprint: 'f',
    name: 'm',
    weights: 'file',
    corpus: 'c',
    width: 2,
    layers: [1, 2],
    starts: [0, 20],
  } as const;
  const own = { ...head, layers: [...head.layers], starts: [...head.starts] };
  const record = Float32Array.from({ length: 12 }, (_, i) => i);
  openMeansFile(path, own).append([record, record]);
  appendFileSync(path, 'torn');
  const read: number[] = [];
  const fewer = openMeansFile(path, { ...own, layers: [2], starts: [20] });
  expect(fewer.head).toEqual(own);
  expect(fewer.read((_, found) => read.push(...found))).toBe(2);
  expect(read).toEqual([...record, ...record]);
  expect(readMeansHead(path)?.corpus).toBe('c');
  expect(openMeansFile(path, { ...own, corpus: 'other' }).read(() => undefined)).toBe(0);
  writeFileSync(path, 'a letter to a friend\n');
  expect(() => openMeansFile(path, own)).toThrow(
    `${path}: expected a file of story means, got another file`,
  );
  expect(readFileSync(path, 'utf8')).toBe('a letter to a friend\n');
});

test('a means file with a damaged head or numbers that are none is refused, and its records stay where they are', () => {
  const path = join(folder, 'b.means');
  const head: MeansHead = {
    version: 2,
    fingerprint: 'f',
    name: 'm',
    weights: 'file',
    corpus: 'c',
    width: 1,
    layers: [1],
    starts: [0],
  };
  const record = Buffer.from(Float32Array.of(3, 4).buffer);
  writeFileSync(path, '{"version":2,oops\n');
  expect(() => readMeansHead(path)).toThrow(/first line: not JSON/);
  writeFileSync(path, `${JSON.stringify({ ...head, layers: [] })}\n`);
  expect(() => readMeansHead(path)).toThrow(/first line: layers: /);
  writeFileSync(
    path,
    Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), record, Buffer.alloc(8, 0xff)]),
  );
  expect(() => openMeansFile(path, head).read(() => undefined)).toThrow(
    /story 2: expected finite means, got NaN/,
  );
  // Written by somebody else: other spacing, one field more.
  const other = `{"version":2, ${JSON.stringify({ ...head, more: 1 }).slice('{"version":2,'.length)}\n`;
  writeFileSync(path, Buffer.concat([Buffer.from(other), record]));
  const read: number[] = [];
  expect(openMeansFile(path, head).read((_, found) => read.push(...found))).toBe(1);
  expect(read).toEqual([3, 4]);
  expect(() => readMeansHead(folder)).toThrow(/expected a file at .*, got something else/);
});

test('chooseWeights refuses a copy whose residuals differ, whatever its speed', async () => {
  const texts = Array.from(
    { length: 6 },
    (_, i) => `text number ${i} that is long enough to be pooled`,
  );
  const same = await chooseWeights(openToyModel(), openToyModel(), texts, { from: 5 });
  expect(same.cosine).toBeCloseTo(1, 6);
  const other = await chooseWeights(openToyModel(), openToyModel({ seed: 2 }), texts, { from: 5 });
  expect(other.cosine).toBeLessThan(0.9);
  expect(other.weights).toBe('file');
});
