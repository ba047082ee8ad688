/** @file Opens a port for an app. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { createAdaptorServer } from '@hono/node-server';

import { InvalidInputError, UnavailableError } from '../errors.ts';
import type { ServerApp } from './app.ts';

/** Longest time for the whole request to arrive; 4 MiB in a minute is 70 kB/s. */
const arrivalMs = 60_000;
/** What replies that run get to come to an end when the server closes. */
const usualGraceMs = 2000;
/** What replies that were cut off get to leave the engine and be logged as far as they came. */
const endMs = 2000;

export interface ListeningServer extends AsyncDisposable {
  readonly url: string;
  /** Takes no more requests, waits for those that run, cuts them off after the grace, and lets them end. */
  close(options?: { graceMs?: number }): Promise<void>;
}

/**
 * Other machines may only reach a server that asks for a token.
 * Throws InvalidInputError for a host that is not this machine's own without one.
 */
export function assertSafeHost(host: string, token: string | null): void {
  const isOwn = host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
  if (isOwn || (token !== null && token.length >= 16)) return;
  throw new InvalidInputError(
    `--host ${host}: expected a --token of at least 16 characters for a server that other machines reach, got ${token === null ? 'none' : 'a shorter one'}`,
    { hint: 'make one with: openssl rand -hex 16' },
  );
}

/** Starts to listen; port 0 picks a free one. Throws UnavailableError if the port cannot be had. */
export async function startServer(
  app: ServerApp,
  { host, port }: { host: string; port: number },
): Promise<ListeningServer> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    serverOptions: { requestTimeout: arrivalMs },
  }) as Server;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new UnavailableError(`server: cannot listen on ${host}:${port} (${cause.code})`, {
          cause,
          hint: 'choose another port with --port',
        }),
      );
    });
    server.listen(port, host, resolve);
  });
  const { port: actual } = server.address() as AddressInfo;
  const close: ListeningServer['close'] = async ({ graceMs = usualGraceMs } = {}) => {
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    server.closeIdleConnections();
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    await closed;
    clearTimeout(timer);
    await idleWithin(app, endMs);
  };
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    close,
    [Symbol.asyncDispose]: () => close({ graceMs: 0 }),
  };
}

/** Waits until no reply runs, or until the time is over: an engine may be slow to stop. */
async function idleWithin(app: Pick<ServerApp, 'idle'>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([app.idle(), limit]);
  clearTimeout(timer);
}
