/**
 * @file Runs JavaScript that a model wrote: QuickJS in WebAssembly, in a worker that is ended when its time
 * is up. QuickJS counts steps of its own interpreter; long native calls it cannot interrupt, so the worker's
 * end is the real limit. What should have come out is never told to the sandbox: results are compared here.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { EngineError } from '../errors.ts';

interface SandboxJob {
  readonly code: string;
  /** Expressions to evaluate after the code, each in a fresh context. */
  readonly calls: readonly string[];
}

/** Calls that share one fresh context, in this order; the code is run in it first. */
export interface SandboxGroup {
  readonly calls: readonly string[];
  /** Gives the calls a counted function `less(a, b)`: true when a stands before b in this list. */
  readonly order?: readonly string[];
  /** Put before the code, where it can see and change them: an array `tests`, a function `runTests`. */
  readonly verifier?: { readonly tests: string; readonly source: string };
}

export interface CallResult {
  /** JSON of the value, but NaN, Infinity and undefined by their names; or what went wrong. */
  readonly text: string;
  readonly isError: boolean;
  /** How often `less` was called. */
  readonly steps: number;
}

export interface GroupState {
  readonly isVerifierChanged: boolean;
  /** A built-in that the code replaced, by name; empty if none. */
  readonly changedBuiltin: string;
}

export interface GroupResult extends GroupState {
  readonly calls: readonly CallResult[];
}

/** What the worker is told, and what it says. */
export interface WorkerTask {
  readonly code: string;
  readonly groups: readonly SandboxGroup[];
}
export type WorkerMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'call'; readonly result: CallResult }
  | { readonly type: 'group'; readonly state: GroupState };

/** Milliseconds. A call needs a few; the first leaves room for a busy machine that loads WebAssembly. */
const timeLimits = { start: 20_000, message: 1500, job: 8000 };

/** Each expression's JSON, or `an error (...)`, each from a fresh context. */
export async function runSandboxed(job: SandboxJob): Promise<string[]> {
  const groups = await runGroups(
    job.code,
    job.calls.map((call) => ({ calls: [call] })),
  );
  return groups.map(({ calls: [result] }) =>
    result === undefined || result.isError ? `an error (${result?.text ?? ''})` : result.text,
  );
}

/**
 * Runs the code once per group, then the group's calls. Never throws for what the code does: a call that
 * hangs or breaks the sandbox is an error, as is the rest of its group; the next group gets a new worker.
 */
export async function runGroups(
  code: string,
  groups: readonly SandboxGroup[],
): Promise<GroupResult[]> {
  const results: GroupResult[] = [];
  let left = timeLimits.job;
  while (results.length < groups.length) {
    const rest = groups.slice(results.length);
    const { ended, broken, reason, tookMs } = await runWorker({ code, groups: rest }, left);
    results.push(...ended);
    left -= tookMs;
    const failed = rest[ended.length];
    if (failed === undefined) break;
    results.push(fillWithErrors(failed, broken, reason));
  }
  return results;
}

function fillWithErrors(
  group: SandboxGroup,
  known: readonly CallResult[],
  reason: string,
): GroupResult {
  const calls = group.calls.map((_, i) => known[i] ?? { text: reason, isError: true, steps: 0 });
  return { calls, isVerifierChanged: false, changedBuiltin: '' };
}

interface WorkerRun {
  /** The groups that came to their end, and the calls of the one that did not. */
  readonly ended: GroupResult[];
  readonly broken: CallResult[];
  readonly reason: string;
  /** Milliseconds since the worker was ready. */
  readonly tookMs: number;
}

async function runWorker(task: WorkerTask, leftMs: number): Promise<WorkerRun> {
  if (leftMs <= 0) return { ended: [], broken: [], reason: 'time is up', tookMs: 0 };
  // Node 20 cannot run .ts: from the sources (tests) the worker is the built one.
  const own = new URL('./sandbox-worker.js', import.meta.url);
  const built = new URL('../../dist/studies/sandbox-worker.js', import.meta.url);
  const worker = new Worker(fileURLToPath(import.meta.url.endsWith('.ts') ? built : own), {
    workerData: task,
    env: {},
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: 64 },
  });
  const ended: GroupResult[] = [];
  let broken: CallResult[] = [];
  let readyAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const tookMs = (): number => (readyAt === undefined ? 0 : performance.now() - readyAt);
  try {
    const reason = await new Promise<string>((resolve, reject) => {
      const wait = (ms: number): void => {
        clearTimeout(timer);
        timer = setTimeout(() => resolve('time is up'), ms);
      };
      wait(timeLimits.start);
      worker.on('message', (message: WorkerMessage) => {
        readyAt ??= performance.now();
        if (message.type === 'call') broken.push(message.result);
        if (message.type === 'group') {
          ended.push({ calls: broken, ...message.state });
          broken = [];
          if (ended.length === task.groups.length) resolve('');
        }
        wait(Math.max(0, Math.min(timeLimits.message, leftMs - tookMs())));
      });
      worker.on('error', (cause) => {
        if (readyAt === undefined) reject(cause);
        else resolve('the sandbox broke');
      });
      worker.on('exit', () => resolve('the sandbox ended'));
    });
    if (readyAt === undefined) throw new EngineError(`sandbox: expected a worker, got: ${reason}`);
    return { ended, broken, reason, tookMs: tookMs() };
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}
