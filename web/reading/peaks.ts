/** @file The strongest moments of a conversation, kept apart so that one passage isn't ten of them. */

interface Peak {
  /** Position in the series. */
  readonly position: number;
  readonly value: number;
}

/** Up to `count` highest values, strongest first, each more than `apart` positions from those before it. */
export function findPeaks(values: readonly number[], count: number, apart: number): Peak[] {
  const order = values
    .map((value, position) => ({ position, value }))
    .filter(({ value }) => Number.isFinite(value))
    .toSorted((a, b) => b.value - a.value || a.position - b.position);
  const peaks: Peak[] = [];
  for (const candidate of order) {
    if (peaks.length === count) break;
    if (peaks.every(({ position }) => Math.abs(position - candidate.position) > apart)) {
      peaks.push(candidate);
    }
  }
  return peaks;
}

interface Excerpt {
  readonly before: string;
  readonly token: string;
  readonly after: string;
}

/** A token with the text around it, at most `reach` characters a side, cut ends marked; line ends become spaces. */
export function excerpt(texts: readonly string[], position: number, reach: number): Excerpt {
  const flat = (text: string): string => text.replaceAll(/\s+/g, ' ');
  const before = flat(texts.slice(0, position).join(''));
  const after = flat(texts.slice(position + 1).join(''));
  return {
    before: before.length > reach ? `…${before.slice(-reach)}` : before,
    token: flat(texts[position] ?? ''),
    after: after.length > reach ? `${after.slice(0, reach)}…` : after,
  };
}
