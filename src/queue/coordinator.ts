/**
 * @file The coordinator: the process with the run puts its conversations on the queue and collects the cells
 * that workers measure. What is on the server is a means: all that counts is appended to the run, and what a
 * coordinator that died had not fetched yet, the next one finds.
 */
import { setTimeout as wait } from 'node:timers/promises';

import { type Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';

import { InvalidInputError, UnavailableError } from '../errors.ts';
import { openConnection, serverTime } from './connection.ts';
import {
  checkedCell,
  type ConversationJob,
  isRunId,
  jobIdOf,
  keysOf,
  type ModelNames,
  noticeSchema,
  printable,
  queuePrefix,
  type QueueTiming,
  type RunKeys,
  type RunNotice,
  runsKey,
  usualTiming,
} from './jobs.ts';

export interface QueueOptions {
  /** `redis://` or `rediss://`. */
  readonly url: string;
  /** Id of the run. */
  readonly run: string;
  /** Of limbic. */
  readonly version: string;
  /** Name of a study that the workers have. */
  readonly study: string;
  readonly params: object;
  readonly models: ModelNames;
  /** Keys of the conversations, in the order in which they begin; those that are done already cost nothing. */
  readonly conversations: readonly string[];
  /** Cells that the run holds already. */
  readonly known: ReadonlyMap<string, object>;
  /** Writes a cell into the run; called once for each key that is not known. */
  readonly onCell: (key: string, data: object) => void;
  readonly onProgress?: (progress: QueueProgress) => void;
  /** Told what a person should know, in one line. */
  readonly onNotice?: (text: string) => void;
  /** Ends the wait; workers then finish the cells under way, which the next start collects. */
  readonly signal: AbortSignal;
  /** Tries of a conversation that ends with an error. @default 4 */
  readonly tries?: number;
  readonly timing?: Partial<QueueTiming>;
}

export interface QueueProgress {
  /** Played to their end. */
  readonly done: number;
  /** Given up after all tries. */
  readonly failed: number;
  readonly conversations: number;
  /** Cells that came since the start. */
  readonly cells: number;
  /** Workers that were heard of lately and play this run. */
  readonly workers: number;
  /** Workers that were heard of lately but can't play this run. */
  readonly refusing: number;
  /** Conversations that were begun again: after an error, a dead worker, or one that gave them back. */
  readonly again: number;
}

/** Reasons that are told of conversations that failed. */
const mostReasons = 3;
const usualTries = 4;
/** Cells that are fetched at a time. */
const batch = 200;

/**
 * Has all conversations played by workers and resolves when every one is done and every cell is written. Throws
 * InvalidInputError for what no worker would take; UnavailableError when there is no server, or when some
 * conversations failed at every try (the others are done then); the signal's reason when it aborts. What
 * belongs to the run on the server is deleted at the end, but kept after an abort or an error of `onCell`.
 */
export async function runOnQueue(options: QueueOptions): Promise<void> {
  const { run, signal } = options;
  const notice = checkedNotice(options);
  const redis = await openConnection(options.url, options.onNotice);
  const queue = new Queue(run, { connection: redis, prefix: queuePrefix, skipMetasUpdate: true });
  // The connection tells of its own trouble.
  queue.on('error', () => {});
  const timing = { ...usualTiming, ...options.timing };
  const coordinator = new Coordinator({ ...options, redis, queue, notice, timing });
  try {
    await untilAborted(signal, async () => {
      await coordinator.begin();
      while (!(await coordinator.isDone())) await wait(timing.poll, undefined, { signal });
      await coordinator.end();
    });
  } finally {
    // Nobody watches any longer, so workers should not go on.
    if (redis.status === 'ready') await redis.zrem(runsKey, run);
    await queue.close();
    redis.disconnect();
  }
}

/** One line of the state, for people. */
export function inWords({ done, failed, conversations, ...rest }: QueueProgress): string {
  const { workers, refusing, again } = rest;
  return [
    `${done} of ${conversations} conversations`,
    workers === 1 ? '1 worker' : `${workers} workers`,
    ...(refusing > 0 ? [`${refusing} that can't help`] : []),
    ...(again > 0 ? [`${again} begun again`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ].join(', ');
}

/** Runs the task, but rejects at once with the signal's reason: a server that is away would hold it up. */
async function untilAborted(signal: AbortSignal, task: () => Promise<void>): Promise<void> {
  signal.throwIfAborted();
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([task(), stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Refuses here what every worker would refuse, before anything is on the server. */
function checkedNotice({ run, version, study, models, conversations }: QueueOptions): RunNotice {
  if (!isRunId(run)) throw new InvalidInputError(`queue: expected the id of a run, got "${run}"`);
  const parsed = noticeSchema.safeParse({ version, study, models });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InvalidInputError(`queue: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const long = conversations.find((key) => key === '' || key.length > 500);
  if (long !== undefined)
    throw new InvalidInputError(
      `queue: expected conversations of 1 to 500 characters, got one of ${long.length}`,
    );
  return parsed.data;
}

interface CoordinatorOptions extends QueueOptions {
  readonly redis: Redis;
  readonly queue: Queue;
  readonly notice: RunNotice;
  readonly timing: QueueTiming;
}

class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #redis: Redis;
  readonly #queue: Queue;
  readonly #keys: RunKeys;
  /** All cells that the run holds. */
  readonly #written: Map<string, object>;
  readonly #before: number;
  readonly #conversations: ReadonlySet<string>;
  /** Entries of the list of news that were read. */
  #position = 0;
  readonly #told = new Set<string>();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#redis = options.redis;
    this.#queue = options.queue;
    this.#keys = keysOf(options.run);
    this.#written = new Map(options.known);
    this.#before = this.#written.size;
    this.#conversations = new Set(options.conversations);
  }

  /** Collects what an earlier coordinator left, then asks for workers. */
  async begin(): Promise<void> {
    await this.#sweep();
    const failed = (await this.#queue.getFailed()) as (Job | undefined)[];
    // A new start is a new chance.
    for (const job of failed) await job?.remove();
    const left = (await this.#queue.getJobs(['wait', 'active', 'delayed'])) as (
      | Job<Partial<ConversationJob> | null>
      | undefined
    )[];
    // Written by another version of limbic, but to be played by this one.
    for (const job of left)
      if (job !== undefined && job.data?.version !== this.#options.version)
        await job.updateData({ ...job.data, version: this.#options.version });
    await this.#add();
    await this.#show();
  }

  /** Writes the cells that came, and tells the progress. True when no conversation is left to play. */
  async isDone(): Promise<boolean> {
    const now = await this.#show();
    await this.#collect();
    const counts = await this.#queue.getJobCounts(
      'wait',
      'active',
      'delayed',
      'completed',
      'failed',
    );
    const { wait: waiting = 0, active = 0, delayed = 0, completed = 0, failed = 0 } = counts;
    const left = waiting + active + delayed;
    const total = this.#conversations.size;
    const { workers, refusing } = await this.#workers(now);
    this.#options.onProgress?.({
      done: Math.max(0, total - left - failed),
      failed,
      conversations: total,
      cells: this.#written.size - this.#before,
      workers,
      refusing,
      again: Number((await this.#redis.get(this.#keys.again)) ?? 0),
    });
    if (left > 0) return false;
    if (completed + failed >= total) return true;
    // The server lost them: it was started again without its data.
    this.#options.onNotice?.('queue: the server lost its jobs; they are put there again');
    this.#position = 0;
    await this.#add();
    return false;
  }

  /** Collects what is there, deletes it, and throws if some conversations failed. */
  async end(): Promise<void> {
    await this.#sweep();
    const failed = (await this.#queue.getFailed()) as (
      | Job<Partial<ConversationJob> | null>
      | undefined
    )[];
    const reasons = failed.flatMap((job) =>
      job === undefined
        ? []
        : [printable(`"${job.data?.conversation ?? '?'}": ${job.failedReason}`)],
    );
    await this.#redis.zrem(runsKey, this.#options.run);
    await this.#redis.del(Object.values(this.#keys));
    await this.#queue.obliterate({ force: true });
    if (reasons.length === 0) return;
    const more = reasons.length - mostReasons;
    throw new UnavailableError(
      `queue: expected all ${this.#conversations.size} conversations, got ${reasons.length} that failed: ${reasons.slice(0, mostReasons).join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
      { hint: 'the others are in the run; when the reason is gone, go on with --resume' },
    );
  }

  /** Puts a job for each conversation; one that has a job keeps it. */
  async #add(): Promise<void> {
    const { run, params, notice, tries = usualTries, timing } = this.#options;
    const cells = [...this.#written];
    const jobs = [...this.#conversations].map((conversation) => {
      // Others that begin with the same letters do no harm.
      const own = cells.filter(([key]) => key.startsWith(conversation));
      const data = { ...notice, run, params, conversation, known: own };
      return {
        name: 'conversation',
        data,
        opts: {
          jobId: jobIdOf(conversation),
          attempts: tries,
          backoff: { type: 'exponential', delay: timing.retry },
          // Paths of a worker's machine are no one else's business.
          stackTraceLimit: 0,
        },
      };
    });
    for (let from = 0; from < jobs.length; from += batch)
      await this.#queue.addBulk(jobs.slice(from, from + batch));
  }

  /** Says that the run wants workers and is watched. Gives the server's time. */
  async #show(): Promise<number> {
    const { notice, run } = this.#options;
    const now = await serverTime(this.#redis);
    const sign = this.#redis.multi().set(this.#keys.notice, JSON.stringify(notice));
    await sign.zadd(runsKey, now, run).exec();
    return now;
  }

  async #workers(now: number): Promise<Pick<QueueProgress, 'workers' | 'refusing'>> {
    const since = now - this.#options.timing.alive;
    const alive = await this.#redis.zrangebyscore(this.#keys.workers, since, '+inf');
    const refusals = await this.#redis.hgetall(this.#keys.refusals);
    const refusing = alive.filter((id) => Object.hasOwn(refusals, id));
    for (const id of refusing) this.#tell(`a worker does not help: ${refusals[id] ?? ''}`);
    return { workers: alive.length - refusing.length, refusing: refusing.length };
  }

  /** Each text once. */
  #tell(text: string): void {
    if (this.#told.has(text)) return;
    this.#told.add(text);
    this.#options.onNotice?.(printable(text));
  }

  /** Writes the cells of which there is news. */
  async #collect(): Promise<void> {
    for (;;) {
      const to = this.#position + batch - 1;
      const keys = await this.#redis.lrange(this.#keys.news, this.#position, to);
      if (keys.length === 0) return;
      const values = await this.#redis.hmget(this.#keys.cells, ...keys);
      for (const [i, key] of keys.entries()) {
        const json = values[i];
        if (json != null) this.#write(key, json);
      }
      this.#position += keys.length;
    }
  }

  /** Writes all cells that are on the server, whether there was news of them or not. */
  async #sweep(): Promise<void> {
    let cursor = '0';
    do {
      const [next, entries] = await this.#redis.hscan(this.#keys.cells, cursor, 'COUNT', batch);
      cursor = next;
      for (let i = 0; i + 1 < entries.length; i += 2) this.#write(entries[i]!, entries[i + 1]!);
    } while (cursor !== '0');
  }

  #write(key: string, json: string): void {
    if (this.#written.has(key)) return;
    const data = checkedCell(key, json);
    this.#options.onCell(key, data);
    this.#written.set(key, data);
  }
}
