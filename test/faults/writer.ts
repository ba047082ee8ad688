/** @file Work that writes, to be killed by a test: `writer.js WHAT FOLDER`. It prints a line for each piece of its work. */
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { captureReplyRows } from '../../src/capture/neutral.ts';
import { captureStories, type Story } from '../../src/capture/stories.ts';
import { loadWordForms } from '../../src/capture/story-rules.ts';
import { type Cell, writeStories } from '../../src/capture/story-writer.ts';
import { writeWhole } from '../../src/cli/out-file.ts';
import { createProgress } from '../../src/cli/progress.ts';
import type { Model } from '../../src/engine/engine.ts';
import { openToyModel } from '../../src/engine/toy/model.ts';
import { ConflictError, LimbicError } from '../../src/errors.ts';
import { writeControlVector } from '../../src/formats/control-vector.ts';
import { acquireLock } from '../../src/store/lock.ts';
import { createRun, openRun, readRun } from '../../src/store/runs.ts';
import { buildPack } from '../../src/vectors/extract.ts';
import { defaultReadout, type VectorPack, writePack } from '../../src/vectors/pack.ts';
import { validateStories } from '../../src/vectors/validate.ts';
import { neutral } from '../toy-server.ts';

const [what = '', folder = '', more = ''] = process.argv.slice(2);

/** A corpus of 16 emotions on 8 topics, in which nothing is meant. */
const stories: readonly Story[] = Array.from({ length: 128 }, (_, i) => {
  const [emotion, topic] = [`emotion-${i % 16}`, String(Math.floor(i / 16))];
  return { emotion, topic, text: `${emotion} on ${topic}${'.'.repeat(i % 3)}` };
});

/** `limbic extract` on the toy engine: story means, then the pack. */
async function extract(): Promise<void> {
  const model = openToyModel({ blocks: 3 });
  const out = join(folder, 'toy.safetensors');
  const goOn = more === 'held' ? once(process.stdin, 'data') : null;
  const capture: Model['capture'] = async (...call) => {
    const captured = await model.capture(...call);
    await goOn;
    return captured;
  };
  const captured = await captureStories({ ...model, capture }, stories, {
    from: 5,
    meansPath: `${out}.means`,
    onProgress: (done) => console.log(`${done} stories`),
  });
  writePack(out, await packFrom(model, captured));
}

async function packFrom(
  model: ReturnType<typeof openToyModel>,
  captured: Awaited<ReturnType<typeof captureStories>>,
): Promise<VectorPack> {
  const { layers: scores } = await validateStories(captured, { rounds: 1 });
  const replyRows = await captureReplyRows(model, neutral, { layers: captured.layers });
  return buildPack(model.info, {
    captured,
    scores,
    replyRows,
    from: 5,
    readout: defaultReadout,
    weights: 'file',
    quantisation: model.info.quantisation,
  });
}

/** Writes the same pack under one name for ever, by turns with two names of the model, so that each is seen whole or not at all. */
async function packs(): Promise<void> {
  const model = openToyModel({ blocks: 3 });
  const few = stories.slice(0, 32);
  const pack = await packFrom(model, await captureStories(model, few, { from: 5 }));
  const path = join(folder, 'pack.safetensors');
  for (let version = 0; ; version++) {
    writePack(path, { ...pack, modelName: `version-${version}` });
    const directions = new Map([[1, new Float32Array(40_000).fill(version + 1)]]);
    writeControlVector(join(folder, 'vector.gguf'), { modelHint: 'toy', directions });
    console.log(version);
    await wait(0);
  }
}

/** A page of about 2 MB that says at both ends which one it is. */
const page = (version: number): string =>
  `<!-- ${version} -->${'.'.repeat(2_000_000)}<!-- end of ${version} -->`;

async function pages(): Promise<void> {
  const run = more === '' ? createRun(about, folder) : openRun(more, folder);
  for (let version = 0; ; version++) {
    run.writeReport(page(version));
    await writeWhole(join(folder, 'page.html'), [
      page(version).slice(0, 1000),
      page(version).slice(1000),
    ]);
    console.log(run.id);
    await wait(0);
  }
}

const about = {
  kind: 'faults',
  title: 'written by a test',
  model: 'toy',
  fingerprint: '-',
  packHash: null,
  limbicVersion: '0.0.0',
  parameters: {},
};

/** Appends numbered records of 2 kB up to `more`, or goes on with the run that is there. */
async function records(): Promise<void> {
  const count = Number(more);
  const id = process.argv[5] ?? '';
  if (id !== '' && readRun(id, folder).status === 'done') return;
  using run = id === '' ? createRun(about, folder) : openRun(id, folder);
  while (run.records < count) {
    run.append({ number: run.records, filler: 'x'.repeat(2000) });
    if (run.records % 50 === 0) console.log(run.id);
    await wait(0);
  }
  run.writeReport(page(count));
  run.finish('done', { count });
}

const words =
  'He walked along the river and looked at the boats that lay there in the evening sun. ';

/** A corpus by a model that always has a story after a few milliseconds. */
async function corpus(): Promise<void> {
  const cells: Cell[] = ['sad', 'happy', 'desperate'].flatMap((emotion) =>
    Array.from({ length: 30 }, (_, topic) => ({ emotion, topic: String(topic), subject: 'boats' })),
  );
  const { missing } = await writeStories(
    cells,
    async (requests) => {
      console.log('asked');
      await wait(5);
      return requests.map(
        ({ cell }) =>
          `In the ${cell.topic}th hour of the ${cell.emotion.length}th day he came. ${words.repeat(4)}`,
      );
    },
    { out: join(folder, 'stories.jsonl'), forms: loadWordForms('data/corpus/forms.txt'), batch: 4 },
  );
  if (missing.length > 0) throw new Error(JSON.stringify(missing[0]));
}

/** A bar as on a terminal, for three seconds. */
async function bar(): Promise<void> {
  process.stderr.isTTY = true;
  const progress = createProgress('working');
  for (let step = 0; step <= 30; step++) {
    progress.update(step / 30);
    await wait(100);
  }
}

/** Begins `more` runs. */
async function runs(): Promise<void> {
  for (let i = 0; i < Number(more); i++) createRun(about, folder)[Symbol.dispose]();
}

/** Takes the locks `lock-0` to `lock-<more>` below the folder, holds those that it gets, and prints their numbers. */
async function locks(): Promise<void> {
  console.log('ready');
  await once(process.stdin, 'data');
  const got: number[] = [];
  for (let i = 0; i < Number(more); i++) {
    try {
      acquireLock(join(folder, `lock-${i}`), 'a test');
      got.push(i);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
  console.log(JSON.stringify(got));
  await once(process.stdin, 'end');
}

const work: Readonly<Record<string, () => Promise<void>>> = {
  extract,
  packs,
  pages,
  records,
  corpus,
  bar,
  runs,
  locks,
};
if (!existsSync(folder)) mkdirSync(folder, { recursive: true });
try {
  await work[what]?.();
} catch (error) {
  // As the program itself says it.
  if (!(error instanceof LimbicError)) throw error;
  console.error(`limbic: ${error.message}; ${error.hint}`);
  process.exitCode = 1;
}
