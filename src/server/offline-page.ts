/**
 * @file One HTML file of a conversation that opens anywhere: the page's own script and style with the data
 * inside. Its policy allows exactly these two by their hashes and no network, so that nothing in the
 * conversation can run or leave.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { SharedConversation } from '../api/lab.ts';
import { escapeHtml } from '../charts/html.ts';
import { UnavailableError } from '../errors.ts';

/** Makes the file; throws UnavailableError when the page was not built. */
export function offlinePage(webFolder: string | null, shared: SharedConversation): string {
  const take = (name: string): string => readBuilt(webFolder, name);
  const script = take('assets/page.js')
    .replaceAll(/<\/(script)/gi, String.raw`<\/$1`)
    .replaceAll('<!--', String.raw`\x3C!--`);
  const style = take('assets/page.css').replaceAll(/<\/(style)/gi, String.raw`<\/$1`);
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    'img-src data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const data = JSON.stringify(shared).replaceAll('<', String.raw`\u003c`);
  const head = [
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">`,
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeHtml(shared.title)}</title>`,
    `<style>${style}</style>`,
  ].join('');
  const body = [
    '<div id="app"></div>',
    `<script type="application/json" id="limbic-shared">${data}</script>`,
    `<script type="module">${script}</script>`,
  ].join('');
  return `<!doctype html><html lang="en"><head>${head}</head><body>${body}</body></html>`;
}

function readBuilt(webFolder: string | null, name: string): string {
  const path = webFolder === null ? null : join(webFolder, name);
  if (path === null || !existsSync(path))
    throw new UnavailableError('page: expected a built page, found none', {
      hint: 'build it with: npm run build',
    });
  return readFileSync(path, 'utf8');
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
