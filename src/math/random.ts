/** @file Seeded randomness, given as a value to whoever needs it. */
import { unit } from './vector.ts';

/** Uniform numbers in [0, 1). */
export type Random = () => number;

/** Uniform numbers in [0, 1) from a 32-bit seed (the generator known as mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** One number of the standard normal distribution (Box and Muller). */
export function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A direction uniform on the sphere, [width], length 1. */
export function randomDirection(width: number, random: Random): Float32Array {
  return unit(Float32Array.from({ length: width }, () => gaussian(random)));
}

/** A shuffled copy (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [result[i]!, result[j]!];
    result[i] = b;
    result[j] = a;
  }
  return result;
}
