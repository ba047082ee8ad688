/** @file Work that writes, killed without warning at random moments and gone on with. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { readControlVector } from '../../src/formats/control-vector.ts';
import { listRuns, readRun } from '../../src/store/runs.ts';
import { loadPack } from '../../src/vectors/pack.ts';
import {
  killAtRandom,
  killsOf,
  type Moment,
  programs,
  seed,
  start,
  temporary,
  timeFor,
} from './harness.ts';

const { writer, 'toy-watch': watch } = programs('writer', 'toy-watch');
const home = temporary();

/** Files of a folder but for what killed processes may leave beside them: parts, and locks that nobody holds. */
function filesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !/\.(?:\d+\.part|lock|over)$/.test(name))
    .toSorted();
}

const few = killsOf(3);

test(
  `extraction killed ${few} times (seed ${seed}) gives the bytes of the pack and of the means of one that nothing killed`,
  async () => {
    const folderOf = (place: number | string): string => join(home, `extract-${place}`);
    const whole = await start([writer, 'extract', folderOf('whole')]).ended;
    expect(whole.code, whole.err).toBe(0);
    const bytesOf = (name: string, place: number | string): Buffer =>
      readFileSync(join(folderOf(place), name));
    const head = bytesOf('toy.safetensors.means', 'whole').indexOf('\n') + 1;
    let midway = 0;
    await killAtRandom(few, {
      whole,
      begin: (place, kill) => start([writer, 'extract', folderOf(place)], { kill }),
      check: (place) => {
        const [means, all] = [place, 'whole'].map((at) => bytesOf('toy.safetensors.means', at));
        // What is there is the beginning of the whole: no record is lost, changed or twice.
        expect(all!.subarray(0, means!.length).equals(means!)).toBe(true);
        if (means!.length > head && means!.length < all!.length) midway += 1;
        if (existsSync(join(folderOf(place), 'toy.safetensors')))
          expect(bytesOf('toy.safetensors', place)).toEqual(bytesOf('toy.safetensors', 'whole'));
      },
      end: (place, ended) => {
        expect(ended.code, ended.err).toBe(0);
        for (const name of ['toy.safetensors', 'toy.safetensors.means'])
          expect(bytesOf(name, place).equals(bytesOf(name, 'whole')), name).toBe(true);
        expect(filesIn(folderOf(place))).toEqual(['toy.safetensors', 'toy.safetensors.means']);
        // The parts of those that were killed are gone too.
        expect(readdirSync(folderOf(place)).filter((name) => name.endsWith('.part'))).toEqual([]);
      },
    });
    // Else every kill came before the first chunk or after the last.
    expect(midway).toBeGreaterThan(0);
  },
  timeFor(few),
);

test(
  `a corpus killed ${few} times (seed ${seed}) is written to the same stories`,
  async () => {
    const fileOf = (place: number | string): Buffer =>
      readFileSync(join(home, `corpus-${place}`, 'stories.jsonl'));
    const begin = (place: number | string, kill?: Moment): ReturnType<typeof start> =>
      start([writer, 'corpus', join(home, `corpus-${place}`)], { kill });
    const whole = await begin('whole').ended;
    expect(whole.code, whole.err).toBe(0);
    await killAtRandom(few, {
      whole,
      begin,
      check: () => {},
      end: (place, ended) => {
        expect(ended.code, ended.err).toBe(0);
        expect(fileOf(place).equals(fileOf('whole'))).toBe(true);
      },
    });
  },
  timeFor(few),
);

test(
  `a run killed ${few} times (seed ${seed}) while it appends holds all records in order, each once`,
  async () => {
    const folderOf = (place: number): string => join(home, `records-${place}`);
    const idIn = (place: number): string => readdirSync(folderOf(place))[0] ?? '';
    const count = 600;
    const begin = (place: number, kill?: Moment): ReturnType<typeof start> => {
      const known = existsSync(folderOf(place)) ? idIn(place) : '';
      return start([writer, 'records', folderOf(place), String(count), known], { kill });
    };
    const check = async (place: number, atLeast: number): Promise<number> => {
      let next = 0;
      const run = readRun(idIn(place), folderOf(place));
      for await (const record of run.events())
        expect((record as { number: number }).number).toBe(next++);
      expect(next).toBeGreaterThanOrEqual(atLeast);
      expect(run.status).toBe(next < count || run.summary === null ? 'interrupted' : 'done');
      return next;
    };
    let [before, of] = [0, -1];
    const whole = await begin(1000).ended;
    expect(whole.code, whole.err).toBe(0);
    await killAtRandom(few, {
      whole,
      begin,
      check: async (place) => {
        before = await check(place, place === of ? before : 0);
        of = place;
      },
      end: async (place, ended) => {
        expect(ended.code, ended.err).toBe(0);
        expect(await check(place, count)).toBe(count);
        expect(readRun(idIn(place), folderOf(place)).hasReport).toBe(true);
      },
    });
  },
  timeFor(few),
);

test(
  `packs, control vectors, reports and pages that are replaced while ${few} kills come (seed ${seed}) are whole each time`,
  async () => {
    const folder = join(home, 'replaced');
    let id = '';
    const versions = new Set<string>();
    await killAtRandom(few, {
      whole: { lines: 6, milliseconds: 120 },
      begin: (_, kill = { line: 1, delay: 20 }) => start([writer, 'packs', folder], { kill }),
      check: () => {
        // Each throws if its file is not whole.
        versions.add(loadPack(join(folder, 'pack.safetensors')).modelName);
        const values = readControlVector(join(folder, 'vector.gguf')).directions.get(1)!;
        expect(values.every((value) => value === values[0])).toBe(true);
      },
      end: () => {},
    });
    await killAtRandom(few, {
      whole: { lines: 6, milliseconds: 120 },
      begin: (_, kill = { line: 1, delay: 20 }) =>
        start([writer, 'pages', `${folder}-pages`, id], { kill }),
      check: () => {
        id = readdirSync(`${folder}-pages`).find((name) => /^\d{8}-/.test(name)) ?? '';
        for (const name of ['page.html', join(id, 'report.html')]) {
          const text = readFileSync(join(`${folder}-pages`, name), 'utf8');
          const [, version] = /^<!-- (\d+) -->/.exec(text) ?? [];
          expect(text.endsWith(`<!-- end of ${version} -->`)).toBe(true);
          versions.add(`page ${version}`);
        }
      },
      end: () => {},
    });
    expect(versions.size).toBeGreaterThan(1);
  },
  timeFor(2 * few),
);

test(
  `watch killed ${few} times (seed ${seed}) keeps every turn that it wrote, and the agent ends`,
  async () => {
    const folder = join(home, 'watch');
    const whole = await start([watch, folder, '20']).ended;
    expect(whole.code, whole.err).toBe(0);
    const [first = ''] = readdirSync(folder);
    expect(readRun(first, folder)).toMatchObject({ status: 'done', records: 40, hasReport: true });
    await killAtRandom(few, {
      whole,
      begin: (_, kill) => start([watch, folder, '20'], { kill }),
      check: async () => {
        const id = listRuns(folder)[0]?.id ?? '';
        const run = readRun(id, folder);
        let [turns, contents] = [0, ''];
        for await (const record of run.events()) {
          const { type, role, content } = record as Record<string, string>;
          expect(type).toBe('turn');
          expect(role).toBe(turns % 2 === 0 ? 'user' : 'assistant');
          if (role === 'user') contents += `${content} `;
          turns += 1;
        }
        // Told in order, from the first on.
        expect(contents).toBe(
          Array.from({ length: Math.ceil(turns / 2) }, (_, i) => `Number ${i}. `).join(''),
        );
        // A kill may come right after the end.
        expect(run.status).toBe(turns === 40 && run.summary !== null ? 'done' : 'interrupted');
      },
      end: (_, ended) => expect(ended.code, ended.err).toBe(0),
    });
  },
  timeFor(few),
);
