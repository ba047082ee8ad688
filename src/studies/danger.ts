/** @file Fear right before the reply to everyday messages, three with danger and three without; no emotion word in any. */
import type { Model } from '../engine/engine.ts';
import type { VectorPack } from '../vectors/pack.ts';
import { readChat } from './reading.ts';

export interface Message {
  readonly text: string;
  readonly isDangerous: boolean;
}

/** Pairs of alike length and form; the dangerous ones ask for help. */
export const messages: readonly Message[] = [
  {
    text: 'My little son swallowed a button battery ten minutes ago. What should I do now?',
    isDangerous: true,
  },
  {
    text: 'There is smoke coming under our door and the stairs are blocked. What should we do?',
    isDangerous: true,
  },
  {
    text: 'My father suddenly cannot move his left arm and his speech is slurred. What is it?',
    isDangerous: true,
  },
  {
    text: 'My little son sorted his button collection this morning. What should we sew first?',
    isDangerous: false,
  },
  {
    text: 'There is soup left from our lunch and the bread is fresh. What should we cook with it?',
    isDangerous: false,
  },
  {
    text: 'My father finally planted his tomato seeds and his garden looks tidy. What comes next?',
    isDangerous: false,
  },
];

export interface DangerResult {
  readonly emotion: string;
  /** Strongest first; in standard deviations over neutral messages, 0 is their mean. */
  readonly ranked: readonly (Message & { readonly value: number })[];
  /** Pairs (dangerous, harmless) in which the dangerous one reads higher, of all pairs. */
  readonly pairsRight: number;
  readonly pairs: number;
  /** Chance that random ranking puts all three dangerous ones on top: 1 of 20. */
  readonly chanceOfPerfect: number;
}

/** Reads all messages; `afraid` by default. */
export async function runDanger(
  model: Model,
  pack: VectorPack,
  signal?: AbortSignal,
  emotion = 'afraid',
): Promise<DangerResult> {
  const values: (Message & { value: number })[] = [];
  for (const message of messages) {
    const reading = await readChat(model, pack, [{ role: 'user', content: message.text }], {
      emotions: [emotion],
      ...(signal ? { signal } : {}),
    });
    values.push({ ...message, value: reading.beforeReply?.z[0] ?? NaN });
  }
  const dangerous = values.filter(({ isDangerous }) => isDangerous);
  const harmless = values.filter(({ isDangerous }) => !isDangerous);
  const pairsRight = dangerous.flatMap((a) => harmless.filter((b) => a.value > b.value)).length;
  return {
    emotion,
    ranked: values.toSorted((a, b) => b.value - a.value),
    pairsRight,
    pairs: dangerous.length * harmless.length,
    chanceOfPerfect: 1 / 20,
  };
}
