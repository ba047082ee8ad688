/** @file Every error that limbic throws on purpose. One base, stable codes, one place that maps them. */

/** What kind of error it is, for programs. */
export type ErrorCode =
  | 'invalid-input'
  | 'not-found'
  | 'conflict'
  | 'unsupported-model'
  | 'bad-file'
  | 'shape'
  | 'engine'
  | 'disposed'
  | 'unavailable'
  | 'reply'
  | 'budget'
  | 'record-version';

/** What an error may carry beside its message. */
export interface ErrorOptionsWithHint {
  readonly hint?: string;
  readonly cause?: unknown;
}

/** Base of every error that this package throws on purpose. */
export class LimbicError extends Error {
  override name = 'LimbicError';
  /** Stable, for programs. The message is for people. */
  readonly code: ErrorCode;
  /** What the reader can do about it, if we know. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptionsWithHint = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** A value from outside does not fit: a flag, a field, a line of a file. CLI exit 2. */
export class InvalidInputError extends LimbicError {
  override name = 'InvalidInputError';
  constructor(message: string, options?: ErrorOptionsWithHint) {
    super('invalid-input', message, options);
  }
}

/** Nothing has that name; the message lists near names when there are any. CLI exit 2. */
export class NotFoundError extends LimbicError {
  override name = 'NotFoundError';
  constructor(what: string, name: string, known: readonly string[] = []) {
    const near = nearest(name, known);
    super(
      'not-found',
      `${what}: nothing is called "${name}"`,
      near.length > 0 ? { hint: `did you mean ${near.join(', ')}?` } : {},
    );
  }
}

/** Something else holds what we need: a locked run, a busy model. */
export class ConflictError extends LimbicError {
  override name = 'ConflictError';
  constructor(message: string, options?: ErrorOptionsWithHint) {
    super('conflict', message, options);
  }
}

/** An architecture, quantisation or pack that this engine cannot use with this model. */
export class UnsupportedModelError extends LimbicError {
  override name = 'UnsupportedModelError';
  constructor(message: string, options?: ErrorOptionsWithHint) {
    super('unsupported-model', message, options);
  }
}

/** A file's bytes are not what its format says; carries the path and the offset in bytes. Names from the file are made safe to show. */
export class FormatError extends LimbicError {
  override name = 'FormatError';
  readonly path: string;
  readonly offset: number;
  constructor(path: string, offset: number, message: string, options?: ErrorOptionsWithHint) {
    super('bad-file', `${path}: ${shown(message)} (at byte ${offset})`, options);
    this.path = path;
    this.offset = offset;
  }
}

/** Characters of a message that are shown; a name that a file gives to something can have millions. */
const shownLength = 400;

/** The beginning of a text, without what moves a terminal's cursor, turns the writing round or is half a letter. */
export function shown(message: string): string {
  const cut = message.length > shownLength ? `${message.slice(0, shownLength)}…` : message;
  return cut.replaceAll(/[\p{Cc}\p{Cs}\u{202a}-\u{202e}\u{2066}-\u{2069}]/gu, '\u{FFFD}');
}

/** Whether `shown` leaves a text as it is: what goes into messages, packs and reports as a name must be so. */
export function isShowable(text: string): boolean {
  return shown(text) === text;
}

/** Two lengths that must agree do not. */
export class ShapeError extends LimbicError {
  override name = 'ShapeError';
  readonly expected: number;
  readonly actual: number;
  constructor(where: string, expected: number, actual: number) {
    super('shape', `${where}: expected ${expected} values, got ${actual}`);
    this.expected = expected;
    this.actual = actual;
  }
}

/** The native engine failed or its process died; the message carries its last words. */
export class EngineError extends LimbicError {
  override name = 'EngineError';
  constructor(message: string, options?: ErrorOptionsWithHint) {
    super('engine', message, options);
  }
}

/** Something was used after it was closed. */
export class DisposedError extends LimbicError {
  override name = 'DisposedError';
  constructor(what: string) {
    super('disposed', `${what} was used after it was closed`);
  }
}

/** A source outside (network, disk, a platform package) is not there or refused. */
export class UnavailableError extends LimbicError {
  override name = 'UnavailableError';
  constructor(message: string, options?: ErrorOptionsWithHint) {
    super('unavailable', message, options);
  }
}

/** A provider has no usable answer to one request, however often it is asked; others may still succeed. */
export class ReplyError extends LimbicError {
  override name = 'ReplyError';
  constructor(message: string, options?: ErrorOptionsWithHint) {
    super('reply', message, options);
  }
}

/** The next request could cost more than is left of the budget. */
export class BudgetError extends LimbicError {
  override name = 'BudgetError';
  constructor(message: string, options?: ErrorOptionsWithHint) {
    super('budget', message, options);
  }
}

/** Up to three of the known names that look like the one asked for, nearest first. */
function nearest(name: string, known: readonly string[]): string[] {
  const wanted = name.toLowerCase();
  return known
    .map((candidate) => ({ candidate, distance: editDistance(wanted, candidate.toLowerCase()) }))
    .filter((entry) => entry.distance <= Math.max(2, wanted.length / 2))
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map((entry) => entry.candidate);
}

/** Levenshtein distance in single-character edits. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
