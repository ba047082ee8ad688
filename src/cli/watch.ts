/** @file `limbic watch -- COMMAND`: runs an agent against a local model and logs what it read meanwhile. */
import { spawn } from 'node:child_process';

import type { MonitorEvent } from '../api/chat.ts';
import { signed } from '../charts/terminal.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { createApp } from '../server/app.ts';
import { startServer } from '../server/listen.ts';
import { offlinePage } from '../server/offline-page.ts';
import { readRun } from '../store/runs.ts';
import { type Command, jsonOption, modelOptions, packOption, wholeNumber } from './command.ts';
import { baseDeps, monitorOptions, openForServer, startRun, watchingOf } from './serve.ts';
import { inWords, reportOf } from './watch-report.ts';

export const watchCommand: Command = {
  name: 'watch',
  summary: 'run an agent on a local model, log its conversations, and act on their emotions',
  usage: '[--rules R] [--thermostat T] -- COMMAND [ARGUMENTS]',
  description:
    'COMMAND finds the model through OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL, as the OpenAI clients do. Its exit status is the exit status here. The run keeps every conversation with its readings, and a report that opens anywhere.',
  options: {
    ...modelOptions,
    ...packOption,
    ...monitorOptions,
    port: { type: 'string', value: 'N', summary: 'port (default: any free one)' },
    ...jsonOption,
  },
  takesArguments: true,
  examples: [
    'limbic watch -- python agent.py',
    'limbic watch --model qwen2.5-coder-1.5b --rules "desperate > p99 for 20 tokens -> stop" -- node agent.js',
    'limbic watch --thermostat "calm up to 0.06 while desperate > p95" -- ./agent.sh',
  ],
  run: async (context) => {
    const { values, positionals, signal } = context;
    const [program, ...args] = positionals;
    if (program === undefined)
      throw new InvalidInputError('watch: expected a command, got none', {
        hint: 'for example: limbic watch -- node agent.js',
      });
    const watching = watchingOf(values);
    const port = wholeNumber(values, 'port', { min: 0, max: 65_535, fallback: 0 });
    const { model: opened, pack } = await openForServer(context);
    await using model = opened;
    using run = startRun('watch', positionals.join(' '), model, pack);
    const deps = baseDeps(model, pack, values);
    const app = createApp({
      ...deps,
      ...watching,
      token: null,
      allowedHosts: [],
      log: run,
      onEvent: (event, conversation) => console.error(`limbic: ${describe(event, conversation)}`),
    });
    await using server = await startServer(app, { host: '127.0.0.1', port });
    console.error(`limbic: ${server.url} shows the run while it goes on`);
    const { status, isStopped } = await runCommand([program, ...args], {
      environment: {
        OPENAI_BASE_URL: `${server.url}/v1`,
        OPENAI_API_KEY: 'limbic',
        OPENAI_MODEL: model.info.name,
      },
      signal,
      // In a terminal Ctrl-C goes to both programs.
      isForwarded: !process.stdin.isTTY,
    });
    await server.close();
    run.finish(isStopped ? 'stopped' : 'done', { status });
    const stored = readRun(run.id, deps.runs.folder);
    const { summary, shared } = await reportOf(stored, { pack, shown: deps.shown });
    run.writeReport(offlinePage(deps.webFolder, shared));
    if (values['json'] === true)
      console.log(JSON.stringify({ run: run.id, path: run.path, status, ...summary }, null, 2));
    else console.error(inWords(summary, run.path));
    return status;
  },
};

function describe({ kind, rule, emotion, value, index }: MonitorEvent, name: string): string {
  const what = {
    rule: 'rule',
    stop: 'stopped by',
    'thermostat-on': 'on:',
    'thermostat-off': 'off:',
  };
  return `${what[kind]} ${rule} (${emotion} ${signed(value)} at token ${index} of ${name})`;
}

interface CommandOptions {
  /** Added to the variables of this program. */
  readonly environment: Readonly<Record<string, string>>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Whether the command has to be told of Ctrl-C, since no terminal does. */
  readonly isForwarded: boolean;
  /** What the command gets to end after Ctrl-C, in milliseconds. @default usualEndMs */
  readonly endMs?: number;
}

/** Enough for an agent to write down where it is. */
const usualEndMs = 5000;

/**
 * Runs the command in this terminal and returns its exit status: 130 after Ctrl-C, 143 after a SIGTERM to this
 * program, which the command then gets as well. Throws NotFoundError if it cannot be started.
 */
export async function runCommand(
  [program = '', ...args]: readonly string[],
  { environment, signal, isForwarded, endMs = usualEndMs }: CommandOptions,
): Promise<{ status: number; isStopped: boolean }> {
  // Ctrl-C came while the model was opened.
  if (signal.aborted) return { status: 130, isStopped: true };
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  let isTerminated = false;
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    if (isForwarded) child.kill('SIGINT');
    timer = setTimeout(() => child.kill('SIGTERM'), endMs);
  };
  const onTerminate = (): void => {
    isTerminated = true;
    child.kill('SIGTERM');
  };
  signal.addEventListener('abort', onAbort, { once: true });
  process.once('SIGTERM', onTerminate);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', (cause) =>
        reject(new NotFoundError(`command (${cause.message})`, program)),
      );
      child.once('close', resolve);
    });
    if (isTerminated) return { status: 143, isStopped: true };
    return signal.aborted
      ? { status: 130, isStopped: true }
      : { status: code ?? 1, isStopped: false };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    process.removeListener('SIGTERM', onTerminate);
  }
}
