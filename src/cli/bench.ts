/** @file `limbic bench`: what reading and steering cost, in one run, in turns, as ratios. */
import type { GenerateOptions } from '../engine/engine.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, mean, quantile } from '../math/stats.ts';
import { buildSteering } from '../steering/steering.ts';
import { makeProbe, type VectorPack } from '../vectors/pack.ts';
import { openServerBench } from './bench-server.ts';
import { type Command, jsonOption, modelOptions, packOption, wholeNumber } from './command.ts';
import { openWithPack } from './make-pack.ts';
import { createProgress } from './progress.ts';

interface Arm {
  readonly name: string;
  readonly baseline: string;
  /** Returns tokens per second of one repetition. */
  readonly run: () => Promise<number>;
}

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
    ...packOption,
    ...jsonOption,
  },
  examples: ['limbic bench', 'limbic bench --model qwen2.5-coder-0.5b --rounds 5'],
  run: async (context) => {
    const rounds = wholeNumber(context.values, 'rounds', { min: 3, max: 1000, fallback: 15 });
    const { model: opened, pack } = await openWithPack(context);
    await using model = opened;
    const arms = engineArms(model, pack);
    await using server = await openServerBench(model, pack);
    arms.push(
      { name: 'chat reply, bare', baseline: 'chat reply, bare', run: server.bare },
      {
        name: 'chat reply through the server, 8 readings',
        baseline: 'chat reply, bare',
        run: server.streamed,
      },
    );
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
      return { name, ratio: mean(ratios), low, high, tokensPerSecond: quantile(own, 0.5) };
    });
    if (context.values['json'] === true) {
      console.log(
        JSON.stringify(
          {
            model: model.info.name,
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
      `${model.info.name}, ${model.info.threads} threads, ${rounds} rounds in turns; mean ratio to the bare pass of the same round, 95 % bootstrap interval`,
    );
    for (const row of result)
      console.log(
        `  ${row.name.padEnd(44)}x ${row.ratio.toFixed(2)}  (${row.low.toFixed(2)} to ${row.high.toFixed(2)})  ${row.tokensPerSecond.toFixed(0)} tokens/s`,
      );
    console.log(
      `  first token of a short prompt through the server: median ${firstTokenMs.median.toFixed(0)} ms, worst ${firstTokenMs.worst.toFixed(0)} ms of ${rounds}`,
    );
  },
};

/** What reading, steering and early exit cost. */
function engineArms(model: LlamaModel, pack: VectorPack): Arm[] {
  const probes = [makeProbe(pack, pack.emotions, pack.bestLayer)];
  const steering = buildSteering(pack, [{ emotion: pack.emotions[0] ?? '', dose: 0.01 }]);
  const generation = (options: GenerateOptions) => (): Promise<number> => generate(model, options);
  return [
    { name: 'generate, bare', baseline: 'generate, bare', run: generation({}) },
    {
      name: 'generate, 1 reading a token',
      baseline: 'generate, bare',
      run: generation({ probes: [makeProbe(pack, pack.emotions.slice(0, 1), pack.bestLayer)] }),
    },
    {
      name: `generate, ${pack.emotions.length} readings a token`,
      baseline: 'generate, bare',
      run: generation({ probes }),
    },
    {
      name: 'generate, readings and steering',
      baseline: 'generate, bare',
      run: generation({ probes, steering }),
    },
    {
      name: `generate, ${sideBySide} replies side by side`,
      baseline: 'generate, bare',
      run: () => generate(model, {}, sideBySide),
    },
    {
      name: 'prefill, bare full pass',
      baseline: 'prefill, bare full pass',
      run: () => prefill(model, null),
    },
    {
      name: `prefill, all layers to ${pack.bestLayer}, early exit`,
      baseline: 'prefill, bare full pass',
      run: () => prefill(model, pack.bestLayer),
    },
  ];
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

/** Replies of one batch, as the rollouts of a study are written. */
const sideBySide = 8;

/** Tokens per second of replies of 64 greedy tokens, with the short prompt before each. */
async function generate(model: LlamaModel, options: GenerateOptions, count = 1): Promise<number> {
  const prompt = await model.tokenize('The old harbour was quiet that evening, and');
  const requests = Array.from({ length: count }, () => ({ prompt, maxTokens: 64 }));
  const started = performance.now();
  const replies = await model.generate(requests, options);
  const tokens = replies.reduce((sum, reply) => sum + reply.tokens.length, 0);
  return tokens / ((performance.now() - started) / 1000);
}

/** Tokens per second over eight texts of 128 random tokens. */
async function prefill(model: LlamaModel, layer: number | null): Promise<number> {
  const random = randomFrom(5);
  const texts = Array.from({ length: 8 }, () =>
    Int32Array.from({ length: 128 }, () => 100 + Math.floor(random() * 5000)),
  );
  const started = performance.now();
  if (layer === null) {
    await model.score(texts.map((prompt) => ({ prompt, continuation: Int32Array.of(100) })));
  } else {
    await model.capture(texts, {
      layers: Array.from({ length: layer + 1 }, (_, k) => k),
      pooling: 'mean',
      starts: [20],
    });
  }
  return (8 * 128) / ((performance.now() - started) / 1000);
}
