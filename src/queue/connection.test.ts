import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { InvalidInputError, UnavailableError } from '../errors.ts';
import { openConnection, parseQueueUrl, shownAddress } from './connection.ts';

const page = createServer((_, response) => response.end('a page'));
beforeAll(() => new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve)));
afterAll(() => void page.close());

test('an address has a host and may have a port, a database, a login and TLS', () => {
  expect(parseQueueUrl('redis://lab.local')).toEqual({ host: 'lab.local', port: 6379, db: 0 });
  expect(parseQueueUrl('rediss://:p%40ss@[::1]:7000/3')).toEqual({
    host: '::1',
    port: 7000,
    db: 3,
    password: 'p@ss',
    tls: { servername: '::1' },
  });
  expect(parseQueueUrl('redis://ann:x@h')).toMatchObject({ username: 'ann', password: 'x' });
});

test.each([
  'lab.local:6379',
  'http://:hush@lab.local',
  'redis://',
  'redis://:hush@lab.local/first',
  'redis://:hush@lab.local/0?family=6',
  'redis://:hu%sh@lab.local',
  ':hush@lab.local',
])('%s is refused with what is expected, and without the password', (text) => {
  expect(() => parseQueueUrl(text)).toThrow(InvalidInputError);
  expect(() => parseQueueUrl(text)).toThrow(/expected redis:\/\/HOST\[:PORT\]\[\/DATABASE\] or/);
  expect(() => parseQueueUrl(text)).not.toThrow(/hu/);
});

test('an address is shown without its login', () => {
  const shown = (text: string): string => shownAddress(parseQueueUrl(text));
  expect(shown('redis://ann:hush@lab.local')).toBe('redis://lab.local:6379');
  expect(shown('rediss://:hush@[::1]:7000/3')).toBe('rediss://[::1]:7000/3');
});

test('no server, and another kind of server, are told in one sentence with what to do', async () => {
  const refused = await openConnection('redis://:hush@127.0.0.1:1').catch(
    (error: unknown) => error,
  );
  expect(refused).toBeInstanceOf(UnavailableError);
  expect(refused).toMatchObject({
    message: 'queue: expected a Redis or Valkey server at redis://127.0.0.1:1, got ECONNREFUSED',
    hint: 'start one (redis-server or valkey-server) or check host and port',
  });
  const { port } = page.address() as AddressInfo;
  await expect(openConnection(`redis://127.0.0.1:${port}`)).rejects.toMatchObject({
    message: `queue: expected a Redis or Valkey server at redis://127.0.0.1:${port}, got another kind of server`,
    hint: 'check the port',
  });
  // What ioredis says of a login holds the password, so nothing of it is passed on.
  expect((refused as Error).cause).toBeUndefined();
});
