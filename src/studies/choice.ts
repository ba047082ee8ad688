/**
 * @file Forced choice (protocol section 5, level 2): which of several options a model picks, as a
 * probability from the logits of their letters. Small models like one letter or one place, so each option
 * stands at each place, under each letter, equally often.
 */
import { type ChatMessage, chatTokens } from '../engine/chat-template.ts';
import type { Model, ScoreRequest, Steering } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';

export interface Question {
  /** The conversation; its last message is the user's, and the question is put at its end. */
  readonly messages: readonly ChatMessage[];
  readonly question: string;
  readonly options: readonly string[];
}

export interface Choice {
  /** Probability of each option among the options, mean over the orders; they sum to 1. */
  readonly probabilities: readonly number[];
  /** The same of the letters in their places, whatever stood there: bias of place, 1 / n without one. */
  readonly places: readonly number[];
  /** Probability that the reply is one of the letters at all, mean over the orders. */
  readonly mass: number;
}

/** Requests of one question, to be scored with others that share its conversation. */
export interface ChoiceRequests {
  readonly requests: readonly ScoreRequest[];
  /** Takes the log-probabilities of the requests, in their order. */
  readonly read: (scores: readonly Float32Array[]) => Choice;
}

const letters = 'ABCDEFGH';
/** Stands before the letter, so that the reply is a letter and no sentence. */
const prefill = 'Option';

/** What to score for one question. InvalidInputError for fewer than 2 or more than 8 options. */
export async function askChoice(
  model: Model,
  { messages, question, options }: Question,
): Promise<ChoiceRequests> {
  if (options.length < 2 || options.length > letters.length)
    throw new InvalidInputError(
      `choice: expected 2 to ${letters.length} options, got ${options.length}`,
    );
  const orders = ordersOf(options.length);
  const head = messages.slice(0, -1);
  const last = messages.at(-1)?.content ?? '';
  const answers = await Promise.all(
    options.map(async (_, place) => model.tokenize(` ${letters[place]}`, { addSpecial: false })),
  );
  const opening = await model.tokenize(prefill, { addSpecial: false });
  const requests = await Promise.all(
    orders.map(async (order) => {
      const lines = order.map((option, place) => `${letters[place]}: ${options[option] ?? ''}`);
      const content = `${last}\n\n${question}\n${lines.join('\n')}\nReply with one letter.`;
      const begun = await chatTokens(model, [...head, { role: 'user', content }]);
      const prompt = Int32Array.from([...begun, ...opening]);
      return answers.map((continuation) => ({ prompt, continuation }));
    }),
  );
  return {
    requests: requests.flat(),
    read: (scores) => readChoice(orders, scores),
  };
}

/** Scores one question by itself. */
export async function choose(
  model: Model,
  question: Question,
  options: { readonly steering?: Steering | null; readonly signal?: AbortSignal } = {},
): Promise<Choice> {
  const { requests, read } = await askChoice(model, question);
  return read(await model.score(requests, options));
}

/** Which option stands at each place, in as many orders as there are options: each is everywhere once. */
export function ordersOf(count: number): number[][] {
  return Array.from({ length: count }, (_, shift) =>
    Array.from({ length: count }, (__, place) => (place + shift) % count),
  );
}

function readChoice(
  orders: readonly (readonly number[])[],
  scores: readonly Float32Array[],
): Choice {
  const count = orders.length;
  const probabilities = Array.from({ length: count }, () => 0);
  const places = Array.from({ length: count }, () => 0);
  let mass = 0;
  for (const [row, order] of orders.entries()) {
    const raw = order.map((_, place) => {
      const values = scores[row * count + place] ?? new Float32Array(0);
      return Math.exp(values.reduce((sum, value) => sum + value, 0));
    });
    const total = raw.reduce((sum, value) => sum + value, 0);
    mass += total / count;
    for (const [place, option] of order.entries()) {
      const share = (raw[place] ?? 0) / total / count;
      probabilities[option] = (probabilities[option] ?? 0) + share;
      places[place] = (places[place] ?? 0) + share;
    }
  }
  return { probabilities, places, mass };
}
