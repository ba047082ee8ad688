import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { openToyLab, plainDeps } from '../../test/toy-server.ts';
import type { SharedConversation, ShareRequest } from '../api/lab.ts';
import { centreAndSpread } from '../vectors/calibration.ts';
import { createApp } from './app.ts';

const webFolder = mkdtempSync(join(tmpdir(), 'limbic-server-web-'));
afterAll(() => rmSync(webFolder, { recursive: true, force: true }));
const script = 'const a = "</script><script>x()</script>", b = "<!--", c = "$& $1";\nrun(a);';
const style = 'main { content: "</style>"; color: red }';
mkdirSync(join(webFolder, 'assets'));
writeFileSync(join(webFolder, 'assets', 'page.js'), script);
writeFileSync(join(webFolder, 'assets', 'page.css'), style);

const lab = await openToyLab();
const clock = { now: () => Date.UTC(2026, 0, 31, 9) };
const deps = { ...plainDeps(lab), webFolder, clock };
const hostile = '</script><img src=x onerror=alert(1)><!-- <script>';
const shared: ShareRequest = {
  title: '"><script>alert(2)</script> Üben & more',
  emotions: ['calm'],
  turns: [
    { role: 'user', content: hostile },
    {
      role: 'assistant',
      content: 'ok',
      tokens: [{ index: 0, token: 1, text: hostile, logprob: -1, readouts: { calm: 0.1 } }],
    },
  ],
};
function share(body: object, folder: string | null = webFolder): Promise<Response> {
  return Promise.resolve(
    createApp({ ...deps, webFolder: folder }).request('/api/share', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );
}
/** Contents of the elements with this name, as an HTML parser ends them: at the first end tag. */
function contentsOf(html: string, name: string): string[] {
  const matches = html.matchAll(new RegExp(`<${name}[^>]*>([^]*?)</${name}`, 'gi'));
  return [...matches].map(([, content]) => content!);
}
const hashOf = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

test('a shared file carries the conversation and lets nothing in it out', async () => {
  const response = await share(shared);
  expect(response.status).toBe(200);
  const html = await response.text();
  const scripts = contentsOf(html, 'script');
  expect(scripts).toHaveLength(2);
  const data = JSON.parse(scripts[0]!) as SharedConversation;
  expect(data).toEqual({
    ...shared,
    model: 'toy',
    layer: lab.pack.bestLayer,
    scale: { calm: centreAndSpread(lab.pack, 'calm') },
    date: '2026-01-31T09:00:00.000Z',
  });
  expect(scripts[0]).not.toContain('<');
  // Outside of scripts and styles no text of the conversation stands at all.
  const rest = html.replaceAll(/<(script|style)[^>]*>[^]*?<\/\1>/gi, '');
  expect(rest).not.toMatch(/<img|onerror|<script/i);
  expect(rest).toContain('<title>&quot;&gt;&lt;script&gt;alert(2)');
});

test('a shared file keeps the meaning of the script, and its policy allows that script alone', async () => {
  const html = await (await share(shared)).text();
  const [, inlined = ''] = contentsOf(html, 'script');
  const [css = ''] = contentsOf(html, 'style');
  const heard: string[] = [];
  // oxlint-disable-next-line no-implied-eval, typescript/no-implied-eval -- the script is ours, three lines up
  new Function('run', inlined)((a: string) => heard.push(a));
  expect(heard).toEqual(['</script><script>x()</script>']);
  expect(inlined).toContain('"$& $1"');
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)![1]!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain(`script-src ${hashOf(inlined)};`);
  expect(policy).toContain(`style-src ${hashOf(css)};`);
  expect(policy).not.toContain('unsafe');
  expect(html.indexOf('http-equiv')).toBeLessThan(html.indexOf('<style'));
});

test('a shared file is a download with a harmless name', async () => {
  const { headers } = await share(shared);
  expect(headers.get('content-disposition')).toBe(
    'attachment; filename="limbic-script-alert-2-script-ben-more.html"',
  );
  const nameless = await share({ ...shared, title: '../..' });
  expect(nameless.headers.get('content-disposition')).toContain('"limbic-conversation.html"');
});

test('sharing without a built page and with unknown emotions is refused', async () => {
  expect((await share(shared, null)).status).toBe(503);
  expect((await share({ ...shared, emotions: ['nobody'] })).status).toBe(400);
});
