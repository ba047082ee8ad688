/**
 * @file A Q8_0 copy of a GGUF file. On processors without a fast path for the file's own 4-bit blocks it
 * prefills up to twice as fast at residuals that hardly differ, which is what extraction needs.
 */
import { fork } from 'node:child_process';
import { renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { EngineError } from '../../errors.ts';
import type { RequantizeMessage, RequantizeRequest } from './requantize-worker.ts';
import { defaultThreads } from './threads.ts';

export interface RequantizeOptions {
  readonly libraryFolder?: string;
  readonly signal?: AbortSignal;
  /** @param share of the tensors written, from 0 to 1 */
  readonly onProgress?: (share: number) => void;
}

/**
 * Writes a Q8_0 copy of `from` to `to` in a child process; nothing is left under `to` unless it is
 * whole. Throws EngineError if the library refuses, AbortError on abort.
 */
export async function requantize(
  from: string,
  to: string,
  options: RequantizeOptions = {},
): Promise<void> {
  const { signal, onProgress, libraryFolder } = options;
  signal?.throwIfAborted();
  const part = `${to}.${process.pid}.part`;
  const own = new URL('./requantize-worker.js', import.meta.url);
  const built = new URL('../../../dist/engine/llama/requantize-worker.js', import.meta.url);
  const child = fork(fileURLToPath(import.meta.url.endsWith('.ts') ? built : own), [], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
  });
  const stop = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const status = await new Promise<number | null>((resolve) => {
      let answer: number | null = null;
      child.on('message', (message: RequantizeMessage) => {
        if (message.type === 'progress') onProgress?.(message.done / message.total);
        else answer = message.status;
      });
      child.on('close', () => resolve(answer));
      const request: RequantizeRequest = {
        from,
        to: part,
        threads: defaultThreads(),
        ...(libraryFolder === undefined ? {} : { libraryFolder }),
      };
      child.send(request, () => {
        // A child that could not start reports itself through its close event.
      });
    });
    signal?.throwIfAborted();
    if (status !== 0)
      throw new EngineError(
        `requantize: expected llama.cpp to write a Q8_0 copy of ${from}, got ${status === null ? 'a process that ended' : `status ${status}`}`,
      );
    renameSync(part, to);
  } finally {
    signal?.removeEventListener('abort', stop);
    rmSync(part, { force: true });
  }
}
