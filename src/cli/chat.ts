/** @file `limbic chat`: a conversation with live readings and steering that can change between turns. */
import { createInterface } from 'node:readline/promises';

import { signed, signedBar } from '../charts/terminal.ts';
import { type ChatMessage, chatTokens } from '../engine/chat-template.ts';
import type { GenerateRequest, Steering } from '../engine/engine.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { InvalidInputError, LimbicError } from '../errors.ts';
import { writeWholeFile } from '../formats/whole-file.ts';
import {
  buildSteering,
  coherenceLimit,
  type Dose,
  parseDoses,
  totalDose,
} from '../steering/steering.ts';
import { emotionDirection, makeProbe, type VectorPack } from '../vectors/pack.ts';
import {
  type Command,
  type Context,
  list,
  modelOptions,
  packOption,
  text,
  wholeNumber,
} from './command.ts';
import { openWithPack } from './make-pack.ts';

const shownByDefault = ['desperate', 'calm', 'afraid', 'happy', 'angry', 'sad'];
/** Reading of the full bar, as a share of the mean residual norm. */
const barMax = 0.3;

export const chatCommand: Command = {
  name: 'chat',
  summary: 'talk with the model, watch its emotions, and steer them',
  usage: '[--steer desperate=0.02,calm=-0.02] [--emotions a,b]',
  description:
    'In the chat: /steer calm=0.1 (or /steer off), /top [N], /save FILE.jsonl, /quit. A dose is a share of the mean residual norm at each steered layer.',
  options: {
    ...modelOptions,
    steer: { type: 'string', value: 'E=D,…', summary: 'steering to begin with' },
    emotions: {
      type: 'string',
      value: 'a,b',
      summary: `bars to show (default ${shownByDefault.join(',')})`,
    },
    system: { type: 'string', value: 'T', summary: 'system message' },
    temperature: { type: 'string', value: 'T', summary: 'from 0 (greedy) to 5 (default 0.7)' },
    seed: { type: 'string', value: 'N', summary: 'seed (default 1)' },
    'max-tokens': { type: 'string', value: 'N', summary: 'longest reply (default 200)' },
    ...packOption,
  },
  examples: [
    'limbic chat',
    'limbic chat --steer desperate=0.02,calm=-0.02',
    'printf "Hello\\n/top 5\\n" | limbic chat',
  ],
  run: async (context) => {
    const temperature = temperatureOf(context);
    const doses = text(context.values, 'steer');
    const first = doses === undefined ? [] : parseDoses(doses);
    const { model: opened, pack } = await openWithPack(context);
    await using model = opened;
    const shown =
      list(context.values, 'emotions') ??
      shownByDefault.filter((name) => pack.emotions.includes(name));
    for (const name of shown) emotionDirection(pack, name, pack.bestLayer);
    const chat = new Chat(model, pack, shown, {
      temperature,
      seed: wholeNumber(context.values, 'seed', { min: 0, max: 2 ** 31, fallback: 1 }),
      maxTokens: wholeNumber(context.values, 'max-tokens', { min: 1, max: 100_000, fallback: 200 }),
    });
    const system = text(context.values, 'system');
    if (system !== undefined) chat.messages.push({ role: 'system', content: system });
    if (first.length > 0) chat.steer(first);
    await converse(chat, context);
  },
};

function temperatureOf({ values }: Context): number {
  const value = Number(text(values, 'temperature') ?? 0.7);
  if (!(value >= 0 && value <= 5))
    throw new InvalidInputError(
      `--temperature: expected a number from 0 to 5, got "${String(values['temperature'])}"`,
    );
  return value;
}

async function converse(chat: Chat, { signal }: Context): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, prompt: 'you> ' });
  signal.addEventListener('abort', () => lines.close(), { once: true });
  lines.prompt();
  for await (const line of lines) {
    if (line.trim() === '/quit') break;
    try {
      if (line.startsWith('/')) chat.command(line.trim());
      else if (line.trim() !== '') await chat.reply(line, signal);
    } catch (error) {
      if (!(error instanceof LimbicError)) throw error;
      console.log(`${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`);
    }
    if (signal.aborted) break;
    lines.prompt();
  }
  lines.close();
}

class Chat {
  readonly messages: ChatMessage[] = [];
  readonly #model: LlamaModel;
  readonly #pack: VectorPack;
  readonly #shown: readonly string[];
  readonly #sampling: Pick<GenerateRequest, 'temperature' | 'seed' | 'maxTokens'> & {
    maxTokens: number;
    seed: number;
  };
  #steering: Steering | null = null;
  #last: Float32Array = new Float32Array(0);

  constructor(
    model: LlamaModel,
    pack: VectorPack,
    shown: readonly string[],
    sampling: { temperature: number; seed: number; maxTokens: number },
  ) {
    this.#model = model;
    this.#pack = pack;
    this.#shown = shown;
    this.#sampling = sampling;
  }

  steer(doses: readonly Dose[]): void {
    this.#steering = buildSteering(this.#pack, doses);
    const total = totalDose(this.#pack, this.#steering);
    console.log(
      `steering ${doses.map(({ emotion, dose }) => `${emotion} ${signed(dose, 2)}`).join(', ')}: ${total.toFixed(2)} norms over ${this.#steering.vectors.size} layers`,
    );
    if (total > coherenceLimit)
      console.log(
        `warning: above ${coherenceLimit} norms text may fall apart; read effects there as damage`,
      );
  }

  command(line: string): void {
    const [name = '', ...rest] = line.split(/\s+/);
    const argument = rest.join(' ');
    if (name === '/steer') {
      if (argument === 'off') {
        this.#steering = null;
        console.log('steering is off');
      } else {
        this.steer(parseDoses(argument));
      }
    } else if (name === '/top') {
      this.#printTop(Number(argument || 8));
    } else if (name === '/save') {
      if (argument === '') throw new InvalidInputError('/save: expected a file name, got none');
      writeWholeFile(
        argument,
        this.messages.map((message) => `${JSON.stringify(message)}\n`).join(''),
      );
      console.log(`saved ${this.messages.length} messages to ${argument}`);
    } else {
      throw new InvalidInputError(`chat: expected /steer, /top, /save or /quit, got ${name}`);
    }
  }

  async reply(content: string, signal: AbortSignal): Promise<void> {
    this.messages.push({ role: 'user', content });
    const prompt = await chatTokens(this.#model, this.messages);
    const { emotions, bestLayer } = this.#pack;
    const [generated] = await this.#model.generate(
      [{ prompt, ...this.#sampling, seed: this.#sampling.seed + this.messages.length }],
      {
        probes: [makeProbe(this.#pack, emotions, bestLayer)],
        steering: this.#steering,
        signal,
        onToken: ({ text: piece }) => process.stdout.write(piece),
      },
    );
    if (generated === undefined) return;
    this.messages.push({ role: 'assistant', content: generated.text });
    const count = emotions.length;
    const mean = new Float32Array(count);
    for (const { readings } of generated.tokens)
      for (let k = 0; k < count; k++)
        mean[k] = (mean[k] ?? 0) + (readings[k] ?? 0) / generated.tokens.length;
    this.#last = mean;
    console.log('\n');
    for (const name of this.#shown) {
      const value = mean[emotions.indexOf(name)] ?? NaN;
      console.log(`  ${name.padEnd(14)}${signedBar(value, barMax)} ${signed(value)}`);
    }
  }

  #printTop(count: number): void {
    if (this.#last.length === 0)
      throw new InvalidInputError('/top: expected a reply first, got none yet');
    const ranked = this.#pack.emotions
      .map((emotion, k) => ({ emotion, value: this.#last[k] ?? 0 }))
      .toSorted((a, b) => b.value - a.value);
    for (const { emotion, value } of ranked.slice(0, Math.max(1, count || 8)))
      console.log(`  ${emotion.padEnd(18)}${signedBar(value, barMax)} ${signed(value)}`);
  }
}
