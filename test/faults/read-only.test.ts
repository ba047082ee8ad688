/** @file A cache or a folder of runs that takes no writing: one sentence, and what only reads works. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { startProviderServer } from '../provider-server.ts';
import {
  expectOneSentence,
  limbicProgram,
  needsMounts,
  programs,
  readOnly,
  start,
  temporary,
} from './harness.ts';
import { hubEnv, startHub } from './hub.ts';
import { answer, runsIn, study } from './study.ts';

const { writer } = programs('writer');
const within = temporary();
const refused =
  /expected to write it, got EROFS \(the disk is read-only\); let this user write there/;

test.skipIf(needsMounts !== '')(
  `a read-only cache: fetch says so before it asks for the model, and runs and models are still listed${needsMounts}`,
  async () => {
    await using hub = await startHub(100_000, () => 'well');
    const home = join(within, 'cache');
    mkdirSync(join(home, 'models'), { recursive: true });
    using disk = readOnly(home);
    const { code, err } = await start([limbicProgram, 'fetch', hub.spec], {
      env: hubEnv(hub, disk.folder),
    }).ended;
    expect(code).toBe(1);
    expect(expectOneSentence(err)).toMatch(refused);
    expect(hub.asked).toEqual([]);
    for (const command of ['models', 'runs']) {
      const listed = await start([limbicProgram, command], { env: { LIMBIC_HOME: disk.folder } })
        .ended;
      expect(listed.code, listed.err).toBe(0);
    }
    // Without a folder of models there is nothing to list them in, and nothing to make it on.
    using empty = readOnly(join(within, 'cache', 'models'));
    const none = await start([limbicProgram, 'fetch', hub.spec], {
      env: hubEnv(hub, join(empty.folder, 'home')),
    }).ended;
    expect(none.code).toBe(1);
    // Node has another code for folders within folders.
    expect(expectOneSentence(none.err)).toMatch(
      /home\/models: expected to write it, got E[A-Z]+ \(/,
    );
  },
  300_000,
);

test.skipIf(needsMounts !== '')(
  `a read-only folder of runs: run says so before anything is asked and paid for${needsMounts}`,
  async () => {
    await using server = await startProviderServer({ answer });
    const home = join(within, 'runs');
    expect((await study(server, home).ended).code).toBe(0);
    const paid = server.requests.length;
    using disk = readOnly(home);
    const resumed = await study(server, disk.folder).ended;
    expect(resumed.code).toBe(1);
    expect(expectOneSentence(resumed.err)).toMatch(refused);
    expect(server.requests).toHaveLength(paid);
    const [id = ''] = runsIn(disk.folder);
    const shown = await start([limbicProgram, 'runs', 'report', id], {
      env: { LIMBIC_HOME: disk.folder },
    }).ended;
    expect(shown.code, shown.err).toBe(0);
  },
  300_000,
);

test.skipIf(needsMounts !== '')(
  `read-only story means: whole ones are read, and others are one sentence${needsMounts}`,
  async () => {
    const folder = join(within, 'means');
    expect((await start([writer, 'extract', folder]).ended).code).toBe(0);
    using disk = readOnly(folder);
    const { code, out, err } = await start([writer, 'extract', disk.folder]).ended;
    // All means were read; it is the pack that can't be written.
    expect(out).toBe('128 stories\n');
    expect(code).toBe(1);
    expect(expectOneSentence(err)).toMatch(/toy\.safetensors: expected to write it, got EROFS/);
    mkdirSync(join(within, 'empty'));
    using empty = readOnly(join(within, 'empty'));
    const none = await start([writer, 'extract', empty.folder]).ended;
    expect(none.code).toBe(1);
    expect(expectOneSentence(none.err)).toMatch(/means: expected to write it, got EROFS/);
  },
  300_000,
);

const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const cannot = ((): string => {
  try {
    execFileSync(asNobody[0]!, [
      ...asNobody.slice(1),
      process.execPath,
      limbicProgram,
      '--version',
    ]);
    return '';
  } catch {
    return ' (skipped: no program can be run as another user here)';
  }
})();

test.skipIf(cannot !== '')(
  `a cache of another user is one sentence${cannot}`,
  async () => {
    await using hub = await startHub(100_000, () => 'well');
    const home = join(within, 'other');
    mkdirSync(home);
    chmodSync(within, 0o755);
    const { code, err } = await start([limbicProgram, 'fetch', hub.spec], {
      env: hubEnv(hub, home),
      under: asNobody,
    }).ended;
    expect(code).toBe(1);
    expect(expectOneSentence(err)).toMatch(
      /expected to write it, got EACCES \(no permission\); let this user write there/,
    );
    expect(readdirSync(home)).toEqual([]);
  },
  300_000,
);
