import { expect, test } from 'vitest';

import { gaussian, randomFrom } from './random.ts';
import { leaveOneOutRidge } from './ridge.ts';
import { pearson } from './stats.ts';

/** Ridge with an intercept by solving the normal equations with the row left out: slow and plain. */
function leftOut(rows: number[][], values: number[], lambda: number, out: number): number {
  const keep = rows.map((_, i) => i).filter((i) => i !== out);
  const d = rows[0]!.length;
  // The intercept is a column that is not penalised.
  const x = keep.map((i) => [1, ...rows[i]!]);
  const a = Array.from({ length: d + 1 }, (_, p) =>
    Array.from({ length: d + 2 }, (__, q) =>
      q === d + 1
        ? x.reduce((sum, row, i) => sum + row[p]! * values[keep[i]!]!, 0)
        : x.reduce((sum, row) => sum + row[p]! * row[q]!, 0) + (p === q && p > 0 ? lambda : 0),
    ),
  );
  for (let p = 0; p <= d; p++)
    for (let i = 0; i <= d; i++) {
      if (i === p) continue;
      const factor = a[i]![p]! / a[p]![p]!;
      for (let k = p; k <= d + 1; k++) a[i]![k]! -= factor * a[p]![k]!;
    }
  const weights = a.map((row, p) => row[d + 1]! / row[p]!);
  return [1, ...rows[out]!].reduce((sum, value, p) => sum + value * weights[p]!, 0);
}

test('leaveOneOutRidge agrees with fitting again without each row', () => {
  const random = randomFrom(3);
  const rows = Array.from({ length: 14 }, () => Array.from({ length: 3 }, () => gaussian(random)));
  const values = rows.map(([a, b]) => 2 * a! - b! + 5 + 0.3 * gaussian(random));
  const predicted = leaveOneOutRidge(
    rows.map((row) => Float32Array.from(row)),
    0.7,
  )(values);
  for (const [i, value] of predicted.entries())
    expect(value).toBeCloseTo(leftOut(rows, values, 0.7, i), 4);
});

test('leaveOneOutRidge predicts nothing where there is nothing to predict', () => {
  const random = randomFrom(4);
  const rows = Array.from({ length: 60 }, () =>
    Float32Array.from({ length: 40 }, () => gaussian(random)),
  );
  const values = rows.map(() => gaussian(random));
  const predicted = leaveOneOutRidge(rows, 5)(values);
  // The standard error of r over 60 values is 0.13.
  expect(pearson(predicted, values)).toBeLessThan(0.3);
  expect(() => leaveOneOutRidge(rows, 5)([1, 2])).toThrow('expected 60 values, got 2');
});
