/**
 * @file What a failed request means: try again, and when, or give up, and what to tell the reader. Here and not in
 * the SDK, as all requests of a model share one pace, and as a key must never get into a message.
 */
import { APICallError } from 'ai';

import { shown } from '../errors.ts';
import { LongAnswer } from '../formats/limited-answer.ts';

/** Most tries of one request. */
export const mostTries = 8;
/** Longest wait that a provider may ask for, in milliseconds; for more the run is better resumed later. */
export const longestPause = 600_000;

const backoffBase = 500;
const backoffCap = 60_000;

export type Failure =
  | {
      readonly kind: 'again';
      /** `limited`: we ask too much. `malformed`: an answer came and can't be read. */
      readonly why: 'limited' | 'server' | 'network' | 'malformed';
      /** Milliseconds that the provider asks for, if it does. */
      readonly pause: number | null;
      readonly text: string;
    }
  /** Nothing that is asked of this model will be answered. */
  | { readonly kind: 'closed'; readonly text: string; readonly hint: string }
  /** This one request will not be answered; `status` 0 if it never got as far as a status. */
  | { readonly kind: 'refused'; readonly status: number; readonly text: string };

/** An answer that arrived whole and has no text in it that could be used. */
export class UnusableAnswer extends Error {
  override name = 'UnusableAnswer';
}

/** Milliseconds before try `tries` + 1: uniform from 0 to twice as much each time, at most a minute. */
export function backoff(tries: number, random: () => number): number {
  return random() * Math.min(backoffCap, backoffBase * 2 ** (tries - 1));
}

/**
 * How long an answer's headers ask to wait, in milliseconds, or null. `retry-after-ms` goes before `Retry-After`,
 * which is seconds or a date. A date that has passed is 0. Header names in lower case.
 */
export function retryAfter(
  headers: Readonly<Record<string, string>> | undefined,
  now: number,
): number | null {
  const exact = Number(headers?.['retry-after-ms'] ?? Number.NaN);
  if (Number.isFinite(exact) && exact >= 0) return exact;
  const text = headers?.['retry-after']?.trim() ?? '';
  // So many digits that it is no number of seconds any more is no wish either.
  if (/^\d{1,15}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  // Date.parse takes much that is no HTTP date, such as "-5", which no server means as the year.
  const date = /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** What an error of a try means. Texts come as the provider wrote them: redact before showing them. */
export function classify(error: unknown, now: number): Failure {
  if (error instanceof UnusableAnswer) return malformed(error.message);
  if (!APICallError.isInstance(error)) return classifyOther(error);
  if (error.statusCode === undefined) return network(error);
  return classifyStatus(error, error.statusCode, now);
}

function classifyStatus(error: APICallError, statusCode: number, now: number): Failure {
  const text = `HTTP ${statusCode}: ${firstLine(error.message) || 'no reason given'}`;
  if (statusCode >= 200 && statusCode < 300) {
    if (error.cause instanceof LongAnswer)
      return { kind: 'refused', status: statusCode, text: error.cause.message };
    return isCut(error.cause) ? network(error.cause) : malformed(firstLine(error.message));
  }
  if (isOutOfMoney(error)) return { kind: 'closed', text, hint: 'add credit with the provider' };
  const hint = closedHints[statusCode];
  if (hint !== undefined) return { kind: 'closed', text, hint };
  if (statusCode >= 300 && statusCode < 400) {
    return { kind: 'closed', text, hint: 'the address has moved: give the new one' };
  }
  const isLimited = [429, 503, 529].includes(statusCode);
  if (isLimited || [408, 409].includes(statusCode) || statusCode >= 500) {
    const pause = retryAfter(error.responseHeaders, now);
    return { kind: 'again', why: isLimited ? 'limited' : 'server', pause, text };
  }
  return { kind: 'refused', status: statusCode, text };
}

const closedHints: Readonly<Record<number, string>> = {
  401: 'check the key in the environment',
  402: 'add credit with the provider',
  403: 'the key has no right to this model: check it, and the region and plan of the account',
  404: "check the model's name and the address",
};

/** Errors that no HTTP answer stands behind. */
function classifyOther(error: unknown): Failure {
  const name = error instanceof Error ? error.name : '';
  if (name === 'AI_InvalidResponseDataError' || name === 'AI_NoOutputGeneratedError') {
    return malformed(firstLine((error as Error).message));
  }
  if (isCut(error)) return network(error);
  const text = error instanceof Error ? firstLine(error.message) : 'unknown error';
  return { kind: 'refused', status: 0, text };
}

function network(error: unknown): Failure {
  const text = error instanceof Error ? firstLine(error.message) : '';
  return { kind: 'again', why: 'network', pause: null, text: text || 'the connection broke' };
}

function malformed(text: string): Failure {
  return { kind: 'again', why: 'malformed', pause: null, text };
}

/** A connection that could not be made or broke: what fetch throws, or anything with a system's error code. */
function isCut(error: unknown): boolean {
  const seen = new Set<unknown>();
  for (let at = error; at instanceof Error && !seen.has(at); at = at.cause) {
    seen.add(at);
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && /^(?:E[A-Z]+(?:_AGAIN)?|UND_ERR_\w+)$/.test(code)) return true;
    if (at instanceof TypeError && /^(?:fetch failed|terminated)$/.test(at.message)) return true;
  }
  return false;
}

/** Providers say that the account is empty with 429 or 400, where waiting does not help. */
function isOutOfMoney(error: APICallError): boolean {
  const body = error.responseBody ?? '';
  return (
    [400, 402, 429].includes(error.statusCode ?? 0) &&
    /insufficient_quota|credit balance is too low/i.test(body)
  );
}

/** At most 300 characters, without what a terminal would act on. */
function firstLine(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return shown(line.length > 300 ? `${line.slice(0, 300)}…` : line);
}
