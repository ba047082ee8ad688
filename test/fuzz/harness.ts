/**
 * @file Runs a reader on many broken files and holds it to its promise: a value that `check` accepts, or a
 * FormatError that names the file, within a second of processor time and with memory in proportion to the file.
 *
 * LIMBIC_FUZZ is the number of inputs a reader (700, of slow ones fewer), LIMBIC_FUZZ_SEED the seed (a fixed one).
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';

import { FormatError, InvalidInputError } from '../../src/errors.ts';

const seed = Number(process.env['LIMBIC_FUZZ_SEED'] ?? 20260131);
/** Bytes that one input may make memory grow by, and the same for each byte of the file. */
const mostGrowth = { fixed: 64e6, each: 200 };
/** Characters of a message beyond the path. */
const mostWords = 600;

const folder = mkdtempSync(join(tmpdir(), 'limbic-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

export interface Reader {
  /** Where the file is written, below a temporary folder. */
  readonly name: string;
  /** Reads the file and throws what vitest's expect throws if the value breaks the reader's promises. */
  readonly read: (path: string, size: number) => void | Promise<void>;
  /** Of what is no file, or more than its bytes: it refuses with an InvalidInputError in one sentence. @default false */
  readonly isNoFile?: boolean;
  /** Inputs where LIMBIC_FUZZ does not say how many. @default 700 */
  readonly usual?: number;
  /** Seconds of processor time that one input may take. @default 1 */
  readonly seconds?: number;
}

/** A test that reads every file the arbitrary gives. The title says how many, and the seed. */
export function fuzz(title: string, files: fc.Arbitrary<Buffer>, reader: Reader): void {
  const path = join(folder, reader.name);
  const inputs = Number(process.env['LIMBIC_FUZZ'] ?? reader.usual ?? 700);
  mkdirSync(dirname(path), { recursive: true });
  const counts = { read: 0, refused: 0 };
  const isLong = process.env['LIMBIC_FUZZ'] !== undefined;
  test(`${title}, ${inputs} inputs, seed ${seed}`, async () => {
    const start = process.cpuUsage();
    // So that a run which something outside ends says how far it came, and with how much memory.
    const tell = (): void => {
      const memory = Math.round(process.memoryUsage().rss / 1e6);
      console.log(
        `${reader.name}: ${counts.read} read, ${counts.refused} refused, ${secondsSince(start)} s of processor, ${memory} MB`,
      );
    };
    await fc.assert(
      fc.asyncProperty(files, async (bytes) => {
        writeFileSync(path, bytes);
        counts[await outcome(path, bytes.length, reader)] += 1;
        if (isLong && (counts.read + counts.refused) % 5000 === 0) tell();
      }),
      { numRuns: inputs, seed, endOnFailure: process.env['LIMBIC_FUZZ_SHRINK'] === '0' },
    );
    if (isLong) tell();
    // Neither a generator of nothing but noise nor mutators that change nothing test a reader.
    expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(inputs / 50);
  }, 3_600_000);
}

function secondsSince(start: NodeJS.CpuUsage): string {
  const { user, system } = process.cpuUsage(start);
  return ((user + system) / 1e6).toFixed(1);
}

async function outcome(
  path: string,
  size: number,
  { read, isNoFile = false, seconds = 1 }: Reader,
): Promise<'read' | 'refused'> {
  const memory = process.memoryUsage();
  const time = process.cpuUsage();
  let result: 'read' | 'refused' = 'read';
  try {
    await read(path, size);
  } catch (error) {
    if (isNoFile && error instanceof InvalidInputError) expectSentence(error.message, size);
    else if (error instanceof FormatError) expectRefusal(error, path, size);
    else throw error;
    result = 'refused';
  }
  const { user, system } = process.cpuUsage(time);
  assert(user + system < seconds * 1e6, `${user + system} microseconds of processor time`);
  const now = process.memoryUsage();
  const growth = now.heapUsed + now.arrayBuffers - memory.heapUsed - memory.arrayBuffers;
  assert(growth < mostGrowth.fixed + mostGrowth.each * size, `memory grew by ${growth} bytes`);
  return result;
}

/** Names the file and a place in it, in a sentence that a terminal can show. */
function expectRefusal(
  { message, path: named, offset }: FormatError,
  path: string,
  size: number,
): void {
  assert.equal(named, path);
  assert(message.startsWith(`${path}: `), message);
  assert(message.length < path.length + mostWords, `a message of ${message.length} characters`);
  assert(!/[\p{Cc}\p{Cs}]/u.test(message), message);
  assert(Number.isInteger(offset) && offset >= 0 && offset <= size, `offset ${offset}`);
}

/** A sentence that a terminal can show, and no longer than what was given and some words. */
function expectSentence(message: string, size: number): void {
  assert(message.length < size + mostWords, `a message of ${message.length} characters`);
  assert(!/[\p{Cc}\p{Cs}]/u.test(message), message);
}
