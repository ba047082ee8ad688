import fc from 'fast-check';
import { expect, test } from 'vitest';

import { FairQueue, type QueueLimits } from './queue.ts';

const limits: QueueLimits = { running: 1, waiting: 100, waitMs: 60_000 };
const never = new AbortController().signal;

interface Work {
  readonly done: Promise<void>;
  end(): void;
}

/** Enters a task that ends when told to; `order` gets its name when it starts. */
function enter(queue: FairQueue, client: string, name: string, order: string[]): Work {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const done = queue.run(client, never, async () => {
    order.push(name);
    await ended;
  });
  return { done, end };
}
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('FairQueue serves waiting clients in turn and each client in order', async () => {
  const queue = new FairQueue(limits);
  const order: string[] = [];
  const works = ['a0', 'a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map((name) =>
    enter(queue, name[0]!, name, order),
  );
  expect([queue.running, queue.waiting]).toEqual([1, 6]);
  for (const work of works) work.end();
  await Promise.all(works.map(({ done }) => done));
  expect(order).toEqual(['a0', 'a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  expect([queue.running, queue.waiting]).toEqual([0, 0]);
});

test('FairQueue never runs more than its limit and loses no task', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }),
      async (running, clients) => {
        const queue = new FairQueue({ ...limits, running });
        let [now, most, ended] = [0, 0, 0];
        const works = clients.map((client) =>
          queue.run(client, never, async () => {
            most = Math.max(most, ++now);
            await settle();
            now--;
            ended++;
          }),
        );
        await Promise.all(works);
        expect(ended).toBe(clients.length);
        expect(most).toBe(Math.min(running, clients.length));
        expect([queue.running, queue.waiting]).toEqual([0, 0]);
      },
    ),
    { numRuns: 40 },
  );
});

test('FairQueue gives the place back when a task fails', async () => {
  const queue = new FairQueue(limits);
  await expect(queue.run('a', never, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await queue.run('a', never, async () => 7)).toBe(7);
});

test('FairQueue refuses one more than may wait, with the time to try again', async () => {
  const queue = new FairQueue({ ...limits, waiting: 1 });
  const order: string[] = [];
  const works = [enter(queue, 'a', '1', order), enter(queue, 'b', '2', order)];
  await expect(queue.run('c', never, async () => 0)).rejects.toMatchObject({
    refusal: 'rate_limit_exceeded',
    headers: { 'retry-after': expect.stringMatching(/^\d+$/) },
  });
  for (const work of works) work.end();
  await Promise.all(works.map(({ done }) => done));
});

test('a waiting request that aborts leaves the queue and its task never runs', async () => {
  const queue = new FairQueue(limits);
  const order: string[] = [];
  const first = enter(queue, 'a', '1', order);
  const gone = new AbortController();
  const second = queue.run('b', gone.signal, async () => order.push('gone'));
  const third = enter(queue, 'b', '3', order);
  gone.abort(new Error('left'));
  await expect(second).rejects.toThrow('left');
  expect(queue.waiting).toBe(1);
  first.end();
  third.end();
  await Promise.all([first.done, third.done]);
  expect(order).toEqual(['1', '3']);
});

test('a request that waits too long is refused', async () => {
  const queue = new FairQueue({ ...limits, waitMs: 20 });
  const first = enter(queue, 'a', '1', []);
  await expect(queue.run('b', never, async () => 0)).rejects.toMatchObject({
    refusal: 'queue_timeout',
  });
  expect([queue.running, queue.waiting]).toEqual([1, 0]);
  first.end();
  await first.done;
});

test('idle resolves when the last request has ended, those that waited included', async () => {
  const queue = new FairQueue(limits);
  await queue.idle();
  const order: string[] = [];
  const works = ['1', '2', '3'].map((name) => enter(queue, 'a', name, order));
  expect(queue.waiting).toBeGreaterThan(0);
  let isIdle = false;
  const idle = queue.idle().then(() => (isIdle = true));
  for (const work of works) {
    expect(isIdle).toBe(false);
    work.end();
    await work.done;
  }
  await idle;
  expect(order).toEqual(['1', '2', '3']);
});
