import { expect, test } from 'vitest';

import { axisPack, memoryRecorder } from '../../test/planted-lab.ts';
import { openToyModel } from '../engine/toy/model.ts';
import { ReplyError } from '../errors.ts';
import { randomFrom } from '../math/random.ts';
import type { ChatModel, ChatRequest } from '../providers/chat-model.ts';
import { chatWithLocal, type LocalChat } from '../providers/local.ts';
import { type ChatLab, playAll } from './chat-study.ts';
import {
  attemptContrasts,
  attemptsOf,
  contrastsOf,
  isClear,
  isSolved,
  stopsEarly,
} from './encouragement-contrasts.ts';
import type { FailingOutcome, Played } from './encouragement-data.ts';
import {
  insideEmotions,
  itemsOf,
  loadSentences,
  messageOf,
  sentenceFor,
  textArms,
} from './encouragement-items.ts';
import { encouragementStudy } from './encouragement.ts';
import { askForFunction, loadFunctionTasks } from './function-tasks.ts';
import { difficulties, makeGradedTasks } from './graded-tasks.ts';
import { makePuzzles } from './puzzles.ts';
import type { StudyResult } from './study.ts';

const data = (name: string): string => `data/${name}`;
const sentences = loadSentences(data);
const functions = loadFunctionTasks(data('studies/functions.jsonl'));
/** A right reply to every task, and one that can be read and is wrong. */
const prepared = new Map([
  ...makeGradedTasks(12, 1).map(({ question, answer, answerType, choices }) => {
    const other = choices?.find((choice) => choice !== answer);
    const wrong = other ?? (answerType === 'number' ? '0' : 'zzz');
    return [question, { right: `Answer: ${answer}`, wrong: `Answer: ${wrong}` }] as const;
  }),
  ...functions.map(({ name, reference, ...task }) => {
    const right = `\`\`\`js
${reference}
\`\`\``;
    const wrong = `\`\`\`js
function ${name}() {}
\`\`\``;
    return [askForFunction({ name, reference, ...task }), { right, wrong }] as const;
  }),
]);

interface Put {
  /** Told from the sentence in the message, not from the request's key. */
  readonly arm: string;
  /** Without the sentence. */
  readonly question: string;
  /** Empty for a puzzle without a solution. */
  readonly right: string;
  readonly wrong: string;
  readonly attempt: number;
  readonly request: ChatRequest;
}

/** What a request puts: the sentence is looked for in the text. */
function putBy(request: ChatRequest): Put {
  const content = request.messages[0]?.content ?? '';
  const found = sentences.filter(({ text }) => content.includes(text));
  expect(found.length).toBeLessThanOrEqual(1);
  const question = content.replace(found[0]?.text ?? '', '').trim();
  return {
    arm: found[0]?.arm ?? 'none',
    question,
    right: '',
    wrong: '',
    ...prepared.get(question),
    attempt: (request.messages.length + 1) / 2,
    request,
  };
}

type Say = (put: Put) => string;

function fakeModel(say: Say, seen: ChatRequest[] = []): ChatModel {
  return {
    name: 'test:fake',
    width: 4,
    reply: async (request) => {
      seen.push(request);
      const text = say(putBy(request));
      return { text, stopReason: 'end', usage: { read: 1, written: 1 }, tries: 1 };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function labOf(chat: ChatModel, local: ChatLab['local'] = null): ChatLab {
  const { signal } = new AbortController();
  return { chat, judge: null, secondJudge: null, local, data, signal };
}

async function runStudy(
  settings: object,
  lab: ChatLab,
  cells = new Map<string, object>(),
): Promise<{ played: readonly Played[]; result: StudyResult }> {
  const params = encouragementStudy.params.parse(settings);
  const planned = {
    data,
    hasJudge: false,
    hasSecondJudge: false,
    isLocal: lab.local !== null,
  };
  const keys = encouragementStudy.conversations(params, planned);
  expect(encouragementStudy.plan(params, planned).conversations).toBe(keys.length);
  const recorder = memoryRecorder(cells);
  const play = (key: string): Promise<object> =>
    encouragementStudy.play(key, params, { lab, recorder });
  const played = await playAll(keys, play, { width: lab.chat.width, signal: lab.signal });
  return {
    played: played as readonly Played[],
    result: encouragementStudy.result(params, lab, played),
  };
}

const measured = (
  { measures }: StudyResult,
  name: string,
): { value: number | null; n: number; interval?: readonly number[]; control?: string } => {
  const found = measures.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no measure ${name}`);
  return found;
};

/** A number from 0 to 1 of the text: the same item is as hard in every arm. */
function luckOf(text: string): number {
  let hash = 7;
  for (const character of text) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  const random = randomFrom(hash);
  random();
  return random();
}

test('the same tasks with the same seeds in all arms, and every sentence is used', async () => {
  const seen: ChatRequest[] = [];
  const { played } = await runStudy({ attempts: 2 }, labOf(fakeModel(() => 'Hm.', seen)));
  // 36 graded, 12 functions, 12 puzzles with 2 attempts each.
  expect(played).toHaveLength(5 * 60);
  expect(seen).toHaveLength(5 * (36 + 12 + 24));
  const byArm = textArms.map((arm) =>
    seen
      .filter(({ key }) => key.startsWith(`${arm}/`))
      .map((request) => {
        const { question, attempt } = putBy(request);
        return [question, attempt, request.seed, request.temperature, request.maxTokens];
      })
      .toSorted((a, b) => Number(a[2]) - Number(b[2])),
  );
  for (const own of byArm) expect(own).toEqual(byArm[0]);
  expect(new Set(byArm[0]!.map(([, , seed]) => seed)).size).toBe(72);
  for (const { key } of seen) {
    const { arm } = putBy(seen.find((request) => request.key === key)!);
    expect(key.startsWith(`${arm}/`), key).toBe(true);
  }
  const used = new Set(played.flatMap(({ sentence }) => sentence?.id ?? []));
  expect([...used].toSorted()).toEqual(sentences.map(({ id }) => id).toSorted());
});

test('no difficulty and no topic gets more of one family of encouragement', () => {
  const items = itemsOf({ perCell: 4, functions: 12, failing: 6, seed: 1 }, data);
  const familyOf = (item: (typeof items)[number]): string =>
    sentenceFor(sentences, 'encouragement', item)!.family;
  // 36 tasks: 12 of each difficulty and topic, a third of them 4.
  for (const difficulty of difficulties)
    for (const family of ['self-monitoring', 'social-cognitive', 'cognitive-emotion-regulation']) {
      const own = items.filter(
        (item) => item.kind === 'graded' && item.task.difficulty === difficulty,
      );
      expect(own.filter((item) => familyOf(item) === family)).toHaveLength(4);
    }
  const functionItems = items.filter(({ kind }) => kind === 'function');
  expect(
    difficulties.map(
      (one) =>
        functionItems.filter((item) => item.kind === 'function' && item.task.difficulty === one)
          .length,
    ),
  ).toEqual([4, 4, 4]);
  // More tasks of a kind leave the numbers of the others as they were.
  const more = itemsOf({ perCell: 6, functions: 18, failing: 9, seed: 1 }, data);
  for (const { id, number } of items)
    expect([id, more.find((item) => item.id === id)?.number]).toEqual([id, number]);
  expect(() => itemsOf({ perCell: 0, functions: 19, failing: 0, seed: 1 }, data)).toThrow(
    'at most 18',
  );
});

test('the sentence stands after the task, or before it', () => {
  const sentence = sentenceFor(sentences, 'demand', { place: 0 })!;
  expect(messageOf('Q?', sentence, 'after')).toBe(`Q?\n\n${sentence.text}`);
  expect(messageOf('Q?', sentence, 'before')).toBe(`${sentence.text}\n\nQ?`);
  expect(messageOf('Q?', null, 'after')).toBe('Q?');
  expect(sentenceFor(sentences, 'none', { place: 3 })).toBeNull();
});

const solvableOnly = { perCell: 6, functions: 0, failing: 0 };

/** Right where the item's luck is below the arm's share; independent luck in each arm with `noise`. */
const skilled =
  (shares: Record<string, number>, noise?: number): Say =>
  ({ arm, question, right, wrong }) => {
    const luck = luckOf(noise === undefined ? question : `${noise}${arm}${question}`);
    return luck < (shares[arm] ?? 0.4) ? right : wrong;
  };

test('a planted effect of encouragement is found, against none and against the demand', async () => {
  const say = skilled({ encouragement: 0.8 });
  const seen: ChatRequest[] = [];
  const { result, played } = await runStudy(solvableOnly, labOf(fakeModel(say, seen)));
  // Counted from what the model said, not from what the study made of it.
  const counts = (arm: string): number =>
    seen.filter((request) => {
      const put = putBy(request);
      return put.arm === arm && say(put) === put.right;
    }).length;
  const [encouraged, none] = [counts('encouragement'), counts('none')];
  expect(encouraged).toBeGreaterThan(none + 10);
  expect(measured(result, 'accuracy, none').value).toBeCloseTo(none / 54, 12);
  expect(measured(result, 'accuracy, encouragement').value).toBeCloseTo(encouraged / 54, 12);
  const difference = measured(result, 'accuracy, encouragement less demand');
  expect(difference).toMatchObject({ n: 54 });
  expect(difference.value).toBeCloseTo((encouraged - none) / 54, 12);
  expect(difference.control).toContain(`${encouraged - none} more, 0 less`);
  expect(difference.interval![0]).toBeGreaterThan(0);
  // No pair differs: no interval, and p is 1.
  const same = measured(result, 'accuracy, pressure less none');
  expect(same.value).toBe(0);
  expect(same.interval).toBeUndefined();
  expect(result.verdict).toMatch(
    /^With encouragement the model is right more often than with no sentence: \+\d+\.\d points/,
  );
  expect(result.verdict).toContain('more often than with the demand');
  expect(result.verdict).toContain(
    'No clear difference in accuracy: pressure, demand, permission.',
  );
  // Every topic and difficulty holds its tasks.
  for (const part of [...difficulties, 'arithmetic', 'strings', 'logic'])
    expect(measured(result, `accuracy, none, ${part}`).n).toBe(18);
  const families = result.measures.filter(({ name }) =>
    /^accuracy, \S+ encouragement less none$/.test(name),
  );
  expect(families.map(({ n }) => n)).toEqual([18, 18, 18]);
  expect(played).toHaveLength(5 * 54);
});

test('without an effect no arm is said to differ, whatever the luck', async () => {
  for (const noise of [1, 2, 3, 4, 5]) {
    const say = skilled({}, noise);
    const { result } = await runStudy(solvableOnly, labOf(fakeModel(say)));
    expect(result.verdict, String(noise)).toMatch(
      /^No arm differs clearly in accuracy from no sentence or the demand: encouragement [+-]?\d/,
    );
    // Arms that differ in luck only still differ on some tasks, so that the test could have failed.
    expect(measured(result, 'accuracy, pressure less demand').control).toMatch(
      /[1-9]\d* more, [1-9]/,
    );
  }
});

test('what any sentence does is not laid to the tone', async () => {
  const shares = { encouragement: 0.9, pressure: 0.9, demand: 0.9, permission: 0.9 };
  const { result } = await runStudy(solvableOnly, labOf(fakeModel(skilled(shares))));
  expect(result.verdict).toContain('from the demand it does not clearly differ');
  expect(result.verdict).toContain('so the tone is not shown to matter');
  expect(result.verdict).toMatch(/With demand the model is right .*, without any affect in it\./);
});

test('form is told from ability: an arm that loses the answer line', async () => {
  const say: Say = ({ arm, question, right, wrong }) => {
    if (arm === 'pressure' && luckOf(`form ${question}`) < 0.6) return 'I would guess at it.';
    return luckOf(question) < 0.7 ? right : wrong;
  };
  const arms = ['none', 'pressure', 'demand'];
  const { result } = await runStudy({ ...solvableOnly, arms }, labOf(fakeModel(say)));
  expect(result.verdict).toContain('With pressure the model is right less often');
  expect(result.verdict).toContain('it may be form and no ability');
  expect(result.verdict).toMatch(/With pressure more replies are without a readable answer/);
  expect(measured(result, 'accuracy where both are readable, pressure less none').value).toBe(0);
  const items = itemsOf({ perCell: 6, functions: 0, failing: 0, seed: 1 }, data);
  const lost = items.filter(({ question }) => luckOf(`form ${question}`) < 0.6).length;
  const unreadable = measured(result, 'replies without a readable answer, pressure');
  expect(unreadable.value).toBeCloseTo(lost / 54, 12);
  expect(measured(result, 'replies without a readable answer, none').value).toBe(0);
  expect(measured(result, 'accuracy of readable answers, pressure').n).toBe(54 - lost);
  expect(measured(result, 'accuracy, pressure').n).toBe(54);
});

test('replies that never come are counted apart, neither wrong nor given up', async () => {
  const say: Say = ({ arm, question, right, attempt }) => {
    const isPuzzle = right === '';
    if (arm === 'demand' && !isPuzzle && luckOf(question) < 0.3) throw new ReplyError('busy');
    if (arm === 'demand' && isPuzzle && attempt === 2) throw new ReplyError('busy');
    return isPuzzle ? 'Answer: 1' : right;
  };
  const settings = { perCell: 2, functions: 0, failing: 3, attempts: 4, arms: ['none', 'demand'] };
  const { result, played } = await runStudy(settings, labOf(fakeModel(say)));
  const lost = itemsOf({ ...settings, seed: 1 }, data).filter(
    ({ kind, question }) => kind === 'graded' && luckOf(question) < 0.3,
  ).length;
  expect(lost).toBeGreaterThan(0);
  // 18 tasks and 12 attempts without a sentence, 18 and 2 attempts a puzzle with the demand.
  expect(measured(result, 'replies that never came')).toMatchObject({
    value: lost + 3,
    n: 18 + 12 + 18 + 6,
  });
  expect(measured(result, 'accuracy, demand')).toMatchObject({ value: 1, n: 18 - lost });
  expect(measured(result, 'accuracy, demand less none')).toMatchObject({ value: 0, n: 18 - lost });
  const cut = played.filter(({ arm, failing }) => arm === 'demand' && failing !== null);
  expect(cut.map(({ failing }) => failing)).toEqual(
    cut.map(() => ({ attempts: 1, gaveUp: false, saidUnsolvable: false, isCut: true })),
  );
  // All went on as far as is known, but no further than the first of four attempts.
  expect(measured(result, 'attempts before giving up, demand').value).toBeNull();
  expect(measured(result, 'runs that stop early, demand').n).toBe(0);
  expect(result.verdict).toContain(`${lost + 3} of 54 replies never came`);
  expect(result.sections.at(-1)?.body).toContain('busy');
});

test('giving up is counted at its attempt, and the last attempt censors', async () => {
  const say: Say = ({ arm, attempt, right }) => {
    if (right !== '') return right;
    if (arm === 'permission' && attempt === 2) return 'I give up.';
    if (arm === 'pressure' && attempt === 6) return 'This puzzle has no solution.';
    return 'Answer: 1';
  };
  const settings = { perCell: 0, functions: 0, failing: 12, attempts: 6 };
  const { result, played } = await runStudy(settings, labOf(fakeModel(say)));
  const made = (arm: string): unknown =>
    measured(result, `attempts before giving up, ${arm}`).value;
  expect([made('none'), made('permission'), made('pressure')]).toEqual([6, 2, 6]);
  const early = (arm: string): unknown => measured(result, `runs that stop early, ${arm}`).value;
  expect([early('none'), early('permission'), early('pressure')]).toEqual([0, 1, 0]);
  expect(measured(result, 'runs that say there is no solution, pressure').value).toBe(1);
  const difference = measured(result, 'attempts before giving up, permission less none');
  expect(difference).toMatchObject({ value: -4, n: 12 });
  // 12 pairs with one sign: 2 / 2^12, and four arms.
  expect(difference.control).toContain('0 more, 12 less, p 0.0005, after Holm 0.0020');
  expect(
    played.filter(({ arm }) => arm === 'permission').map(({ replies }) => replies.length),
  ).toEqual(Array.from({ length: 12 }, () => 2));
  expect(result.verdict).toContain('it gives up in 24 of 60 runs');
  expect(result.verdict).toContain(
    'With permission the model goes on less long than with no sentence',
  );
  expect(result.verdict).not.toContain('With pressure');
  const survival = result.sections.find(({ title }) => title === 'Giving up');
  expect(survival?.body).toContain('Kaplan-Meier');
  // The same when nobody gives up.
  const never = await runStudy(settings, labOf(fakeModel(() => 'Answer: 1')));
  expect(never.result.verdict).toContain('In none of 60 runs of up to 6 attempts');
  // With 8 puzzles the same difference is lost among 14 questions: 14 times 2 / 2^8.
  const few = await runStudy({ ...settings, failing: 8 }, labOf(fakeModel(say)));
  expect(few.result.verdict).toContain('8 puzzles are too few to show any.');
});

test('too few tasks are said to be too few', async () => {
  const settings = { ...encouragementStudy.quick, perCell: 0, functions: 3, failing: 0 };
  const { result } = await runStudy(
    settings,
    labOf(fakeModel(skilled({ encouragement: 1, none: 0 }))),
  );
  expect(result.verdict).toContain('3 tasks are too few to show any.');
});

test('functions are run, once, also when a run goes on', async () => {
  const settings = { perCell: 0, functions: 3, failing: 0, arms: ['none', 'demand'] };
  const cells = new Map<string, object>();
  const say: Say = ({ arm, right }) => (arm === 'none' ? right : 'I would loop.');
  const first = await runStudy(settings, labOf(fakeModel(say)), cells);
  expect(measured(first.result, 'accuracy, none')).toMatchObject({ value: 1, n: 3 });
  expect(measured(first.result, 'accuracy, demand').value).toBe(0);
  expect(measured(first.result, 'replies without a readable answer, demand').value).toBe(1);
  expect(cells.size).toBe(12);
  const seen: ChatRequest[] = [];
  const again = await runStudy(settings, labOf(fakeModel(() => '', seen)), cells);
  expect(seen).toEqual([]);
  expect(again.result).toEqual(first.result);
});

/** One task in one arm, made by hand. */
function madeUp(
  arm: string,
  item: string,
  parts: { isRight?: boolean; failing?: FailingOutcome },
): Played {
  const { isRight, failing = null } = parts;
  return {
    key: `${arm}/${item}`,
    arm,
    item,
    topic: failing === null ? 'logic' : 'failing puzzles',
    difficulty: failing === null ? 'easy' : null,
    sentence: null,
    asked: '',
    replies: [],
    grade: isRight === undefined ? null : { isRight, isReadable: true, isDeclined: false },
    failing,
  };
}

test('contrasts: McNemar, Holm and pairs by hand', () => {
  const right = (arm: string, which: string): Played[] =>
    'abcdefghij'.split('').map((item) => madeUp(arm, item, { isRight: which.includes(item) }));
  const played = [
    ...right('none', 'abc'),
    ...right('encouragement', 'abcdefghi'),
    ...right('pressure', 'abcd').slice(0, 9),
  ];
  const [first, second] = contrastsOf(played, isSolved, {
    base: 'none',
    arms: ['encouragement', 'pressure'],
    seed: 1,
  });
  // 6 only with it, none only without: 2 / 2^6 = .03125, doubled for two arms.
  expect(first).toMatchObject({ n: 10, more: 6, less: 0 });
  expect(first!.p).toBeCloseTo(0.03125, 12);
  expect(first!.corrected).toBeCloseTo(0.0625, 12);
  expect(first!.difference).toBeCloseTo(0.6, 12);
  expect(isClear(first!)).toBe(false);
  expect(isClear({ ...first!, corrected: first!.p })).toBe(true);
  expect(second).toMatchObject({ n: 9, more: 1, less: 0, p: 1, corrected: 1 });
  expect(second!.reach).toBeCloseTo(2 / 2 ** 8, 12);
});

test('attempts: restricted means by hand, broken runs in the mean but in no pair', () => {
  const run = (attempts: number, gaveUp: boolean, isCut = false): FailingOutcome => ({
    attempts,
    gaveUp,
    saidUnsolvable: false,
    isCut,
  });
  const made = (arm: string, runs: readonly FailingOutcome[]): Played[] =>
    runs.map((failing, i) => madeUp(arm, `p${i}`, { failing }));
  const none = made('none', [run(2, true), run(6, false), run(6, false), run(3, true)]);
  const settings = { attempts: 6, seed: 1 };
  expect(attemptsOf(none, settings).value).toBeCloseTo(17 / 4, 12);
  // Two of four at attempt 1 give up; one is cut at 2; the last gives up at 3: 1 + 1/2 + 1/2.
  const cut = made('demand', [run(1, true), run(1, true), run(2, false, true), run(3, true)]);
  expect(attemptsOf(cut, settings).value).toBeCloseTo(2, 12);
  const [contrast] = attemptContrasts([...none, ...cut], {
    base: 'none',
    arms: ['demand'],
    ...settings,
  });
  expect(contrast).toMatchObject({ n: 3, more: 0, less: 2 });
  expect(contrast!.difference).toBeCloseTo(2 - 17 / 4, 12);
  expect([...none, ...cut].map((one) => stopsEarly(one, 6))).toEqual([
    true,
    false,
    false,
    true,
    true,
    true,
    null,
    true,
  ]);
  // Giving up in the last reply leaves nothing unused.
  expect(stopsEarly(madeUp('none', 'p', { failing: run(6, true) }), 6)).toBe(false);
});

test('planted readings are found against the demand, and a planted null is not', async () => {
  const say = skilled({});
  const fake = fakeModel(say);
  const local: LocalChat = {
    ...fake,
    replyInside: async (request, { signal }) => {
      const { arm, question } = putBy(request);
      const noise = luckOf(`${arm} inside ${question}`) - 0.5;
      const hopeful = arm === 'encouragement' ? 1 : 0;
      return {
        ...(await fake.reply(request, signal)),
        before: Float32Array.of(hopeful + noise, -noise, noise),
        during: Float32Array.of(0.1, 0.1, 0.1),
      };
    },
  };
  const lab = labOf(local, { chat: local, pack: axisPack([...insideEmotions, 'angry']) });
  const settings = { perCell: 4, functions: 0, failing: 0, treatments: [] };
  const { result } = await runStudy(settings, lab);
  const found = measured(result, 'hopeful before the reply, encouragement less demand, SD');
  expect(found.n).toBe(36);
  expect(found.value).toBeGreaterThan(0.8);
  expect(found.value).toBeLessThan(1.2);
  expect(result.verdict).toMatch(
    /Inside, right before the reply, against the demand: hopeful higher with encouragement, \+[01]\.\d\d SD \([^;]*\)\./,
  );
  const during = measured(result, 'calm over the reply, pressure less demand, share of the norm');
  expect(during.value).toBeCloseTo(0, 12);
});

test('on the toy engine readings are taken and steering arms run on the same tasks', async () => {
  const model = openToyModel({ blocks: 6, contextLength: 8192 });
  const pack = axisPack([...insideEmotions, 'angry', 'bored']);
  await using chat = chatWithLocal(model);
  const settings = {
    perCell: 0,
    functions: 1,
    failing: 1,
    attempts: 2,
    tokens: 10,
    arms: 'none,demand',
    treatments: 'hopeful,desperate',
    doses: [0.3],
    random: 1,
    mixtures: 1,
  };
  const { result, played } = await runStudy(settings, labOf(chat, { chat, pack }));
  const arms = [...new Set(played.map(({ arm }) => arm))];
  expect(arms).toEqual([
    'none',
    'demand',
    'hopeful +0.3',
    'desperate +0.3',
    'random 1 +0.3',
    'mixture 1 +0.3',
  ]);
  const itemsIn = (arm: string): string[] =>
    played.filter((one) => one.arm === arm).map(({ item }) => item);
  for (const arm of arms) expect(itemsIn(arm)).toEqual(itemsIn('none'));
  for (const { replies } of played)
    for (const { inside } of replies) {
      expect(inside?.before).toHaveLength(3);
      expect(inside?.before.every(Number.isFinite)).toBe(true);
    }
  // Steered along an axis, the axis' own reading rises on every task.
  const readings = (arm: string, k: number): number[] =>
    played.filter((one) => one.arm === arm).map(({ replies }) => replies[0]!.inside!.before[k]!);
  for (const emotion of ['hopeful', 'desperate'] as const) {
    const k = insideEmotions.indexOf(emotion);
    const plain = readings('none', k);
    for (const [i, value] of readings(`${emotion} +0.3`, k).entries())
      expect(value, `${emotion} ${i}`).toBeGreaterThan(plain[i]!);
  }
  // A treatment has no sentence: what is asked is what was asked without one.
  for (const { arm, asked, sentence, item } of played.filter((one) => one.arm.includes('+'))) {
    const plain = played.find((one) => one.arm === 'none' && one.item === item);
    expect([arm, asked, sentence]).toEqual([arm, plain?.asked, null]);
  }
  const titles = result.sections.map(({ title }) => title);
  expect(titles).toEqual([
    'Accuracy',
    'Against no sentence, and against a demand',
    'Families of encouragement',
    'Form and length',
    'Giving up',
    'Inside',
    'Inside, attempt after attempt',
    'Texts beside vectors',
    'Sentences',
    'Replies',
  ]);
  expect(measured(result, 'accuracy, hopeful +0.3 less none').control).toContain(
    '2 random directions: up to',
  );
  for (const { body } of result.sections) expect(body).not.toMatch(/NaN|undefined/);
  const without = { ...settings, treatments: [] };
  const planned = { data, hasJudge: false, hasSecondJudge: false, isLocal: true };
  const keys = encouragementStudy.conversations(encouragementStudy.params.parse(without), planned);
  expect(keys.every((key) => /^(?:none|demand)\//.test(key))).toBe(true);
});

test('the quick version is at most 5 minutes on two cores, and the default is sized as planned', () => {
  const planned = { data, hasJudge: true, hasSecondJudge: true, isLocal: true };
  const quick = encouragementStudy.params.parse(encouragementStudy.quick);
  const { conversations, model, judge } = encouragementStudy.plan(quick, planned);
  // 18 graded, 3 functions, 3 puzzles with 3 attempts, in 3 arms.
  expect([conversations, model.replies, judge.replies]).toEqual([72, 90, 0]);
  // 70 tokens a second written one at a time, 300 read: 60 seconds are left for a slow start.
  expect(model.written / 70 + model.read / 300).toBeLessThan(240);
  const full = encouragementStudy.plan(encouragementStudy.params.parse({}), {
    ...planned,
    isLocal: false,
  });
  expect(full.model.replies).toBe(5 * (36 + 12 + 12 * 6));
  expect(makePuzzles(3, 1).every(({ isSolvable }) => !isSolvable)).toBe(true);
});
