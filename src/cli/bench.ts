/** @file `limbic bench`: what reading and steering cost, in one run, in turns, as ratios. */
import type { ModelInfo } from '../engine/engine.ts';
import { type BareEngine, openBare } from '../engine/llama/bare.ts';
import { InvalidInputError } from '../errors.ts';
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, mean, quantile } from '../math/stats.ts';
import { allArms, type Arm, usualArms } from './bench-arms.ts';
import { openServerBench } from './bench-server.ts';
import { type Command, jsonOption, modelOptions, packOption, wholeNumber } from './command.ts';
import { openWithPack } from './make-pack.ts';
import { createProgress } from './progress.ts';

export const benchCommand: Command = {
  name: 'bench',
  summary: 'measure what reading, steering, early exit and the server cost against the bare engine',
  usage: '[--model NAME] [--rounds N] [--json]',
  options: {
    ...modelOptions,
    rounds: {
      type: 'string',
      value: 'N',
      summary: 'repetitions of each arm, in turns (default 15)',
    },
    all: {
      type: 'boolean',
      summary:
        'more arms, against llama.cpp with nothing of ours around it (the model is loaded twice)',
    },
    only: {
      type: 'string',
      value: 'TEXT,TEXT',
      summary: 'only arms whose name holds one of these texts, with what they are compared to',
    },
    ...packOption,
    ...jsonOption,
  },
  examples: [
    'limbic bench',
    'limbic bench --all --rounds 5 --json',
    'limbic bench --all --only "all layers,early exit"',
    'limbic bench --model qwen2.5-coder-0.5b --rounds 5',
  ],
  run: async (context) => {
    const rounds = wholeNumber(context.values, 'rounds', { min: 3, max: 1000, fallback: 15 });
    const { model: opened, pack } = await openWithPack(context);
    await using model = opened;
    using bare = context.values['all'] === true ? bareOf(model.info) : null;
    const all = bare === null ? usualArms(model, pack) : allArms(model, pack, bare);
    await using server = await openServerBench(model, pack);
    all.push(
      { name: 'chat reply, bare', baseline: 'chat reply, bare', run: server.bare },
      {
        name: 'chat reply through the server, 8 readings',
        baseline: 'chat reply, bare',
        run: server.streamed,
      },
    );
    const arms = chosen(all, context.values['only']);
    const rates = await measure(arms, rounds);
    const waits: number[] = [];
    for (let round = 0; round < rounds; round++) waits.push(await server.firstToken(round + 1000));
    const firstTokenMs = {
      median: quantile(waits, 0.5),
      worst: Math.max(...waits),
    };
    const result = arms.map(({ name, baseline }) => {
      const own = rates.get(name) ?? [];
      const base = rates.get(baseline) ?? [];
      const ratios = own.map((rate, i) => rate / (base[i] ?? NaN));
      const [low, high] = bootstrapMean(ratios, randomFrom(1));
      const [least, middle, most] = [0, 0.5, 1].map((share) => quantile(ratios, share));
      return {
        name,
        baseline,
        ratio: mean(ratios),
        low,
        high,
        least,
        middle,
        most,
        tokensPerSecond: quantile(own, 0.5),
      };
    });
    if (context.values['json'] === true) {
      console.log(
        JSON.stringify(
          {
            model: model.info.name,
            fingerprint: model.info.fingerprint,
            quantisation: model.info.quantisation,
            architecture: model.info.architecture,
            reading: model.info.reading,
            threads: model.info.threads,
            device: model.info.device,
            rounds,
            result,
            firstTokenMs,
          },
          null,
          2,
        ),
      );
      return;
    }
    console.log(
      `${model.info.name}, ${model.info.threads} threads, ${rounds} rounds in turns; mean ratio to the bare pass of the same round, 95 % bootstrap interval, least to most`,
    );
    for (const row of result)
      console.log(
        `  ${row.name.padEnd(54)}x ${row.ratio.toFixed(2)}  (${row.low.toFixed(2)} to ${row.high.toFixed(2)}; ${row.least?.toFixed(2) ?? ''} to ${row.most?.toFixed(2) ?? ''})  ${row.tokensPerSecond.toFixed(0)} tokens/s`,
      );
    console.log(
      `  first token of a short prompt through the server: median ${firstTokenMs.median.toFixed(0)} ms, worst ${firstTokenMs.worst.toFixed(0)} ms of ${rounds}`,
    );
  },
};

/** Arms whose name holds one of the texts, and their baselines; all without texts. InvalidInputError if there are none. */
function chosen(arms: readonly Arm[], only: unknown): readonly Arm[] {
  if (typeof only !== 'string') return arms;
  const texts = only.split(',').map((text) => text.trim());
  const named = arms.filter(({ name }) => texts.some((text) => name.includes(text)));
  if (named.length === 0)
    throw new InvalidInputError(`--only: expected part of the name of an arm, got ${only}`, {
      hint: `the arms are: ${arms.map(({ name }) => name).join('; ')}`,
    });
  const wanted = new Set(named.flatMap(({ name, baseline }) => [name, baseline]));
  return arms.filter(({ name }) => wanted.has(name));
}

/** The same file, threads and context, in this process. */
function bareOf({ path, threads, contextLength }: ModelInfo): BareEngine {
  if (path === null) throw new InvalidInputError('bench: expected a model in a file, got none');
  return openBare({ path, threads, contextLength, gpuLayers: -1 });
}

async function measure(arms: readonly Arm[], rounds: number): Promise<Map<string, number[]>> {
  const rates = new Map<string, number[]>(arms.map(({ name }) => [name, []]));
  const bar = createProgress('measuring');
  for (const arm of arms) await arm.run();
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? arms : arms.toReversed();
    for (const [i, arm] of order.entries()) {
      rates.get(arm.name)?.push(await arm.run());
      bar.update((round * arms.length + i + 1) / (rounds * arms.length));
    }
  }
  bar.end();
  return rates;
}
