/** @file What the way through the server costs: the same reply from the engine and from a streaming client. */
import type { ChatChunk, ChatRequestInput } from '../api/chat.ts';
import { type ChatMessage, chatTokens } from '../engine/chat-template.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { createApp } from '../server/app.ts';
import { startServer } from '../server/listen.ts';
import type { VectorPack } from '../vectors/pack.ts';
import { baseDeps } from './serve.ts';

/** Tokens of a measured reply. */
const replyTokens = 96;
const readings = 8;

export interface ServerBench extends AsyncDisposable {
  /** Tokens per second of a greedy reply from the engine itself, nothing read. */
  readonly bare: () => Promise<number>;
  /** The same reply streamed to a client, with eight emotions read at each token. */
  readonly streamed: () => Promise<number>;
  /** Milliseconds from the request to the first token of a short prompt that nothing is cached of. */
  readonly firstToken: (salt: number) => Promise<number>;
}

/** Opens a server on a free port. Both ways keep the prompt in the cache, so that both measure decoding. */
export async function openServerBench(model: LlamaModel, pack: VectorPack): Promise<ServerBench> {
  const deps = baseDeps(model, pack, {});
  const app = createApp({ ...deps, webFolder: null, rules: [], token: null, allowedHosts: [] });
  const server = await startServer(app, { host: '127.0.0.1', port: 0 });
  const emotions = pack.emotions.slice(0, readings);
  const messages: ChatMessage[] = [{ role: 'user', content: 'Tell me how a lighthouse works.' }];
  // A reply that ends early would measure something else.
  const rateOf = (tokens: number, started: number): number =>
    tokens < replyTokens / 2 ? NaN : tokens / ((performance.now() - started) / 1000);
  const open = (content: string, maxTokens: number): Promise<Response> => {
    const body: ChatRequestInput = {
      messages: [{ role: 'user', content }],
      stream: true,
      temperature: 0,
      max_tokens: maxTokens,
      limbic: { emotions },
    };
    return fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  };
  return {
    bare: async () => {
      const prompt = await chatTokens(model, messages);
      const started = performance.now();
      const [reply] = await model.generate([{ prompt, maxTokens: replyTokens }], { reuse: true });
      return rateOf(reply?.tokens.length ?? 0, started);
    },
    streamed: async () => {
      const started = performance.now();
      const response = await open(messages[0]?.content ?? '', replyTokens);
      return rateOf(countTokens(await response.text()), started);
    },
    firstToken: async (salt) => {
      const started = performance.now();
      const response = await open(`${salt} is a number. Say hello.`, 1);
      await response.body?.getReader().read();
      return performance.now() - started;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Tokens with readings in a stream. */
function countTokens(stream: string): number {
  return stream
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice('data: '.length)) as ChatChunk)
    .reduce((sum, { limbic }) => sum + (limbic?.tokens?.length ?? 0), 0);
}
