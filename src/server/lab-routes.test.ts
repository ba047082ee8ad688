import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { openToyLab, plainDeps } from '../../test/toy-server.ts';
import {
  healthSchema,
  mapResponseSchema,
  packsSchema,
  readResponseSchema,
  stateSchema,
} from '../api/lab.ts';
import { chatTokens } from '../engine/chat-template.ts';
import { parseRule } from '../steering/monitor.ts';
import { coherenceLimit, middleLayers } from '../steering/steering.ts';
import { centreAndSpread } from '../vectors/calibration.ts';
import { makeProbe } from '../vectors/pack.ts';
import { createApp, type ServerApp } from './app.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-server-page-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const lab = await openToyLab();
const { model, pack } = lab;
const deps = plainDeps(lab);
const app = createApp({ ...deps, rules: [parseRule('sad > p95')], token: null });

async function get(path: string, from: ServerApp = app): Promise<unknown> {
  return (await from.request(path)).json();
}
function post(path: string, body: object): Promise<Response> {
  return Promise.resolve(
    app.request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );
}
async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string } };
  return `${response.status} ${error.code}`;
}

test('GET /api/state says what is loaded', async () => {
  const state = stateSchema.parse(await get('/api/state'));
  expect(state).toMatchObject({
    version: '0.0.0',
    model: { name: 'toy', blocks: 6, hasChatTemplate: true },
    pack: { layer: pack.bestLayer, steeredLayers: middleLayers(pack), warning: null },
    shown: ['happy', 'calm'],
    coherenceLimit,
    rules: ['sad > p95'],
    needsToken: false,
  });
  // One dose of 1 at each steered layer.
  expect(state.strengthPerDose).toBeCloseTo(middleLayers(pack).length, 4);
  expect(state.emotions.map(({ name }) => name)).toEqual(pack.emotions);
  for (const { name, median, spread, x, y, near } of state.emotions) {
    expect({ median, spread }).toEqual(centreAndSpread(pack, name));
    expect(Math.max(Math.abs(x), Math.abs(y))).toBeLessThanOrEqual(1);
    expect(near.map(([other]) => other)).not.toContain(name);
    expect(near.map(([, cosine]) => cosine)).toEqual(
      near.map(([, cosine]) => cosine).toSorted((a, b) => b - a),
    );
  }
  const at = (name: string): { x: number; y: number } =>
    state.emotions.find((emotion) => emotion.name === name)!;
  expect(at('happy').x).toBeGreaterThan(at('sad').x);
  expect(at('excited').y).toBeGreaterThan(at('calm').y);
});

test('GET /api/packs is the header of the pack', async () => {
  const { packs } = packsSchema.parse(await get('/api/packs'));
  expect(packs).toHaveLength(1);
  expect(packs[0]).toMatchObject({
    emotions: pack.emotions,
    scores: pack.scores,
    calibration: { texts: 4 },
  });
  expect(JSON.stringify(packs).length).toBeLessThan(5000);
});

test('POST /api/read reads a text with the probe of the layer asked for', async () => {
  const layer = pack.layers.find((other) => other !== pack.bestLayer)!;
  const body = { text: 'Quiet now', emotions: ['calm', 'sad'], layer, top: 2 };
  const reading = readResponseSchema.parse(await (await post('/api/read', body)).json());
  const tokens = await model.tokenize('Quiet now');
  const [direct] = await model.project([tokens], {
    probes: [makeProbe(pack, ['calm', 'sad'], layer)],
  });
  expect(reading.layer).toBe(layer);
  expect(reading.tokens.map(({ text }) => text)).toEqual(await model.pieces(tokens));
  for (const [i, { readouts, top }] of reading.tokens.entries()) {
    expect(readouts['calm']).toBeCloseTo(direct![2 * i]!, 4);
    expect(readouts['sad']).toBeCloseTo(direct![2 * i + 1]!, 4);
    expect(top).toHaveLength(2);
  }
  expect([reading.starts, reading.ends, reading.beforeReply]).toEqual([[], [], null]);
});

test('POST /api/read of a conversation says where its messages lie', async () => {
  const messages = [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Hello' },
  ] as const;
  const response = await post('/api/read', { messages });
  const { tokens, starts, ends, beforeReply } = readResponseSchema.parse(await response.json());
  expect(tokens).toHaveLength((await chatTokens(model, messages)).length);
  const texts = starts.map((start, i) =>
    tokens
      .slice(start, ends[i])
      .map(({ text }) => text)
      .join(''),
  );
  expect(texts).toEqual(['Hello', 'Hello']);
  expect(starts[1]).toBeGreaterThan(ends[0]!);
  expect(Object.keys(tokens[0]!.readouts)).toEqual(['happy', 'calm']);
  expect(Object.keys(beforeReply ?? {})).toEqual(['happy', 'calm']);
});

test('POST /api/map reads one emotion at every layer', async () => {
  const response = await post('/api/map', { text: 'Hi', emotion: 'sad' });
  const map = mapResponseSchema.parse(await response.json());
  const tokens = await model.tokenize('Hi');
  expect([map.layers, map.tokens]).toEqual([pack.layers, await model.pieces(tokens)]);
  for (const [k, layer] of pack.layers.entries()) {
    const [direct] = await model.project([tokens], { probes: [makeProbe(pack, ['sad'], layer)] });
    for (const [i, value] of direct!.entries()) expect(map.values[k]![i]).toBeCloseTo(value, 4);
  }
});

test('readings that cannot be are refused with a reason', async () => {
  const refused = async (path: string, body: object): Promise<string> =>
    codeOf(await post(path, body));
  expect(await refused('/api/read', {})).toBe('400 invalid_value');
  expect(await refused('/api/read', { text: 'a', emotions: ['x'] })).toBe('400 unknown_emotion');
  expect(await refused('/api/read', { text: 'a', layer: 99 })).toBe('400 invalid_input');
  expect(await refused('/api/read', { text: 'a'.repeat(2000) })).toBe(
    '400 context_length_exceeded',
  );
  expect(await refused('/api/map', { text: 'a', emotion: 'x' })).toBe('400 unknown_emotion');
  expect(await refused('/api/map', { text: 'a'.repeat(2000), emotion: 'sad' })).toBe(
    '400 context_length_exceeded',
  );
  expect(await refused('/api/nothing', {})).toBe('404 unknown_route');
});

test('GET /health and GET /metrics say how the server does', async () => {
  const fresh = createApp(deps);
  expect(healthSchema.parse(await get('/health', fresh))).toEqual({
    status: 'ok',
    model: 'toy',
    waiting: 0,
    running: 0,
  });
  const body = JSON.stringify({
    messages: [{ role: 'user', content: 'Hi' }],
    max_tokens: 5,
    seed: 1,
  });
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
  await (await fresh.request('/v1/chat/completions', init)).text();
  await fresh.request('/api/runs/not-an-id');
  await fresh.request('/no-such-path-123');
  const response = await fresh.request('/metrics');
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  const text = await response.text();
  for (const line of [
    'limbic_requests_total{route="/v1/chat/completions",status="200"} 1',
    'limbic_requests_total{route="/api/runs/:id",status="404"} 1',
    'limbic_tokens_generated_total 5',
    'limbic_time_to_first_token_seconds_count 1',
    'limbic_reply_tokens_per_second_bucket{le="+Inf"} 1',
    'limbic_requests_running 0',
    'limbic_sequences_held 0',
    'limbic_sequences_kept 1',
    'limbic_engine_restarts_total 0',
  ])
    expect(text.split('\n')).toContain(line);
  expect(text).not.toContain('no-such-path-123');
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [-+.e\d]+)$/,
    );
});

test('the page is served with validators, and only its own files', async () => {
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'index.html'), '<p>page</p>');
  writeFileSync(join(folder, 'assets', 'page.js'), 'run()');
  writeFileSync(join(folder, 'secret.bin'), 'x');
  const page = createApp({ ...deps, webFolder: folder });
  const index = await page.request('/');
  expect(await index.text()).toBe('<p>page</p>');
  const asset = await page.request('/assets/page.js');
  expect([asset.headers.get('content-type'), asset.headers.get('cache-control')]).toEqual([
    'text/javascript; charset=utf-8',
    'no-cache',
  ]);
  const etag = asset.headers.get('etag')!;
  const again = await page.request('/assets/page.js', {
    headers: { 'if-none-match': `W/${etag}` },
  });
  expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag]);
  expect(etag).not.toBe(index.headers.get('etag'));
  for (const path of ['/secret.bin', '/assets/../secret.bin', '/%2e%2e/package.json', '/assets/'])
    expect((await page.request(path)).status).toBe(404);
});

test('a server without a built page says so in plain words', async () => {
  const response = await app.request('/');
  expect(response.headers.get('content-type')).toContain('text/html');
  expect(await response.text()).toContain('Its page was not built');
});
