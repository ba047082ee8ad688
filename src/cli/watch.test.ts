import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { runCommand } from './watch.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-watch-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Agent {
  /** What the agent wrote down so far. */
  readonly heard: () => string;
  readonly ended: ReturnType<typeof runCommand>;
}

/** An agent that writes down that it is ready and what it is sent, and ends at the signal `endsAt`. */
async function startAgent(
  name: string,
  options: Pick<Parameters<typeof runCommand>[1], 'signal' | 'isForwarded' | 'endMs'> & {
    endsAt: string;
  },
): Promise<Agent> {
  const { endsAt, ...rest } = options;
  const file = join(folder, name);
  const script = `
    const write = (text) => require('node:fs').appendFileSync(process.env.HEARD, text + ' ');
    for (const name of ['SIGINT', 'SIGTERM'])
      process.on(name, () => { write(name); if (name === '${endsAt}') process.exit(7); });
    setInterval(() => {}, 1000);
    write('ready');`;
  const heard = (): string => (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');
  const ended = runCommand(['node', '-e', script], { environment: { HEARD: file }, ...rest });
  await expect.poll(heard, { timeout: 5000 }).toBe('ready');
  return { heard, ended };
}

const status = (code: number): Promise<object> =>
  runCommand(['node', '-e', `process.exit(${code})`], {
    environment: {},
    signal: new AbortController().signal,
    isForwarded: true,
  });

test('runCommand returns the exit status of the command', async () => {
  expect(await status(0)).toEqual({ status: 0, isStopped: false });
  expect(await status(7)).toEqual({ status: 7, isStopped: false });
});

test('runCommand passes Ctrl-C on where no terminal does', async () => {
  const stop = new AbortController();
  const options = { signal: stop.signal, isForwarded: true, endsAt: 'SIGINT' };
  const agent = await startAgent('forwarded', options);
  stop.abort();
  expect(await agent.ended).toEqual({ status: 130, isStopped: true });
  expect(agent.heard()).toBe('ready SIGINT');
});

test('runCommand leaves Ctrl-C to the terminal, and ends a command that goes on after it', async () => {
  const stop = new AbortController();
  const options = { signal: stop.signal, isForwarded: false, endMs: 50, endsAt: 'SIGTERM' };
  const agent = await startAgent('terminal', options);
  stop.abort();
  expect(await agent.ended).toEqual({ status: 130, isStopped: true });
  expect(agent.heard()).toBe('ready SIGTERM');
});

test('runCommand starts nothing after a Ctrl-C that came before', async () => {
  const file = join(folder, 'never');
  const script = `require('node:fs').writeFileSync(${JSON.stringify(file)}, '')`;
  const ended = runCommand(['node', '-e', script], {
    environment: {},
    signal: AbortSignal.abort(),
    isForwarded: true,
  });
  expect(await ended).toEqual({ status: 130, isStopped: true });
  expect(existsSync(file)).toBe(false);
});

test('runCommand passes a SIGTERM to this program on and gives its status', async () => {
  const { signal } = new AbortController();
  const before = process.listeners('SIGTERM');
  const agent = await startAgent('terminated', { signal, isForwarded: true, endsAt: 'SIGTERM' });
  // Sent to this process it would end the test runner's other listeners too.
  const own = process.listeners('SIGTERM').filter((listener) => !before.includes(listener));
  expect(own).toHaveLength(1);
  own[0]!('SIGTERM');
  expect(await agent.ended).toEqual({ status: 143, isStopped: true });
  expect(agent.heard()).toBe('ready SIGTERM');
  expect(process.listeners('SIGTERM')).toEqual(before);
});

test('runCommand says which command it cannot find', async () => {
  const ended = runCommand(['limbic-no-such-command'], {
    environment: {},
    signal: new AbortController().signal,
    isForwarded: true,
  });
  await expect(ended).rejects.toThrow('limbic-no-such-command');
});
