import { describe, expect, test } from 'vitest';

import { randomFrom } from '../math/random.ts';
import type { Backend } from './backend.ts';
import type {
  Generated,
  GenerateOptions,
  GenerateRequest,
  Probe,
  Steering,
  Thermostat,
} from './engine.ts';
import { project } from './runner.ts';
import { generate, Scheduler } from './scheduler.ts';
import { createToyBackend } from './toy/backend.ts';

const contextLength = 160;
const width = 32;
const endOfTurn = 258;
/** Keeps the toy from ending its replies early. */
const logitBias = new Map([[endOfTurn, -1e9]]);

const openBackend = (): Backend => createToyBackend({ contextLength });
const tokensOf = (text: string): Int32Array => openBackend().tokenize(text, true, false);
const vectorOf = (seed: number, length: number): Float32Array =>
  Float32Array.from({ length: width }, (_, k) => Math.sin(seed * 13 + k * 1.7) * length);
const probe: Probe = {
  layer: 2,
  directions: vectorOf(3, 1),
  bias: Float32Array.of(0),
  scale: 1,
};
const steeringAt = (layer: number, phase: Steering['phase'] = 'all'): Steering => ({
  vectors: new Map([[layer, vectorOf(layer, 2)]]),
  phase,
});
const thermostat: Thermostat = {
  reading: 0,
  threshold: -3,
  gain: 0.3,
  limit: 2,
  halfLife: 3,
  vectors: new Map([[2, vectorOf(9, 1)]]),
};

/** The reply of an engine that has done nothing before. */
async function fresh(request: GenerateRequest, options: GenerateOptions): Promise<Generated> {
  const { signal: _, onToken: __, ...rest } = options;
  const settings = { ...rest, reuse: false };
  const [reply] = await generate(new Scheduler(openBackend()), [request], settings);
  return reply!;
}

const numbersOf = ({ tokens, promptReadings }: Generated): number[] => [
  ...promptReadings,
  ...tokens.flatMap(({ token, logprob, readings, dose }) => [token, logprob, ...readings, dose]),
];

function expectSame(got: Generated, wanted: Generated): void {
  expect(got.text).toBe(wanted.text);
  const [a, b] = [numbersOf(got), numbersOf(wanted)];
  expect(a.length).toBe(b.length);
  expect(Math.max(0, ...a.map((value, i) => Math.abs(value - b[i]!)))).toBeLessThan(1e-4);
}

describe('any mix of calls at once', () => {
  test.each([1, 2, 3])('gives each the reply of a fresh engine (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    const below = (n: number): number => Math.floor(random() * n);
    const scheduler = new Scheduler(openBackend());
    const histories = [tokensOf('You are.'), tokensOf('Hello there.')];
    let [reused, aborted] = [0, 0];
    const one = async (): Promise<void> => {
      const base = histories[below(histories.length)]!.slice(0, 1 + below(70));
      const added = Array.from({ length: below(8) }, () => 65 + below(4));
      const prompt = Int32Array.from([...base, ...added]);
      const probes = [[], [probe], [{ ...probe, layer: 1 }, probe]][below(3)]!;
      const steering = [null, steeringAt(2), steeringAt(2, 'reply'), steeringAt(1)][below(4)]!;
      const request = {
        prompt,
        maxTokens: 1 + below(25),
        seed: below(1000),
        temperature: 1.5,
        logitBias,
      };
      const stop = new AbortController();
      const abortAt = below(4) === 0 ? below(request.maxTokens) : -1;
      const options: GenerateOptions = {
        probes,
        steering,
        thermostat: probes.length > 0 && below(2) === 0 ? thermostat : null,
        reuse: below(5) > 0,
        signal: stop.signal,
        onToken: ({ index }) => index === abortAt && stop.abort(),
      };
      try {
        const [reply] = await generate(scheduler, [request], options);
        reused += reply!.reused;
        histories.push(Int32Array.from([...prompt, ...reply!.tokens.map(({ token }) => token)]));
        if (histories.length > 6) histories.shift();
        expectSame(reply!, await fresh(request, options));
      } catch (error) {
        if (!stop.signal.aborted) throw error;
        aborted++;
      }
    };
    const worker = async (): Promise<void> => {
      for (let k = 0; k < 20; k++) await one();
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    // Otherwise the mix did not try what it is for.
    expect(reused).toBeGreaterThan(50);
    expect(aborted).toBeGreaterThan(2);
  });
});

describe('a reply that broke off', () => {
  const letters = new Map(
    Array.from({ length: openBackend().info.vocabulary }, (_, token): [number, number] => [
      token,
      token >= 97 && token <= 122 ? 0 : -1e9,
    ]),
  );
  const request: GenerateRequest = {
    prompt: tokensOf('Hello there my friend.'),
    maxTokens: 12,
    temperature: 2,
    seed: 7,
    logitBias: letters,
  };

  test.each([
    ['plain', {}],
    ['steered', { steering: steeringAt(1) }],
    ['steered from the reply on', { steering: steeringAt(2, 'reply') }],
    ['with a thermostat', { thermostat }],
  ] as [string, GenerateOptions][])(
    'goes on wherever it is cut, from a cache that holds it all too: %s',
    async (_, setting) => {
      const options = { ...setting, probes: [probe] };
      const whole = await fresh(request, options);
      const scheduler = new Scheduler(openBackend());
      for (let cut = 1; cut < whole.tokens.length; cut++) {
        const written = Int32Array.from(whole.tokens.slice(0, cut), ({ token }) => token);
        const bare = Int32Array.from([...request.prompt, ...written]);
        await generate(scheduler, [{ ...request, prompt: bare, maxTokens: 1 }], {
          probes: [probe],
          reuse: true,
        });
        const [rest] = await generate(scheduler, [{ ...request, written }], {
          ...options,
          reuse: true,
        });
        expect(rest!.reused).toBeLessThan(request.prompt.length);
        expectSame(rest!, {
          ...whole,
          text: whole.text.slice(cut),
          tokens: whole.tokens.slice(cut),
        });
      }
    },
  );

  test('takes back what a stop text began in the written part', async () => {
    const whole = await fresh(request, {});
    const stop = [whole.text.slice(4, 7)];
    const written = Int32Array.from(whole.tokens.slice(0, 6), ({ token }) => token);
    const rest = await fresh({ ...request, stop, written }, {});
    expect(rest).toMatchObject({ stopReason: 'stop-string', text: '', takenBack: 2 });
  });
});

describe('a fault', () => {
  const good: GenerateRequest = { prompt: tokensOf('Hi'), maxTokens: 20, logitBias };

  test.each([
    ['a token outside the vocabulary', { prompt: Int32Array.of(300) }, {}],
    ['steering at layer 0', {}, { steering: { vectors: new Map([[0, vectorOf(1, 1)]]) } }],
    [
      'a vector of another width',
      {},
      { steering: { vectors: new Map([[1, new Float32Array(3)]]) } },
    ],
    ['more written than asked for', { maxTokens: 1, written: Int32Array.of(65, 66) }, {}],
    ['a grammar that the engine lacks', { grammar: 'root ::= "a"' }, {}],
    [
      'a listener that throws',
      {},
      {
        onToken: () => {
          throw new Error('mine');
        },
      },
    ],
  ] as [string, Partial<GenerateRequest>, GenerateOptions][])(
    'ends its own call alone: %s',
    async (_, request, options) => {
      const scheduler = new Scheduler(openBackend());
      const neighbour = generate(scheduler, [good], {});
      await expect(generate(scheduler, [{ ...good, ...request }], options)).rejects.toThrow();
      expectSame((await neighbour)[0]!, await fresh(good, {}));
    },
  );

  test('of the backend at any moment settles every call, and the next one is right', async () => {
    for (let at = 1; at <= 60; at += 1) {
      const backend = openBackend();
      let calls = 0;
      const faulty = new Proxy(backend, {
        get: (target, name) => {
          const member: unknown = Reflect.get(target, name);
          if (typeof member !== 'function') return member;
          return (...args: unknown[]): unknown => {
            if (++calls === at) throw new Error(`fault in ${String(name)}`);
            return Reflect.apply(member, target, args);
          };
        },
      });
      const scheduler = new Scheduler(faulty);
      const options = { probes: [probe], reuse: true };
      const short = { ...good, maxTokens: 6 };
      await Promise.allSettled([
        generate(scheduler, [short], options),
        generate(scheduler, [short], { ...options, steering: steeringAt(1) }),
        scheduler.alone(() => project(faulty, [good.prompt], { probes: [probe] })),
        generate(scheduler, [short], options),
      ]);
      const [after] = await generate(scheduler, [good], options);
      expectSame(after!, await fresh(good, options));
    }
  });
});

describe('what runs alone', () => {
  test('reads without the steering of the reply before it', async () => {
    const backend = openBackend();
    const scheduler = new Scheduler(backend);
    const prompt = tokensOf('Hello there');
    const [wanted] = await project(openBackend(), [prompt], { probes: [probe] });
    const steered = generate(scheduler, [{ prompt, maxTokens: 4, logitBias }], {
      steering: steeringAt(1),
    });
    const reading = { probes: [probe], steering: steeringAt(1, 'reply') };
    const [got] = await scheduler.alone(() => project(backend, [prompt], reading));
    await steered;
    expect(got).toEqual(wanted);
  });

  test('leaves the queue when it is cancelled while it waits', async () => {
    const scheduler = new Scheduler(openBackend());
    const stop = new AbortController();
    const reply = generate(scheduler, [{ prompt: tokensOf('Hi'), maxTokens: 20, logitBias }], {});
    let hasRun = false;
    const waiting = scheduler.alone(async () => (hasRun = true), stop.signal);
    stop.abort();
    await expect(waiting).rejects.toThrow(/abort/i);
    await reply;
    expect(hasRun).toBe(false);
  });
});
