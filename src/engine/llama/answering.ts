/**
 * @file The engine's child process, whatever the backend: answers calls by messages. Replies of several calls are
 * written side by side; whatever else uses the engine waits for its turn.
 */
import { InvalidInputError, LimbicError } from '../../errors.ts';
import type { Backend } from '../backend.ts';
import type { GeneratedToken } from '../engine.ts';
import { lens } from '../lens.ts';
import { piecesOf } from '../pieces.ts';
import { capture, project } from '../runner.ts';
import { generate, Scheduler } from '../scheduler.ts';
import { score } from '../scoring.ts';
import { ReceivedProbes } from './kept-probes.ts';
import type { Answer, Call, FromHost, OpenOptions, ToHost } from './protocol.ts';

/** A backend, and how far its steering was from what it should do. */
export interface OpenedBackend {
  readonly backend: Backend;
  readonly selfTest: number;
  /** Chooses the number of threads in about so many milliseconds and goes on with it. */
  readonly tune?: (budget: number) => number;
}

let engine: (Omit<OpenedBackend, 'selfTest'> & { scheduler: Scheduler }) | undefined;
let openBackend: (options: OpenOptions) => OpenedBackend;
const received = new ReceivedProbes();
const aborts = new Map<number, AbortController>();

/** Answers the parent's calls until it is gone. To be called once in a process. */
export function answerCalls(opens: (options: OpenOptions) => OpenedBackend): void {
  openBackend = opens;
  process.on('message', (message: ToHost) => {
    if (message.type === 'abort') {
      aborts.get(message.id)?.abort();
      return;
    }
    aborts.set(message.id, new AbortController());
    void handle(message.id, whole(message));
  });
  // The parent decides when to stop: Ctrl-C in the terminal reaches this process too.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(0));
}

function send(message: FromHost): void {
  process.send?.(message);
}

function open(options: OpenOptions): { info: Backend['info']; selfTest: number } {
  const { selfTest, ...opened } = openBackend(options);
  const { backend } = opened;
  engine = { ...opened, scheduler: new Scheduler(backend) };
  return { info: backend.info, selfTest };
}

async function perform(id: number, call: Call, signal: AbortSignal): Promise<Answer> {
  if (call.name === 'open') return open(call.options);
  if (engine === undefined) throw new TypeError('the engine host was called before open');
  const { backend, scheduler, tune } = engine;
  const onProgress = (done: number): void => send({ type: 'progress', id, done });
  const listening = <T>(
    options: T,
  ): T & { signal: AbortSignal; onProgress: typeof onProgress } => ({
    ...options,
    signal,
    onProgress,
  });
  switch (call.name) {
    case 'tune':
      if (tune === undefined) throw new InvalidInputError('tune: expected a backend with threads');
      return scheduler.alone(() => Promise.resolve(tune(call.budget)), signal);
    case 'tokenize':
      return backend.tokenize(call.text, call.addSpecial, call.parseSpecial);
    case 'pieces':
      return piecesOf(backend, call.tokens);
    case 'capture':
      return scheduler.alone(
        () => capture(backend, call.sequences, listening(call.options)),
        signal,
      );
    case 'project':
      return scheduler.alone(
        () => project(backend, call.sequences, listening(call.options)),
        signal,
      );
    case 'lens':
      return scheduler.alone(
        () => lens(backend, call.prompts, call.vectors, listening(call.options)),
        signal,
      );
    case 'score':
      return scheduler.alone(() => score(backend, call.requests, listening(call.options)), signal);
    case 'generate':
      return streamed(call.streams ? id : null, (onToken) =>
        generate(scheduler, call.requests, {
          ...listening(call.options),
          ...(onToken === null ? {} : { onToken }),
        }),
      );
  }
}

/** Milliseconds between two messages with tokens: nobody sees more, and each costs as much as a reading. */
const frame = 16;

/** Sends the tokens of a call as they come, those of a frame in one message; of no call none. */
async function streamed<T>(
  id: number | null,
  run: (onToken: ((token: GeneratedToken) => void) | null) => Promise<T>,
): Promise<T> {
  if (id === null) return run(null);
  let tokens: GeneratedToken[] = [];
  let sentAt = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (tokens.length === 0) return;
    send({ type: 'tokens', id, tokens });
    tokens = [];
    sentAt = performance.now();
  };
  try {
    return await run((token) => {
      tokens.push(token);
      const wait = sentAt + frame - performance.now();
      if (wait <= 0) flush();
      else timer ??= setTimeout(flush, wait);
    });
  } finally {
    flush();
  }
}

async function handle(id: number, call: Call): Promise<void> {
  const controller = aborts.get(id) ?? new AbortController();
  try {
    controller.signal.throwIfAborted();
    const answer = await perform(id, call, controller.signal);
    send({ type: 'answer', id, answer, sequences: engine?.scheduler.sequences });
  } catch (error) {
    const known = error instanceof LimbicError;
    send({
      type: 'error',
      id,
      aborted: controller.signal.aborted,
      code: known ? error.code : 'engine',
      message: error instanceof Error ? error.message : String(error),
      ...(known && error.hint !== undefined ? { hint: error.hint } : {}),
      sequences: engine?.scheduler.sequences,
    });
  } finally {
    aborts.delete(id);
  }
}

/** The call with its probes. */
function whole({ call, probes }: Extract<ToHost, { type: 'call' }>): Call {
  if (probes === undefined || (call.name !== 'project' && call.name !== 'generate')) return call;
  return { ...call, options: { ...call.options, probes: received.of(probes) } };
}
