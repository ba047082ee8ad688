/** @file Workers of a queue, killed one after another while everybody's clock jumps. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { randomFrom } from '../../src/math/random.ts';
import { listRuns, readRun } from '../../src/store/runs.ts';
import { cellsOf } from '../../src/studies/recorder.ts';
import { freePort, startStore, storeBinary } from '../redis.ts';
import { killsOf, programs, type Running, seed, start, temporary, timeFor } from './harness.ts';

const needsStore =
  storeBinary === undefined
    ? ' (skipped: neither valkey-server nor redis-server is installed)'
    : '';

const { '../queue-process': side, 'clock-jumps': jumps } = programs(
  '../queue-process',
  'clock-jumps',
);
const home = temporary();
/** Short, so that a dead worker is noticed within about a second. */
const timing = JSON.stringify({
  poll: 40,
  look: 50,
  alive: 500,
  lock: 900,
  stalled: 200,
  retry: 50,
});
const kills = killsOf(3);
const params = { conversations: 8 + 2 * kills, turns: 4 };

test.skipIf(storeBinary === undefined)(
  `${kills} workers killed (seed ${seed}) while the clocks of all jump: the run has each cell once${needsStore}`,
  async () => {
    let asked = 0;
    const provider = createHttpServer((request, response) => {
      asked += 1;
      const key = String(request.headers['idempotency-key']).replace(/^[^/]*\//, '');
      request.resume();
      setTimeout(() => response.end(`answer to ${key}`), 30);
    }).listen(0, '127.0.0.1');
    await once(provider, 'listening');
    const port = await freePort();
    const store = await startStore(port, home);
    const url = `redis://127.0.0.1:${port}`;
    const address = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/`;
    const nodeArgs = ['--import', `./${jumps}`];
    const worker = (): Running => start([side, 'worker', url, address, '2', timing], { nodeArgs });
    const folder = join(home, 'runs');
    const coordinator = start([side, 'coordinator', url, folder, JSON.stringify(params), timing], {
      nodeArgs,
    });
    const random = randomFrom(seed);
    const workers = [worker(), worker()];
    try {
      await coordinator.begun;
      const id = listRuns(folder)[0]?.id ?? '';
      const cells = (): number => readRun(id, folder).records;
      for (let done = 0, next = 3; done < kills; done++) {
        while (cells() < next) await wait(20);
        next = cells() + 2 + Math.floor(random() * 5);
        workers.shift()!.child.kill('SIGKILL');
        workers.push(worker());
      }
      const { code, err } = await coordinator.ended;
      expect(code, err).toBe(0);
      const run = readRun(id, folder);
      const all = await cellsOf(run);
      expect(all.size).toBe(params.conversations * params.turns);
      expect(run).toMatchObject({ status: 'done', records: all.size });
      for (const [key, cell] of all) expect(cell).toMatchObject({ text: `answer to ${key}` });
      // What was under way in a worker when it was killed is asked for again, and nothing else.
      expect(asked).toBeLessThanOrEqual(all.size + kills * 2);
    } finally {
      for (const { child } of [...workers, coordinator]) child.kill('SIGKILL');
      store.kill('SIGKILL');
      provider.closeAllConnections();
      provider.close();
    }
  },
  timeFor(kills),
);
