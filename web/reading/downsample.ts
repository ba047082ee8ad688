/** @file Long series on few pixels: what is far from zero is never lost. */

/** Of each column's values the one farthest from 0; NaN for a column without any. Lengths up to `columns` pass. */
export function farthestPerColumn(values: ArrayLike<number>, columns: number): Float64Array {
  const n = values.length;
  if (n <= columns) return Float64Array.from(values);
  const result = new Float64Array(columns).fill(Number.NaN);
  for (let i = 0; i < n; i += 1) {
    const column = Math.floor((i * columns) / n);
    const value = values[i] ?? Number.NaN;
    const best = result[column] ?? Number.NaN;
    if (!Number.isNaN(value) && !(Math.abs(value) <= Math.abs(best))) result[column] = value;
  }
  return result;
}
