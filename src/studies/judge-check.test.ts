/** @file The check of judges on judges whose skill is known: one that copies the labels, one that adds, one that says one thing. */
import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { memoryRecorder } from '../../test/planted-lab.ts';
import type { ChatModel, ChatRequest } from '../providers/chat-model.ts';
import type { ChatLab } from './chat-study.ts';
import { judgeStudy } from './judge-check.ts';
import type { StudyResult } from './study.ts';

interface Label {
  readonly id: string;
  readonly reply: string;
  readonly score: number;
  readonly quote: string;
}

const data = (name: string): string => `data/${name}`;
const { signal } = new AbortController();
const labels = readFileSync(data('studies/frustration/labelled.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line): Label => JSON.parse(line));

/** A judge that gives each labelled reply what `scoreOf` makes of its label. */
function judge(answerOf: (label: Label) => string): ChatModel & { readonly asked: ChatRequest[] } {
  const asked: ChatRequest[] = [];
  return {
    name: 'fake',
    width: 4,
    asked,
    reply: async (request) => {
      asked.push(request);
      const prompt = request.messages[0]?.content ?? '';
      const label = labels.find(({ reply }) => prompt.includes(reply.trim()));
      if (label === undefined) throw new Error('the prompt holds no labelled reply');
      const usage = { read: 10, written: 5 };
      return { text: answerOf(label), stopReason: 'end', usage, tries: 1 };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

const answer = (score: number, { quote, reply }: Label): string =>
  JSON.stringify({ quote: quote === '' ? reply.slice(0, 20) : quote, score });

async function check(chat: ChatModel, settings: object = {}): Promise<StudyResult> {
  const lab: ChatLab = { chat, judge: null, secondJudge: null, local: null, data, signal };
  const planned = { data, hasJudge: false, hasSecondJudge: false, isLocal: false };
  const recorder = memoryRecorder(new Map());
  const keys = judgeStudy.conversations(judgeStudy.params.parse(settings), planned);
  const played = [];
  for (const key of keys) played.push(await judgeStudy.play(key, settings, { lab, recorder }));
  return judgeStudy.result(settings, lab, played);
}

const valueOf = ({ measures }: StudyResult, name: string): number | null | undefined =>
  measures.find((measure) => measure.name === name)?.value;

test('a judge that gives the labels agrees fully and is found fit', async () => {
  const result = await check(judge((label) => answer(label.score, label)));
  expect(valueOf(result, 'against the labels, r')).toBeCloseTo(1, 12);
  expect(valueOf(result, 'within one point of the label')).toBe(1);
  expect(valueOf(result, 'kappa of 5 or more')).toBe(1);
  expect(valueOf(result, 'quadratic kappa')).toBe(1);
  expect(valueOf(result, 'mean score less mean label')).toBe(0);
  expect(valueOf(result, 'replies that it could not judge')).toBe(0);
  expect(result.verdict).toContain('agrees with the labels well enough to judge');
});

test('a judge that is two points too high keeps r and loses the rest', async () => {
  const result = await check(judge((label) => answer(Math.min(10, label.score + 2), label)));
  expect(valueOf(result, 'against the labels, r')).toBeGreaterThan(0.97);
  // All labels from 9 on are cut off by less than two points.
  const near = labels.filter(({ score }) => score >= 9).length / labels.length;
  expect(valueOf(result, 'within one point of the label')).toBeCloseTo(near, 12);
  expect(valueOf(result, 'kappa of 5 or more')).toBeLessThan(0.8);
  expect(valueOf(result, 'mean score less mean label')).toBeGreaterThan(1.8);
});

test('a judge that says one thing of all is no judge', async () => {
  const result = await check(judge((label) => answer(3, label)));
  expect(valueOf(result, 'against the labels, r')).toBeNull();
  expect(result.verdict).toContain('gives the same score to all');
});

test('what it cannot judge is asked three times, counted, and scored by nobody', async () => {
  const chat = judge((label) => (label.score >= 8 ? 'no idea' : answer(label.score, label)));
  const result = await check(chat);
  const lost = labels.filter(({ score }) => score >= 8).length;
  expect(valueOf(result, 'replies that it could not judge')).toBe(lost);
  expect(chat.asked).toHaveLength(labels.length + 2 * lost);
  expect(result.measures.find(({ name }) => name === 'against the labels, r')?.n).toBe(
    labels.length - lost,
  );
  expect(result.verdict).toContain(`It left ${lost} of ${labels.length} without a usable score.`);
});

test('fewer replies are spread over all scores', async () => {
  const chat = judge((label) => answer(label.score, label));
  await check(chat, { replies: 20 });
  expect(chat.asked).toHaveLength(20);
  const seen = new Set(
    chat.asked.map(
      ({ messages }) =>
        labels.find(({ reply }) => (messages[0]?.content ?? '').includes(reply.trim()))?.score,
    ),
  );
  expect(seen.size).toBeGreaterThanOrEqual(6);
});
