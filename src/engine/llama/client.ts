/**
 * @file The program's side of the llama engine: starts the child, sends calls, and starts a new child
 * with the same model after one died, so that the call after a crash works.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { DisposedError, EngineError, type ErrorCode, LimbicError } from '../../errors.ts';
import type { GeneratedToken, SequenceUse } from '../engine.ts';
import { SentProbes } from './kept-probes.ts';
import type { Answer, Call, FromHost, OpenOptions, ToHost } from './protocol.ts';

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
  readonly listeners: Listeners;
}

export interface Listeners {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number) => void;
  readonly onToken?: (token: GeneratedToken) => void;
}

/** Characters of the child's standard error that are kept; what a runtime says of memory comes before a long stack. */
const lastWordsLength = 8000;
/** Characters of it that an EngineError quotes at most. */
const quotedLength = 600;
/** How runtimes, libraries and systems say that there is no memory left. */
const outOfMemory = /out of memory|bad_alloc|(?:failed|cannot|unable) to allocate/i;

export class HostClient implements AsyncDisposable {
  #options: OpenOptions;
  readonly #file: string;
  #child: ChildProcess | undefined;
  #opening: Promise<Answer> | undefined;
  #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #sent = new SentProbes();
  #lastWords = '';
  #sequences: SequenceUse | undefined;
  #closed = false;

  /** @param file what runs in the child; it calls answerCalls. @default the host of llama.cpp */
  constructor(options: OpenOptions, file: string = llamaHost()) {
    this.#options = options;
    this.#file = file;
  }

  /** Process id of the running child, if any: for tests that kill it. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** What the child said with its last answer; undefined before one. */
  get sequences(): SequenceUse | undefined {
    return this.#sequences;
  }

  /** Starts the child if none runs and loads the model; returns what it said. */
  async open(): Promise<Answer> {
    if (this.#closed) throw new DisposedError('the model');
    if (this.#opening === undefined) {
      this.#start();
      this.#opening = this.#send({ name: 'open', options: this.#options }, {});
      this.#opening.catch(() => this.#stop());
    }
    return this.#opening;
  }

  /** Chooses the number of threads by a measurement; a child that starts later keeps it. */
  async tune(budget: number): Promise<number> {
    const threads = (await this.call({ name: 'tune', budget }, {})) as number;
    this.#options = { ...this.#options, threads };
    return threads;
  }

  async call(call: Call, listeners: Listeners): Promise<Answer> {
    listeners.signal?.throwIfAborted();
    await this.open();
    try {
      return await this.#send(call, listeners);
    } catch (error) {
      // Not what killed the child, and of no other effect than its answer: asked once more.
      const isLookup = call.name === 'tokenize' || call.name === 'pieces';
      if (!isLookup || !(error instanceof EngineError) || this.#closed) throw error;
      await this.open();
      return this.#send(call, listeners);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    this.#stop();
    await ended;
  }

  #start(): void {
    const child = fork(this.#file, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [],
    });
    this.#child = child;
    this.#sent = new SentProbes();
    this.#lastWords = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-lastWordsLength);
    });
    child.on('message', (message: FromHost) => this.#receive(message));
    child.on('close', (code, signal) => this.#ended(child, signal ?? `exit code ${code}`));
    child.on('error', (error) => this.#ended(child, error.message));
  }

  #stop(): void {
    this.#child?.kill('SIGKILL');
  }

  #ended(child: ChildProcess, how: string): void {
    if (child !== this.#child) return;
    this.#child = undefined;
    this.#opening = undefined;
    this.#sequences = undefined;
    const error = ending(how, this.#lastWords);
    for (const waiting of this.#waiting.values())
      waiting.reject(this.#closed ? new DisposedError('the model') : error);
    this.#waiting.clear();
  }

  async #send(call: Call, listeners: Listeners): Promise<Answer> {
    const { signal } = listeners;
    // Again, since the child may have had to be started meanwhile.
    signal?.throwIfAborted();
    const id = this.#nextId++;
    const abort = (): void => this.#post({ type: 'abort', id });
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject, listeners });
        this.#post({ type: 'call', id, ...this.#withoutProbes(call) });
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** What travels: the probes beside the call, each of them once. */
  #withoutProbes(call: Call): Pick<Extract<ToHost, { type: 'call' }>, 'call' | 'probes'> {
    if (call.name !== 'project' && call.name !== 'generate') return { call };
    const probes = this.#sent.message(call.options.probes ?? []);
    return { call: { ...call, options: { ...call.options, probes: [] } }, probes };
  }

  #post(message: ToHost): void {
    this.#child?.send(message, () => {
      // A child that is gone reports itself through its close event.
    });
  }

  #receive(message: FromHost): void {
    if (message.type === 'answer' || message.type === 'error') this.#sequences = message.sequences;
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    if (message.type === 'tokens') {
      try {
        for (const token of message.tokens) waiting.listeners.onToken?.(token);
      } catch (error) {
        // The listener's fault ends its own call.
        this.#waiting.delete(message.id);
        this.#post({ type: 'abort', id: message.id });
        waiting.reject(error);
      }
    } else if (message.type === 'progress') {
      waiting.listeners.onProgress?.(message.done);
    } else {
      this.#waiting.delete(message.id);
      if (message.type === 'answer') waiting.resolve(message.answer);
      else waiting.reject(errorFrom(message, waiting.listeners.signal));
    }
  }
}

/** What to say of a child that ended, from how it did and its last words. */
function ending(how: string, lastWords: string): EngineError {
  const lines = lastWords
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('load_backend:'));
  const memory = lines.find((line) => outOfMemory.test(line));
  const words = (memory ?? lines.slice(-4).join(' | ')).trim().slice(-quotedLength);
  // A system that runs out of memory kills the largest process without a word.
  const hasNoMemory = memory !== undefined || how === 'SIGKILL';
  return new EngineError(
    `engine: the process that runs the model ended (${how})${words === '' ? '' : `: ${words}`}`,
    {
      hint: hasNoMemory
        ? 'memory may have run out: close other programs, or take a smaller model or context; the next call starts it again'
        : 'the next call starts it again; run limbic doctor if it ends again',
    },
  );
}

/** Node 20 cannot run .ts: from the sources (tests) the child is the built host. */
function llamaHost(): string {
  const own = new URL('./host.js', import.meta.url);
  const built = new URL('../../../dist/engine/llama/host.js', import.meta.url);
  return fileURLToPath(import.meta.url.endsWith('.ts') ? built : own);
}

function errorFrom(
  message: { aborted: boolean; code: ErrorCode; message: string; hint?: string },
  signal: AbortSignal | undefined,
): unknown {
  if (message.aborted) return signal?.reason ?? new DOMException('aborted', 'AbortError');
  return new LimbicError(
    message.code,
    message.message,
    message.hint === undefined ? {} : { hint: message.hint },
  );
}
