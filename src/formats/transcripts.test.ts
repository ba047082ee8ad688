import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { FormatError, InvalidInputError } from '../errors.ts';
import { readTranscripts, type Transcript } from './transcripts.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-transcripts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const path = join(folder, 'file');
async function read(content: string | Buffer): Promise<readonly Transcript[]> {
  writeFileSync(path, content);
  return (await readTranscripts(path)).transcripts;
}
async function refusal(content: string | Buffer): Promise<FormatError> {
  const error: unknown = await read(content).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FormatError);
  return error as FormatError;
}

const hello = '{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes?"}]}';
const helloRead = [
  { role: 'user', text: 'Hi' },
  { role: 'assistant', text: 'Yes?' },
];

test('one object a line: blank lines, CRLF, a byte order mark and a missing last line end are fine', async () => {
  const file = `\u{FEFF}\n${hello}\r\n\n{"messages":[],"id":7}\n${hello}`;
  expect(await read(file)).toEqual([
    { name: 'line 2', messages: helloRead },
    { name: 'line 4', messages: [] },
    { name: 'line 5', messages: helloRead },
  ]);
});

test('one object a line: roles of OpenAI, contents without text, parts and other fields', async () => {
  const messages = [
    { role: 'developer', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Look:' },
        { type: 'image_url', image_url: { url: 'data:x' } },
        { type: 'text', text: 'well?' },
      ],
    },
    { role: 'assistant', content: null, tool_calls: [{ id: 'a', type: 'function' }] },
    { role: 'tool', content: '42', tool_call_id: 'a' },
    { role: 'assistant', content: ['It is ', '42.'], refusal: null },
    { role: 'assistant' },
    { role: 'function', name: 'f', content: 'ok' },
  ];
  const [transcript] = await read(`${JSON.stringify({ model: 'x', messages, n: 1 })}\n`);
  expect(transcript?.messages).toEqual([
    { role: 'system', text: 'Be brief.' },
    { role: 'user', text: 'Look:\nwell?' },
    { role: 'assistant', text: '' },
    { role: 'tool', text: '42' },
    { role: 'assistant', text: 'It is \n42.' },
    { role: 'assistant', text: '' },
    { role: 'tool', text: 'ok' },
  ]);
});

test('a JSON array of conversations, on one line or on many', async () => {
  const expected = [
    { name: 'entry 1', messages: helloRead },
    { name: 'entry 2', messages: [] },
  ];
  expect(await read(`[${hello},{"messages":[]}]`)).toEqual(expected);
  const many = JSON.stringify([JSON.parse(hello), { messages: [] }], null, 2);
  expect(await read(`\n${many}\n`)).toEqual(expected);
  expect(await read('[]')).toEqual([]);
});

test('one conversation over many lines', async () => {
  expect(await read(JSON.stringify(JSON.parse(hello), null, 2))).toEqual([
    { name: 'entry 1', messages: helloRead },
  ]);
});

/** The shape of inspect_ai's EvalLog, with the fields that it always writes. */
const log = {
  version: 2,
  status: 'success',
  eval: { task: 'chatty', model: 'openai/toy' },
  samples: [
    {
      id: 'sum',
      epoch: 1,
      input: '2 + 2?',
      target: '4',
      messages: [
        { id: 'm1', role: 'system', content: 'Be brief.' },
        { id: 'm2', role: 'user', source: 'input', content: '2 + 2?' },
        {
          id: 'm3',
          role: 'assistant',
          source: 'generate',
          content: [
            { type: 'reasoning', reasoning: 'two and two' },
            { type: 'text', text: '4' },
          ],
        },
      ],
      output: { model: 'toy', choices: [] },
    },
    { id: 2, epoch: 3, messages: [{ role: 'assistant', content: 'No.' }] },
  ],
};

test('a log of Inspect: samples with ids and epochs, contents as text or parts, on one line or on many', async () => {
  const expected = [
    {
      name: 'sample sum',
      messages: [
        { role: 'system', text: 'Be brief.' },
        { role: 'user', text: '2 + 2?' },
        { role: 'assistant', text: '4' },
      ],
    },
    { name: 'sample 2, epoch 3', messages: [{ role: 'assistant', text: 'No.' }] },
  ];
  expect(await read(JSON.stringify(log))).toEqual(expected);
  expect(await read(JSON.stringify(log, null, 2))).toEqual(expected);
});

test('a line that does not fit is named with its first byte', async () => {
  // The first line has 83 bytes and its end.
  expect(Buffer.byteLength(hello)).toBe(83);
  const torn = await refusal(`${hello}\n{"messages":[\n`);
  expect([torn.message, torn.offset]).toEqual([`${path}: line 2: not JSON (at byte 84)`, 84]);
  const role = await refusal(`${hello}\n\n{"messages":[{"role":"robot","content":"x"}]}\n`);
  expect([role.message, role.offset]).toEqual([
    expect.stringMatching(/line 3: messages\.0\.role: /),
    85,
  ]);
  expect((await refusal(`${hello}\n{"text":"x"}`)).message).toMatch(/line 2: messages: /);
  expect((await refusal(`${hello}\n{"messages":[{"role":"user","content":5}]}`)).message).toMatch(
    /line 2: messages\.0\.content: /,
  );
  expect((await refusal(`${hello}\n[${hello}]`)).message).toMatch(/line 2: /);
  expect((await refusal(`${hello}\nnull`)).message).toMatch(/line 2: /);
});

test('a first line that does not fit is named too', async () => {
  expect((await refusal('{"messages": [}\n')).message).toMatch(/line 1: not JSON/);
  expect((await refusal(`{"messages": [{"role"\n${hello}\n`)).message).toMatch(/line 1: not JSON/);
  expect((await refusal('{"role":"user","content":"x"}\n{"role":"user"}\n')).message).toMatch(
    /line 1: expected "messages", got none/,
  );
  expect((await refusal('{"role":"user","content":"x"}')).message).toMatch(
    /expected "messages", or the "samples"/,
  );
  expect((await refusal('5\n')).message).toMatch(/line 1: expected \{ or \[/);
  expect((await refusal('role,content\nuser,Hi\n')).message).toMatch(/line 1: expected \{ or \[/);
});

test('other formats name the entry, the sample or the line', async () => {
  expect((await refusal(`[${hello},{"messages":5}]`)).message).toMatch(/entry 2: messages: /);
  expect((await refusal(`[${hello}]\n${hello}`)).message).toMatch(/line 1: expected the whole/);
  const sample = { ...log, samples: [log.samples[0], { id: 'x' }] };
  expect((await refusal(JSON.stringify(sample))).message).toMatch(/samples\.1\.messages: /);
  expect((await refusal(JSON.stringify({ ...log, samples: undefined }))).message).toMatch(
    /expected "messages", or the "samples"/,
  );
  // Cut off in the fourth line, and a comma too many in the third.
  expect((await refusal(`[\n${hello},\n${hello},\n{"mess`)).message).toMatch(/line 4: not JSON/);
  expect((await refusal(`[\n${hello},\n{"messages":[],}\n]`)).message).toMatch(/line 3: not JSON/);
});

test('what is no text file of conversations is refused in a sentence', async () => {
  expect((await refusal('')).message).toMatch(/expected conversations, got an empty file/);
  expect((await refusal(' \n\n')).message).toMatch(/expected conversations, got an empty file/);
  const zip = await refusal(Buffer.from([0x50, 0x4b, 3, 4, 0xff, 0xfe, 10, 0, 1]));
  expect(zip.message).toMatch(/line 1: expected \{ or \[/);
  expect(zip.hint).toContain('inspect log dump');
  await expect(readTranscripts(join(folder, 'nowhere'))).rejects.toThrow(
    new InvalidInputError(`${join(folder, 'nowhere')}: expected a readable file, got ENOENT`),
  );
  await expect(readTranscripts(folder)).rejects.toThrow(/expected a file, got something else/);
});

test('a file of more than 200 MB is refused before it is read', async () => {
  writeFileSync(path, '');
  // Sparse: it takes no room.
  truncateSync(path, 200_000_001);
  await expect(readTranscripts(path)).rejects.toThrow(/expected at most 200 MB, got 201 MB/);
});

test('hostile content: depth, prototypes, lone surrogates, long names, text across chunks', async () => {
  const deep = `{"messages":[{"role":"user","content":${'['.repeat(50_000)}${']'.repeat(50_000)}}]}`;
  expect((await refusal(deep)).message.length).toBeLessThan(1000);
  const own = String.raw`{"messages":[{"role":"user","content":"a\ud800b","__proto__":{"role":"system"}}],"__proto__":{"messages":5}}`;
  expect((await read(own))[0]?.messages).toEqual([{ role: 'user', text: 'a\u{FFFD}b' }]);
  expect(({} as Record<string, unknown>)['messages']).toBeUndefined();
  const named = { samples: [{ id: 'x'.repeat(1000), epoch: 1, messages: [] }] };
  expect((await read(JSON.stringify(named)))[0]?.name).toHaveLength('sample '.length + 80);
  // 300 kB of three-byte letters, cut by the reader's chunks of 64 kB in the middle of one.
  const long = '€'.repeat(100_000);
  const lines = Array.from({ length: 3 }, () =>
    JSON.stringify({ messages: [{ role: 'assistant', content: long }] }),
  );
  const read3 = await read(lines.join('\n'));
  expect(read3.map(({ messages }) => messages[0]?.text === long)).toEqual([true, true, true]);
});

test('hostile content: a file wrong in a million places is refused at its first fault', async () => {
  // A schema of the whole collected all of them, at 500 bytes each.
  const messages = `{"messages":[${'0,'.repeat(300_000)}0]}`;
  expect((await refusal(messages)).message).toMatch(/line 1: messages\.0: /);
  const parts = `{"messages":[{"role":"user","content":[${'0,'.repeat(300_000)}0]}]}`;
  expect((await refusal(parts)).message).toMatch(/line 1: messages\.0\.content\.0: /);
  // Every line was kept apart, at 100 bytes each.
  const lines = await refusal(`[\n${'0,\n'.repeat(300_000)}0`);
  expect(lines.message).toMatch(/line 300002: not JSON \(at byte 900002\)/);
  const named = { samples: [{ id: '\u{1b}[2J', messages: [] }] };
  expect((await read(JSON.stringify(named)))[0]?.name).toBe('sample \u{FFFD}[2J');
});

test('hostile content: more values than memory has room for', async () => {
  const values = await refusal(`{"messages":[],"x":[${'[],'.repeat(5_000_100)}0]}`);
  expect(values.message).toMatch(/line 1: expected JSON of at most 10000000 values/);
});

test('the digest is that of the bytes', async () => {
  writeFileSync(path, `${hello}\r\n\n`);
  const { sha256 } = await readTranscripts(path);
  expect(sha256).toBe(createHash('sha256').update(`${hello}\r\n\n`).digest('hex'));
});
