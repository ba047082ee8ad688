/** @file What a server is made of: the parts that its caller gives, and those that all routes share. */
import type { MonitorEvent, ThermostatRequest } from '../api/chat.ts';
import type { Model } from '../engine/engine.ts';
import { LimbicError } from '../errors.ts';
import type { ResolvedRule, Rule } from '../steering/monitor.ts';
import type { Run } from '../store/runs.ts';
import type { VectorPack } from '../vectors/pack.ts';
import { ConversationLog } from './conversation-log.ts';
import { Metrics } from './metrics.ts';
import { FairQueue, type QueueLimits } from './queue.ts';
import { createReadoutPlanner, type ReadoutPlanner } from './readouts.ts';
import { EngineDeaths } from './resuming.ts';
import { readThreshold, thresholdOf } from './threshold.ts';

export interface Limits extends QueueLimits {
  /** Longest body of a request, in bytes. */
  readonly bodyBytes: number;
  /** Longest time from the arrival of a request to the end of its answer. */
  readonly requestMs: number;
}

const defaultLimits: Limits = {
  running: 16,
  waiting: 256,
  waitMs: 120_000,
  bodyBytes: 4 * 2 ** 20,
  requestMs: 600_000,
};

export interface ServerDeps {
  readonly model: Model;
  readonly pack: VectorPack;
  /** Emotions in `readouts` when a request names none. */
  readonly shown: readonly string[];
  /** Rules that watch every reply. */
  readonly rules: readonly Rule[];
  /** Regulates every reply that names no thermostat of its own. */
  readonly thermostat?: ThermostatRequest;
  /** Told of each rule that fires and each intervention, at once. */
  readonly onEvent?: (event: MonitorEvent, conversation: string) => void;
  /** Bearer token that requests must carry; null asks for none. */
  readonly token: string | null;
  /** Host names that the server answers to besides this machine's own. */
  readonly allowedHosts: readonly string[];
  /** Folder with the built page; null serves a plain notice. */
  readonly webFolder: string | null;
  /** Where runs are kept. */
  readonly runs: { readonly folder: string };
  /** Takes every conversation; nothing is kept without it. */
  readonly log?: Pick<Run, 'append'>;
  /** Address that gets a POST for each rule that fires. */
  readonly webhook?: string;
  readonly limits?: Partial<Limits>;
  readonly version: string;
  /** Milliseconds since 1970. @default Date */
  readonly clock?: { now(): number };
  /** Told of errors that nobody foresaw, and of the engine's whole errors; clients are not. */
  readonly report?: (error: unknown) => void;
}

/** The parts together; made once for an app. */
export interface Lab extends Omit<ServerDeps, 'limits' | 'clock' | 'log'> {
  readonly limits: Limits;
  readonly clock: { now(): number };
  readonly log: ConversationLog | null;
  readonly queue: FairQueue;
  readonly metrics: Metrics;
  readonly deaths: EngineDeaths;
  readonly planReadouts: ReadoutPlanner;
  readonly watched: readonly ResolvedRule[];
}

/** Throws NotFoundError or InvalidInputError for rules, a thermostat and shown emotions that the pack cannot serve. */
export function createLab(deps: ServerDeps): Lab {
  const { limits: given, clock = Date, log, ...rest } = deps;
  const limits = { ...defaultLimits, ...given };
  const metrics = new Metrics();
  const planReadouts = createReadoutPlanner(deps.pack);
  const ruled = deps.rules.map(({ emotion }) => emotion);
  const regulated =
    deps.thermostat === undefined ? [] : [deps.thermostat.watch, deps.thermostat.with];
  planReadouts({ shown: deps.shown, others: [...ruled, ...regulated], top: 0 });
  if (deps.thermostat !== undefined)
    readThreshold(deps.pack, deps.thermostat.watch, deps.thermostat.above);
  return {
    ...rest,
    limits,
    clock,
    metrics,
    planReadouts,
    deaths: new EngineDeaths(),
    queue: new FairQueue(limits),
    log: log === undefined ? null : new ConversationLog(log, { clock, metrics }),
    watched: deps.rules.map((rule) => ({
      rule,
      threshold: thresholdOf(deps.pack, rule.emotion, rule.threshold),
    })),
  };
}

/** Tells the operator the whole of an error of which the client hears a part or nothing. */
export function reportWithheld({ metrics, report }: Lab, error: unknown): void {
  if (!(error instanceof LimbicError)) metrics.add('limbic_internal_errors_total');
  report?.(error);
}
