/** @file Does steering an emotion raise its word after "He feels"? Control: random directions of the same norm (protocol section 2). */
import type { Model, Steering } from '../engine/engine.ts';
import { randomFrom } from '../math/random.ts';
import { buildSteering, randomSteering } from '../steering/steering.ts';
import type { VectorPack } from '../vectors/pack.ts';

const prompt = 'He feels';
const words = ['afraid', 'calm', 'happy', 'sad', 'angry', 'desperate'] as const;
/** Dose at one layer, in mean residual norms: the value of the paper's word checks. */
const dose = 0.5;
const randomCount = 5;

interface WordArm {
  readonly name: string;
  /** Probability of each word as the continuation, in the order of `words`. */
  readonly probabilities: readonly number[];
}

export interface WordResult {
  readonly words: readonly string[];
  readonly dose: number;
  readonly layer: number;
  readonly arms: readonly WordArm[];
  /** Per steered emotion: log ratio of its own word, plus against minus, in nats. */
  readonly effects: readonly { readonly emotion: string; readonly effect: number }[];
  /** Largest size of the same log ratio over random directions and the same words. */
  readonly randomMax: number;
}

/** Steers each emotion up and down at the pack's best layer. */
export async function runWordCheck(
  model: Model,
  pack: VectorPack,
  signal?: AbortSignal,
): Promise<WordResult> {
  const steered = ['afraid', 'calm', 'happy'];
  const layers = [pack.bestLayer];
  const first = await model.tokenize(prompt);
  const continuations = await Promise.all(
    words.map((word) => model.tokenize(` ${word}`, { addSpecial: false })),
  );
  const probabilities = async (steering: Steering | null): Promise<number[]> => {
    const scored = await model.score(
      continuations.map((continuation) => ({ prompt: first, continuation })),
      { steering, ...(signal ? { signal } : {}) },
    );
    return scored.map((logprobs) => Math.exp(logprobs.reduce((sum, value) => sum + value, 0)));
  };
  const arms: WordArm[] = [{ name: 'unsteered', probabilities: await probabilities(null) }];
  const effects: { emotion: string; effect: number }[] = [];
  for (const emotion of steered) {
    const plus = await probabilities(buildSteering(pack, [{ emotion, dose }], layers));
    const minus = await probabilities(buildSteering(pack, [{ emotion, dose: -dose }], layers));
    arms.push(
      { name: `${emotion} +${dose}`, probabilities: plus },
      { name: `${emotion} -${dose}`, probabilities: minus },
    );
    const k = words.findIndex((word) => word === emotion);
    effects.push({ emotion, effect: Math.log((plus[k] ?? NaN) / (minus[k] ?? NaN)) });
  }
  let randomMax = 0;
  for (let i = 0; i < randomCount; i++) {
    const plus = await probabilities(randomSteering(pack, dose, randomFrom(100 + i), layers));
    const minus = await probabilities(randomSteering(pack, -dose, randomFrom(100 + i), layers));
    for (const emotion of steered) {
      const k = words.findIndex((word) => word === emotion);
      randomMax = Math.max(randomMax, Math.abs(Math.log((plus[k] ?? NaN) / (minus[k] ?? NaN))));
    }
    if (i === 0)
      arms.push(
        { name: `random +${dose}`, probabilities: plus },
        { name: `random -${dose}`, probabilities: minus },
      );
  }
  return { words, dose, layer: pack.bestLayer, arms, effects, randomMax };
}
