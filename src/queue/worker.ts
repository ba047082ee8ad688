/**
 * @file A worker: looks for runs that want help, opens the models of each once, and plays their conversations.
 * A run that it can't play (another version, a model that does not open) it leaves alone and says why, so that
 * it does not use up the tries of conversations that others can play.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';

import { DelayedError, type Job, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';

import { LimbicError } from '../errors.ts';
import type { ChatStudy } from '../studies/chat-study.ts';
import { sharedCells } from './cells.ts';
import { openConnection, serverTime } from './connection.ts';
import {
  isRunId,
  keysOf,
  parseNotice,
  queuePrefix,
  type QueueTiming,
  type RunNotice,
  runsKey,
  usualTiming,
} from './jobs.ts';
import { type HeldLab, type OpenLab, SharedLabs } from './labs.ts';
import { isHopeless, playConversation, refusalOf, type Repertoire, type Stage } from './playing.ts';

export interface WorkerOptions {
  /** `redis://` or `rediss://`. */
  readonly url: string;
  /** Of limbic; jobs of another one are left to others. */
  readonly version: string;
  /** All that a job can name. */
  readonly studies: readonly ChatStudy[];
  readonly openLab: OpenLab;
  /** Conversations at once, at least 1; shared by the runs if there are several. @default 1 */
  readonly concurrency?: number;
  /** Models that it may talk to. @default all */
  readonly models?: readonly string[];
  /** Starts to drain when it aborts. */
  readonly signal?: AbortSignal;
  /** Told what a person should know, in one line. */
  readonly onNotice?: (text: string) => void;
  readonly onTotals?: (totals: WorkerTotals) => void;
  readonly timing?: Partial<QueueTiming>;
}

/** Since the start. */
export interface WorkerTotals {
  /** Played to their end. */
  readonly conversations: number;
  /** Measured here. */
  readonly cells: number;
  /** Unfinished when this worker or the run's coordinator left. */
  readonly givenBack: number;
  /** Tries that ended with an error. */
  readonly failed: number;
  /** Runs that it takes part in now. */
  readonly runs: number;
}

export interface WorkerHandle extends AsyncDisposable {
  readonly id: string;
  readonly totals: () => WorkerTotals;
  /**
   * Takes no more conversations, lets the cells under way end, gives the rest back, and closes all. Resolves
   * with the totals; the same promise however often it is called.
   */
  drain(): Promise<WorkerTotals>;
  /** Resolves when it has drained, for whatever reason. */
  readonly ended: Promise<WorkerTotals>;
}

/** Times that a conversation may lose its worker before it counts as what kills them. */
const mostStalled = 20;
/** Milliseconds until a lab that did not open is tried again, and a refused job is offered again. */
const refusalLasts = 30_000;
const refusedJobWaits = 5000;
/** Seconds after which what a worker wrote about itself goes by itself. */
const traceLasts = 60;

/** Starts a worker. Throws what openConnection throws; later trouble with the server is waited out. */
export async function startWorker(options: WorkerOptions): Promise<WorkerHandle> {
  const redis = await openConnection(options.url, options.onNotice);
  return new QueueWorker(redis, options);
}

interface Served {
  readonly run: string;
  readonly notice: RunNotice;
  readonly leaving: AbortController;
  /** Jobs that went to another worker because this one was not heard of. */
  readonly lost: Set<string>;
  bull: Worker | null;
  ended: Promise<void>;
}

class QueueWorker implements WorkerHandle {
  readonly id = randomBytes(6).toString('hex');
  readonly ended: Promise<WorkerTotals>;
  readonly #redis: Redis;
  readonly #options: WorkerOptions;
  readonly #timing: QueueTiming;
  readonly #repertoire: Repertoire;
  readonly #labs: SharedLabs;
  readonly #served = new Map<string, Served>();
  /** Runs that it does not play, and until when that holds. */
  readonly #refused = new Map<string, { why: string; until: number }>();
  readonly #counts = { conversations: 0, cells: 0, givenBack: 0, failed: 0 };
  readonly #draining = new AbortController();

  constructor(redis: Redis, options: WorkerOptions) {
    this.#redis = redis;
    this.#options = options;
    this.#timing = { ...usualTiming, ...options.timing };
    const { version, studies, models = null } = options;
    this.#repertoire = { version, studies, models };
    this.#labs = new SharedLabs(options.openLab);
    const stop = (): void => this.#draining.abort();
    if (options.signal?.aborted === true) stop();
    options.signal?.addEventListener('abort', stop, { once: true });
    this.ended = this.#live().finally(() => options.signal?.removeEventListener('abort', stop));
  }

  totals(): WorkerTotals {
    return { ...this.#counts, runs: this.#served.size };
  }

  drain(): Promise<WorkerTotals> {
    this.#draining.abort();
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #live(): Promise<WorkerTotals> {
    const { signal } = this.#draining;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        this.#say(`queue: ${wordsOf(error)}`);
      }
      await wait(this.#timing.look, undefined, { signal }).catch(() => {});
    }
    const served = [...this.#served.values()];
    for (const { leaving } of served) leaving.abort();
    await Promise.all(served.map(({ ended }) => ended));
    for (const { run } of served) await this.#redis.zrem(keysOf(run).workers, this.id);
    this.#redis.disconnect();
    return this.totals();
  }

  /** Finds the runs that want workers, begins with new ones, leaves those that are gone, and shows itself. */
  async #look(): Promise<void> {
    const now = await serverTime(this.#redis);
    const listed = await this.#redis.zrangebyscore(runsKey, now - this.#timing.patience, '+inf');
    const runs = listed.filter(isRunId);
    for (const [run, { leaving }] of this.#served) if (!runs.includes(run)) leaving.abort();
    for (const run of runs) await this.#consider(run, now);
    for (const run of this.#refused.keys()) if (!runs.includes(run)) this.#refused.delete(run);
    for (const { bull } of this.#served.values())
      if (bull !== null) bull.concurrency = this.#share();
    this.#options.onTotals?.(this.totals());
  }

  async #consider(run: string, now: number): Promise<void> {
    const keys = keysOf(run);
    const notice = parseNotice((await this.#redis.get(keys.notice)) ?? '');
    if (notice === null) return;
    const why = refusalOf(notice, this.#repertoire);
    if (why !== null) this.#refuse(run, why, now + this.#timing.look);
    const refused = this.#refused.get(run);
    const isRefused = refused !== undefined && refused.until > now;
    if (isRefused) this.#served.get(run)?.leaving.abort();
    else if (!this.#served.has(run)) this.#serve(run, notice);
    const signs = this.#redis.multi().zadd(keys.workers, now, this.id);
    if (isRefused) signs.hset(keys.refusals, this.id, refused.why);
    else signs.hdel(keys.refusals, this.id);
    await signs.expire(keys.workers, traceLasts).expire(keys.refusals, traceLasts).exec();
  }

  /** Conversations at once of each run. */
  #share(): number {
    return Math.max(1, Math.floor((this.#options.concurrency ?? 1) / this.#served.size));
  }

  #refuse(run: string, why: string, until: number): void {
    if (this.#refused.get(run)?.why !== why) this.#say(`run ${run}: ${why}`);
    this.#refused.set(run, { why, until });
  }

  #serve(run: string, notice: RunNotice): void {
    const about = { run, notice, leaving: new AbortController(), lost: new Set<string>() };
    const served: Served = { ...about, bull: null, ended: Promise.resolve() };
    this.#served.set(run, served);
    served.ended = this.#play(served)
      .catch((error: unknown) => this.#say(`run ${run}: ${wordsOf(error)}`))
      .finally(() => this.#served.delete(run));
  }

  async #play(served: Served): Promise<void> {
    const { run, notice, leaving } = served;
    let held: HeldLab;
    try {
      held = await this.#labs.hold(notice.models);
    } catch (error) {
      const until = (await serverTime(this.#redis)) + refusalLasts;
      return this.#refuse(run, `its models did not open: ${wordsOf(error)}`, until);
    }
    try {
      this.#refused.delete(run);
      if (!leaving.signal.aborted) await this.#takeAll(served);
    } finally {
      await held[Symbol.asyncDispose]();
    }
  }

  /** Takes conversations of a run until it has to leave. */
  async #takeAll(served: Served): Promise<void> {
    const { run, leaving } = served;
    const { lock, stalled } = this.#timing;
    const bull = new Worker(run, (job, token) => this.#take(job, token, served), {
      connection: this.#redis,
      prefix: queuePrefix,
      concurrency: this.#share(),
      lockDuration: lock,
      stalledInterval: stalled,
      maxStalledCount: mostStalled,
      runRetryDelay: this.#timing.retry,
    });
    served.bull = bull;
    bull.on('error', (error) => {
      if (!isKnownTrouble(error)) this.#say(`run ${run}: ${error.message.slice(0, 300)}`);
    });
    bull.on('lockRenewalFailed', (jobs) => {
      for (const job of jobs) served.lost.add(job);
      this.#say(`run ${run}: this worker was silent for too long; others take its conversations`);
    });
    await whenAborted(leaving.signal);
    await bull.close();
    // BullMQ notes what it knows of a queue even after the coordinator has deleted it.
    if ((await this.#redis.zscore(runsKey, run)) === null)
      await this.#redis.del(`${queuePrefix}:${run}:meta`, `${queuePrefix}:${run}:stalled-check`);
  }

  /** Plays the conversation of a job. What it throws tells BullMQ where the job goes. */
  async #take(job: Job, token: string | undefined, served: Served): Promise<void> {
    const { run, leaving, lost } = served;
    const id = job.id ?? '';
    // One that comes back is no longer lost.
    lost.delete(id);
    const keys = keysOf(run);
    if (job.attemptsStarted > 1) await this.#redis.incr(keys.again);
    const stage: Stage = {
      run,
      repertoire: this.#repertoire,
      labs: this.#labs,
      cells: sharedCells(this.#redis, keys),
      isLeaving: () => leaving.signal.aborted || lost.has(id),
      onCell: () => this.#count('cells'),
    };
    const outcome = await playConversation(job.data, stage).catch((error: unknown) => {
      this.#count('failed');
      const words = wordsOf(error);
      this.#say(`run ${run}: a conversation failed: ${words}`);
      throw isHopeless(error) ? new UnrecoverableError(words) : new Error(words);
    });
    if (outcome.type === 'played') return this.#count('conversations');
    if (outcome.type === 'refused') {
      this.#say(`run ${run}: job refused: ${outcome.why}`);
      await job.moveToDelayed(Date.now() + refusedJobWaits, token);
      throw new DelayedError();
    }
    this.#count('givenBack');
    if (!lost.has(id)) await job.moveToWait(token);
    throw new WaitingError();
  }

  #count(what: 'conversations' | 'cells' | 'givenBack' | 'failed'): void {
    this.#counts[what] += 1;
    this.#options.onTotals?.(this.totals());
  }

  #say(text: string): void {
    this.#options.onNotice?.(text);
  }
}

/** Trouble that is told of elsewhere: a connection by its own listener, a lost lock by its event. */
function isKnownTrouble(error: Error): boolean {
  return (
    (error as NodeJS.ErrnoException).syscall !== undefined ||
    /^(Connection is closed|could not renew lock|Missing lock|Missing key|Command timed out)/.test(
      error.message,
    )
  );
}

function wordsOf(error: unknown): string {
  const hint = error instanceof LimbicError && error.hint !== undefined ? `; ${error.hint}` : '';
  return `${error instanceof Error ? error.message : String(error)}${hint}`.slice(0, 500);
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
