/**
 * @file A chat model behind an API: one pace for all its requests, patience with what passes, and plain errors for
 * what does not. The SDK knows the wire formats; what it would decide by itself (retries, warnings) is decided here.
 */
import { setMaxListeners } from 'node:events';

import { generateText } from 'ai';

import {
  DisposedError,
  InvalidInputError,
  type LimbicError,
  ReplyError,
  UnavailableError,
} from '../errors.ts';
import type { ChatModel, ChatReply, ChatRequest } from './chat-model.ts';
import { type Endpoint, type Environment, keyVariablesOf, openEndpoint } from './endpoint.ts';
import { type ApiProvider, formatModelName, type ModelName } from './model-name.ts';
import {
  type Asked,
  headerKey,
  heldTo,
  refusedSetting,
  type Setting,
  settingsOf,
  splitSystem,
  stopReasonOf,
  usageOf,
} from './request-shape.ts';
import { backoff, classify, type Failure, longestPause, mostTries } from './retries.ts';
import { type Clock, type Permit, systemClock, Throttle } from './throttle.ts';

/** What has happened so far, for a line of progress. Counts of tries but for `failed`, which counts replies. */
export interface RemoteCounts {
  readonly requests: number;
  readonly retries: number;
  /** Answers that say that we ask too much (429, 503, 529). */
  readonly rateLimited: number;
  /** Replies that were given up; stopped ones are not among them. */
  readonly failed: number;
  readonly inFlight: number;
  /** Requests that may be under way at once now. */
  readonly limit: number;
}

export interface RemoteModel extends ChatModel {
  /** As of now. */
  readonly counts: RemoteCounts;
}

export interface RemoteOptions {
  /** Most requests at once. @default 32 */
  readonly width?: number;
  /** Longest that one try may take, in milliseconds. @default 120_000 */
  readonly timeout?: number;
  /**
   * After the signal of a request fires, how long an answer that is under way is still waited for, in milliseconds: it
   * is paid for. Nothing new is asked then, and no wait goes on. @default 0
   */
  readonly grace?: number;
  /** Gets each warning once. @default a line on stderr */
  readonly onWarning?: (text: string) => void;
  /** Where keys and addresses are. @default process.env */
  readonly env?: Environment;
  readonly clock?: Clock;
  /** Uniform in [0, 1), for the waits between tries. */
  readonly random?: () => number;
}

interface Try {
  readonly result?: Omit<ChatReply, 'tries'>;
  readonly failure?: Failure;
}

/**
 * Opens a model of an API. Sends nothing yet. Tokens that a provider does not count are estimated as a quarter of the
 * text's bytes. Throws InvalidInputError when there is no key.
 */
export function openRemote(modelName: ModelName, options: RemoteOptions = {}): RemoteModel {
  const { provider } = modelName;
  if (provider === 'local') {
    throw new InvalidInputError(`model: expected one of an API, got local:${modelName.name}`);
  }
  // Without this the SDK writes its warnings to the console by itself; they come with each result as well.
  globalThis.AI_SDK_LOG_WARNINGS ??= false;
  return new Remote({ ...modelName, provider }, options);
}

class Remote implements RemoteModel {
  readonly name: string;
  readonly width: number;
  readonly #provider: ApiProvider;
  readonly #endpoint: Endpoint;
  readonly #throttle: Throttle;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #timeout: number;
  readonly #grace: number;
  readonly #onWarning: (text: string) => void;
  readonly #warned = new Set<string>();
  readonly #refused = new Set<Setting>();
  readonly #closing = new AbortController();
  #requests = 0;
  #retries = 0;
  #rateLimited = 0;
  #failed = 0;

  constructor(modelName: ModelName & { readonly provider: ApiProvider }, options: RemoteOptions) {
    this.name = formatModelName(modelName);
    this.#provider = modelName.provider;
    this.#endpoint = openEndpoint(modelName, options.env ?? process.env);
    this.#clock = options.clock ?? systemClock;
    this.#throttle = new Throttle({ width: options.width ?? 32, clock: this.#clock });
    this.width = this.#throttle.width;
    this.#random = options.random ?? Math.random;
    this.#grace = options.grace ?? 0;
    this.#timeout = options.timeout ?? 120_000;
    this.#onWarning =
      options.onWarning ?? ((text) => process.stderr.write(`limbic: ${this.name}: ${text}\n`));
    setMaxListeners(0, this.#closing.signal);
    for (const text of this.#endpoint.warnings) this.#warn(text);
  }

  get counts(): RemoteCounts {
    return {
      requests: this.#requests,
      retries: this.#retries,
      rateLimited: this.#rateLimited,
      failed: this.#failed,
      inFlight: this.#throttle.inFlight,
      limit: this.#throttle.limit,
    };
  }

  async reply(request: ChatRequest, signal: AbortSignal): Promise<ChatReply> {
    if (this.#closing.signal.aborted) throw new DisposedError(this.name);
    if (signal.aborted) throw abortError(signal);
    // What no provider could take is refused before anything is sent.
    splitSystem(request);
    // All replies of a run share its signal, which would be taken for a leak at the eleventh.
    setMaxListeners(0, signal);
    const stop = new AbortController();
    const onStop = (): void => stop.abort();
    signal.addEventListener('abort', onStop, { once: true });
    this.#closing.signal.addEventListener('abort', onStop, { once: true });
    try {
      return await this.#tryUntilDone(request, stop.signal);
    } catch (error) {
      if (signal.aborted) throw abortError(signal);
      if (this.#closing.signal.aborted) throw new DisposedError(this.name);
      this.#failed++;
      throw error;
    } finally {
      signal.removeEventListener('abort', onStop);
      this.#closing.signal.removeEventListener('abort', onStop);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
  }

  async #tryUntilDone(request: ChatRequest, stop: AbortSignal): Promise<ChatReply> {
    for (let tries = 1; ; tries++) {
      const permit = await this.#throttle.acquire(stop, { again: tries > 1 });
      if (tries > 1) this.#retries++;
      const { result, failure } = await this.#try(request, permit, stop);
      if (result !== undefined) return { ...result, tries };
      if (failure === undefined) continue;
      const error = this.#errorOf(failure, tries);
      if (error !== null) throw error;
      // A pause that the provider asked for holds all requests back, this one too, where places are given out.
      if (failure.kind === 'again' && (failure.pause ?? 0) === 0) {
        await this.#clock.sleep(backoff(tries, this.#random), stop);
      }
    }
  }

  /** One try. Neither a result nor a failure: try again at once. */
  async #try(request: ChatRequest, permit: Permit, stop: AbortSignal): Promise<Try> {
    this.#requests++;
    const asked = settingsOf(request, this.#provider, this.#refused);
    const limit = deadline(this.#timeout, {
      stop,
      grace: this.#grace,
      close: this.#closing.signal,
    });
    try {
      const result = await this.#ask(request, asked, limit.signal);
      permit.giveBack('good');
      return { result };
    } catch (error) {
      stop.throwIfAborted();
      const failure: Failure = limit.isOver()
        ? { kind: 'again', why: 'network', pause: null, text: this.#tooLong() }
        : classify(error, this.#clock.now());
      if (failure.kind === 'again') {
        const isLimited = failure.why === 'limited';
        if (isLimited) this.#rateLimited++;
        const pause = Math.min(failure.pause ?? 0, longestPause);
        permit.giveBack(isLimited ? 'limited' : 'other', pause);
      }
      const setting = failure.kind === 'refused' ? refusedSetting(failure, asked) : null;
      if (setting === null) return { failure };
      this.#refused.add(setting);
      this.#warn(`does not take ${setting}; asked without it from now on`);
      return {};
    } finally {
      limit.clear();
      permit.giveBack('other');
    }
  }

  async #ask(
    request: ChatRequest,
    { temperature, seed, schema }: Asked,
    abortSignal: AbortSignal,
  ): Promise<Omit<ChatReply, 'tries'>> {
    const { system, messages } = splitSystem(request);
    const { model } = this.#endpoint;
    const result = await generateText({
      model: schema === undefined ? model : heldTo(schema, model),
      messages,
      ...(system === '' ? {} : { system }),
      maxOutputTokens: request.maxTokens,
      ...(temperature === undefined ? {} : { temperature }),
      ...(seed === undefined ? {} : { seed }),
      headers: { 'Idempotency-Key': headerKey(request.key) },
      maxRetries: 0,
      abortSignal,
    });
    for (const warning of result.warnings ?? []) {
      this.#warn(
        warning.type === 'other' ? warning.message : (warning.details ?? `no ${warning.feature}`),
      );
    }
    // Half a letter would be refused or changed wherever the text goes next.
    const text = result.text.replaceAll(/\p{Cs}/gu, '\u{FFFD}');
    return {
      text,
      stopReason: stopReasonOf(result.finishReason, text),
      usage: usageOf(request, text, result.usage),
    };
  }

  /** The error that ends the reply, or null if it is worth another try. */
  #errorOf(failure: Failure, tries: number): LimbicError | null {
    const text = this.#endpoint.redact(failure.text);
    if (failure.kind === 'refused') return new ReplyError(`${this.name}: ${text}`);
    if (failure.kind === 'closed') {
      const hint = text.startsWith('HTTP 401')
        ? `${failure.hint} (${keyVariablesOf(this.#provider).join(' or ')})`
        : failure.hint;
      return new UnavailableError(`${this.name}: ${text}`, { hint });
    }
    if (failure.pause !== null && failure.pause > longestPause) {
      const minutes = Math.ceil(failure.pause / 60_000);
      return new UnavailableError(`${this.name}: asks to wait ${minutes} minutes (${text})`, {
        hint: 'start the run again then; it goes on where it was',
      });
    }
    if (tries < mostTries) return null;
    const message = `${this.name}: no usable answer in ${tries} tries (${text})`;
    if (failure.why === 'malformed') return new ReplyError(message);
    return new UnavailableError(message, {
      hint: 'check the network and the state of the provider; the run can be gone on with later',
    });
  }

  #tooLong(): string {
    return `no answer within ${this.#timeout / 1000} s`;
  }

  #warn(warning: string): void {
    const text = this.#endpoint.redact(warning);
    if (this.#warned.has(text)) return;
    this.#warned.add(text);
    this.#onWarning(text);
  }
}

interface Ends {
  readonly stop: AbortSignal;
  /** Milliseconds from `stop` on. */
  readonly grace: number;
  /** Ends at once. */
  readonly close: AbortSignal;
}

/** A signal that fires after so many milliseconds, with `close`, or some time after `stop`. Must be cleared. */
function deadline(
  milliseconds: number,
  { stop, grace, close }: Ends,
): { signal: AbortSignal; isOver: () => boolean; clear: () => void } {
  const controller = new AbortController();
  let isOver = false;
  const end = (): void => controller.abort();
  let last: NodeJS.Timeout | undefined;
  const onStop = (): void => {
    if (grace === 0 || close.aborted) end();
    else last ??= setTimeout(end, grace);
  };
  const timer = setTimeout(() => {
    isOver = true;
    end();
  }, milliseconds);
  stop.addEventListener('abort', onStop, { once: true });
  close.addEventListener('abort', end, { once: true });
  if (stop.aborted) onStop();
  return {
    signal: controller.signal,
    isOver: () => isOver,
    clear: () => {
      clearTimeout(timer);
      clearTimeout(last);
      stop.removeEventListener('abort', onStop);
      close.removeEventListener('abort', end);
    },
  };
}

/** The reason that was given if it is an AbortError, else one that has it as its cause. */
function abortError(signal: AbortSignal): Error {
  const { reason } = signal as { reason: unknown };
  if (reason instanceof Error && reason.name === 'AbortError') return reason;
  const error = new Error('stopped', { cause: reason });
  error.name = 'AbortError';
  return error;
}
