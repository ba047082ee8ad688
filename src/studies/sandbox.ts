/**
 * @file Runs JavaScript that a model wrote: QuickJS in WebAssembly, in a worker that is ended when its time
 * is up. QuickJS's own interrupt is not asked inside long native calls, so the worker's end is the real limit.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

export interface SandboxJob {
  readonly code: string;
  /** Expressions to evaluate after the code, each in a fresh context. */
  readonly calls: readonly string[];
}

/** Milliseconds for all calls together, start of the worker included; such functions need a few. */
const timeLimitMs = 2500;

/** The JSON of each expression's value, or `an error (...)`. Never throws for what the code does. */
export async function runSandboxed(job: SandboxJob): Promise<string[]> {
  // Node 20 cannot run .ts: from the sources (tests) the worker is the built one.
  const own = new URL('./sandbox-worker.js', import.meta.url);
  const built = new URL('../../dist/studies/sandbox-worker.js', import.meta.url);
  const worker = new Worker(fileURLToPath(import.meta.url.endsWith('.ts') ? built : own), {
    workerData: job,
  });
  const results: string[] = [];
  try {
    return await new Promise<string[]>((resolve, reject) => {
      const fill = (reason: string): void =>
        resolve(job.calls.map((_, i) => results[i] ?? `an error (${reason})`));
      const timer = setTimeout(() => fill('time is up'), timeLimitMs);
      worker.on('message', (result: string) => results.push(result));
      worker.on('error', reject);
      worker.on('exit', () => {
        clearTimeout(timer);
        fill('the sandbox ended');
      });
    });
  } finally {
    await worker.terminate();
  }
}
