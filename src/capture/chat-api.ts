/** @file A writer on any server that speaks the OpenAI chat API: `compatible:URL#NAME`. */
import { setTimeout as sleep } from 'node:timers/promises';

import { z } from 'zod';

import { InvalidInputError, UnavailableError } from '../errors.ts';
import { LongAnswer, limitAnswer } from '../formats/limited-answer.ts';
import type { Writer } from './story-writer.ts';

export interface ChatApi {
  readonly url: string;
  readonly model: string;
}

/** Reads `compatible:http://host/v1#name`; null if the text does not begin so. */
export function parseChatApi(spec: string): ChatApi | null {
  if (!spec.startsWith('compatible:')) return null;
  const match = /^compatible:(https?:\/\/[^#\s]+)#(\S+)$/.exec(spec);
  if (match === null)
    throw new InvalidInputError(`model: expected compatible:URL#NAME, got "${spec}"`, {
      hint: 'for example compatible:http://127.0.0.1:11434/v1#llama3.2',
    });
  return { url: (match[1] ?? '').replace(/\/$/, ''), model: match[2] ?? '' };
}

const replySchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().nullable() }) })).min(1),
});

/** Characters of a reply that are looked at: 45 for each token that was asked for. */
const replyLimit = 10_000;
/** Tries after the first when the server is busy or fails. */
const retries = 4;
/** Longest wait that a server may ask for, in milliseconds. */
const waitLimitMs = 60_000;

/** The key comes from LIMBIC_API_KEY and is only ever sent to the server that the user named. */
export function apiWriter({ url, model }: ChatApi, key = process.env['LIMBIC_API_KEY']): Writer {
  return (requests, signal) =>
    Promise.all(
      requests.map(async ({ prompt, seed }) => {
        const body = {
          model,
          messages: [{ role: 'user', content: prompt }],
          max_tokens: 220,
          temperature: 1,
          seed,
        };
        return ask(`${url}/chat/completions`, { body, key, signal });
      }),
    );
}

async function ask(
  url: string,
  { body, key, signal }: { body: object; key: string | undefined; signal: AbortSignal | undefined },
): Promise<string | null> {
  for (let attempt = 0; ; attempt++) {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(key ? { authorization: `Bearer ${key}` } : {}),
      },
      body: JSON.stringify(body),
      signal: signal ?? null,
    }).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw new UnavailableError(`${new URL(url).host}: could not be reached`, { cause });
    });
    if (response.ok) return replyOf(limitAnswer(response), new URL(url).host, signal);
    const isBusy = response.status === 429 || response.status >= 500;
    if (!isBusy || attempt === retries)
      throw new UnavailableError(
        `${new URL(url).host}: expected a reply, got status ${response.status}`,
        response.status === 401 ? { hint: 'set LIMBIC_API_KEY' } : {},
      );
    const asked = Number(response.headers.get('retry-after')) * 1000;
    const waitMs = Math.min(waitLimitMs, asked || 500 * 2 ** attempt * (0.5 + Math.random()));
    await sleep(waitMs, undefined, signal ? { signal } : {});
  }
}

/** The text of an answer; null if it holds none. Throws UnavailableError where it broke off. */
async function replyOf(
  response: Response,
  host: string,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  try {
    const parsed = replySchema.safeParse(await response.json());
    return parsed.data?.choices[0]?.message.content?.slice(0, replyLimit) ?? null;
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof SyntaxError || cause instanceof LongAnswer) return null;
    throw new UnavailableError(`${host}: the answer broke off`, { cause });
  }
}
