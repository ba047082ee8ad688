import { setTimeout as wait } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { Turns } from './turns.ts';

/** Work of two models that notes who computes beside whom. */
function workshop(): {
  turns: Turns;
  ask: (who: object, milliseconds: number, signal?: AbortSignal) => Promise<void>;
  beside: Set<string>;
  order: string[];
  names: Map<object, string>;
} {
  const turns = new Turns();
  const running: object[] = [];
  const beside = new Set<string>();
  const order: string[] = [];
  const names = new Map<object, string>();
  const ask = async (
    who: object,
    milliseconds: number,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<void> =>
    turns.take(
      who,
      async () => {
        running.push(who);
        order.push(names.get(who) ?? '?');
        beside.add(
          [...new Set(running.map((one) => names.get(one)))]
            .toSorted((a = '', b = '') => a.localeCompare(b))
            .join('+'),
        );
        await wait(milliseconds);
        running.splice(running.indexOf(who), 1);
      },
      signal,
    );
  return { turns, ask, beside, order, names };
}

test('two models never compute at once; one model computes side by side', async () => {
  const { ask, beside, order, names } = workshop();
  const [tested, judge] = [{}, {}];
  names.set(tested, 'tested').set(judge, 'judge');
  const conversation = async (): Promise<void> => {
    for (let turn = 0; turn < 3; turn++) await ask(tested, 5);
    await Promise.all([ask(judge, 5), ask(judge, 5), ask(judge, 5)]);
  };
  await Promise.all([conversation(), conversation(), conversation()]);
  expect(beside).toEqual(new Set(['tested', 'judge']));
  expect(order.filter((name) => name === 'tested')).toHaveLength(9);
  expect(order.filter((name) => name === 'judge')).toHaveLength(9);
  // All that waited for the judge starts together: no change of turn between.
  const changes = order.filter((name, i) => i > 0 && name !== order[i - 1]).length;
  expect(changes).toBeLessThanOrEqual(3);
});

test('a failure gives the turn on, and who gives up leaves the queue', async () => {
  const { turns, ask, names, order } = workshop();
  const [tested, judge] = [{}, {}];
  names.set(tested, 'tested').set(judge, 'judge');
  const { signal } = new AbortController();
  const failing = turns.take(
    tested,
    async () => wait(20).then(() => Promise.reject(new Error('broken'))),
    signal,
  );
  const stop = new AbortController();
  const given = ask(judge, 1, stop.signal);
  const patient = ask(judge, 1);
  stop.abort(new Error('no more'));
  await expect(given).rejects.toThrow('no more');
  await expect(failing).rejects.toThrow('broken');
  await patient;
  await ask(tested, 1);
  expect(order).toEqual(['judge', 'tested']);
  await expect(ask(tested, 1, stop.signal)).rejects.toThrow('no more');
});
