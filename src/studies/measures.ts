/** @file What studies that talk share in their numbers: arms picked out of what was played, and measures that may lack a value. */
import type { Measure } from './study.ts';

/** Arms in the order in which they were played. */
export function armsIn(conversations: readonly { readonly arm: string }[]): string[] {
  return [...new Set(conversations.map(({ arm }) => arm))];
}

/** Those of one arm, in their order. */
export function inArm<T extends { readonly arm: string }>(
  conversations: readonly T[],
  arm: string,
): T[] {
  return conversations.filter((conversation) => conversation.arm === arm);
}

/** A measure whose value and interval are left out where they are no numbers. */
export function measure(
  name: string,
  n: number,
  parts: {
    readonly value: number | null;
    readonly interval?: readonly [low: number, high: number];
    readonly control?: string;
    /** Said when there is no value. */
    readonly note?: string;
  },
): Measure {
  const { value, interval, control, note } = parts;
  const isNumber = value !== null && Number.isFinite(value) && n > 0;
  return {
    name,
    n,
    value: isNumber ? value : null,
    ...(isNumber && interval?.every(Number.isFinite) === true ? { interval } : {}),
    ...(control === undefined ? {} : { control }),
    ...(isNumber ? {} : { note: n === 0 ? 'nothing to measure' : (note ?? 'not defined here') }),
  };
}
