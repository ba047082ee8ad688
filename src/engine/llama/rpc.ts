/** @file Other machines that compute blocks of a model, over llama.cpp's RPC back end (a library that the user built). */
import { connect } from 'node:net';

import koffi from 'koffi';

import { EngineError, InvalidInputError, UnavailableError } from '../../errors.ts';
import type { Binding, Pointer } from './binding.ts';
import type { NativeLibrary } from './library.ts';

/** `HOST:PORT` each. Throws InvalidInputError for anything else. */
export function parseServers(given: string): string[] {
  const servers = given.split(',').map((server) => server.trim());
  for (const server of servers) {
    const port = Number(/^[^\s:/]+:(\d{1,5})$/.exec(server)?.[1]);
    if (!(port >= 1 && port <= 65_535))
      throw new InvalidInputError(`--rpc: expected HOST:PORT,HOST:PORT, got "${given}"`, {
        hint: 'e.g. --rpc 192.168.1.7:50052',
      });
  }
  return servers;
}

/** Milliseconds that a server may take to accept. */
const patience = 5000;

/** Throws EngineError for a server that does not answer: the library itself would end its process. */
export async function assertReachable(servers: readonly string[]): Promise<void> {
  for (const server of servers) {
    const colon = server.lastIndexOf(':');
    const [host, port] = [server.slice(0, colon), Number(server.slice(colon + 1))];
    const fault = await new Promise<string | null>((resolve) => {
      const socket = connect({ host, port, timeout: patience });
      const end = (why: string | null): void => {
        socket.destroy();
        resolve(why);
      };
      socket.once('connect', () => end(null));
      socket.once('timeout', () => end(`no answer in ${patience / 1000} s`));
      socket.once('error', (error) => end(error.message));
    });
    if (fault !== null)
      throw new EngineError(`--rpc: expected a server at ${server}, got: ${fault}`, {
        hint: 'start ggml-rpc-server there, of the same llama.cpp (reproduce/llama-rpc.sh)',
      });
  }
}

/**
 * Makes the devices of the servers known to the library, before a model is loaded. Throws UnavailableError for a
 * library without the back end, EngineError for a server that speaks another version.
 */
export function addServers(
  binding: Binding,
  library: NativeLibrary,
  servers: readonly string[],
): void {
  if (library.rpc === null)
    throw new UnavailableError(
      `--rpc: expected a library with the RPC back end, got ${library.source} without it`,
      { hint: 'reproduce/llama-rpc.sh builds one; pass its folder with --library' },
    );
  const add = koffi.load(library.rpc).func('void* ggml_backend_rpc_add_server(const char*)');
  for (const server of servers) {
    const registered = add(server) as Pointer | null;
    if (registered === null)
      throw new EngineError(
        `--rpc: expected a server of this llama.cpp at ${server}, got another`,
        {
          hint: 'build both with reproduce/llama-rpc.sh',
        },
      );
    binding.registerBackend(registered);
  }
}
