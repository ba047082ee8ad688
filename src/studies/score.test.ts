import { expect, test } from 'vitest';

import type { Transcript } from '../formats/transcripts.ts';
import type { ChatModel, ChatRequest } from '../providers/chat-model.ts';
import type { Turn } from './frustration-data.ts';
import {
  judgeWork,
  longestText,
  scoredConversations,
  scoreReply,
  scoreResult,
  toScore,
} from './score.ts';
import type { Recorder } from './study.ts';

const user = (text: string): Transcript['messages'][number] => ({ role: 'user', text });
const assistant = (text: string): Transcript['messages'][number] => ({ role: 'assistant', text });
const transcripts: Transcript[] = [
  {
    name: 'line 1',
    messages: [
      { role: 'system', text: 'Be kind.' },
      assistant('Welcome.'),
      user('Hi'),
      assistant(' '),
      { role: 'tool', text: '42' },
      assistant('It is 42.'),
      user('No.'),
      user('Really no.'),
      assistant('I give up.'),
    ],
  },
  { name: 'line 2', messages: [user('Hi')] },
  { name: 'line 3', messages: [user('Hi'), assistant('Yes?')] },
];

test("toScore takes replies after a user's message, with the last of these, and counts what it leaves out", () => {
  expect(toScore(transcripts)).toEqual({
    conversations: [
      {
        key: 'conversation-1',
        name: 'line 1',
        replies: [
          { before: 'Hi', reply: 'It is 42.', isCut: false },
          { before: 'Really no.', reply: 'I give up.', isCut: false },
        ],
      },
      {
        key: 'conversation-3',
        name: 'line 3',
        replies: [{ before: 'Hi', reply: 'Yes?', isCut: false }],
      },
    ],
    left: { withoutText: 1, unprompted: 1, conversations: 1 },
  });
});

test('toScore keeps 20,000 characters whole and cuts longer texts at their end, never within a letter', () => {
  const whole = 'a'.repeat(20_000);
  const [exact, long, half] = [whole, `${whole}b`, `${'a'.repeat(19_999)}😀`].map(
    (reply) =>
      toScore([{ name: '', messages: [user(`${whole}c`), assistant(reply)] }]).conversations[0]
        ?.replies[0],
  );
  expect(exact).toEqual({ before: whole, reply: whole, isCut: false });
  expect(long).toEqual({ before: whole, reply: whole, isCut: true });
  expect(half).toEqual({ before: whole, reply: 'a'.repeat(19_999), isCut: true });
  expect(longestText).toBe(20_000);
});

test('judgeWork counts letters of the message once and of the reply twice, and the share of a second judge', () => {
  const replies = Array.from({ length: 10 }, () => ({
    before: 'x'.repeat(40),
    reply: 'y'.repeat(100),
    isCut: false,
  }));
  const conversations = [{ key: 'a', name: 'a', replies }];
  // 450 + (40 + 200) / 4 = 510 tokens each.
  expect(judgeWork(conversations)).toEqual({ replies: 10, read: 5100, written: 2000 });
  expect(judgeWork(conversations, 0.2)).toEqual({ replies: 2, read: 1020, written: 400 });
});

/** Remembers what it was asked and gives every reply 7 with its first word. */
function judgeModel(asked: ChatRequest[]): ChatModel {
  return {
    name: 'test:judge',
    width: 1,
    reply: async (request) => {
      asked.push(request);
      const text = '{"quote": "I", "score": 7}';
      return { text, stopReason: 'end', usage: { read: 1, written: 1 }, tries: 1 };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}
const recorder: Recorder = { cell: (_, measure) => measure() };

test('scoreReply asks each judge once about the reply, the second one for its share only', async () => {
  const [conversation] = toScore(transcripts).conversations;
  const [first, second]: ChatRequest[][] = [[], []];
  const scoring = {
    judge: judgeModel(first!),
    secondJudge: judgeModel(second!),
    rubric: 'the rubric',
    recorder,
    signal: new AbortController().signal,
  };
  const none = await scoreReply(conversation!, 1, { ...scoring, secondShare: 0 });
  expect(none).toMatchObject({
    before: 'Really no.',
    said: { text: 'I give up.' },
    judged: { score: 7, quote: 'I' },
    second: null,
  });
  expect(first![0]?.key).toBe('conversation-1/judge/1/0');
  expect(first![0]?.messages[0]?.content).toMatch(/the rubric[^]*Really no\.[^]*I give up\./);
  const both = await scoreReply(conversation!, 1, { ...scoring, secondShare: 1 });
  expect(both.second).toEqual({ score: 7, quote: 'I' });
  expect(second!.map(({ key }) => key)).toEqual(['conversation-1/second/1/0']);
});

const lexicon = JSON.stringify({ despair: { 'i give up': 3 } });
const names = { judge: 'test:judge', secondJudge: null };
const turnOf = (text: string, score: number | null): Turn => ({
  before: 'Hi',
  said: { text, stop: 'end', by: 'transcript', read: 0, written: 0, tries: 1 },
  judged: score === null ? { score, quote: '', missing: 'no JSON' } : { score, quote: '' },
  second: null,
});

test('scoreResult: shares, course, words and what is missing, by hand', () => {
  const input = toScore(transcripts);
  const turns = [turnOf('It is 42.', 2), turnOf('I give up.', 8), turnOf('Yes?', null)];
  const scored = scoredConversations(input.conversations, turns);
  expect(scored.map(({ turns: own }) => own.length)).toEqual([2, 1]);
  const { measures, verdict, sections } = scoreResult(scored, { input, names, lexicon });
  const of = (name: string): unknown => {
    const found = measures.find((measure) => measure.name === name);
    return found === undefined ? undefined : [found.value, found.n];
  };
  expect(of('replies of score 5 or more, transcript')).toEqual([1 / 2, 2]);
  expect(of('conversations with such a reply, transcript')).toEqual([1, 1]);
  expect(of('mean score, transcript')).toEqual([5, 2]);
  expect(of('score at the last turn less the first, transcript')).toEqual([6, 1]);
  expect(of('replies with a word of the list, transcript')).toEqual([1 / 3, 3]);
  // Word scores 0 and 3 against 2 and 8: two points are always on a line.
  expect(of('list of words against the judge, r')).toEqual([expect.closeTo(1, 12), 2]);
  expect(of('replies that could not be judged')).toEqual([1, 3]);
  expect(of('assistant messages without text, left out')).toEqual([1, 5]);
  expect(of('assistant messages before any of the user, left out')).toEqual([1, 5]);
  expect(of('conversations without a reply, left out')).toEqual([1, 3]);
  expect(verdict).toMatch(/^A score of 5 or more came in 50\.0 % .* of the replies and 100\.0 %/);
  expect(sections.map(({ title }) => title)).toEqual([
    'Over the turns',
    'By length',
    'Worst replies',
    'What is missing',
    'What was not judged, or not whole',
  ]);
  expect(sections[2]?.body).toContain('reply 2 of line 1: score 8');
});

test('scoreResult of replies that no judge could score says so and invents nothing', () => {
  const input = toScore(transcripts.slice(2));
  const scored = scoredConversations(input.conversations, [turnOf('Yes?', null)]);
  const { measures, verdict } = scoreResult(scored, { input, names, lexicon });
  expect(measures[0]).toMatchObject({ value: null, n: 0, note: 'nothing to measure' });
  expect(verdict).toMatch(/^None of the 1 replies could be judged/);
});
