import { expect, test } from 'vitest';

import { spread } from './labelled-replies.ts';

test('spread takes items evenly from the first on, and each once where more are asked for', () => {
  const items = ['a', 'b', 'c', 'd', 'e'];
  expect(spread(items, 2)).toEqual(['a', 'c']);
  expect(spread(items, 5)).toEqual(items);
  expect(spread(items, 9)).toEqual(items);
  expect([spread(items, 0), spread([], 3)]).toEqual([[], []]);
});
