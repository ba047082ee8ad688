/** @file Two replies to one message, side by side: where they part and how their readings differ. */

/** Index of the first token that differs; null if one reply is the beginning of the other, or both are equal. */
export function firstDifference(a: readonly string[], b: readonly string[]): number | null {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i += 1) if (a[i] !== b[i]) return i;
  return null;
}

/** Mean of the numbers that are there; NaN if none is. */
export function mean(values: readonly number[]): number {
  const present = values.filter((value) => Number.isFinite(value));
  if (present.length === 0) return Number.NaN;
  return present.reduce((sum, value) => sum + value, 0) / present.length;
}
