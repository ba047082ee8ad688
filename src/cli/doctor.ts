/** @file `limbic doctor`: what is here, what is missing, and what to do. */
import { statfsSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';

import { findLibrary } from '../engine/llama/library.ts';
import { openLlamaModel } from '../engine/llama/model.ts';
import { LimbicError } from '../errors.ts';
import { limbicHome, modelsFolder } from '../store/cache.ts';
import { cachedPath, planOf } from '../store/fetch.ts';
import { loadRegistry } from '../store/registry.ts';
import { type Command, jsonOption } from './command.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'check this machine: Node, native library, devices, memory, cache, engine, steering',
  usage: '[--json]',
  options: jsonOption,
  examples: ['limbic doctor'],
  run: async ({ values }) => {
    const checks = [...machine(), await engine()];
    if (values['json'] === true) console.log(JSON.stringify(checks, null, 2));
    else
      for (const { name, ok, detail } of checks)
        console.log(`${ok ? '✓' : '✗'} ${name.padEnd(16)}${detail}`);
    return checks.every(({ ok }) => ok) ? 0 : 1;
  },
};

function machine(): Check[] {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNodeFine = major > 20 || (major === 20 && minor >= 19);
  const folder = modelsFolder();
  const { bavail, bsize } = statfsSync(folder);
  const free = (bavail * bsize) / 1e9;
  return [
    {
      name: 'Node',
      ok: isNodeFine,
      detail: `${process.version}${isNodeFine ? '' : ': 20.19 or later is needed'}`,
    },
    attempt('native library', () => {
      const library = findLibrary();
      return `${library.source} in ${library.folder}`;
    }),
    {
      name: 'memory',
      ok: freemem() > 1e9,
      detail: `${(freemem() / 1e9).toFixed(1)} of ${(totalmem() / 1e9).toFixed(1)} GB free${freemem() > 1e9 ? '' : ': close something, 1 GB is needed'}`,
    },
    {
      name: 'cache',
      ok: free > 0.2,
      detail: `${limbicHome()}, ${free.toFixed(1)} GB free on its disk`,
    },
  ];
}

function attempt(name: string, look: () => string): Check {
  try {
    return { name, ok: true, detail: look() };
  } catch (error) {
    return { name, ok: false, detail: explain(error) };
  }
}

function explain(error: unknown): string {
  if (!(error instanceof LimbicError)) return String(error);
  return `${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`;
}

/** Loads the smallest model that is here, generates a few tokens, and reports the steering self-test. */
async function engine(): Promise<Check> {
  const entry = loadRegistry()
    .filter((candidate) => cachedPath(planOf(candidate)) !== null)
    .toSorted((a, b) => a.bytes - b.bytes)[0];
  const path = entry === undefined ? null : cachedPath(planOf(entry));
  if (entry === undefined || path === null) {
    return {
      name: 'engine',
      ok: false,
      detail: 'no model is here to test with; run: limbic fetch smollm2-135m',
    };
  }
  try {
    await using model = await openLlamaModel(path, { name: entry.name, contextLength: 512 });
    const prompt = await model.tokenize('One, two, three,');
    const started = performance.now();
    const [reply] = await model.generate([{ prompt, maxTokens: 16 }]);
    const rate = (reply?.tokens.length ?? 0) / ((performance.now() - started) / 1000);
    return {
      name: 'engine',
      ok: true,
      detail: `${entry.name} on ${model.info.device}, ${model.info.threads} threads, ${rate.toFixed(0)} tokens/s, reading by ${model.info.reading}, steering off by ${(model.selfTest * 100).toExponential(1)} % of the vector`,
    };
  } catch (error) {
    return { name: 'engine', ok: false, detail: explain(error) };
  }
}
