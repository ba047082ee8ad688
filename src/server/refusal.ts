/** @file What a failed request answers: the one place from errors to a status and the error shape of the OpenAI API. */
import { basename } from 'node:path';

import { ZodError } from 'zod';

import type { ErrorResponse } from '../api/chat.ts';
import { EngineError, type ErrorCode, FormatError, LimbicError, NotFoundError } from '../errors.ts';

/** Status of each refusal that only a server knows. */
const statuses = {
  invalid_value: 400,
  invalid_json: 400,
  unknown_emotion: 400,
  context_length_exceeded: 400,
  invalid_api_key: 401,
  host_not_allowed: 403,
  origin_not_allowed: 403,
  model_not_found: 404,
  unknown_route: 404,
  request_too_large: 413,
  unsupported_media_type: 415,
  client_gone: 499,
  rate_limit_exceeded: 429,
  queue_timeout: 503,
  request_timeout: 504,
} as const;
type RefusalCode = keyof typeof statuses;

const statusOfError: Record<ErrorCode, number> = {
  'invalid-input': 400,
  'not-found': 404,
  conflict: 409,
  'unsupported-model': 422,
  'bad-file': 422,
  'record-version': 422,
  shape: 500,
  engine: 503,
  disposed: 503,
  unavailable: 503,
  reply: 502,
  budget: 402,
};

interface RefusalOptions {
  readonly hint?: string;
  /** Field of the request that is wrong. */
  readonly param?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** A request that the server does not take as it is. */
export class Refusal extends LimbicError {
  override name = 'Refusal';
  readonly refusal: RefusalCode;
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;
  constructor(refusal: RefusalCode, message: string, options: RefusalOptions = {}) {
    super(statuses[refusal] < 500 ? 'invalid-input' : 'unavailable', message, {
      cause: options.cause,
      ...(options.hint === undefined ? {} : { hint: options.hint }),
    });
    this.refusal = refusal;
    this.param = options.param ?? null;
    this.headers = options.headers ?? {};
  }
}

export interface Failure {
  readonly status: number;
  readonly body: ErrorResponse;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the error says more than the body, so that the operator has to hear of it. */
  readonly isWithheld: boolean;
}

/** Turns anything thrown into an answer; what nobody foresaw, or a native library said, is left out. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ZodError) return failureOfIssues(error);
  if (error instanceof Refusal)
    return failure(statuses[error.refusal], error, {
      code: error.refusal,
      param: error.param,
      headers: error.headers,
    });
  if (error instanceof EngineError) return failureOfEngine(error);
  if (error instanceof FormatError) return failureOfFile(error);
  if (error instanceof LimbicError)
    return failure(statusOfError[error.code], error, { code: error.code.replaceAll('-', '_') });
  if (error instanceof DOMException && error.name === 'AbortError')
    return failure(statuses.client_gone, { message: 'the client left' }, { code: 'client_gone' });
  return {
    ...failure(500, { message: 'an error inside the server' }, { code: 'internal_error' }),
    isWithheld: true,
  };
}

/** An error of the engine ends with the last words of a native library, which may hold paths. */
function failureOfEngine({ code, message, hint }: EngineError): Failure {
  const told = message.split(':').slice(0, 2).join(':');
  // From the first word on that could be a path.
  const first = told.replace(/\s\S*[/\\].*$/s, '');
  return {
    ...failure(statusOfError[code], { message: first, hint }, { code }),
    isWithheld: true,
  };
}

/** The name of a damaged file is told; the folders above it are the operator's. */
function failureOfFile({ code, message, hint, path }: FormatError): Failure {
  const told = message.replaceAll(path, basename(path));
  return {
    ...failure(statusOfError[code], { message: told, hint }, { code: code.replaceAll('-', '_') }),
    isWithheld: true,
  };
}

function failureOfIssues(error: ZodError): Failure {
  const [issue] = error.issues;
  const param = issue?.path.join('.') ?? '';
  const message = `${param === '' ? 'body' : param}: ${issue?.message ?? 'does not fit'}`;
  return failure(400, { message }, { code: 'invalid_value', param: param === '' ? null : param });
}

function failure(
  status: number,
  { message, hint }: { message: string; hint?: string | undefined },
  rest: { code: string; param?: string | null; headers?: Readonly<Record<string, string>> },
): Failure {
  // A client that tries again after these would only load the machine: the reply was given its chances.
  const isFinal = status === 500 || status === 504 || rest.code === 'engine';
  return {
    status,
    body: {
      error: {
        message: hint === undefined ? message : `${message}; ${hint}`,
        type: status < 500 ? 'invalid_request_error' : 'server_error',
        code: rest.code,
        param: rest.param ?? null,
      },
    },
    headers: { ...(isFinal ? { 'x-should-retry': 'false' } : {}), ...rest.headers },
    isWithheld: false,
  };
}

/** Runs something that looks emotions up: one that the pack lacks is a fault of the request, not a missing page. */
export function refuseUnknown<T>(param: string, look: () => T): T {
  try {
    return look();
  } catch (cause) {
    if (!(cause instanceof NotFoundError)) throw cause;
    throw new Refusal('unknown_emotion', cause.message, {
      cause,
      param,
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
    });
  }
}
