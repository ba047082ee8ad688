/**
 * @file What the fault tests share: programs in processes of their own that are killed at seeded moments, and small,
 * full and read-only disks.
 *
 * LIMBIC_FAULTS is the number of kills a program (a few), LIMBIC_FAULTS_SEED the seed (a fixed one).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { build } from 'vite';
import { afterAll, beforeAll } from 'vitest';

import { randomFrom } from '../../src/math/random.ts';

export const seed = Number(process.env['LIMBIC_FAULTS_SEED'] ?? 26);

/** How often something is killed: the number given, or as often as LIMBIC_FAULTS says. */
export function killsOf(few: number): number {
  return Number(process.env['LIMBIC_FAULTS'] ?? few);
}

/** Milliseconds for a test of so many kills, which may have to wait for other programs. */
export function timeFor(kills: number): number {
  return 300_000 + kills * 60_000;
}

/** A folder that is gone after the tests of the file. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'limbic-faults-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Builds programs of this folder before the tests of a file; gives their paths. */
export function programs<T extends string>(...names: readonly T[]): Record<T, string> {
  // Of this process alone: another test file must not remove it.
  const outDir = `dist/faults-${process.pid}-${names.map((name) => basename(name)).join('-')}`;
  beforeAll(async () => {
    for (const name of names) {
      const target = { ssr: `test/faults/${name}.ts`, outDir, emptyOutDir: false };
      await build({ configFile: false, logLevel: 'silent', build: target });
    }
  }, 300_000);
  afterAll(() => rmSync(outDir, { recursive: true, force: true }));
  return Object.fromEntries(
    names.map((name) => [name, `${outDir}/${basename(name)}.js`]),
  ) as Record<T, string>;
}

export const limbicProgram = 'dist/cli/main.js';

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  /** From the first line to the end. */
  readonly milliseconds: number;
  /** How many lines came on the output that tells of progress. */
  readonly lines: number;
}

/** A moment of a program's work: so many milliseconds after it printed its n-th line, counted from 1. */
export interface Moment {
  readonly line: number;
  readonly delay: number;
}

export interface Running {
  readonly child: ChildProcess;
  /** Resolves when the program has said something on standard output, or has ended. */
  readonly begun: Promise<void>;
  readonly ended: Promise<Ended>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** When to kill it, without warning. */
  readonly kill?: Moment | undefined;
  /** Words that stand before `node`, such as setpriv and its options. */
  readonly under?: readonly string[];
  readonly nodeArgs?: readonly string[];
  /** Which of the two outputs has a line for each piece of work. @default 'out' */
  readonly progress?: 'out' | 'err';
}

/** Those that run: a test that fails may leave some. */
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts a program of Node without keys of APIs. */
export function start(args: readonly string[], options: StartOptions = {}): Running {
  const { env = {}, kill, under = [], nodeArgs = [], progress = 'out' } = options;
  const outside = Object.entries(process.env).filter(
    ([name]) => !/_(?:API_KEY|BASE_URL)$/.test(name),
  );
  const [program = '', ...rest] = [...under, process.execPath, ...nodeArgs, ...args];
  const child = spawn(program, rest, {
    env: { ...Object.fromEntries(outside), NO_COLOR: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  children.add(child);
  let [out, err, first, lines] = ['', '', NaN, 0];
  let timer: NodeJS.Timeout | undefined;
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const hear = (text: string): void => {
    if (lines === 0) first = performance.now();
    lines += text.split('\n').length - 1;
    if (kill !== undefined && lines >= kill.line)
      timer ??= setTimeout(() => child.kill('SIGKILL'), kill.delay);
    begin();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (progress === 'out') hear(text);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
    if (progress === 'err') hear(text);
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      children.delete(child);
      begin();
      resolve({ code, signal, out, err, milliseconds: performance.now() - first, lines });
    });
  });
  return { child, begun, ended };
}

/**
 * Kills a program at `kills` random moments of its work, each time going on with what the kill before left, until it
 * ends; then takes a new place.
 */
export async function killAtRandom(
  kills: number,
  steps: {
    /** What the work takes when nothing interrupts it. */
    readonly whole: Pick<Ended, 'lines' | 'milliseconds'>;
    /** Starts in the n-th place, or goes on there. */
    readonly begin: (place: number, kill?: Moment) => Running;
    /** Sees a place right after a kill. */
    readonly check: (place: number, ended: Ended) => void | Promise<void>;
    /** Sees it when the work came to its end. */
    readonly end: (place: number, ended: Ended) => void | Promise<void>;
  },
): Promise<void> {
  const random = randomFrom(seed);
  const { lines, milliseconds } = steps.whole;
  const moment = (): Moment => ({
    line: 1 + Math.floor(random() * lines),
    delay: (random() * milliseconds) / lines,
  });
  for (let [place, done] = [0, 0]; done < kills; place++) {
    if (place > 10 + 3 * done) throw new Error(`expected kills, got ${place} programs that ended`);
    let last: Ended | null = null;
    while (last === null && done < kills) {
      const ended = await steps.begin(place, moment()).ended;
      if (ended.signal !== 'SIGKILL') last = ended;
      else {
        done += 1;
        await steps.check(place, ended);
      }
    }
    await steps.end(place, last ?? (await steps.begin(place).ended));
  }
}

const isMountable = ((): boolean => {
  const folder = mkdtempSync(join(tmpdir(), 'limbic-mount-'));
  try {
    mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder);
    unmount(folder);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
})();

/** Ends a title with why the test is skipped, where disks can't be mounted. */
export const needsMounts = isMountable ? '' : ' (skipped: no disk can be mounted here)';

function mount(...args: readonly string[]): void {
  execFileSync('mount', args, { stdio: 'ignore' });
}

function unmount(folder: string): void {
  // Lazily, since a killed program's files may be open for a moment.
  execFileSync('umount', ['-l', folder], { stdio: 'ignore' });
}

export interface Disk extends Disposable {
  readonly folder: string;
  /** Gives it another size. */
  resize(bytes: number): void;
}

/** A disk of so many bytes. */
export function smallDisk(within: string, bytes: number): Disk {
  const folder = mkdtempSync(join(within, 'disk-'));
  mount('-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder);
  return {
    folder,
    resize: (size) => mount('-o', `remount,size=${size}`, folder),
    [Symbol.dispose]: () => unmount(folder),
  };
}

/** A folder as another disk shows it that takes no writing. */
export function readOnly(folder: string): Disposable & { readonly folder: string } {
  const seen = `${folder}-${basename(folder)}-read-only`;
  mkdirSync(seen);
  mount('--bind', folder, seen);
  mount('-o', 'remount,ro,bind', seen);
  return { folder: seen, [Symbol.dispose]: () => unmount(seen) };
}

/** Lines of a program's standard error that are a stack trace or name no fault of the world outside. */
export function expectOneSentence(err: string): string {
  const lines = err.split('\n').filter((line) => line.startsWith('limbic: '));
  if (/^ +at .*[:(]\d+/m.test(err) || /unexpected/.test(err) || lines.length === 0)
    throw new Error(`expected one sentence of limbic, got:\n${err}`);
  return lines[0] ?? '';
}
