/**
 * @file What every request must pass before a route sees it. A server on the user's own machine is reachable
 * from every page in the user's browser, so the checks are against other pages: the name in `Host` (DNS
 * rebinding), the page that asks (`Origin`, `Sec-Fetch-Site`), and a content type that no form can send.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

import type { MiddlewareHandler } from 'hono';

import { Refusal } from './refusal.ts';

/** What the guard leaves for the routes. */
export interface GuardEnv {
  Variables: {
    /** Body of a POST, parsed but not checked against a schema. */
    json: unknown;
  };
}

interface GuardOptions {
  readonly token: string | null;
  /** Names besides this machine's own, with or without a port. */
  readonly allowedHosts: readonly string[];
  readonly bodyBytes: number;
  /** Paths that need no token: what a browser loads by itself, without our header. */
  readonly isOpen: (path: string) => boolean;
}

const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const securityHeaders = {
  'content-security-policy': contentPolicy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** Sets the headers of every answer, errors too; a route may set its own first. */
export const addSecurityHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(securityHeaders))
    if (!c.res.headers.has(name)) c.res.headers.set(name, value);
};

/** Checks the request and reads its body; throws a Refusal. */
export function guard(options: GuardOptions): MiddlewareHandler<GuardEnv> {
  const digest = options.token === null ? null : digestOf(options.token);
  return async (c, next) => {
    const { raw } = c.req;
    const host = (raw.headers.get('host') ?? new URL(raw.url).host).toLowerCase();
    checkHost(host, options.allowedHosts);
    checkOrigin(raw, host);
    if (digest !== null && !options.isOpen(c.req.path)) checkToken(raw, digest);
    if (raw.method === 'POST') c.set('json', await readJson(raw, options.bodyBytes));
    await next();
  };
}

const ownNames = new Set(['localhost', '127.0.0.1', '[::1]']);

function checkHost(host: string, allowed: readonly string[]): void {
  const name = host.replace(/:\d*$/, '');
  const isAllowed = allowed.some((entry) => [host, name].includes(entry.toLowerCase()));
  if (ownNames.has(name) || isAllowed) return;
  throw new Refusal('host_not_allowed', `host: this server does not answer to "${host}"`, {
    hint: 'the operator names further hosts when starting the server',
  });
}

/** Refuses what another site's page asks; programs other than browsers send none of these headers. */
function checkOrigin({ headers, method }: Request, host: string): void {
  const origin = headers.get('origin');
  if (origin !== null && originHost(origin) !== host)
    throw new Refusal('origin_not_allowed', `origin: "${origin}" may not use this server`);
  const site = headers.get('sec-fetch-site');
  // A link on another page may lead here: the answer is shown, and that page cannot read it.
  const isVisit =
    method === 'GET' &&
    headers.get('sec-fetch-mode') === 'navigate' &&
    headers.get('sec-fetch-dest') === 'document';
  if ((site === 'cross-site' || site === 'same-site') && !isVisit)
    throw new Refusal(
      'origin_not_allowed',
      'origin: a page of another site may not use this server',
    );
}

function originHost(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}

function checkToken({ headers }: Request, expected: Buffer): void {
  const given = /^Bearer (.+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? '';
  if (timingSafeEqual(digestOf(given), expected)) return;
  throw new Refusal('invalid_api_key', 'token: expected the bearer token of this server', {
    headers: { 'www-authenticate': 'Bearer' },
  });
}

/** Digests have one length, so that comparing them says nothing about the token's. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

async function readJson(request: Request, limit: number): Promise<unknown> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json')
    throw new Refusal(
      'unsupported_media_type',
      `content-type: expected application/json, got ${type ?? 'none'}`,
    );
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge(limit);
  const text = await readText(request.body, limit);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Refusal('invalid_json', 'body: expected JSON', { cause });
  }
}

async function readText(body: ReadableStream<Uint8Array> | null, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body ?? []) {
      size += chunk.length;
      if (size > limit) throw tooLarge(limit);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('client_gone', 'the client left before the end of its body', { cause });
  }
  return Buffer.concat(chunks).toString();
}

function tooLarge(limit: number): Refusal {
  return new Refusal('request_too_large', `body: expected at most ${limit} bytes`, {
    headers: { connection: 'close' },
  });
}
