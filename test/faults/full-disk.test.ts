/** @file Disks that are full: one sentence, what was written is whole, and with room the work goes on to the same end. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { readRun } from '../../src/store/runs.ts';
import { startProviderServer } from '../provider-server.ts';
import {
  expectOneSentence,
  limbicProgram,
  needsMounts,
  programs,
  smallDisk,
  start,
  temporary,
} from './harness.ts';
import { hubEnv, startHub } from './hub.ts';
import { answer, outcomeIn, runsIn, study } from './study.ts';

const { writer } = programs('writer');
const within = temporary();

/** Leaves so many bytes free. */
function fill(folder: string, left: number): string {
  const { bavail, bsize } = statfsSync(folder);
  const path = join(folder, 'filler');
  writeFileSync(path, Buffer.alloc(Math.max(0, bavail * bsize - left)));
  return path;
}

test.skipIf(needsMounts !== '')(
  `a run on a full disk keeps its whole records, and goes on${needsMounts}`,
  async () => {
    using disk = smallDisk(within, 300_000);
    const runs = join(disk.folder, 'runs');
    const begin = (id = ''): ReturnType<typeof start> =>
      start([writer, 'records', runs, '400', id]);
    const { code, err } = await begin().ended;
    expect(code).toBe(1);
    expect(expectOneSentence(err)).toMatch(
      /events\.jsonl: expected to write it, got ENOSPC \(the disk is full\); make room on that disk/,
    );
    const [id = ''] = readdirSync(runs);
    const run = readRun(id, runs);
    let next = 0;
    for await (const record of run.events()) expect(record).toMatchObject({ number: next++ });
    expect(next).toBeGreaterThan(50);
    expect(readFileSync(join(runs, id, 'events.jsonl'), 'utf8').endsWith('\n')).toBe(true);
    // Room for the records and not for the report of 2 MB.
    disk.resize(1_500_000);
    const second = await begin(id).ended;
    expect(expectOneSentence(second.err)).toMatch(/report\.html: expected to write it, got ENOSPC/);
    expect(readRun(id, runs)).toMatchObject({
      status: 'interrupted',
      records: 400,
      hasReport: false,
    });
    expect(readdirSync(join(runs, id)).toSorted()).toEqual(['events.jsonl', 'manifest.json']);
    disk.resize(8_000_000);
    expect((await begin(id).ended).code).toBe(0);
    expect(readRun(id, runs)).toMatchObject({ status: 'done', records: 400, hasReport: true });
  },
  120_000,
);

test.skipIf(needsMounts !== '')(
  `a run that finds no room to begin leaves nothing${needsMounts}`,
  async () => {
    using disk = smallDisk(within, 200_000);
    mkdirSync(join(disk.folder, 'runs'));
    fill(disk.folder, 0);
    const { code, err } = await start([writer, 'records', join(disk.folder, 'runs'), '10']).ended;
    expect(code).toBe(1);
    expect(expectOneSentence(err)).toContain('got ENOSPC (the disk is full)');
    expect(readdirSync(join(disk.folder, 'runs'))).toEqual([]);
  },
  60_000,
);

test.skipIf(needsMounts !== '')(
  `story means and the pack on a full disk are whole or not there, and go on to the same bytes${needsMounts}`,
  async () => {
    const whole = join(within, 'whole');
    expect((await start([writer, 'extract', whole]).ended).code).toBe(0);
    const [pack, means] = ['toy.safetensors', 'toy.safetensors.means'];
    const bytesOf = (name: string, folder: string): Buffer => readFileSync(join(folder, name));
    using disk = smallDisk(within, 1_000_000);
    mkdirSync(join(disk.folder, 'x'));
    const folder = join(disk.folder, 'x');
    const filler = fill(disk.folder, bytesOf(means, whole).length * 0.6);
    const first = await start([writer, 'extract', folder]).ended;
    expect(first.code).toBe(1);
    expect(expectOneSentence(first.err)).toMatch(
      /toy\.safetensors\.means: expected to write it, got ENOSPC \(the disk is full\); make room/,
    );
    const there = bytesOf(means, folder);
    expect(there.length).toBeGreaterThan(10_000);
    expect(bytesOf(means, whole).subarray(0, there.length).equals(there)).toBe(true);
    // Room for the means and not for the pack.
    rmSync(filler);
    fill(disk.folder, bytesOf(means, whole).length - there.length + 8000);
    const second = await start([writer, 'extract', folder]).ended;
    expect(expectOneSentence(second.err)).toMatch(
      /toy\.safetensors: expected to write it, got ENOSPC/,
    );
    expect(readdirSync(folder)).toEqual([means]);
    rmSync(filler);
    const third = await start([writer, 'extract', folder]).ended;
    expect(third.code, third.err).toBe(0);
    for (const name of [pack, means])
      expect(bytesOf(name, folder).equals(bytesOf(name, whole)), name).toBe(true);
  },
  180_000,
);

test.skipIf(needsMounts !== '')(
  `stories on a full disk are whole lines, and go on to all of them${needsMounts}`,
  async () => {
    using disk = smallDisk(within, 200_000);
    const folder = join(disk.folder, 'x');
    mkdirSync(folder);
    const filler = fill(disk.folder, 10_000);
    const first = await start([writer, 'corpus', folder]).ended;
    expect(first.code).toBe(1);
    expect(expectOneSentence(first.err)).toMatch(
      /stories\.jsonl: expected to write it, got ENOSPC/,
    );
    rmSync(filler);
    const { code, err } = await start([writer, 'corpus', folder]).ended;
    expect(code, err).toBe(0);
    const lines = readFileSync(join(folder, 'stories.jsonl'), 'utf8').trimEnd().split('\n');
    expect(new Set(lines.map((line) => JSON.stringify(JSON.parse(line)))).size).toBe(90);
  },
  120_000,
);

test.skipIf(needsMounts !== '')(
  `a download that fills the disk keeps what came, and goes on there${needsMounts}`,
  async () => {
    using disk = smallDisk(within, 3_000_000);
    const models = join(disk.folder, 'models');
    let filler = '';
    await using hub = await startHub(1_500_000, () => {
      // After it was seen that there is room.
      filler ||= fill(disk.folder, 700_000);
      return 'well';
    });
    const fetching = (): ReturnType<typeof start> =>
      start([limbicProgram, 'fetch', hub.spec], { env: hubEnv(hub, disk.folder) });
    const first = await fetching().ended;
    expect(first.code).toBe(1);
    expect(expectOneSentence(first.err)).toMatch(
      /m\.gguf\.part: expected to write it, got ENOSPC \(the disk is full\); make room/,
    );
    const part = readFileSync(join(models, 'a--b--m.gguf.part'));
    expect(part.length).toBeGreaterThan(500_000);
    expect(part.equals(hub.model.subarray(0, part.length))).toBe(true);
    const second = await fetching().ended;
    expect(expectOneSentence(second.err)).toMatch(
      /expected 1 MB free in .*, got less; free some space/,
    );
    rmSync(filler);
    expect((await fetching().ended).code).toBe(0);
    expect(hub.asked).toEqual([0, part.length]);
    expect(readFileSync(join(models, 'a--b--m.gguf')).equals(hub.model)).toBe(true);
  },
  120_000,
);

test.skipIf(needsMounts !== '')(
  `limbic run on a full disk says what and where, and --resume ends it as if nothing had been${needsMounts}`,
  async () => {
    await using server = await startProviderServer({ answer });
    const home = join(within, 'run-whole');
    expect((await study(server, home).ended).code).toBe(0);
    using disk = smallDisk(within, 1_000_000);
    mkdirSync(join(disk.folder, 'runs'));
    const filler = fill(disk.folder, 12_288);
    const { code, err } = await study(server, disk.folder).ended;
    expect(code).toBe(1);
    expect(err).toContain('limbic: go on with: limbic run --resume ');
    expect(err).toMatch(
      /limbic: .*events\.jsonl: expected to write it, got ENOSPC \(the disk is full\)/,
    );
    expect(existsSync(join(disk.folder, 'runs', runsIn(disk.folder)[0]!, 'lock'))).toBe(false);
    rmSync(filler);
    const resumed = await study(server, disk.folder).ended;
    expect(resumed.code, resumed.err).toBe(0);
    expect(await outcomeIn(disk.folder)).toEqual(await outcomeIn(home));
  },
  120_000,
);
