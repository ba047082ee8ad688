import { expect, test } from 'vitest';

import { inTurn } from './in-turn.ts';

test('inTurn takes one of each list after the other, until all are empty', () => {
  expect(inTurn([['a1', 'a2', 'a3'], [], ['b1'], ['c1', 'c2']])).toEqual([
    'a1',
    'b1',
    'c1',
    'a2',
    'c2',
    'a3',
  ]);
  expect(inTurn([])).toEqual([]);
});
