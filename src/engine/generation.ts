/** @file Generation of several replies side by side over any backend, with readings per token. */
import { InvalidInputError } from '../errors.ts';
import { type Random, randomFrom } from '../math/random.ts';
import type { Backend, GrammarState } from './backend.ts';
import type { Generated, GeneratedToken, GenerateOptions, GenerateRequest } from './engine.ts';
import { breathe, createReader, type Reader } from './runner.ts';
import { alternatives, logSumExp, pick } from './sampling.ts';

/** One reply that is being written. */
interface Reply {
  readonly index: number;
  readonly sequence: number;
  readonly request: GenerateRequest;
  readonly random: Random;
  readonly grammar: GrammarState | null;
  readonly decoder: InstanceType<typeof TextDecoder>;
  readonly promptReadings: Float32Array;
  readonly tokens: GeneratedToken[];
  text: string;
  /** The token chosen last, not yet decoded. */
  pending: Omit<GeneratedToken, 'readings'> | null;
  stopReason: Generated['stopReason'] | null;
}

/** Writes all replies; see Model.generate. */
export async function generate(
  backend: Backend,
  requests: readonly GenerateRequest[],
  options: GenerateOptions,
): Promise<Generated[]> {
  const reader = createReader(backend, options.probes ?? []);
  for (const request of requests) checkRequest(backend, request);
  const replies: Reply[] = [];
  try {
    while (replies.length < requests.length) {
      const wave = nextWave(backend, requests, replies.length, reader.count);
      replies.push(...wave);
      await runWave(backend, wave, reader, options);
      options.onProgress?.(replies.length);
    }
  } finally {
    backend.steer(null);
    for (const reply of replies) reply.grammar?.dispose();
  }
  return replies.map(({ text, tokens, stopReason, promptReadings }) => ({
    text,
    tokens,
    stopReason: stopReason ?? 'length',
    promptReadings,
  }));
}

function checkRequest(backend: Backend, request: GenerateRequest): void {
  const { contextLength } = backend.info;
  if (request.prompt.length === 0)
    throw new InvalidInputError('generate: expected a prompt, got no tokens');
  if (request.prompt.length + request.maxTokens > contextLength) {
    throw new InvalidInputError(
      `generate: expected prompt and reply within ${contextLength} tokens, got ${request.prompt.length} + ${request.maxTokens}`,
      { hint: 'raise --context or lower --max-tokens' },
    );
  }
}

/** As many of the remaining requests as fit into the context together. */
function nextWave(
  backend: Backend,
  requests: readonly GenerateRequest[],
  from: number,
  directions: number,
): Reply[] {
  const wave: Reply[] = [];
  let used = 0;
  for (
    let index = from;
    index < requests.length && wave.length < backend.info.maxSequences;
    index++
  ) {
    const request = requests[index];
    if (request === undefined) break;
    used += request.prompt.length + request.maxTokens;
    if (wave.length > 0 && used > backend.info.contextLength) break;
    wave.push({
      index,
      sequence: wave.length,
      request,
      random: randomFrom(request.seed ?? 0),
      grammar: request.grammar === undefined ? null : backend.grammar(request.grammar),
      decoder: new TextDecoder(),
      promptReadings: new Float32Array(request.prompt.length * directions),
      tokens: [],
      text: '',
      pending: null,
      stopReason: null,
    });
  }
  return wave;
}

async function runWave(
  backend: Backend,
  wave: readonly Reply[],
  reader: Reader,
  options: GenerateOptions,
): Promise<void> {
  const vectors = options.steering?.vectors ?? null;
  const isReplyOnly = options.steering?.phase === 'reply';
  backend.steer(isReplyOnly ? null : vectors);
  backend.begin({ layers: reader.layers, earlyExit: false });
  for (const reply of wave) await prefill(backend, reply, reader, options.signal);
  if (isReplyOnly) backend.steer(vectors);
  for (;;) {
    const live = wave.filter((reply) => reply.pending !== null);
    if (live.length === 0) return;
    await breathe(options.signal);
    // The last token of a reply is decoded only if somebody reads its residual.
    const fed = live.filter((reply) => reader.count > 0 || reply.stopReason === null);
    if (fed.length > 0) decodePending(backend, fed);
    for (const reply of live) {
      const row = fed.indexOf(reply);
      const token = settle(reply, row, reader);
      if (token !== null) options.onToken?.(token);
      if (reply.stopReason === null) choose(backend, reply, backend.logits(row));
    }
  }
}

/** Moves the pending token with its readings to the reply; row -1 means that it was not decoded. */
function settle(reply: Reply, row: number, reader: Reader): GeneratedToken | null {
  if (reply.pending === null) return null;
  const readings = new Float32Array(reader.count);
  if (row >= 0) reader.read(row, readings, 0);
  const token: GeneratedToken = { ...reply.pending, readings };
  reply.tokens.push(token);
  reply.pending = null;
  return token;
}

function decodePending(backend: Backend, replies: readonly Reply[]): void {
  backend.decode({
    tokens: Int32Array.from(replies, (reply) => reply.pending?.token ?? 0),
    positions: Int32Array.from(
      replies,
      (reply) => reply.request.prompt.length + reply.tokens.length,
    ),
    sequences: Int32Array.from(replies, (reply) => reply.sequence),
    wantsLogits: new Uint8Array(replies.length).fill(1),
  });
}

async function prefill(
  backend: Backend,
  reply: Reply,
  reader: Reader,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { prompt } = reply.request;
  const { batchSize } = backend.info;
  for (let start = 0; start < prompt.length; start += batchSize) {
    await breathe(signal);
    const tokens = prompt.slice(start, start + batchSize);
    const isLast = start + tokens.length === prompt.length;
    const wantsLogits = new Uint8Array(tokens.length);
    wantsLogits[tokens.length - 1] = 1;
    backend.decode({
      tokens,
      positions: tokens.map((_, i) => start + i),
      sequences: new Int32Array(tokens.length).fill(reply.sequence),
      wantsLogits,
    });
    for (let i = 0; i < tokens.length && reader.count > 0; i++) {
      reader.read(i, reply.promptReadings, (start + i) * reader.count);
    }
    if (isLast) choose(backend, reply, backend.logits(tokens.length - 1));
  }
}

/** Samples the next token into `pending`, or ends the reply. */
function choose(backend: Backend, reply: Reply, logits: Float32Array): void {
  const { request, grammar } = reply;
  if (reply.tokens.length >= request.maxTokens) {
    reply.stopReason = 'length';
    return;
  }
  const needsCopy = grammar !== null || request.logitBias !== undefined;
  const shaped = needsCopy ? logits.slice() : logits;
  for (const [token, bias] of request.logitBias ?? []) {
    shaped[token] = (shaped[token] ?? -Infinity) + bias;
  }
  grammar?.mask(shaped);
  const token = pick(shaped, request, reply.random);
  if (backend.isEnd(token)) {
    reply.stopReason = 'end';
    return;
  }
  grammar?.accept(token);
  const text = reply.decoder.decode(backend.piece(token), { stream: true });
  if (cutAtStop(reply, text)) return;
  reply.pending = {
    sequence: reply.index,
    index: reply.tokens.length,
    token,
    text,
    logprob: (logits[token] ?? -Infinity) - logSumExp(logits),
    alternatives: alternatives(logits, request.topLogprobs ?? 0, (id) =>
      Buffer.from(backend.piece(id)).toString(),
    ),
  };
  if (reply.tokens.length + 1 >= request.maxTokens) reply.stopReason = 'length';
}

/** Adds text to the reply; true (and the text cut) if a stop string is complete now. */
function cutAtStop(reply: Reply, text: string): boolean {
  reply.text += text;
  for (const stop of reply.request.stop ?? []) {
    const from = Math.max(0, reply.text.length - text.length - stop.length);
    const at = stop === '' ? -1 : reply.text.indexOf(stop, from);
    if (at < 0) continue;
    reply.text = reply.text.slice(0, at);
    reply.stopReason = 'stop-string';
    return true;
  }
  return false;
}
