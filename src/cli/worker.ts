/** @file `limbic worker`: plays conversations of studies that another machine put on a queue. */
import { InvalidInputError } from '../errors.ts';
import type { WorkerTotals } from '../queue/worker.ts';
import { chatStudies } from '../studies/index.ts';
import { chatOptions, openChatLab } from './chat-lab.ts';
import {
  type Command,
  jsonOption,
  list,
  modelOptions,
  text,
  type Values,
  wholeNumber,
} from './command.ts';
import { formatSeconds } from './progress.ts';
import { limbicVersion } from './version.ts';

/** The option of commands that use a queue. */
export const queueOption = {
  queue: {
    type: 'string',
    value: 'URL',
    summary:
      'redis://[:PASSWORD@]HOST[:PORT] of a Redis or Valkey server, rediss:// for TLS (or LIMBIC_QUEUE)',
  },
} as const satisfies Command['options'];

const { threads, context: contextLength, library, 'gpu-layers': gpuLayers } = modelOptions;

export const workerCommand: Command = {
  name: 'worker',
  summary: 'play conversations of studies that other machines put on a queue',
  usage: '--queue redis://HOST [--concurrency N] [--models a,b] [--json]',
  description:
    'Takes part in every run of the same limbic version that is on the queue, until Ctrl-C: then it lets the replies under way end and gives the rest back; a second Ctrl-C ends it at once. It uses the keys of its own environment; whoever has the password of the queue can spend them, so name the --models.',
  options: {
    ...queueOption,
    concurrency: { type: 'string', value: 'N', summary: 'conversations at once (default 4)' },
    models: {
      type: 'string',
      value: 'a,b',
      summary: 'models and judges that it talks to (default: all that runs name)',
    },
    budget: chatOptions.budget,
    price: chatOptions.price,
    threads,
    context: contextLength,
    library,
    'gpu-layers': gpuLayers,
    ...jsonOption,
  },
  examples: [
    'limbic worker --queue redis://lab.local',
    'LIMBIC_QUEUE=rediss://:$PASSWORD@lab.local limbic worker --concurrency 8 --models openai:gpt-5-mini',
  ],
  run: async ({ values, signal }) => {
    const started = performance.now();
    const url = queueOf(values, process.env);
    if (url === null)
      throw new InvalidInputError('worker: expected --queue or LIMBIC_QUEUE, got neither', {
        hint: 'e.g. --queue redis://127.0.0.1',
      });
    const status = createStatus();
    // Not the signal of Ctrl-C: what is paid for already is let to end.
    const hold = new AbortController();
    const models = list(values, 'models');
    // Loading the queue's library takes time that other commands need not wait for.
    const { startWorker } = await import('../queue/worker.ts');
    await using worker = await startWorker({
      url,
      version: limbicVersion(),
      studies: chatStudies,
      openLab: (names) => openChatLab(names, { values, signal: hold.signal }),
      concurrency: wholeNumber(values, 'concurrency', { min: 1, max: 1000, fallback: 4 }),
      ...(models === undefined ? {} : { models }),
      onNotice: (line) => status.notice(line),
      onTotals: (totals) => status.update(totals),
    });
    status.notice('waiting for runs; Ctrl-C ends it');
    const stop = (): void => {
      status.notice('letting the replies under way end; again ends at once');
      void worker.drain();
    };
    signal.addEventListener('abort', stop, { once: true });
    // What asks containers to end.
    process.once('SIGTERM', stop);
    if (signal.aborted) stop();
    const totals = await worker.ended;
    process.off('SIGTERM', stop);
    status.end();
    const seconds = Math.round((performance.now() - started) / 1000);
    const { runs: _, ...counts } = totals;
    console.log(
      values['json'] === true
        ? JSON.stringify({ ...counts, seconds })
        : `${wordsOf(totals)} in ${formatSeconds(seconds)}`,
    );
  },
};

/** The address of the queue, or null: `--queue`, else LIMBIC_QUEUE, where others don't see its password. */
export function queueOf(
  values: Values,
  environment: Readonly<Record<string, string | undefined>>,
): string | null {
  const given = text(values, 'queue') ?? environment['LIMBIC_QUEUE'] ?? '';
  return given === '' ? null : given;
}

function wordsOf({ conversations, cells, givenBack, failed }: WorkerTotals): string {
  return [
    `${conversations} conversations`,
    `${cells} cells`,
    ...(givenBack > 0 ? [`${givenBack} given back`] : []),
    ...(failed > 0 ? [`${failed} failed tries`] : []),
  ].join(', ');
}

interface Status {
  update(totals: WorkerTotals): void;
  /** A line that stays. */
  notice(line: string): void;
  end(): void;
}

/** A line on standard error that is drawn over; only the lines that stay when that is no terminal. */
function createStatus(): Status {
  const isTerminal = process.stderr.isTTY;
  const clear = isTerminal ? '\r\x1b[K' : '';
  let shown = '';
  const draw = (): void => {
    if (isTerminal && shown !== '') process.stderr.write(`${clear}${shown}`);
  };
  return {
    update: (totals) => {
      const { runs } = totals;
      shown = `worker: ${runs === 1 ? '1 run' : `${runs} runs`}, ${wordsOf(totals)}`;
      draw();
    },
    notice: (line) => {
      process.stderr.write(`${clear}limbic: ${line}\n`);
      draw();
    },
    end: () => process.stderr.write(clear),
  };
}
