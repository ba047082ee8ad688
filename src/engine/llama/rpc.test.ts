import { createServer } from 'node:net';

import { expect, test } from 'vitest';

import { needs, testModel } from '../../../test/models.ts';
import { openLlamaModel } from './model.ts';
import { assertReachable, parseServers } from './rpc.ts';

test('servers are HOST:PORT', () => {
  expect(parseServers('10.0.0.7:50052, lab.local:1')).toEqual(['10.0.0.7:50052', 'lab.local:1']);
  for (const wrong of [
    '',
    'lab.local',
    'lab.local:0',
    'lab.local:70000',
    'http://lab.local:5',
    'a:1,,b:2',
  ])
    expect(() => parseServers(wrong), wrong).toThrow('expected HOST:PORT');
});

test('a server that is not there is told in one sentence, before the library looks for it', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await expect(assertReachable([`127.0.0.1:${port}`])).resolves.toBeUndefined();
  await new Promise((resolve) => server.close(resolve));
  await expect(assertReachable([`127.0.0.1:${port}`])).rejects.toThrow(
    `expected a server at 127.0.0.1:${port}, got: connect ECONNREFUSED`,
  );
});

test.skipIf(testModel('smollm2-135m') === null)(
  `the library of the npm package has no RPC, and says so${needs('smollm2-135m')}`,
  async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await expect(
      openLlamaModel(testModel('smollm2-135m') ?? '', { rpcServers: [`127.0.0.1:${port}`] }),
    ).rejects.toThrow('expected a library with the RPC back end');
    await new Promise((resolve) => server.close(resolve));
  },
);
