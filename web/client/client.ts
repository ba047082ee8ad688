/** @file Requests to the server: JSON in and out, chat streams, and the token where one is needed. */
import type { ChatChunk, ChatRequestInput, ErrorResponse } from '../../src/api/chat.ts';
import type {
  LabState,
  MapResponse,
  ReadResponse,
  RunDetail,
  RunSummary,
  ShareRequest,
} from '../../src/api/lab.ts';
import { readEvents } from './sse.ts';
import type { PlainMessage } from './transcript.ts';

/** A request that the server refused, or that never reached it (status 0). */
class RequestError extends Error {
  override name = 'RequestError';
  readonly status: number;

  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

interface Passage {
  readonly messages: readonly PlainMessage[];
}

export interface Client {
  readonly state: () => Promise<LabState>;
  readonly read: (
    request: Passage & { emotions: readonly string[]; top?: number },
    signal?: AbortSignal,
  ) => Promise<ReadResponse>;
  readonly map: (request: Passage & { emotion: string }) => Promise<MapResponse>;
  readonly runs: () => Promise<readonly RunSummary[]>;
  /** A run with the turns of one conversation from one on. */
  readonly run: (id: string, place: { conversation: number; turn: number }) => Promise<RunDetail>;
  readonly share: (request: ShareRequest) => Promise<Blob>;
  readonly report: (id: string) => Promise<Blob>;
  readonly chat: (request: ChatRequestInput, signal: AbortSignal) => AsyncGenerator<ChatChunk>;
}

interface ClientOptions {
  /** Token of this session, or null. */
  readonly token: () => string | null;
  /** Asks the person for a token; null if none is given. */
  readonly askToken: () => Promise<string | null>;
}

async function errorOf(response: Response): Promise<RequestError> {
  const body = (await response.json().catch(() => null)) as Partial<ErrorResponse> | null;
  const message = body?.error?.message ?? `the server answered ${response.status}`;
  return new RequestError(message, response.status);
}

/** Whether the person, not a fault, ended a request. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** What went wrong, as a sentence for people. */
export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function* chunksOf(response: Response): AsyncGenerator<ChatChunk> {
  if (!response.body) throw new RequestError('the answer has no body', response.status);
  for await (const data of readEvents(response.body)) {
    const chunk = JSON.parse(data) as ChatChunk | ErrorResponse;
    if ('error' in chunk) throw new RequestError(chunk.error.message, 500);
    yield chunk;
  }
}

/** A client of the server that served this page. */
export function createClient({ token, askToken }: ClientOptions): Client {
  async function request(path: string, init: RequestInit = {}): Promise<Response> {
    const known = token();
    const headers = {
      ...(init.body ? { 'content-type': 'application/json' } : {}),
      ...(known ? { authorization: `Bearer ${known}` } : {}),
    };
    let response: Response;
    try {
      response = await fetch(path, { ...init, headers });
    } catch (error) {
      if (isAbort(error)) throw error;
      throw new RequestError('the server can’t be reached', 0, { cause: error });
    }
    // Another request may have asked for the token while this one was under way.
    if (response.status === 401 && (token() !== known || (await askToken())))
      return request(path, init);
    if (!response.ok) throw await errorOf(response);
    return response;
  }
  const get = async <T>(path: string): Promise<T> => (await request(path)).json() as Promise<T>;
  const post = (path: string, body: unknown, signal?: AbortSignal): Promise<Response> =>
    request(path, { method: 'POST', body: JSON.stringify(body), ...(signal ? { signal } : {}) });
  return {
    state: () => get('/api/state'),
    read: async (body, signal) =>
      (await post('/api/read', body, signal)).json() as Promise<ReadResponse>,
    map: async (body) => (await post('/api/map', body)).json() as Promise<MapResponse>,
    runs: async () => (await get<{ runs: RunSummary[] }>('/api/runs')).runs,
    run: (id, { conversation, turn }) =>
      get(`/api/runs/${encodeURIComponent(id)}?conversation=${conversation}&turn=${turn}`),
    share: async (body) => (await post('/api/share', body)).blob(),
    report: async (id) => (await request(`/api/runs/${encodeURIComponent(id)}/report`)).blob(),
    async *chat(body, signal) {
      yield* chunksOf(await post('/v1/chat/completions', body, signal));
    },
  };
}
