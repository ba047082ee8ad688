import { setTimeout as wait } from 'node:timers/promises';

import { expect, test } from 'vitest';
import { z } from 'zod';

import { ReplyError } from '../errors.ts';
import { type ChatLab, type ChatStudy, defineChatStudy } from '../studies/chat-study.ts';
import type { Recorder } from '../studies/study.ts';
import type { SharedCells } from './cells.ts';
import { checkedCell, jobIdOf, type ModelNames } from './jobs.ts';
import { SharedLabs } from './labs.ts';
import { playConversation, type Stage } from './playing.ts';

type Play = (recorder: Recorder) => Promise<object>;

const none = { replies: 0, read: 0, written: 0 };
const studyOf = (play: Play): ChatStudy =>
  defineChatStudy({
    name: 'small',
    summary: '',
    source: '',
    params: z.object({ turns: z.number().int().max(9) }),
    quick: {},
    plan: () => ({ conversations: 1, model: none, judge: none, secondJudge: none }),
    conversations: () => ['one', 'two'],
    play: (_, __, { recorder }) => play(recorder),
    result: () => ({ verdict: '', measures: [], sections: [] }),
  });

const lab: ChatLab & AsyncDisposable = {
  chat: {
    name: 'test:none',
    width: 1,
    reply: async () => {
      throw new Error('nobody asks it');
    },
    [Symbol.asyncDispose]: async () => {},
  },
  judge: null,
  secondJudge: null,
  local: null,
  data: (name) => name,
  signal: new AbortController().signal,
  [Symbol.asyncDispose]: async () => {},
};

const job = {
  version: '1.0.0',
  run: 'run-1',
  study: 'small',
  params: { turns: 2 },
  conversation: 'one',
  models: { model: 'test:none' },
  known: [],
};

/** Cells in memory, with what was measured in order. */
function memory(before: Record<string, object> = {}): SharedCells & { kept: Map<string, object> } {
  const kept = new Map(Object.entries(before));
  return {
    kept,
    read: async (key) => kept.get(key) ?? null,
    keep: async (key, data) => {
      if (!kept.has(key)) kept.set(key, data);
      return kept.get(key) ?? null;
    },
  };
}

function stageOf(play: Play, other: Partial<Stage> = {}): Stage {
  return {
    run: 'run-1',
    repertoire: { version: '1.0.0', studies: [studyOf(play)], models: null },
    labs: new SharedLabs(async () => lab),
    cells: memory(),
    isLeaving: () => false,
    onCell: () => {},
    ...other,
  };
}
const idle: Play = async () => ({});

test('a cell comes from the job, else from the server, else it is measured', async () => {
  const cells = memory({ 'one/1': { from: 'server' } });
  const measured: string[] = [];
  let seen: object[] = [];
  const play: Play = async (recorder) => {
    const cell = (key: string): Promise<object> =>
      recorder.cell(key, async () => {
        measured.push(key);
        return { from: 'here' };
      });
    seen = [await cell('one/0'), await cell('one/1'), await cell('one/2')];
    return {};
  };
  const known = [['one/0', { from: 'job' }]];
  const outcome = await playConversation({ ...job, known }, stageOf(play, { cells }));
  expect(outcome).toEqual({ type: 'played' });
  expect(seen).toEqual([{ from: 'job' }, { from: 'server' }, { from: 'here' }]);
  expect(measured).toEqual(['one/2']);
  expect([...cells.kept.keys()]).toEqual(['one/1', 'one/2']);
});

test('where another worker was first, its cell counts', async () => {
  const cells = memory();
  let seen: object = {};
  const play: Play = async (recorder) => {
    seen = await recorder.cell('one/0', async () => {
      cells.kept.set('one/0', { by: 'another' });
      return { by: 'me' };
    });
    return {};
  };
  await playConversation(job, stageOf(play, { cells }));
  expect(seen).toEqual({ by: 'another' });
});

test('a worker that leaves ends the cells under way and begins no other, whatever the study catches', async () => {
  const cells = memory();
  let isLeaving = false;
  const begun: string[] = [];
  const play: Play = async (recorder) => {
    const branch = async (name: string, milliseconds: number): Promise<void> => {
      for (const turn of [0, 1, 2])
        await recorder.cell(`one/${name}${turn}`, async () => {
          begun.push(`${name}${turn}`);
          await wait(milliseconds);
          if (name === 'quick' && turn === 1) isLeaving = true;
          return {};
        });
    };
    // Swallows the errors, as a study that goes on with less might.
    await Promise.race([branch('quick', 10), branch('slow', 60)]).catch(() => {});
    return {};
  };
  const outcome = await playConversation(job, stageOf(play, { cells, isLeaving: () => isLeaving }));
  expect(outcome).toEqual({ type: 'left' });
  expect(begun).toEqual(['quick0', 'slow0', 'quick1']);
  // What was under way was paid for, so it was kept before the conversation was given back.
  expect([...cells.kept.keys()]).toEqual(['one/quick0', 'one/quick1', 'one/slow0']);
});

test('a conversation that fails pays for nothing after that', async () => {
  const begun: string[] = [];
  const play: Play = async (recorder) => {
    const branch = async (name: string): Promise<void> => {
      for (const turn of [0, 1])
        await recorder.cell(`one/${name}${turn}`, async () => {
          begun.push(`${name}${turn}`);
          await wait(name === 'bad' ? 5 : 20);
          if (name === 'bad') throw new ReplyError('no answer');
          return {};
        });
    };
    await Promise.all([branch('bad'), branch('good')]);
    return {};
  };
  await expect(playConversation(job, stageOf(play))).rejects.toThrow('no answer');
  await wait(30);
  expect(begun).toEqual(['bad0', 'good0']);
});

test('a run that is over takes no cell', async () => {
  const cells: SharedCells = { read: async () => null, keep: async () => null };
  const play: Play = (recorder) => recorder.cell('one/0', async () => ({}));
  expect(await playConversation(job, stageOf(play, { cells }))).toEqual({ type: 'left' });
});

test.each([
  ['no object', 'text', /expected object/],
  ['a study that is not there', { ...job, study: 'other' }, null],
  ['a path for a study', { ...job, study: '../../etc' }, /job: study/],
  ['parameters that do not fit', { ...job, params: { turns: 1e9 } }, /job: params/],
  ['a conversation that is not there', { ...job, conversation: 'three' }, /no such one in small/],
  ['another run', { ...job, run: 'run-2' }, /job: run/],
  ['a model with a line break', { ...job, models: { model: 'a\nb' } }, /job: models.model/],
  ['a field too many', { ...job, key: 'secret' }, /job: : Unrecognized key/],
  ['cells that are none', { ...job, known: [['one/0', 'text']] }, /job: known.0.1/],
])('a job with %s is not played', async (_, data, expected) => {
  let isPlayed = false;
  const play: Play = async () => {
    isPlayed = true;
    return {};
  };
  const outcome = playConversation(data, stageOf(play));
  if (expected === null) expect((await outcome).type).toBe('refused');
  else await expect(outcome).rejects.toThrow(expected);
  expect(isPlayed).toBe(false);
});

test('a job of another version, or for models that the worker does not talk to, is left to others', async () => {
  // Another version may write jobs of another form.
  const later = { version: '2.0.0', form: 'new' };
  expect(await playConversation(later, stageOf(idle))).toEqual({
    type: 'refused',
    why: 'expected limbic 2.0.0, got 1.0.0 on this worker',
  });
  const { repertoire } = stageOf(idle);
  const choosy = { ...repertoire, models: ['test:none'] };
  const judged = { ...job, models: { model: 'test:none', judge: 'test:dear' } };
  const outcome = await playConversation(judged, stageOf(idle, { repertoire: choosy }));
  expect(outcome).toMatchObject({ type: 'refused', why: expect.stringContaining('"test:dear"') });
});

test('labs are shared by names, and closed when nobody holds them', async () => {
  const events: string[] = [];
  const labs = new SharedLabs(async ({ model }: ModelNames) => {
    events.push(`open ${model}`);
    if (model === 'broken') throw new Error('broken');
    return { ...lab, [Symbol.asyncDispose]: async () => void events.push(`close ${model}`) };
  });
  const [first, second] = await Promise.all([labs.hold({ model: 'a' }), labs.hold({ model: 'a' })]);
  expect(first.lab).toBe(second.lab);
  await first[Symbol.asyncDispose]();
  expect(events).toEqual(['open a']);
  await second[Symbol.asyncDispose]();
  expect(events).toEqual(['open a', 'close a']);
  // One that did not open is tried again.
  for (let i = 0; i < 2; i++)
    await expect(labs.hold({ model: 'broken' })).rejects.toThrow('broken');
  expect(events.slice(2)).toEqual(['open broken', 'open broken']);
});

test('ids of jobs hold nothing that a key or BullMQ gives a meaning', () => {
  expect(jobIdOf('a:b/c d')).toMatch(/^c[0-9a-f]{32}$/);
  expect(jobIdOf('a')).not.toBe(jobIdOf('b'));
  expect(checkedCell('k', '{"__proto__":{"x":1},"y":2}')).toMatchObject({ y: 2 });
});

test.each([
  ['a list', '[1]', /got other text/],
  ['half of a text', '{', /got other text/],
  ['infinity', '{"score":1e999}', /got other text/],
  ['a hundred levels', `${'{"a":'.repeat(99)}{}${'}'.repeat(99)}`, /got other text/],
  ['more than a record holds', `{"a":"${'x'.repeat(10e6)}"}`, /got 10000009 bytes/],
])('a cell of %s is refused', (_, json, expected) => {
  expect(() => checkedCell('k', json)).toThrow(expected);
});

test('a cell of 99 levels is taken', () => {
  const json = `${'{"a":'.repeat(98)}{}${'}'.repeat(98)}`;
  expect(JSON.stringify(checkedCell('k', json))).toBe(json);
});
