/** @file Numbers that are too many for memory, in a temporary file that nobody else sees. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { DisposedError, UnavailableError } from '../errors.ts';

/** Float32 numbers in the order in which they were appended. Disposing removes the file. */
export class Spool implements Disposable {
  readonly #folder: string;
  #file: number | null;
  #bytes = 0;

  /** Throws UnavailableError if the folder for temporary files can't be written to. */
  constructor() {
    try {
      this.#folder = mkdtempSync(join(tmpdir(), 'limbic-'));
      this.#file = openSync(join(this.#folder, 'numbers'), 'w+', 0o600);
    } catch (cause) {
      throw notWritten(cause);
    }
  }

  /** Throws UnavailableError if the disk refuses them. */
  append(numbers: Float32Array): void {
    const bytes = Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    try {
      for (let done = 0; done < bytes.length;)
        done += writeSync(this.#open(), bytes, done, bytes.length - done, this.#bytes + done);
    } catch (cause) {
      throw notWritten(cause);
    }
    this.#bytes += bytes.length;
  }

  /**
   * All numbers, `count` at a time, the last time perhaps fewer. What it yields is overwritten by the next.
   * @yields a view of the numbers
   */
  *parts(count: number): Generator<Float32Array> {
    const part = new Float32Array(count);
    const bytes = Buffer.from(part.buffer);
    for (let at = 0; at < this.#bytes; at += bytes.length) {
      const length = Math.min(bytes.length, this.#bytes - at);
      for (let done = 0; done < length;)
        done += readSync(this.#open(), bytes, done, length - done, at + done);
      yield part.subarray(0, length / part.BYTES_PER_ELEMENT);
    }
  }

  [Symbol.dispose](): void {
    if (this.#file === null) return;
    closeSync(this.#file);
    this.#file = null;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #open(): number {
    if (this.#file === null) throw new DisposedError('the temporary file of readings');
    return this.#file;
  }
}

function notWritten(cause: unknown): unknown {
  if (cause instanceof DisposedError) return cause;
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  return new UnavailableError(`${tmpdir()}: expected to write a temporary file, got ${code}`, {
    cause,
    hint: 'make room on that disk or set TMPDIR to a folder on another one',
  });
}
