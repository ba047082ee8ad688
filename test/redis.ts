/** @file The queue's server for tests, where one is installed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** Name of the server's program; undefined where none is installed. */
export const storeBinary = ['valkey-server', 'redis-server'].find((name) => {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Starts it with an empty store that nothing is saved of, and waits until it answers. */
export async function startStore(port: number, home: string): Promise<ChildProcess> {
  const memory = ['--save', '', '--appendonly', 'no', '--dir', home, '--bind', '127.0.0.1'];
  const child = spawn(storeBinary ?? '', ['--port', String(port), ...memory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const text of child.stdout as AsyncIterable<Buffer>)
    if (/ready to accept/i.test(text.toString())) break;
  return child;
}
