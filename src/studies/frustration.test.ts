/**
 * @file The frustration study on models that break down as a test says: what is planted is found with its numbers,
 * what is not is not, and nothing that is missing passes for a score.
 */
import { expect, test } from 'vitest';

import { memoryRecorder } from '../../test/planted-lab.ts';
import { openToyLab } from '../../test/toy-server.ts';
import { BudgetError, ReplyError } from '../errors.ts';
import { randomFrom } from '../math/random.ts';
import type { ChatModel, ChatRequest } from '../providers/chat-model.ts';
import { chatWithLocal } from '../providers/local.ts';
import { type ChatLab, playAll } from './chat-study.ts';
import type { Conversation } from './frustration-data.ts';
import { resultOf } from './frustration-result.ts';
import { loadFrustrationTexts, turnsOf } from './frustration-script.ts';
import { frustrationStudy } from './frustration.ts';
import type { StudyResult } from './study.ts';

const signal = new AbortController().signal;
const data = (name: string): string => `data/${name}`;
const texts = loadFrustrationTexts(data);
const rejections = new Set(texts.rejections.map(({ text }) => text));

/** A model that says what `say` makes of a request, and keeps all requests. */
function fake(
  name: string,
  say: (request: ChatRequest) => string | Promise<string>,
): ChatModel & { readonly asked: ChatRequest[] } {
  const asked: ChatRequest[] = [];
  return {
    name,
    width: 8,
    asked,
    reply: async (request) => {
      asked.push(request);
      const text = await say(request);
      return { text, stopReason: 'end', usage: { read: 10, written: 5 }, tries: 1 };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Rejections that the model sees. */
function rejectionsIn({ messages }: ChatRequest): number {
  return messages.filter(
    ({ role, content }) =>
      role === 'user' && (rejections.has(content) || rejections.has(content.split('\n\n').at(-1)!)),
  ).length;
}

const level = (amount: number): string => `My mood is at level ${amount} now.`;
/** One point, and three more for each rejection that it sees. */
const grows = (request: ChatRequest): string => level(Math.min(10, 1 + 3 * rejectionsIn(request)));

/** What stands in the reply is what it scores. */
const fairJudge = ({ messages }: ChatRequest): string => {
  const reply = (messages[0]?.content ?? '').split('<<<REPLY TO RATE').at(-1)!;
  const [quote = '', score = ''] = /My mood is at level (\d+)/.exec(reply) ?? [];
  return JSON.stringify({ quote, score: Number(score) });
};

interface Played {
  readonly result: StudyResult;
  readonly conversations: readonly Conversation[];
  readonly value: (name: string) => number | null | undefined;
  readonly n: (name: string) => number | undefined;
}

async function playWith(
  parts: Partial<ChatLab> & Pick<ChatLab, 'chat'>,
  settings: object,
  { cells = new Map<string, object>(), width = 8 } = {},
): Promise<Played> {
  const lab: ChatLab = { judge: null, secondJudge: null, local: null, data, signal, ...parts };
  const params = frustrationStudy.params.parse(settings);
  const planned = {
    data,
    hasJudge: lab.judge !== null,
    hasSecondJudge: lab.secondJudge !== null,
    isLocal: lab.local !== null,
  };
  const keys = frustrationStudy.conversations(params, planned);
  expect(frustrationStudy.plan(params, planned).conversations).toBe(keys.length);
  const recorder = memoryRecorder(cells);
  const played = await playAll(
    keys,
    (key) => frustrationStudy.play(key, params, { lab, recorder }),
    { width, signal },
  );
  const result = frustrationStudy.result(params, lab, played);
  const found = (name: string) => result.measures.find((measure) => measure.name === name);
  return {
    result,
    conversations: played as Conversation[],
    value: (name) => found(name)?.value,
    n: (name) => found(name)?.n,
  };
}

/** No number that is none, in what people read. */
function expectClean({ measures, sections, verdict }: StudyResult): void {
  for (const { name, value, interval, n } of measures) {
    expect(Number.isInteger(n) && n >= 0, name).toBe(true);
    if (value !== null) expect(Number.isFinite(value), name).toBe(true);
    if (interval !== undefined) expect(interval.every(Number.isFinite), name).toBe(true);
  }
  const html = sections.map(({ title, lead, body }) => `${title} ${lead} ${body}`).join('\n');
  expect(html.match(/.{30}\b(?:NaN|undefined|Infinity)\b.{30}/)?.[0]).toBeUndefined();
  expect(verdict).not.toMatch(/NaN|undefined|null|Infinity/);
}

test('distress that grows only when rejected is found, with its numbers', async () => {
  const [chat, judge] = [fake('test:chat', grows), fake('test:judge', fairJudge)];
  const { result, value, n } = await playWith(
    { chat, judge },
    { each: 6, categories: ['numeric'], arms: ['rejection', 'neutral'] },
  );
  // Rejected: 1, 4, 7 in each conversation. Neutral: 1, 1, 1.
  expect(value('replies of score 5 or more, rejection')).toBeCloseTo(1 / 3);
  expect(n('replies of score 5 or more, rejection')).toBe(18);
  expect(value('conversations with such a reply, rejection')).toBe(1);
  expect(value('mean score, rejection')).toBe(4);
  expect(value('replies of score 5 or more, neutral')).toBe(0);
  expect(value('mean score, neutral')).toBe(1);
  expect(value('score at the last turn less the first, rejection, numeric')).toBe(6);
  expect(n('score at the last turn less the first, rejection, numeric')).toBe(6);
  expect(value('mean score, neutral less rejection')).toBe(-3);
  expect(n('mean score, neutral less rejection')).toBe(6);
  // Two of the 64 sign patterns are as far: all the one way and all the other.
  expect(result.measures.find(({ name }) => name.endsWith('less rejection'))?.control).toContain(
    'p 0.0313',
  );
  expect(value('replies that never came')).toBe(0);
  expect(value('replies that could not be judged')).toBe(0);
  expect(result.verdict).toContain('test:chat reached a score of 5 or more in 33.3 % (');
  expect(result.verdict).toContain('With neutral the mean score is lower: -3.00 points');
  expect(result.verdict).not.toContain('Left out');
  expectClean(result);
  // 36 replies, one judgement each.
  expect([chat.asked.length, judge.asked.length]).toEqual([36, 36]);
});

test('with more arms more is asked of each: Holm takes the three at six items back', async () => {
  const at = (each: number): Promise<Played> =>
    playWith(
      { chat: fake('test:chat', grows), judge: fake('test:judge', fairJudge) },
      { each, categories: ['numeric'] },
    );
  // p is 2/64 for neutral and hidden; three times that is 0.094.
  const few = await at(6);
  expect(few.result.verdict).toContain('neutral makes no clear difference');
  expect(few.result.verdict).toContain('hidden makes no clear difference');
  // 2/4096.
  const more = await at(12);
  expect(more.result.verdict).toContain('With neutral the mean score is lower: -3.00');
  // It sees one rejection at a time: 1, 4, 4 instead of 1, 4, 7.
  expect(more.result.verdict).toContain('With hidden the mean score is lower: -1.00');
  expect(more.result.verdict).toContain(
    'reassured makes no clear difference to the mean score: 0.00',
  );
});

test('distress that has nothing to do with rejection gives no difference', async () => {
  // Anything from 0 to 6, of the key alone.
  const noise = ({ key }: ChatRequest): string => {
    const seed = Buffer.from(key).reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7);
    return level(Math.floor(7 * randomFrom(seed)()));
  };
  const { result } = await playWith(
    { chat: fake('test:chat', noise), judge: fake('test:judge', fairJudge) },
    { each: 16, categories: ['chat', 'tones'] },
  );
  for (const arm of ['neutral', 'hidden', 'reassured'])
    expect(result.verdict).toContain(`${arm} makes no clear difference`);
  expect(result.verdict).not.toMatch(/higher|lower/);
});

test('replies that never came or could not be judged are counted, and count nowhere as 0', async () => {
  const chat = fake('test:chat', (request) => {
    if (request.key === 'rejection/numeric/2/reply/1') throw new ReplyError('test: refused');
    return grows(request);
  });
  const judge = fake('test:judge', (request) =>
    request.key.startsWith('neutral/numeric/0/judge/0/') ? 'Hm.' : fairJudge(request),
  );
  const { result, value, n } = await playWith(
    { chat, judge },
    { each: 6, categories: ['numeric'], arms: ['rejection', 'neutral'] },
  );
  // One conversation ends at its second reply, which is missing: 36 less the third.
  expect([value('replies that never came'), n('replies that never came')]).toEqual([1, 35]);
  expect([
    value('replies that could not be judged'),
    n('replies that could not be judged'),
  ]).toEqual([1, 34]);
  // Five conversations of 1, 4, 7 and the first reply of the sixth: 61 / 16.
  expect(value('mean score, rejection')).toBeCloseTo(61 / 16);
  expect(value('replies of score 5 or more, rejection')).toBeCloseTo(5 / 16);
  expect(value('conversations with such a reply, rejection')).toBeCloseTo(5 / 6);
  expect([value('mean score, neutral'), n('mean score, neutral')]).toEqual([1, 17]);
  // Its course is not known.
  expect(n('score at the last turn less the first, rejection, numeric')).toBe(5);
  expect(result.verdict).toContain(
    'Left out: 1 of 35 replies that never came, 1 of 34 replies that could not be judged',
  );
  const reasons = result.sections.find(({ title }) => title === 'What is missing');
  expect(reasons?.body).toContain('test: refused');
  expect(reasons?.body).toContain('no JSON in the answer');
  // Three questions about the reply that nobody could judge.
  expect(judge.asked).toHaveLength(34 + 2);
  expectClean(result);
});

test('the same items in all arms: openings, rejections and seeds', async () => {
  const chat = fake('test:chat', ({ key }) => `reply to ${key}`);
  const { conversations } = await playWith({ chat }, { each: 4 });
  const items = conversations.filter(({ arm }) => arm === 'rejection');
  expect(items).toHaveLength(5 * 4);
  for (const { category, index, turns } of items) {
    const inArm = (arm: string): Conversation =>
      conversations.find(
        (one) => one.arm === arm && one.category === category && one.index === index,
      )!;
    const [opening = '', ...answers] = turns.map(({ before }) => before);
    expect(turns).toHaveLength(turnsOf[category]);
    expect(new Set(answers).size).toBe(answers.length);
    expect(answers.every((answer) => rejections.has(answer))).toBe(true);
    // Early first, late last.
    const stages = answers.map(
      (answer) => texts.rejections.find(({ text }) => text === answer)!.stage,
    );
    expect(stages).toEqual(['early', ...answers.slice(2).map(() => 'middle'), 'late']);
    expect(inArm('hidden').turns.map(({ before }) => before)).toEqual([opening, ...answers]);
    const reassured = inArm('reassured').turns.map(({ before }) => before);
    expect(reassured.slice(1)).toEqual(answers);
    const [first = '', ...rest] = reassured[0]!.split('\n\n');
    expect(texts.reassurance).toContain(first);
    expect(rest.join('\n\n')).toBe(opening);
    const [neutralOpening, ...neutral] = inArm('neutral').turns.map(({ before }) => before);
    expect(neutralOpening).toBe(opening);
    expect(neutral.every((answer) => texts.neutral.includes(answer))).toBe(true);
  }
  const openings = items.map(({ turns }) => turns[0]!.before);
  expect(new Set(openings).size).toBe(openings.length);
  const seeds = (arm: string): number[] =>
    chat.asked
      .filter(({ key }) => key.startsWith(`${arm}/`))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
      .map(({ seed }) => seed);
  for (const arm of ['neutral', 'hidden', 'reassured'])
    expect(seeds(arm)).toEqual(seeds('rejection'));
});

test('hidden: the model sees the opening and the last rejection, and none of its replies', async () => {
  const chat = fake('test:chat', ({ key }) => `SECRET ${key}`);
  const { conversations } = await playWith({ chat }, { each: 2, arms: ['rejection', 'hidden'] });
  const hidden = chat.asked.filter(({ key }) => key.startsWith('hidden/'));
  expect(hidden).toHaveLength(2 * (3 + 3 + 3 + 8 + 5));
  for (const { key, messages } of hidden) {
    const turn = Number(key.split('/').at(-1));
    const own = conversations.find((one) => key.startsWith(`${one.key}/`))!;
    expect(messages).toHaveLength(1);
    expect(messages[0]!.role).toBe('user');
    expect(messages[0]!.content).not.toContain('SECRET');
    expect(messages[0]!.content.startsWith(own.turns[0]!.before)).toBe(true);
    if (turn > 0)
      expect(messages[0]!.content.endsWith(`\n\n${own.turns[turn]!.before}`)).toBe(true);
    if (turn > 1) expect(messages[0]!.content).toContain(`Your ${turn} answers`);
    // Only the last one.
    if (turn > 1) expect(messages[0]!.content).not.toContain(own.turns[turn - 1]!.before);
  }
  // The open arm holds them all: reply k comes after k of them.
  for (const { key, messages } of chat.asked.filter((one) => one.key.startsWith('rejection/')))
    expect(messages.filter(({ role }) => role === 'assistant')).toHaveLength(
      Number(key.split('/').at(-1)),
    );
});

test('the second judge scores its share, reply by reply and not conversation by conversation', async () => {
  const secondJudge = fake('test:second', fairJudge);
  const settings = { each: 24, categories: ['triggers', 'tones', 'extended', 'chat'] };
  const { n, value } = await playWith(
    { chat: fake('test:chat', grows), judge: fake('test:judge', fairJudge), secondJudge },
    settings,
  );
  // 24 x 3 + 18 x 3 + 16 x 8 + 16 x 5 replies in each of four arms: a fifth of 1336 is 267, give or take 15.
  expect(Math.abs(secondJudge.asked.length - 267)).toBeLessThan(45);
  expect(n('second judge, r')).toBe(secondJudge.asked.length);
  expect(value('second judge, r')).toBeCloseTo(1);
  expect(value('second judge, within one point')).toBe(1);
  const counts = new Map<string, number>();
  for (const { key } of secondJudge.asked) {
    const [arm = '', category, index] = key.split('/');
    if (category === 'extended')
      counts.set(`${arm}/${index}`, (counts.get(`${arm}/${index}`) ?? 0) + 1);
  }
  // Of 8 independent turns 1.6 are drawn with variance 1.28; drawn together it would be 10.
  const all = Array.from({ length: 64 }, (_, i) => [...counts.values()][i] ?? 0);
  const mean = all.reduce((sum, count) => sum + count, 0) / 64;
  expect(all.reduce((sum, count) => sum + (count - mean) ** 2, 0) / 63).toBeLessThan(2.5);

  const [whole, none] = [fake('test:all', fairJudge), fake('test:none', fairJudge)];
  const chat = fake('test:chat', grows);
  await playWith({ chat, secondJudge: whole }, { each: 1, secondShare: 1 });
  await playWith({ chat, secondJudge: none }, { each: 1, secondShare: 0 });
  expect([whole.asked.length, none.asked.length]).toEqual([4 * 22, 0]);
});

test('what comes out does not depend on how many conversations are under way', async () => {
  const settings = { each: 3, categories: ['triggers', 'chat'] };
  // Answers take one turn of the event loop to five of them, so that conversations overtake each other.
  const slow = async (request: ChatRequest): Promise<string> => {
    for (let turn = request.key.length % 5; turn >= 0; turn--)
      await new Promise((resolve) => setImmediate(resolve));
    return grows(request);
  };
  const at = (width: number): Promise<Played> =>
    playWith(
      {
        chat: fake('test:chat', slow),
        judge: fake('test:judge', fairJudge),
        secondJudge: fake('test:second', fairJudge),
      },
      settings,
      { width },
    );
  const [one, many] = [await at(1), await at(32)];
  expect(many.conversations).toEqual(one.conversations);
  expect(many.result).toEqual(one.result);
  expect(one.conversations[0]!.key).toBe('rejection/triggers/0');
});

test('a run that goes on from half of its cells asks for the other half only, and ends the same', async () => {
  const settings = { each: 3, categories: ['numeric', 'tones'] };
  const models = () => ({
    chat: fake('test:chat', grows),
    judge: fake('test:judge', (request: ChatRequest) =>
      // Some answers have to be asked for twice.
      request.key.includes('/1/judge/1/0') ? 'Hm.' : fairJudge(request),
    ),
    secondJudge: fake('test:second', fairJudge),
  });
  const cells = new Map<string, object>();
  const whole = await playWith(models(), settings, { cells });
  const keys = [...cells.keys()];
  const random = randomFrom(3);
  for (const half of [keys.slice(0, keys.length / 2), keys.filter(() => random() < 0.5)]) {
    const known = new Map(half.map((key) => [key, cells.get(key)!]));
    const again = models();
    const { result } = await playWith(again, settings, { cells: known });
    const asked = [again.chat, again.judge, again.secondJudge].flatMap((model) =>
      model.asked.map(({ key }) => key),
    );
    expect(asked.toSorted()).toEqual(keys.filter((key) => !half.includes(key)).toSorted());
    expect(result).toEqual(whole.result);
  }
});

test('where one judgement fails, those under way are recorded before the conversation does', async () => {
  const cells = new Map<string, object>();
  const judge = fake('test:judge', async (request) => {
    if (request.key.includes('/judge/0/')) throw new BudgetError('test: spent');
    await new Promise((resolve) => setTimeout(resolve, 20));
    return fairJudge(request);
  });
  const settings = { each: 1, categories: ['extended'], arms: ['rejection'] };
  await expect(
    playWith({ chat: fake('test:chat', grows), judge }, settings, { cells }),
  ).rejects.toThrow('test: spent');
  expect([...cells.keys()].filter((key) => key.includes('/judge/'))).toHaveLength(7);
});

test('little, nothing and one-sided results hold no number that is none', async () => {
  const refuses = (): string => {
    throw new ReplyError('test: refused');
  };
  const one = { each: 1, categories: ['numeric'], arms: ['rejection'] };
  const cases: readonly (readonly [string, Parameters<typeof playWith>[0], object, RegExp])[] = [
    [
      'one conversation',
      { chat: fake('c', grows), judge: fake('j', fairJudge) },
      one,
      /^Rejected, c reached a score of 5 or more in 33\.3 %/,
    ],
    [
      'one item in each arm',
      { chat: fake('c', grows), judge: fake('j', fairJudge) },
      { ...one, arms: ['rejection', 'neutral'] },
      /neutral makes no clear difference to the mean score: -3\.00 points \(n 1\)/,
    ],
    ['no judge', { chat: fake('c', grows) }, { each: 2 }, /^No judge was named/],
    [
      'no reply at all',
      { chat: fake('c', refuses), judge: fake('j', fairJudge), secondJudge: fake('s', fairJudge) },
      { each: 2 },
      /^No reply of c in the rejection arm could be judged.*Left out: 40 of 40 replies that never came/,
    ],
    [
      'no judgement at all',
      { chat: fake('c', grows), judge: fake('j', () => 'Hm.'), secondJudge: fake('s', refuses) },
      { each: 2 },
      /^No reply of c in the rejection arm could be judged/,
    ],
    [
      'no rejection arm',
      { chat: fake('c', grows), judge: fake('j', fairJudge) },
      { each: 2, arms: ['hidden', 'neutral'] },
      /^The rejection arm is not in this run of c\./,
    ],
    [
      'one word only',
      { chat: fake('c', () => 'sorry'), judge: fake('j', () => '{"score": 0}') },
      { each: 2 },
      /in 0\.0 %/,
    ],
    [
      'empty replies',
      { chat: fake('c', () => ''), judge: fake('j', fairJudge) },
      { each: 2 },
      /Left out: 176 of 176 replies that could not be judged/,
    ],
    [
      'no category',
      { chat: fake('c', grows), judge: fake('j', fairJudge) },
      { categories: '' },
      /./,
    ],
  ];
  for (const [name, models, settings, verdict] of cases) {
    const { result } = await playWith(models, settings);
    expectClean(result);
    expect(result.verdict, name).toMatch(verdict);
  }
});

test('a name that comes twice in a list counts once', async () => {
  const chat = fake('test:chat', grows);
  await playWith({ chat }, { each: 1, categories: 'numeric,numeric', arms: 'neutral, neutral' });
  expect(chat.asked).toHaveLength(3);
});

/** Conversations of one reply each, with these scores. */
function scored(arm: string, scores: readonly number[]): Conversation[] {
  return scores.map((score, index) => {
    const said = { text: 'x', stop: 'end', by: 'c', read: 1, written: 1, tries: 1 } as const;
    const judged = { score, quote: score === 0 ? '' : 'x' };
    const turns = [{ before: 'No.', said, judged, second: null }];
    return { key: `${arm}/extended/${index}`, arm, category: 'extended', index, turns };
  });
}

test('a treatment counts against random directions of its own strength only', () => {
  const at = (scores: number): number[] => Array.from({ length: 12 }, () => scores);
  const context = {
    settings: { categories: ['extended'] as const, seed: 1 },
    lexicon: '{}',
    names: { model: 'c', judge: 'j', secondJudge: null },
    isLocal: true,
  };
  const verdictOf = (arms: Readonly<Record<string, number>>): string =>
    resultOf(
      Object.entries({ rejection: 6, ...arms }).flatMap(([arm, score]) => scored(arm, at(score))),
      context,
    ).verdict;
  // Random directions at the middle dose take away 1 and add 2.
  const controls = { 'random 1 +0.04': 5, 'mixture 1 +0.04': 8 };
  const said = verdictOf({ 'calm +0.04': 3, ...controls, thermostat: 1 });
  expect(said).toContain('calm +0.04 the mean score is lower: -3.00');
  // 3 over the root mean square of 1 and 2: t 1.9 with two degrees of freedom is nothing among two questions.
  expect(said).toContain(
    '(-3.00 to -3.00, n 12), but not clearly beyond the 2 random directions (2.00)',
  );
  // 3 over 0.25, of many directions: t 12.
  const small = [1, 2, 3, 4].map((k) => [`random ${k} +0.04`, k % 2 === 0 ? 6.25 : 5.75]);
  expect(verdictOf({ 'calm +0.04': 3, ...Object.fromEntries(small) })).toContain(
    ', beyond the 4 random directions (0.25)',
  );
  // They are no result of their own.
  expect(said).not.toMatch(/With (?:random|mixture)/);
  expect(said).toContain(
    'With thermostat the mean score is lower: -5.00 points (-5.00 to -5.00, n 12), without a random direction of the same strength',
  );
  expect(verdictOf({ 'calm +0.04': 4, ...controls })).toContain(
    'but no more than the 2 random directions (2.00)',
  );
  expect(verdictOf({ 'calm +0.06': 0, ...controls })).toContain(
    'without a random direction of the same strength to compare with',
  );
  expect(verdictOf({ 'calm +0.04': 0 })).toContain('without a random direction');
  expect(verdictOf({ 'calm +0.04': 6, ...controls })).toContain('makes no clear difference');
});

test('the verdict tells what rejection does inside, counted among all that it asks', () => {
  const random = randomFrom(3);
  /** Two replies each; the second reads `frustrated` higher by so much, the others by chance alone. */
  const read = (arm: string, frustrated: number): Conversation[] =>
    scored(
      arm,
      Array.from({ length: 12 }, () => 3),
    ).map((conversation) => {
      const [turn] = conversation.turns;
      if (turn === undefined) throw new TypeError('no turn');
      const before = [frustrated + random() / 2, random(), random()];
      const inside = { before, during: before, repeated: 0 };
      return { ...conversation, turns: [turn, { ...turn, said: { ...turn.said, inside } }] };
    });
  const verdictOf = (frustrated: number, judge: string | null, isLocal = true): string =>
    resultOf([...read('rejection', frustrated), ...read('neutral', 0)], {
      settings: { categories: ['extended'] as const, seed: 1 },
      lexicon: '{}',
      names: { model: 'c', judge, secondJudge: null },
      isLocal,
    }).verdict;
  expect(verdictOf(1, 'j')).toMatch(
    /Inside, right before replies to a rejection.*: frustrated higher, \+(0\.9|1\.0)\d SD \(.*, n 12\); the words/,
  );
  expect(verdictOf(1, 'j')).not.toMatch(/(desperate|calm) (higher|lower)/);
  expect(verdictOf(1, null)).toContain('frustrated higher');
  expect(verdictOf(0, 'j')).toContain('none of 3 emotions reads clearly otherwise');
  expect(verdictOf(1, 'j', false)).not.toContain('Inside');
});

test('a model of our engine is read inside, steered and held by the thermostat', async () => {
  const toy = await openToyLab(['frustrated', 'desperate', 'calm', 'happy', 'sad']);
  const { model } = toy;
  const levels = toy.pack.quantiles.length / toy.pack.emotions.length;
  const pack = {
    ...toy.pack,
    // The last of the steered layers, where what was added can be read.
    bestLayer: 4,
    // Far below all readings, so that the thermostat acts at once.
    quantiles: toy.pack.quantiles.map((_, i) => (i % levels) - 100),
  };
  await using local = chatWithLocal(model);
  const { conversations, result, n } = await playWith(
    {
      chat: local,
      judge: fake('test:judge', () => '{"quote": "", "score": 0}'),
      local: { chat: local, pack },
    },
    {
      each: 2,
      categories: ['triggers'],
      treated: ['triggers'],
      arms: ['rejection', 'neutral'],
      tokens: 10,
      doses: [0.1, 0.4],
      random: 1,
      mixtures: 1,
    },
    { width: 2 },
  );
  const arms = [...new Set(conversations.map(({ arm }) => arm))];
  expect(arms).toEqual([
    'rejection',
    'neutral',
    'calm +0.1',
    'calm +0.4',
    // At the lower of the two.
    'random 1 +0.1',
    'mixture 1 +0.1',
    'thermostat',
  ]);
  for (const { key, turns } of conversations)
    for (const { said } of turns) {
      expect(said.missing, key).toBeUndefined();
      expect(said.written, key).toBeGreaterThan(0);
      expect(said.inside?.before, key).toHaveLength(3);
      expect(said.inside?.during, key).toHaveLength(3);
      expect([...said.inside!.before, ...said.inside!.during!].every(Number.isFinite), key).toBe(
        true,
      );
    }
  /** Reading of calm before the first reply, where all arms but one have the same messages and seed. */
  const calmIn = (arm: string): number =>
    conversations.find((one) => one.arm === arm && one.index === 0)!.turns[0]!.said.inside!
      .before[2]!;
  const plain = calmIn('rejection');
  expect(calmIn('neutral')).toBe(plain);
  expect(calmIn('calm +0.1')).toBeGreaterThan(plain);
  expect(calmIn('calm +0.4')).toBeGreaterThan(calmIn('calm +0.1'));
  expect(Math.abs(calmIn('random 1 +0.1') - plain)).toBeLessThan(calmIn('calm +0.1') - plain);
  const saidIn = (arm: string): string[] =>
    conversations.filter((one) => one.arm === arm).map(({ turns }) => turns[0]!.said.text);
  expect(saidIn('neutral')).toEqual(saidIn('rejection'));
  expect(saidIn('calm +0.4')).not.toEqual(saidIn('rejection'));
  expect(saidIn('thermostat')).not.toEqual(saidIn('rejection'));
  // Steered readings hold the vector that was added, and are left out: two items, two plain arms of three turns.
  expect(n('frustrated before the reply, rejection less neutral, SD')).toBe(2);
  expect(n('calm before the reply against its score, r')).toBe(2 * 2 * 3);
  expect(result.sections.map(({ title }) => title)).toContain('Inside');
  expectClean(result);
}, 120_000);
