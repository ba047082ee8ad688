/** @file Work ahead: how long it will take on this machine, and a question before much of it. */
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';

import type { Model } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';

/** Longer work asks first. */
const askBeyondSeconds = 300;

/**
 * Seconds for reading and writing so many tokens, by a small measurement; `width` sequences are written side by side.
 */
export async function secondsFor(
  model: Model,
  work: { readonly read: number; readonly written: number },
  signal: AbortSignal,
  width = 1,
): Promise<number> {
  const prompt = Int32Array.from({ length: 128 }, (_, i) => 100 + ((i * 37) % 5000));
  // Whole passes, as scores and replies need; a study that only captures stops them early and is done sooner.
  const pass = [{ prompt, continuation: Int32Array.of(100) }];
  await model.score(pass, { signal });
  const begun = performance.now();
  await model.score(pass, { signal });
  const read = (performance.now() - begun) / 1000 / prompt.length;
  let written = 0;
  if (work.written > 0) {
    const from = performance.now();
    const requests = Array.from({ length: width }, () => ({
      prompt: prompt.slice(0, 8),
      maxTokens: 16,
    }));
    const replies = await model.generate(requests, { signal });
    const tokens = replies.reduce((sum, reply) => sum + reply.tokens.length, 0);
    written = (performance.now() - from) / 1000 / Math.max(1, tokens);
  }
  return read * work.read + written * work.written;
}

/** Asks before long or dear work where somebody is there to answer; refuses it where nobody is. */
export async function askToGoOn({
  isAgreed,
  seconds,
  dollars,
}: {
  readonly isAgreed: boolean;
  readonly seconds: number;
  /** Of work that is dear. */
  readonly dollars?: number;
}): Promise<void> {
  if (isAgreed || (seconds < askBeyondSeconds && dollars === undefined)) return;
  const what =
    dollars === undefined
      ? 'work of more than 5 minutes'
      : `work of up to $${dollars.toFixed(2)} and ${Math.round(seconds / 60)} minutes`;
  if (!process.stdin.isTTY)
    throw new InvalidInputError(`--yes: expected it for ${what}, got no terminal to ask at`, {
      hint: '--yes starts it at once; --quick of a study is a small version',
    });
  const answer = await answerTo('go on? [y/N] ', { input: process.stdin, output: process.stderr });
  if (!/^y(es)?$/i.test(answer.trim())) throw new DOMException('stopped', 'AbortError');
}

/** The answer to a question, as it is typed. Throws AbortError after Ctrl-C and at the end of the input. */
export async function answerTo(
  question: string,
  streams: { readonly input: Readable; readonly output: Writable; readonly terminal?: boolean },
): Promise<string> {
  const lines = createInterface(streams);
  const stop = new AbortController();
  // Node 20 would leave the question open for ever.
  lines.once('close', () => stop.abort());
  try {
    return await lines.question(question, { signal: stop.signal });
  } finally {
    lines.close();
  }
}
