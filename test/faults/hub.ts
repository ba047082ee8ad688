/** @file A model hub on this machine that cuts, stalls, lies and comes back, for programs that fetch from it. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { tinyGguf } from '../tiny-gguf.ts';

/** What the hub does with one request for bytes; `from` is where they begin. */
export type Behaviour =
  | 'well'
  /** Half of what is left, then the connection is gone. */
  | 'cut'
  /** Half of what is left, then nothing more, and the connection stays. */
  | 'stall'
  /** Half of what is left, and a proper end. */
  | 'short'
  /** All that is left, and as much again without an end in sight. */
  | 'too much'
  /** Other bytes of the right number. */
  | 'wrong'
  /** From the beginning, though the rest was asked for, and it says so. */
  | 'from the start'
  /** From elsewhere than asked for. */
  | 'elsewhere'
  /** Nobody answers the door. */
  | 'refuse';

export interface Hub extends AsyncDisposable {
  readonly origin: string;
  /** What `limbic fetch` calls the model. */
  readonly spec: string;
  readonly model: Buffer;
  /** Where each request for bytes began. */
  readonly asked: number[];
  /** Bytes that went out. */
  sent: number;
  /** What the hub waits for before every piece but the first of an answer. */
  gate: Promise<void>;
}

/** Serves a model of about so many bytes; `behaves` is asked for each request, which are numbered from 0. */
export async function startHub(
  bytes: number,
  behaves: (number: number) => Behaviour,
  chunkMs = 0,
): Promise<Hub> {
  const model = Buffer.concat([tinyGguf(), Buffer.alloc(bytes, 'limbic')]);
  const etag = createHash('sha256').update(model).digest('hex');
  const asked: number[] = [];
  const hub = { asked, sent: 0, gate: Promise.resolve() };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, from = '', to = ''] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
    if (from === '0' && to === '0') {
      // What the hub's client asks first: how large, and which hash.
      response.writeHead(206, { 'content-range': `bytes 0-0/${model.length}`, etag: `"${etag}"` });
      response.end(model.subarray(0, 1));
      return;
    }
    const how = behaves(asked.length);
    asked.push(Number(from));
    if (how === 'refuse') return void request.socket.destroy();
    if (Number(from) >= model.length) return void response.writeHead(416).end();
    const { rest, headers, status } = partOf(model, Number(from), how);
    response.writeHead(status, headers);
    await write(response, rest, { chunkMs, hub });
    if (how === 'too much') await write(response, Buffer.alloc(50e6), { chunkMs, hub });
    if (how === 'cut') response.destroy();
    else if (how !== 'stall' && how !== 'too much') response.end();
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(hub, {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spec: 'hf:a/b:m.gguf',
    model,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

interface Part {
  readonly status: 200 | 206;
  readonly headers: Readonly<Record<string, string | number>>;
  /** What is sent of the model. */
  readonly rest: Buffer;
}

/** The model from there on, or what the hub makes of it. */
function partOf(model: Buffer, from: number, how: Behaviour): Part {
  const begin = how === 'from the start' ? 0 : from + (how === 'elsewhere' ? 10 : 0);
  const whole = how === 'wrong' ? Buffer.alloc(model.length, 'wrong') : model;
  const rest = whole.subarray(begin);
  const isHalf = ['cut', 'stall', 'short'].includes(how);
  const announced = how === 'cut' || how === 'stall' ? { 'content-length': rest.length } : {};
  const range = { 'content-range': `bytes ${begin}-${model.length - 1}/${model.length}` };
  return {
    status: begin > 0 ? 206 : 200,
    headers: { ...announced, ...(begin > 0 ? range : {}) },
    rest: isHalf ? rest.subarray(0, Math.ceil(rest.length / 2)) : rest,
  };
}

/** Writes in pieces of 64 KiB with a pause after each, as long as somebody listens. */
async function write(
  response: ServerResponse,
  bytes: Buffer,
  { chunkMs, hub }: { chunkMs: number; hub: Pick<Hub, 'sent' | 'gate'> },
): Promise<void> {
  for (let at = 0; at < bytes.length && !response.destroyed; at += 65_536) {
    if (at > 0) await hub.gate;
    const piece = bytes.subarray(at, at + 65_536);
    await new Promise<void>((resolve) => {
      response.once('close', resolve);
      response.write(piece, () => {
        response.off('close', resolve);
        resolve();
      });
    });
    hub.sent += piece.length;
    if (chunkMs > 0) await new Promise((resolve) => setTimeout(resolve, chunkMs));
  }
}

/** What makes a program fetch from the hub alone, and think it gone after 0.7 s without a byte. */
export function hubEnv(hub: Hub, home: string): Record<string, string> {
  return {
    HF_ENDPOINT: hub.origin,
    LIMBIC_HOME: home,
    LIMBIC_PIP: '/bin/false',
    LIMBIC_STALL_MS: '700',
  };
}
