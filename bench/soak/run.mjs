/**
 * @file A mixed load on limbic for an hour, and what grew meanwhile: a server under good, cut and bad requests, in turns
 * with studies (some of them killed), readings and extractions in processes of their own. Two engines at once on few
 * cores slow each other down many times over, so the server rests while a command works.
 *
 * Usage: npm run soak -- [--engine toy] [--json]; LIMBIC_SOAK_MINUTES (60) says how long.
 * `--judge FILE` judges what an earlier `--json` wrote. Ends with 1 if anything leaks or fails.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { randomFrom } from '../../dist/math/random.js';
import { modelsFolder } from '../../dist/store/cache.js';
import { load, metricsAtRest, metricsOf } from './load.mjs';
import { mark, marked, measure, measureBelow, zombiesBelow } from './processes.mjs';
import { judge } from './verdict.mjs';
import { orphansOf, realWork, runWork, toyWork } from './work.mjs';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'llama' },
    json: { type: 'boolean', default: false },
    judge: { type: 'string' },
  },
});
const isToy = values.engine === 'toy';
const minutes = Number(process.env.LIMBIC_SOAK_MINUTES ?? 60);
/** Seconds of load at a time, and between two samples; in an hour 40 and 60. */
const loadSeconds = Math.min(isToy ? 1.5 : 40, Math.max(0.5, minutes * 6));
const sampleSeconds = Math.min(60, Math.max(0.5, minutes * 3));
/** Seconds that a process may live on after the one that started it; a long decode ends first. */
const patience = isToy ? 3 : 10;
const built = 'dist/soak';
const say = (text) => process.stderr.write(`${text}\n`);
const secondsSince = (began) => (performance.now() - began) / 1000;

/** Starts the server and waits for its address. */
async function startServer(env) {
  const args = isToy ? [join(built, 'toy-serve.js')] : ['dist/cli/main.js', 'serve', '--log'];
  const child = spawn('node', [...args, '--port', '0'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => {
    child.once('close', (code, signal) => resolve(signal ?? code));
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /page:\s+(http:\S+)/.exec(line) ?? [];
    if (url !== undefined) return { child, url, ended };
  }
  throw new Error(`server: expected an address, got an end (${await ended})`);
}

/** A look at everything. What is a zombie for a second was only not yet waited for. */
async function sample({ child, url }, { began, phase, requests }) {
  const early = zombiesBelow(process.pid);
  if (early.length > 0) await wait(1000);
  const late = early.length > 0 ? zombiesBelow(process.pid) : [];
  return {
    seconds: secondsSince(began),
    phase: phase(),
    server: measure(child.pid),
    engine: measureBelow(child.pid)[0] ?? null,
    commands: measureBelow(process.pid).length - measureBelow(child.pid).length - 1,
    zombies: late.filter((pid) => early.includes(pid)).length,
    ...(await metricsOf(url)),
    ...requests,
  };
}

function tell({ seconds, phase, server, engine, held, kept, answered, failed, zombies }) {
  const memory = `server ${server?.own.toFixed(0)} MB, engine ${engine?.own.toFixed(0) ?? 0} MB`;
  const files = `${server?.files} and ${engine?.files ?? 0} files`;
  say(
    `${(seconds / 60).toFixed(1)} min, ${phase}: ${memory}, ${files}, sequences ${held} held ${kept} kept, ` +
      `${answered} answered, ${failed} failed, ${zombies} zombies`,
  );
}

/** Loads and works in turns until the time is over; samples meanwhile. */
async function soak(server, { env, id, work }) {
  const began = performance.now();
  const requests = { sent: 0, answered: 0, cut: 0, refused: 0, failed: 0, lastFault: null };
  const [samples, idle, works] = [[], [], []];
  const random = randomFrom(1);
  let phase = 'load';
  const over = new AbortController();
  /** False as soon as it is over. */
  const nextSample = () =>
    wait(sampleSeconds * 1000, true, { signal: over.signal }).catch(() => false);
  const sampling = (async () => {
    while (await nextSample()) {
      samples.push(await sample(server, { began, phase: () => phase, requests }));
      tell(samples.at(-1));
    }
  })();
  const serverPid = server.child.pid;
  try {
    for (let turn = 0; turn < work.length || secondsSince(began) < minutes * 60; turn++) {
      phase = 'load';
      await load(server.url, loadSeconds * 1000, requests);
      phase = 'rest';
      const metrics = await metricsAtRest(server.url);
      const engine = measureBelow(serverPid)[0] ?? null;
      idle.push({ ...metrics, server: measure(serverPid), engine });
      const next = work[turn % work.length];
      phase = next.name;
      // Somewhere on the way of a whole one.
      const usual = works.find(({ name }) => name === 'study')?.seconds ?? 3;
      const killAfter = next.isKilled === true ? random() * usual * 800 : undefined;
      works.push(await runWork(next, { env, id, serverPid, patience, killAfter }));
    }
  } finally {
    over.abort();
    await sampling;
  }
  return { minutes: secondsSince(began) / 60, samples, idle, requests, works };
}

/** Everything from the first process to the last. */
async function whole() {
  const folder = mkdtempSync(join(tmpdir(), 'limbic-soak-'));
  const [home, temporary] = ['home', 'temporary'].map((name) => join(folder, name));
  for (const path of [home, temporary]) mkdirSync(path);
  // The fetched models stay where they are.
  symlinkSync(modelsFolder(), join(home, 'models'));
  const id = randomUUID();
  const env = { ...process.env, LIMBIC_HOME: home, TMPDIR: temporary, NO_COLOR: '1', [mark]: id };
  const cleanUp = () => {
    for (const pid of marked(id)) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    if (isToy) rmSync(built, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      cleanUp();
      process.exit(130);
    });
  try {
    if (isToy) await buildToy();
    const work = isToy ? toyWork(folder, built) : realWork(folder);
    const server = await startServer(env);
    const { pid } = server.child;
    const seen = await soak(server, { env, id, work });
    server.child.kill('SIGINT');
    const code = await Promise.race([server.ended, wait(30_000, 'nothing after 30 s')]);
    const orphans = await orphansOf(id, pid, patience);
    const zombies = zombiesBelow(process.pid).length;
    return { ...seen, end: { code, orphans, zombies, leftovers: readdirSync(temporary) } };
  } finally {
    cleanUp();
  }
}

async function buildToy() {
  const { build } = await import('vite');
  for (const name of ['toy-serve', 'toy-study'])
    await build({
      configFile: false,
      logLevel: 'silent',
      build: { ssr: `test/${name}.ts`, outDir: built, emptyOutDir: false },
    });
}

function report({ minutes: length, requests, works, samples }, { memory, growth, faults }) {
  const names = [...new Set(works.map(({ name }) => name))];
  const counts = names.map(
    (name) => `${works.filter((work) => work.name === name).length} ${name}`,
  );
  const lines = [
    `${length.toFixed(1)} minutes, ${samples.length} samples`,
    `requests: ${requests.answered} answered, ${requests.cut} cut, ${requests.refused} refused as they should, ${requests.failed} failed`,
    `commands: ${counts.join(', ')}`,
  ];
  for (const [who, slope] of Object.entries(memory))
    lines.push(
      slope === null
        ? `memory of the ${who}: too short to judge`
        : `memory of the ${who}: ${slope.mean.toFixed(0)} MB, ${slope.perHour.toFixed(1)} MB an hour (95 % ${slope.low.toFixed(1)} to ${slope.high.toFixed(1)}, ${slope.samples} samples)`,
    );
  for (const [name, pair] of Object.entries(growth))
    if (pair !== null) lines.push(`${name} at rest: ${pair.first} at first, ${pair.last} at last`);
  return [...lines, ...(faults.length === 0 ? ['no leak'] : faults.map((f) => `FAULT: ${f}`))];
}

const seen =
  values.judge === undefined ? await whole() : JSON.parse(readFileSync(values.judge, 'utf8'));
const verdict = judge(seen);
const machine = `${cpus().length} cores, ${cpus()[0]?.model ?? '?'}`;
if (values.json)
  console.log(JSON.stringify({ machine, engine: values.engine, ...seen, verdict }, null, 2));
else console.log(report(seen, verdict).join('\n'));
process.exitCode = verdict.faults.length === 0 ? 0 : 1;
