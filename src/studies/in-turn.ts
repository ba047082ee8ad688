/** @file Lists of several kinds taken in turn, so that any head of what comes out holds all kinds alike. */

/** The first of each list, then the second of each, and so on; shorter lists end earlier. */
export function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, i) =>
    lists.flatMap((list) => list.slice(i, i + 1)),
  ).flat();
}
