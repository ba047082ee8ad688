/** @file The worker of sandbox.ts: QuickJS with memory, stack and time limits, no host functions. */
import { parentPort, workerData } from 'node:worker_threads';

import { getQuickJS } from 'quickjs-emscripten';

import type { SandboxJob } from './sandbox.ts';

const limits = { memoryBytes: 32 << 20, stackBytes: 256 << 10, timeMs: 300 };
const quickJs = await getQuickJS();

function evaluate(code: string, call: string): string {
  using runtime = quickJs.newRuntime();
  runtime.setMemoryLimit(limits.memoryBytes);
  runtime.setMaxStackSize(limits.stackBytes);
  const end = Date.now() + limits.timeMs;
  runtime.setInterruptHandler(() => Date.now() > end);
  using context = runtime.newContext();
  const silent = 'const console = { log() {}, error() {}, assert() {} };';
  const result = context.evalCode(`${silent}\n${code}\n;String(JSON.stringify(${call}))`);
  if (result.error) {
    const error = context.dump(result.error) as { message?: string };
    result.error.dispose();
    return `an error (${error.message ?? 'unknown'})`;
  }
  const value = String(context.dump(result.value));
  result.value.dispose();
  return value;
}

const { code, calls } = workerData as SandboxJob;
for (const call of calls) parentPort?.postMessage(evaluate(code, call));
