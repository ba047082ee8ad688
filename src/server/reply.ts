/** @file Writes one reply: tokens become events, rules watch them, and what may be shown goes out at once. */
import type { MonitorEvent, ReadToken, TokenEvent } from '../api/chat.ts';
import type { Generated, GeneratedToken } from '../engine/engine.ts';
import { Monitor } from '../steering/monitor.ts';
import type { Lab } from './lab.ts';
import { type Readouts, rounded } from './readouts.ts';
import { type Released, ReleasedText } from './released-text.ts';
import type { ReplyPlan } from './reply-plan.ts';
import { generateResuming } from './resuming.ts';

/** What is new since the update before. */
export interface ReplyUpdate {
  readonly text: string;
  /** As the engine chose them. */
  readonly chosen: readonly GeneratedToken[];
  /** The same with their readings by name; empty when nobody asked. */
  readonly tokens: readonly TokenEvent[];
  readonly events: readonly MonitorEvent[];
}

/** Several updates in order as one. */
export function joinUpdates(updates: readonly ReplyUpdate[]): ReplyUpdate {
  const [only] = updates;
  if (only !== undefined && updates.length === 1) return only;
  return {
    text: updates.map(({ text }) => text).join(''),
    chosen: updates.flatMap(({ chosen }) => chosen),
    tokens: updates.flatMap(({ tokens }) => tokens),
    events: updates.flatMap(({ events }) => events),
  };
}

export interface ReplyEnd extends ReplyUpdate {
  readonly finish: 'stop' | 'length' | 'content_filter';
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Null if a rule ended the reply before the engine told. */
  readonly cachedTokens: number | null;
  readonly prompt?: readonly ReadToken[];
}

interface ReplyCall {
  readonly signal: AbortSignal;
  /** When the request arrived. */
  readonly since: number;
  readonly onUpdate: (update: ReplyUpdate) => void;
}

/** Writes the reply of a plan and returns its last piece; aborting the signal ends it with its reason. */
export async function writeReply(lab: Lab, plan: ReplyPlan, call: ReplyCall): Promise<ReplyEnd> {
  const { metrics } = lab;
  const released = new ReleasedText(plan.request.stop ?? []);
  const watch = new ReplyWatch(lab, plan);
  const describe = (out: Released): Omit<ReplyUpdate, 'events'> => ({
    text: out.text,
    chosen: out.tokens,
    tokens: plan.isReported || lab.log !== null ? out.tokens.map((t) => tokenEvent(plan, t)) : [],
  });
  const stopper = new AbortController();
  let [count, first] = [0, 0];
  const onToken = (token: GeneratedToken): void => {
    if (stopper.signal.aborted) return;
    if (count === 0) {
      first = performance.now();
      metrics.observe('limbic_time_to_first_token_seconds', (first - call.since) / 1000);
    }
    count++;
    metrics.add('limbic_tokens_generated_total');
    const events = watch.add(token);
    call.onUpdate({ ...describe(released.add(token)), events });
    if (events.some(({ kind }) => kind === 'stop')) stopper.abort();
  };
  const signal = AbortSignal.any([call.signal, stopper.signal]);
  const result = await generateResuming(lab, plan, { signal, onToken }).catch((error: unknown) => {
    if (stopper.signal.aborted && !call.signal.aborted) return null;
    throw error;
  });
  const seconds = (performance.now() - first) / 1000;
  if (count > 1 && seconds > 0)
    metrics.observe('limbic_reply_tokens_per_second', (count - 1) / seconds);
  const cachedTokens = result?.reused ?? null;
  const promptTokens = plan.request.prompt.length;
  if (cachedTokens !== null) {
    metrics.add('limbic_prompt_tokens_total', { from: 'cache' }, cachedTokens);
    metrics.add('limbic_prompt_tokens_total', { from: 'engine' }, promptTokens - cachedTokens);
  }
  const isStopped = result === null || stopper.signal.aborted;
  return {
    ...describe(
      released.end(isStopped ? released.text : result.text, result?.stopReason === 'stop-string'),
    ),
    events: [],
    finish: isStopped ? 'content_filter' : result.stopReason === 'length' ? 'length' : 'stop',
    promptTokens,
    completionTokens: count,
    cachedTokens,
    ...(await promptOf(lab, plan, result)),
  };
}

async function promptOf(
  { model }: Lab,
  plan: ReplyPlan,
  result: Generated | null,
): Promise<{ prompt?: ReadToken[] }> {
  if (!plan.readsPrompt || plan.readouts === null || result === null) return {};
  const pieces = await model.pieces(plan.request.prompt);
  return { prompt: readTokens(plan.readouts, pieces, result.promptReadings) };
}

/** Texts of tokens with their rows of a table [positions, directions]. */
export function readTokens(
  readouts: Pick<Readouts, 'names' | 'read' | 'rank'>,
  pieces: readonly string[],
  values: Float32Array,
): ReadToken[] {
  const count = readouts.names.length;
  return pieces.map((text, position) => {
    const row = values.subarray(position * count, (position + 1) * count);
    const top = readouts.rank(row);
    return { text, readouts: readouts.read(row), ...(top === undefined ? {} : { top }) };
  });
}

function tokenEvent(
  { readouts, request, thermostat }: ReplyPlan,
  token: GeneratedToken,
): TokenEvent {
  const top = readouts?.rank(token.readings);
  return {
    index: token.index,
    token: token.token,
    text: token.text,
    logprob: logprobOf(token.logprob),
    ...((request.topLogprobs ?? 0) > 0
      ? {
          alternatives: token.alternatives.map(({ logprob, ...choice }) => ({
            ...choice,
            logprob: logprobOf(logprob),
          })),
        }
      : {}),
    readouts: readouts?.read(token.readings) ?? {},
    ...(top === undefined ? {} : { top }),
    ...(token.dose > 0 && thermostat !== null ? { steer: { [thermostat.with]: token.dose } } : {}),
  };
}

/** JSON has no infinity; the OpenAI API writes -9999 for what is out of the question. */
export function logprobOf(value: number): number {
  return Math.max(-9999, rounded(value));
}

/** The rules and the thermostat of one reply. */
class ReplyWatch {
  readonly #monitor: Monitor;
  readonly #plan: ReplyPlan;
  readonly #metrics: Lab['metrics'];
  #isWarm = false;

  constructor({ watched, metrics }: Lab, plan: ReplyPlan) {
    this.#monitor = new Monitor(watched);
    this.#metrics = metrics;
    this.#plan = plan;
  }

  /** What happens at this token. */
  add(token: GeneratedToken): MonitorEvent[] {
    const { readouts } = this.#plan;
    if (readouts === null) return [];
    const readingOf = (emotion: string): number => readouts.readingOf(token.readings, emotion);
    const fired = this.#monitor
      .add(readingOf, token.index)
      .map(({ index, rule, value }): MonitorEvent => ({
        index,
        kind: rule.action === 'stop' ? 'stop' : 'rule',
        rule: rule.text,
        emotion: rule.emotion,
        value: rounded(value),
      }));
    const turned = this.#thermostat(token, readingOf);
    for (const { kind, rule } of fired) this.#metrics.add('limbic_events_total', { kind, rule });
    // Clients write thermostats: their words would make a new series each.
    for (const { kind } of turned) this.#metrics.add('limbic_events_total', { kind, rule: '' });
    return [...fired, ...turned];
  }

  #thermostat(
    { index, dose }: GeneratedToken,
    readingOf: (emotion: string) => number,
  ): MonitorEvent[] {
    const { thermostat } = this.#plan;
    const isWarm = dose > 0;
    if (thermostat === null || isWarm === this.#isWarm) return [];
    this.#isWarm = isWarm;
    const { watch, above, with: emotion, limit } = thermostat;
    return [
      {
        index,
        kind: isWarm ? 'thermostat-on' : 'thermostat-off',
        rule: `${emotion} up to ${limit} while ${watch} is above ${above}`,
        emotion: watch,
        value: rounded(readingOf(watch)),
      },
    ];
  }
}
