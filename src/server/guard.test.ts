import { expect, test } from 'vitest';

import { openToyLab, plainDeps } from '../../test/toy-server.ts';
import { createApp } from './app.ts';

const lab = await openToyLab();
const deps = plainDeps(lab);
const open = createApp(deps);
const locked = createApp({ ...deps, token: 'secret', allowedHosts: ['Lab.example', 'a.b:99'] });
const strict = createApp({ ...deps, limits: { bodyBytes: 200 } });
const json = { 'content-type': 'application/json' };

const get = (headers: Record<string, string>, path = '/api/packs', app = open): Promise<Response> =>
  Promise.resolve(app.request(path, { headers }));
const post = (headers: Record<string, string>, body = '{"text":"a"}'): Promise<Response> =>
  Promise.resolve(open.request('/api/read', { method: 'POST', headers, body }));
async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string } };
  return `${response.status} ${error.code}`;
}

test.each(['localhost', 'localhost:8080', 'LOCALHOST', '127.0.0.1:1', '[::1]', '[::1]:80'])(
  'a request to %s is answered',
  async (host) => {
    expect((await get({ host })).status).toBe(200);
  },
);

test.each(['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io', '[::2]', '0.0.0.0', ''])(
  'a request to "%s" is refused, also without a token and for /health',
  async (host) => {
    expect(await codeOf(await get({ host }))).toBe('403 host_not_allowed');
    expect(await codeOf(await get({ host }, '/health'))).toBe('403 host_not_allowed');
  },
);

test('hosts that the operator allows are answered, by name or by name and port', async () => {
  const headers = { authorization: 'Bearer secret' };
  expect((await get({ ...headers, host: 'lab.example:7' }, '/api/packs', locked)).status).toBe(200);
  expect((await get({ ...headers, host: 'a.b:99' }, '/api/packs', locked)).status).toBe(200);
  expect((await get({ ...headers, host: 'a.b:98' }, '/api/packs', locked)).status).toBe(403);
});

test('a page of another origin is refused, whatever the method', async () => {
  const host = 'localhost:8080';
  for (const origin of [
    'http://evil.example',
    'null',
    'http://localhost:3000',
    'http://localhost',
  ]) {
    expect(await codeOf(await get({ host, origin }))).toBe('403 origin_not_allowed');
    expect(await codeOf(await post({ host, origin, ...json }))).toBe('403 origin_not_allowed');
  }
  expect((await post({ host, origin: 'http://localhost:8080', ...json })).status).toBe(200);
  expect((await post({ host, ...json })).status).toBe(200);
});

test('a browser that says the page is of another site is refused, unless the user follows a link', async () => {
  for (const site of ['cross-site', 'same-site'])
    expect(await codeOf(await get({ 'sec-fetch-site': site }))).toBe('403 origin_not_allowed');
  const visit = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  expect((await get({ 'sec-fetch-site': 'cross-site', ...visit }, '/')).status).toBe(200);
  const posted = await post({ 'sec-fetch-site': 'cross-site', ...visit, ...json });
  expect(await codeOf(posted)).toBe('403 origin_not_allowed');
  expect((await get({ 'sec-fetch-site': 'same-origin' })).status).toBe(200);
});

test('what a form can send is refused', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx'])
    expect(await codeOf(await post({ 'content-type': type }))).toBe('415 unsupported_media_type');
  const bare = await open.request('/api/read', { method: 'POST', body: new Uint8Array([1]) });
  expect(await codeOf(bare)).toBe('415 unsupported_media_type');
  expect((await post({ 'content-type': 'Application/JSON; charset=utf-8' })).status).toBe(200);
});

test('a token is asked of everything but the page and /health', async () => {
  for (const path of ['/api/state', '/v1/models', '/metrics', '/openapi.json', '/nowhere'])
    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: 'Bearer secret2' },
      { authorization: 'secret' },
    ] as Record<string, string>[])
      expect(await codeOf(await get(headers, path, locked))).toBe('401 invalid_api_key');
  expect((await get({ authorization: 'Bearer secret' }, '/api/packs', locked)).status).toBe(200);
  expect((await get({}, '/health', locked)).status).toBe(200);
  expect((await get({}, '/', locked)).status).toBe(200);
});

test('a body over the limit is refused by its length, and when it does not tell its length', async () => {
  const body = JSON.stringify({ text: 'a'.repeat(300) });
  const told = { ...json, 'content-length': String(body.length) };
  const byLength = await strict.request('/api/read', { method: 'POST', headers: told, body });
  expect(await codeOf(byLength)).toBe('413 request_too_large');
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulled++;
      controller.enqueue(new Uint8Array(50));
    },
  });
  const request = { method: 'POST', headers: json, body: endless, duplex: 'half' };
  expect(await codeOf(await strict.request('/api/read', request as RequestInit))).toBe(
    '413 request_too_large',
  );
  expect(pulled).toBeLessThan(10);
});

test('a body that is no JSON and one that does not fit name what is wrong', async () => {
  expect(await codeOf(await post(json, '{'))).toBe('400 invalid_json');
  const response = await post(json, '{"text":"a","top":-1}');
  const { error } = (await response.json()) as { error: { param: string; type: string } };
  expect([response.status, error.param, error.type]).toEqual([400, 'top', 'invalid_request_error']);
});

test('every answer carries the security headers, refusals too', async () => {
  for (const response of [
    await get({}),
    await get({ host: 'evil.example' }),
    await get({}, '/x'),
  ]) {
    expect(response.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self';.*frame-ancestors 'none'$/,
    );
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(response.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(response.headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  }
});

test('an error that nobody foresaw tells the operator and not the client', async () => {
  const told: unknown[] = [];
  const model = { ...lab.model, tokenize: () => Promise.reject(new TypeError('key is hunter2')) };
  const app = createApp({ ...deps, model, report: (error) => told.push(error) });
  const response = await app.request('/api/read', {
    method: 'POST',
    headers: json,
    body: '{"text":"a"}',
  });
  const text = await response.text();
  expect([response.status, text.includes('hunter2')]).toEqual([500, false]);
  expect(told).toHaveLength(1);
});
