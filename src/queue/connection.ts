/**
 * @file A connection to a Redis or Valkey server. Its errors are one sentence and never hold the password:
 * ioredis puts it into the errors of a login, so none of them is passed on.
 */
import { Redis, type RedisOptions } from 'ioredis';

import { InvalidInputError, UnavailableError } from '../errors.ts';

/** Milliseconds until a server must have answered. */
const patience = 5000;
/** Milliseconds between two tries to reach a server that went away. */
const retryAfter = 1000;

export interface QueueAddress extends Pick<RedisOptions, 'username' | 'password' | 'tls'> {
  readonly host: string;
  readonly port: number;
  /** Number of the database, 0 unless given. */
  readonly db: number;
}

/**
 * The parts of `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`; `rediss:` is the same over TLS. Throws
 * InvalidInputError, which does not repeat what may hold a password.
 */
export function parseQueueUrl(text: string): QueueAddress {
  const refuse = (got: string): InvalidInputError =>
    new InvalidInputError(
      `queue: expected redis://HOST[:PORT][/DATABASE] or rediss:// for TLS, got ${got}`,
      { hint: 'with a password: redis://:PASSWORD@HOST' },
    );
  if (!URL.canParse(text)) throw refuse('other text');
  const url = new URL(text);
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw refuse(`${url.protocol}//`);
  const host = url.hostname.replaceAll(/[[\]]/g, '');
  if (host === '') throw refuse('no host');
  if (url.search !== '' || url.hash !== '') throw refuse('something after the database');
  const database = /^\/?(\d{0,3})$/.exec(url.pathname);
  if (database === null) throw refuse('a database that is no number');
  const [username, password] = [decoded(url.username), decoded(url.password)];
  if (username === null || password === null)
    throw refuse('a name or a password with a "%" that stands for itself (write it as %25)');
  return {
    host,
    port: url.port === '' ? 6379 : Number(url.port),
    db: Number(database[1]),
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    ...(url.protocol === 'rediss:' ? { tls: { servername: host } } : {}),
  };
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** The server's address without name and password. */
export function shownAddress({ host, port, db, tls }: QueueAddress): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return `redis${tls === undefined ? '' : 's'}://${name}:${port}${db === 0 ? '' : `/${db}`}`;
}

/**
 * Connects, and then stays connected: when the server goes away, commands wait until it is back, and `notice`
 * hears of it once. Throws InvalidInputError for an address that is none, and UnavailableError when there is
 * no such server, it does not let us in, or it takes longer than 5 s. Whoever opens it disconnects it.
 */
export async function openConnection(
  url: string,
  notice: (text: string) => void = () => {},
): Promise<Redis> {
  const address = parseQueueUrl(url);
  const shown = shownAddress(address);
  let isOpen = false;
  let isAway = false;
  let trouble: Error | undefined;
  const redis: Redis = new Redis({
    ...address,
    lazyConnect: true,
    connectTimeout: patience,
    connectionName: 'limbic',
    // A command that is under way when the server goes away is repeated, however long that takes.
    maxRetriesPerRequest: null,
    // Called when a connection ends that nobody closed; also by the copies of it that BullMQ makes.
    retryStrategy: () => {
      if (!isOpen) return null;
      if (!isAway && redis.status !== 'ready') {
        isAway = true;
        notice(`queue: ${shown} is away; waiting for it`);
      }
      return retryAfter;
    },
  });
  redis.on('error', (error: Error) => (trouble ??= error));
  redis.on('ready', () => {
    if (isAway) notice(`queue: ${shown} is back`);
    isAway = false;
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('ETIMEDOUT')), patience);
    });
    await Promise.race([redis.connect(), late]);
    // The choice of a database fails beside the connection.
    await Promise.race([redis.ping(), late]);
    if (trouble !== undefined) throw trouble;
  } catch (error) {
    redis.disconnect();
    const { got, hint } = plain(trouble ?? (error as Error), address);
    throw new UnavailableError(
      `queue: expected a Redis or Valkey server at ${shown}, got ${got}`,
      // The cause would hold the password.
      { hint },
    );
  } finally {
    clearTimeout(timer);
  }
  isOpen = true;
  return redis;
}

/** Milliseconds by the clock of the server, the one that all sides share. */
export async function serverTime(redis: Redis): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
}

/** What went wrong and what to do, in words that hold nothing of the login. */
function plain(error: Error, { tls }: QueueAddress): { got: string; hint: string } {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const { message } = error;
  const login = 'give the right one: redis://:PASSWORD@HOST or redis://USER:PASSWORD@HOST';
  if (message.startsWith('NOAUTH')) return { got: 'one that asks for a password', hint: login };
  if (/^(WRONGPASS|ERR (invalid password|AUTH))/.test(message))
    return { got: 'one that refuses this name and password', hint: login };
  if (message.startsWith('ERR DB index'))
    return { got: 'one without this database', hint: 'leave out the number after the port' };
  if (message.startsWith('Protocol error') || error.name === 'ParserError')
    return { got: 'another kind of server', hint: 'check the port' };
  if (code === 'ETIMEDOUT' || message.includes('ETIMEDOUT'))
    return {
      got: `no answer within ${patience / 1000} s`,
      hint: `check host and port, and whether it speaks TLS (${tls === undefined ? 'rediss:// for it' : 'redis:// without it'})`,
    };
  if (/^(ERR_SSL|EPROTO|CERT_|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|ERR_TLS)/.test(code))
    return {
      got: `a failed TLS handshake (${code})`,
      hint: 'redis:// is without TLS; NODE_EXTRA_CA_CERTS names a file of further certificates',
    };
  return {
    got: /^[A-Z_]{3,40}$/.test(code) ? code : 'a closed connection',
    hint: 'start one (redis-server or valkey-server) or check host and port',
  };
}
