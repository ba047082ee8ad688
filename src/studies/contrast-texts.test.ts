import { expect, test } from 'vitest';
import { z } from 'zod';

import { axisPack, plantedLab } from '../../test/planted-lab.ts';
import { chatTokens } from '../engine/chat-template.ts';
import type { Model } from '../engine/engine.ts';
import { openToyModel } from '../engine/toy/model.ts';
import { randomFrom } from '../math/random.ts';
import { mean } from '../math/stats.ts';
import { randomSteering } from '../steering/steering.ts';
import { choose } from './choice.ts';
import {
  armParams,
  type Contrast,
  messagesFor,
  scoreContrast,
  textArms,
  testArms,
  tokensOf,
} from './contrast-texts.ts';

const contrast: Contrast = {
  system: 'You sell tea.',
  user: 'Is tea a root?',
  replies: ['Yes, it is.', 'No, a leaf.'],
  question: 'Right?',
  options: ['Yes.', 'No.', 'Perhaps.'],
};
const { signal } = new AbortController();

test('scoreContrast gives what separate calls give, in one call and under steering', async () => {
  const model = openToyModel({ blocks: 6, contextLength: 4096 });
  let calls = 0;
  const counted: Model = {
    ...model,
    score: (requests, options) => {
      calls++;
      return model.score(requests, options);
    },
  };
  const steering = randomSteering(axisPack(['calm']), 0.3, randomFrom(5), [2]);
  const scores = await scoreContrast(counted, contrast, { steering, text: '', signal });
  expect(calls).toBe(1);

  const messages = [
    { role: 'system', content: contrast.system },
    { role: 'user', content: contrast.user },
  ] as const;
  const prompt = await chatTokens(model, messages);
  for (const [i, reply] of contrast.replies.entries()) {
    const continuation = await model.tokenize(reply, { addSpecial: false });
    const [values] = await model.score([{ prompt, continuation }], { steering });
    expect(scores.replies[i]).toBeCloseTo(mean([...values!]), 4);
  }
  const { question, options } = contrast;
  const choice = await choose(model, { messages, question, options }, { steering });
  for (const [k, probability] of choice.probabilities.entries())
    expect(scores.options[k]).toBeCloseTo(probability, 4);
  expect(scores.mass).toBeCloseTo(choice.mass, 4);

  const plain = await scoreContrast(model, contrast, { steering: null, text: '', signal });
  expect(Math.abs(plain.replies[0]! - scores.replies[0]!)).toBeGreaterThan(1e-3);
});

test("an arm's text stands at the end of the system text, before the user's", async () => {
  const prompts: string[] = [];
  const lab = plantedLab(['calm'], ({ prompt }) => {
    prompts.push(prompt);
    return -1;
  });
  await scoreContrast(lab.model, contrast, { steering: null, text: 'Be quick.', signal });
  expect(prompts.length).toBe(2 + 9);
  for (const prompt of prompts)
    expect(prompt).toMatch(/You sell tea\. Be quick\.<\|im_end\|>[^]*Is tea a root\?/);
});

test('a template that refuses a system text gets it in the message', () => {
  const model = openToyModel();
  expect(messagesFor(model, 'S.', 'U.').map(({ role }) => role)).toEqual(['system', 'user']);
  const chatTemplate =
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages[0]['content'] }}";
  const strict = { ...model, info: { ...model.info, chatTemplate } };
  expect(messagesFor(strict, 'S.', 'U.')).toEqual([{ role: 'user', content: 'S.\n\nU.' }]);
});

test('the texts of the arms are equally long and come after the steered arms', () => {
  const lengths = textArms.map(({ text }) => text.split(' ').length);
  expect(new Set(lengths).size).toBe(1);
  const base = {
    key: 'unsteered',
    kind: 'unsteered',
    direction: 'unsteered',
    dose: 0,
    steering: null,
  } as const;
  expect(testArms([base]).map(({ key, text }) => [key, text === ''])).toEqual([
    ['unsteered', true],
    ['pressure text', false],
    ['calm text', false],
    ['neutral text', false],
  ]);
});

test('doses come as a list or as text, ascending', () => {
  const schema = z.object(armParams);
  expect(schema.parse({}).doses).toEqual([0.03, 0.06, 0.1]);
  expect(schema.parse({ doses: '0.02,0.05' }).doses).toEqual([0.02, 0.05]);
  expect(schema.parse({ doses: '0.06' }).doses).toEqual([0.06]);
  expect(schema.parse({ doses: [0.04] }).doses).toEqual([0.04]);
  for (const doses of ['0.1,0.05', '', 'much', '0.1,0.1', '0,0.1'])
    expect(schema.safeParse({ doses }).success, doses).toBe(false);
  expect(schema.safeParse({ doses: '0.1,0.05' }).error?.issues[0]?.message).toMatch(/ascending/);
});

test('tokensOf counts the conversation once and the options once an order', () => {
  // 440 characters of user text are 100 tokens, wherever they stand but in the options.
  const more = (change: Partial<Contrast>): number =>
    tokensOf({ ...contrast, ...change }) - tokensOf(contrast);
  expect(more({ user: contrast.user + 'x'.repeat(440) })).toBeCloseTo(100, -1);
  expect(more({ options: ['Yes.', 'No.', `Perhaps.${'x'.repeat(440)}`] })).toBeCloseTo(300, -1);
});
