/** @file The built page, read once at start: a request names one of these files or nothing. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

import { Hono } from 'hono';

import { renderPage } from '../charts/page.ts';
import type { GuardEnv } from './guard.ts';

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

interface Asset {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly type: string;
  /** Strong validator: a hash of the content. */
  readonly etag: string;
}

/** Files of the page by the path that a request names; a notice in its place if it was not built. */
export function loadAssets(folder: string | null): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>();
  for (const name of filesOf(folder)) {
    const type = types[extname(name)];
    if (type === undefined || folder === null) continue;
    const path = `/${name.replaceAll('\\', '/')}`;
    const asset = assetOf(readFileSync(join(folder, name)), type);
    assets.set(path === '/index.html' ? '/' : path, asset);
  }
  if (!assets.has('/')) assets.set('/', assetOf(Buffer.from(notice()), types['.html'] ?? ''));
  return assets;
}

function filesOf(folder: string | null): string[] {
  if (folder === null || !existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' });
}

function assetOf(content: Buffer, type: string): Asset {
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
  return { body: new Uint8Array(content), type, etag };
}

export function assetRoutes(assets: ReadonlyMap<string, Asset>): Hono<GuardEnv> {
  const app = new Hono<GuardEnv>();
  for (const [path, { body, type, etag }] of assets) {
    app.get(path, (c) => {
      // Names stay the same between versions, so a browser asks each time and gets 304.
      const headers = { etag, 'cache-control': 'no-cache', 'content-type': type };
      const known = c.req.header('if-none-match')?.split(',') ?? [];
      if (known.some((tag) => tag.trim().replace(/^W\//, '') === etag))
        return c.body(null, 304, headers);
      return c.body(body, 200, headers);
    });
  }
  return app;
}

function notice(): string {
  return renderPage({
    title: 'limbic',
    subtitle: 'The server runs. Its page was not built.',
    sections: [
      {
        title: 'What works',
        lead: 'Everything but the page: the API is described at /openapi.json, and any client of the OpenAI API can talk to /v1. To build the page from the sources: npm run build.',
        body: '',
      },
    ],
    footer: 'limbic',
  });
}
