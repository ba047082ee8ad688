import { afterAll, describe, expect, test } from 'vitest';

import { needs, testModel } from '../../test/models.ts';
import { formatChat } from './chat-template.ts';
import type {
  Generated,
  GenerateOptions,
  GenerateRequest,
  Model,
  Probe,
  Steering,
  Thermostat,
} from './engine.ts';
import { openLlamaModel } from './llama/model.ts';
import { openToyModel } from './toy/model.ts';

interface Subject {
  readonly name: string;
  readonly open: (() => Promise<Model>) | null;
  /** What this engine cannot do, by test. */
  readonly exceptions: readonly { readonly reason: string; readonly tests: readonly string[] }[];
  /** Largest accepted difference of residuals between batch shapes, as a share of the norm. */
  readonly batchTolerance: number;
}

const llama = (name: string): Subject => {
  const path = testModel(name);
  return {
    name: `llama on ${name}${needs(name)}`,
    open:
      path === null ? null : () => openLlamaModel(path, { contextLength: 1024, maxSequences: 8 }),
    exceptions: [],
    // Quantised kernels sum in another order for another batch size.
    batchTolerance: 0.02,
  };
};
const subjects: Subject[] = [
  {
    name: 'toy',
    open: async () => openToyModel(),
    exceptions: [{ reason: 'it has no grammar', tests: ['grammar'] }],
    batchTolerance: 1e-6,
  },
  llama('smollm2-135m'),
  llama('qwen2.5-coder-0.5b'),
  llama('gemma3-270m-base'),
];

describe.each(subjects)('$name', ({ open, exceptions, batchTolerance }) => {
  /** Nats that a log-probability may move in another batch; a wrong cache is off by whole nats. */
  const scoreTolerance = Math.max(1e-4, batchTolerance * 15);
  let model: Model | undefined;
  const opened = async (): Promise<Model> => (model ??= await open!());
  const run = (name: string, title: string, body: (subject: Model) => Promise<void>): void => {
    const exception = exceptions.find(({ tests }) => tests.includes(name));
    test.skipIf(open === null || exception !== undefined)(
      exception === undefined ? title : `${title} (skipped: ${exception.reason})`,
      async () => body(await opened()),
    );
  };
  afterAll(async () => model?.[Symbol.asyncDispose]());

  const distance = (a: Float32Array, b: Float32Array): number => {
    let [difference, size] = [0, 0];
    for (const [i, value] of a.entries()) {
      difference += (value - b[i]!) ** 2;
      size += value ** 2;
    }
    return Math.sqrt(difference / size);
  };
  const vectorFor = (width: number, length: number): Float32Array => {
    const raw = Float32Array.from({ length: width }, (_, k) => Math.sin(k * 1.7 + 1));
    return raw.map((value) => (value / Math.hypot(...raw)) * length);
  };

  run('pieces', 'pieces of the tokens of a text give the text back', async (subject) => {
    const text = 'Zoë met 3 naïve foxes — 日本 🦊.';
    const pieces = await subject.pieces(await subject.tokenize(text, { addSpecial: false }));
    expect(pieces.join('').trimStart()).toBe(text);
  });

  run(
    'steering',
    'capture under steering differs by exactly the vector at the first steered layer',
    async (subject) => {
      const { blocks, width } = subject.info;
      const layer = Math.floor(blocks / 2);
      const tokens = await subject.tokenize(
        'The capital of France is Paris, and it lies on a river.',
      );
      const options = { layers: [layer - 1, layer], pooling: 'all' as const, earlyExit: false };
      const [bare] = await subject.capture([tokens], options);
      const vector = vectorFor(width, bare!.norms[1]! * 0.1);
      const steering: Steering = { vectors: new Map([[layer, vector]]) };
      const [steered] = await subject.capture([tokens], { ...options, steering });
      for (let position = 0; position < tokens.length; position++) {
        const at = position * 2 * width;
        expect(steered!.rows.slice(at, at + width)).toEqual(bare!.rows.slice(at, at + width));
        const moved = steered!.rows.slice(at + width, at + 2 * width);
        const residual = bare!.rows.slice(at + width, at + 2 * width);
        const error = Math.hypot(...moved.map((value, k) => value - residual[k]! - vector[k]!));
        // float32: the rounding of a sum is at most 2^-24 of its size; a few dozen of them.
        expect(error / Math.hypot(...residual)).toBeLessThan(1e-6);
      }
      const [again] = await subject.capture([tokens], options);
      expect(again!.rows).toEqual(bare!.rows);
    },
  );

  run(
    'early-exit',
    'capture with early exit reads the same residuals as a full pass',
    async (subject) => {
      const tokens = await subject.tokenize('Rain fell on the tin roof all night long.');
      const layers = [1, 2];
      const [full] = await subject.capture([tokens], { layers, pooling: 'all', earlyExit: false });
      const [early] = await subject.capture([tokens], { layers, pooling: 'all', earlyExit: true });
      expect(distance(early!.rows, full!.rows)).toBeLessThan(1e-6);
    },
  );

  run(
    'order',
    'capture of several sequences gives each the residuals it has alone, in order',
    async (subject) => {
      const texts = [
        'A short one.',
        'Another that is somewhat longer than the first one was.',
        'Third!',
      ];
      const tokens = await Promise.all(texts.map((text) => subject.tokenize(text)));
      const options = { layers: [1], pooling: 'mean' as const, starts: [2] };
      const together = await subject.capture(tokens, options);
      for (const [i, one] of tokens.entries()) {
        const [alone] = await subject.capture([one], options);
        expect(distance(together[i]!.rows, alone!.rows)).toBeLessThan(batchTolerance);
      }
    },
  );

  run(
    'mean',
    'capture with pooling mean is the mean of the rows of pooling all from the position on',
    async (subject) => {
      const tokens = await subject.tokenize('One two three four five six seven.');
      const [all] = await subject.capture([tokens], { layers: [1], pooling: 'all' });
      const starts = [0, 3, 999];
      const [pooled] = await subject.capture([tokens], { layers: [1], pooling: 'mean', starts });
      const { width } = subject.info;
      for (const [s, start] of [0, 3, tokens.length - 1].entries()) {
        const expected = new Float32Array(width);
        for (let p = start; p < tokens.length; p++)
          for (let k = 0; k < width; k++)
            expected[k]! += all!.rows[p * width + k]! / (tokens.length - start);
        expect(distance(pooled!.rows.subarray(s * width, (s + 1) * width), expected)).toBeLessThan(
          1e-5,
        );
        // The norm is a mean of norms, so at least the norm of the mean.
        expect(pooled!.norms[s]).toBeGreaterThan(Math.hypot(...expected) * 0.999);
      }
    },
  );

  run(
    'project',
    'project equals the dot products of captured rows with the directions',
    async (subject) => {
      const { width } = subject.info;
      const tokens = await subject.tokenize('Some words to project.');
      const [all] = await subject.capture([tokens], {
        layers: [2],
        pooling: 'all',
        earlyExit: false,
      });
      const direction = vectorFor(width, 1);
      const probe: Probe = {
        layer: 2,
        directions: direction,
        bias: Float32Array.of(0.5),
        scale: 2,
      };
      const [readings] = await subject.project([tokens], { probes: [probe] });
      for (let p = 0; p < tokens.length; p++) {
        const row = all!.rows.subarray(p * width, (p + 1) * width);
        const dot = row.reduce((sum, value, k) => sum + value * direction[k]!, 0);
        expect(Math.abs(readings![p]! - (dot - 0.5) * 2)).toBeLessThan(
          1e-4 * Math.hypot(...row) + 1e-4,
        );
      }
    },
  );

  run(
    'score',
    'generate greedily picks the token whose score is highest among its alternatives',
    async (subject) => {
      const prompt = await subject.tokenize('The sun rises in the');
      const [reply] = await subject.generate([{ prompt, maxTokens: 4, topLogprobs: 3 }]);
      const first = reply!.tokens[0]!;
      expect(first.token).toBe(first.alternatives[0]!.token);
      // One at a time, so that the batch has the shape of the generation's own prefill: quantised
      // kernels sum in another order for another shape.
      for (const { token, logprob } of first.alternatives) {
        const [score] = await subject.score([{ prompt, continuation: Int32Array.of(token) }]);
        expect(Math.abs(score![0]! - logprob)).toBeLessThan(1e-4);
      }
    },
  );

  run(
    'shared',
    'score gives requests that begin alike what each gets alone, whatever stands between them',
    async (subject) => {
      const long =
        'In the morning the old keeper climbed the tower, lit the lamp and wrote in his book that';
      const [prompt, other, ...texts] = await Promise.all(
        [long, 'Two and two', ' the sea was calm.', ' the sea was wild and grey.', ' four'].map(
          (text, i) => subject.tokenize(text, { addSpecial: i < 2 }),
        ),
      );
      const requests = [
        ...texts.map((continuation) => ({ prompt: prompt!, continuation })),
        { prompt: other!, continuation: texts[2]! },
        // The same question with other answers of one token: one pass.
        { prompt: prompt!, continuation: texts[0]!.slice(0, 1) },
        { prompt: prompt!, continuation: texts[2]!.slice(0, 1) },
        { prompt: Int32Array.from([...prompt!, ...texts[0]!]), continuation: texts[1]! },
      ];
      const together = await subject.score(requests);
      for (const [i, request] of requests.entries()) {
        const [alone] = await subject.score([request]);
        expect(together[i]).toHaveLength(request.continuation.length);
        for (const [k, value] of alone!.entries())
          expect(Math.abs(together[i]![k]! - value), `request ${i}, token ${k}`).toBeLessThan(
            scoreTolerance,
          );
      }
      expect(together[0]![0]).toBeCloseTo(together[4]![0]!, 1);
    },
  );

  run('seed', 'generate repeats itself with a seed and changes with another', async (subject) => {
    const prompt = await subject.tokenize('Once upon a time');
    const reply = async (seed: number): Promise<string> =>
      (await subject.generate([{ prompt, maxTokens: 16, temperature: 1.2, seed }]))[0]!.text;
    const first = await reply(1);
    expect(await reply(1)).toBe(first);
    // Whatever ran in between.
    await subject.generate([{ prompt, maxTokens: 9 }], { reuse: true });
    expect(await reply(1)).toBe(first);
    expect(await reply(2)).not.toBe(first);
  });

  run(
    'bias',
    'generate with a large logit bias writes that token, and a stop string ends the reply before it',
    async (subject) => {
      const prompt = await subject.tokenize('Say');
      const [token = 0] = await subject.tokenize('!', { addSpecial: false });
      const logitBias = new Map([[token, 1000]]);
      const [biased] = await subject.generate([{ prompt, maxTokens: 3, logitBias }]);
      expect(biased!.text).toBe('!!!');
      expect(biased!.stopReason).toBe('length');
      const [stopped] = await subject.generate([{ prompt, maxTokens: 5, logitBias, stop: ['!'] }]);
      expect(stopped!.text).toBe('');
      expect(stopped!.stopReason).toBe('stop-string');
    },
  );

  run('grammar', 'generate under a grammar writes only what it allows', async (subject) => {
    const prompt = await subject.tokenize('Is the sky blue? Answer:');
    const [reply] = await subject.generate([
      {
        prompt,
        maxTokens: 12,
        temperature: 1.5,
        seed: 4,
        grammar: 'root ::= " " ("yes" | "no") "."',
      },
    ]);
    expect(reply!.text).toMatch(/^ (yes|no)\.$/);
    await expect(subject.generate([{ prompt, maxTokens: 2, grammar: 'nonsense' }])).rejects.toThrow(
      'grammar: expected GBNF',
    );
  });

  run(
    'side by side',
    'generate gives each of several greedy requests the reply it has alone',
    async (subject) => {
      const prompts = await Promise.all(
        ['Two plus two is', 'My favourite colour is'].map((text) => subject.tokenize(text)),
      );
      const together = await subject.generate(prompts.map((prompt) => ({ prompt, maxTokens: 4 })));
      for (const [i, prompt] of prompts.entries()) {
        const [alone] = await subject.generate([{ prompt, maxTokens: 4 }]);
        expect(together[i]!.tokens[0]!.token).toBe(alone!.tokens[0]!.token);
      }
    },
  );

  run(
    'lens',
    'lens raises and lowers tokens as much as steering after the last block changes their score',
    async (subject) => {
      const { blocks, width } = subject.info;
      const prompts = await Promise.all(
        ['The night was', 'She said that'].map((text) => subject.tokenize(text)),
      );
      const deepest = { layers: [blocks - 2], pooling: 'last' } as const;
      const [bare] = await subject.capture(prompts.slice(0, 1), deepest);
      const vector = vectorFor(width, bare!.norms[0]! * 0.5);
      const [shift] = await subject.lens(prompts, [vector], { count: 3 });
      const tokens = [...shift!.raised, ...shift!.lowered];
      expect(shift!.raised[0]!.change).toBeGreaterThan(0);
      expect(shift!.lowered[0]!.change).toBeLessThan(0);
      expect(shift!.raised[0]!.change).toBeGreaterThanOrEqual(shift!.raised[2]!.change);
      const scores = async (steering: Steering | null): Promise<number[]> => {
        const requests = prompts.flatMap((prompt) =>
          tokens.map(({ token }) => ({ prompt, continuation: Int32Array.of(token) })),
        );
        const values = (await subject.score(requests, { steering })).map(([value]) => value!);
        return tokens.map((_, i) => (values[i]! + values[tokens.length + i]!) / 2);
      };
      const before = await scores(null);
      const after = await scores({ vectors: new Map([[blocks - 1, vector]]) });
      const gap = (values: readonly number[], i: number): number => values[i]! - values[0]!;
      const expected = tokens.map((_, i) => gap(after, i) - gap(before, i));
      const range = Math.max(...expected) - Math.min(...expected);
      expect(range).toBeGreaterThan(1);
      // Quantised kernels differ between the shapes of the two batches: a tenth of the range at most.
      const tolerance = Math.max(1e-3, batchTolerance * 5) * range;
      for (const [i, value] of expected.entries())
        expect(Math.abs(tokens[i]!.change - tokens[0]!.change - value)).toBeLessThan(tolerance);
      await expect(subject.lens(prompts, [new Float32Array(3)])).rejects.toThrow('lens: expected');
    },
  );

  const probeFor = (subject: Model, layer: number): Probe => ({
    layer,
    directions: vectorFor(subject.info.width, 1),
    bias: Float32Array.of(0),
    scale: 1,
  });
  const texts = (replies: readonly Generated[]): string[] => replies.map(({ text }) => text);

  run(
    'mixed steering',
    'calls under different steering at the same time give each the reply it has alone',
    async (subject) => {
      const layer = Math.floor(subject.info.blocks / 2);
      const prompt = await subject.tokenize('My favourite colour is');
      const [bare] = await subject.capture([prompt], { layers: [layer], pooling: 'last' });
      const request: GenerateRequest = { prompt, maxTokens: 6 };
      const steered = (share: number): GenerateOptions => ({
        steering: {
          vectors: new Map([[layer, vectorFor(subject.info.width, bare!.norms[0]! * share)]]),
        },
      });
      const options = [{}, steered(3), steered(-3)];
      const alone: string[] = [];
      for (const option of options) alone.push(...texts(await subject.generate([request], option)));
      expect(new Set(alone).size).toBeGreaterThan(1);
      const together = await Promise.all(
        options.map((option) => subject.generate([request], option)),
      );
      expect(together.flatMap(texts)).toEqual(alone);
    },
  );

  run(
    'reuse',
    'generate with reuse takes a prompt from the cache under the same steering and probes only',
    async (subject) => {
      const layer = Math.floor(subject.info.blocks / 2);
      const prompt = await subject.tokenize(
        'The harbour was quiet and the boats lay still in the morning light while',
      );
      const [bare] = await subject.capture([prompt], { layers: [layer], pooling: 'last' });
      const reading = { probes: [probeFor(subject, layer)], reuse: true };
      const steering = (share: number): Steering => ({
        vectors: new Map([[layer, vectorFor(subject.info.width, bare!.norms[0]! * share)]]),
      });
      const reply = async (tokens: Int32Array, options: GenerateOptions): Promise<Generated> =>
        (await subject.generate([{ prompt: tokens, maxTokens: 4 }], options))[0]!;
      const first = await reply(prompt, reading);
      expect(first.reused).toBe(0);
      const again = await reply(prompt, reading);
      expect(again.reused).toBe(prompt.length - 1);
      expect(distance(again.promptReadings, first.promptReadings)).toBeLessThan(batchTolerance);
      // The last chosen token was read too, so the next turn finds the whole reply.
      const next = Int32Array.from([
        ...prompt,
        ...first.tokens.map(({ token }) => token),
        prompt[1]!,
      ]);
      expect((await reply(next, reading)).reused).toBe(next.length - 1);
      // Another dose, another phase of the same dose, no dose after one: all from the beginning.
      const dosed = await reply(prompt, { ...reading, steering: steering(0.5) });
      expect(dosed.reused).toBe(0);
      expect((await reply(prompt, { ...reading, steering: steering(0.25) })).reused).toBe(0);
      expect((await reply(prompt, { ...reading, steering: steering(0.5) })).reused).toBe(
        prompt.length - 1,
      );
      // A reply that alone was steered: its prompt is as good as bare, its own positions are neither bare
      // nor like those of a text steered throughout.
      const late = await reply(prompt, {
        ...reading,
        steering: { ...steering(0.5), phase: 'reply' },
      });
      const tokensOf = ({ tokens }: Generated): number[] => tokens.map(({ token }) => token);
      const turn = Int32Array.from([...prompt, ...tokensOf(late), prompt[1]!]);
      const shared = (other: Generated): number => {
        const differs = tokensOf(late).findIndex((token, i) => token !== tokensOf(other)[i]);
        return prompt.length + (differs < 0 ? late.tokens.length : differs);
      };
      expect((await reply(turn, reading)).reused).toBe(shared(first));
      expect((await reply(turn, { ...reading, steering: steering(0.5) })).reused).toBe(
        shared(dosed),
      );
      // Other probes, or none: from the beginning. Without the wish: never.
      expect((await reply(prompt, { reuse: true })).reused).toBe(0);
      expect((await reply(prompt, { probes: reading.probes })).reused).toBe(0);
    },
  );

  run(
    'together',
    'generate with reuse reads prompts that begin alike once, also when they come together',
    async (subject) => {
      const layer = Math.floor(subject.info.blocks / 2);
      const text = 'The harbour was quiet and the boats lay still in the morning light while';
      const prompt = await subject.tokenize(text);
      const longer = await subject.tokenize(`${text} the gulls`);
      const options = { probes: [probeFor(subject, layer)], reuse: true };
      const requests = [prompt, prompt, longer].map((tokens) => ({ prompt: tokens, maxTokens: 4 }));
      const replies = await subject.generate(requests, options);
      expect(replies.map(({ reused }) => reused)).toEqual([
        0,
        prompt.length - 1,
        expect.toSatisfy((reused: number) => reused >= prompt.length - 1),
      ]);
      for (const [i, request] of requests.entries()) {
        const [alone] = await subject.generate([request], { probes: options.probes });
        expect(distance(replies[i]!.promptReadings, alone!.promptReadings)).toBeLessThan(
          batchTolerance,
        );
      }
    },
  );

  run('written', 'generate goes on from written tokens as it would have', async (subject) => {
    const prompt = await subject.tokenize('Once upon a time');
    const request: GenerateRequest = { prompt, maxTokens: 10, temperature: 1, seed: 3 };
    const [whole] = await subject.generate([request]);
    const tokens = whole!.tokens.map(({ token }) => token);
    const written = Int32Array.from(tokens.slice(0, 4));
    const [rest] = await subject.generate([{ ...request, written }]);
    expect(rest!.tokens[0]!.index).toBe(4);
    expect(rest!.tokens[0]!.token).toBe(tokens[4]);
    // Beyond that, quantised kernels round another batch shape differently.
    if (batchTolerance > 1e-3) return;
    expect(rest!.tokens.map(({ token }) => token)).toEqual(tokens.slice(4));
    expect(whole!.text.endsWith(rest!.text)).toBe(true);
  });

  run(
    'thermostat',
    'a thermostat pushes in proportion while the reading is above its threshold and lets go below',
    async (subject) => {
      const layer = Math.floor(subject.info.blocks / 2);
      const prompt = await subject.tokenize('The weather today is');
      const [bare] = await subject.capture([prompt], { layers: [layer], pooling: 'last' });
      const probes = [probeFor(subject, layer)];
      const vectors = new Map([[layer, vectorFor(subject.info.width, -bare!.norms[0]!)]]);
      const request: GenerateRequest = { prompt, maxTokens: 12, temperature: 1, seed: 5 };
      const [free] = await subject.generate([request], { probes });
      const values = free!.tokens.map(({ readings }) => readings[0]!);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const base: Thermostat = {
        reading: 0,
        threshold: low - (high - low),
        gain: 0.5 / (high - low),
        limit: 0.3,
        halfLife: 1,
        vectors,
      };
      const [held] = await subject.generate([request], { probes, thermostat: base });
      expect(held!.tokens[0]!.dose).toBe(0);
      expect(held!.tokens[1]!.dose).toBeGreaterThan(0);
      const doses = held!.tokens.map(({ dose }) => dose);
      expect(Math.max(...doses)).toBeLessThanOrEqual(0.3);
      // The push lowers the very reading that it watches: by its dose times the vector's length.
      const pushed = held!.tokens[1]!;
      if (pushed.token === free!.tokens[1]!.token)
        expect(pushed.readings[0]! - free!.tokens[1]!.readings[0]!).toBeLessThan(0);
      const idle = { ...base, threshold: high + (high - low) * 10 };
      const [untouched] = await subject.generate([request], { probes, thermostat: idle });
      expect(untouched!.tokens.every(({ dose }) => dose === 0)).toBe(true);
      expect(untouched!.text).toBe(free!.text);
    },
  );

  run(
    'queue',
    'more calls than sequences are all answered, and a capture among them runs',
    async (subject) => {
      const prompt = await subject.tokenize('Count: one, two,');
      const many = Array.from({ length: subject.info.maxSequences * 2 + 1 }, (_, seed) =>
        subject.generate([{ prompt, maxTokens: 3, temperature: 1, seed }], { reuse: true }),
      );
      const [captured] = await subject.capture([prompt], { layers: [1], pooling: 'last' });
      expect(captured!.rows.length).toBe(subject.info.width);
      const replies = (await Promise.all(many)).flat();
      expect(replies.every(({ tokens }) => tokens.length > 0)).toBe(true);
    },
  );

  run('abort', 'generate stops when its signal aborts, and the next call runs', async (subject) => {
    const prompt = await subject.tokenize('Count: one, two,');
    const stop = new AbortController();
    const endless = subject.generate([{ prompt, maxTokens: 400, temperature: 1, seed: 1 }], {
      signal: stop.signal,
      onToken: ({ index }) => index === 2 && stop.abort(),
    });
    await expect(endless).rejects.toThrow(/abort/i);
    const [reply] = await subject.generate([{ prompt, maxTokens: 2 }]);
    expect(reply!.tokens.length).toBeGreaterThan(0);
  });

  run('chat', 'formatChat ends where the reply begins and holds every message', async (subject) => {
    const text = formatChat(subject.info, [
      { role: 'user', content: 'Good morning' },
      { role: 'assistant', content: 'Hello' },
      { role: 'user', content: 'How late is it?' },
    ]);
    for (const part of ['Good morning', 'Hello', 'How late is it?']) expect(text).toContain(part);
    expect(text.indexOf('How late is it?')).toBeLessThan(
      text.toLowerCase().lastIndexOf('assistant'),
    );
  });

  run(
    'limits',
    'a layer that does not exist and a text without tokens are refused in one sentence',
    async (subject) => {
      const tokens = await subject.tokenize('x');
      await expect(subject.capture([tokens], { layers: [999], pooling: 'last' })).rejects.toThrow(
        /layer: expected a whole number from 0 to \d+, got 999/,
      );
      await expect(
        subject.capture([new Int32Array(0)], { layers: [1], pooling: 'last' }),
      ).rejects.toThrow('expected at least one token');
    },
  );
});
