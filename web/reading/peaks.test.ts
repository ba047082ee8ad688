import { expect, test } from 'vitest';

import { excerpt, findPeaks } from './peaks.ts';

test('findPeaks takes the highest first and keeps them apart', () => {
  const values = [0, 5, 4, 0, 0, 3, Number.NaN, 1];
  expect(findPeaks(values, 10, 2)).toEqual([
    { position: 1, value: 5 },
    { position: 5, value: 3 },
  ]);
  expect(findPeaks(values, 1, 0)).toEqual([{ position: 1, value: 5 }]);
  expect(findPeaks([], 3, 1)).toEqual([]);
});

test('excerpt cuts both sides and marks the cuts', () => {
  const texts = ['The', ' needle', '\n\n', 'hung', ' there'];
  expect(excerpt(texts, 3, 4)).toEqual({ before: '…dle ', token: 'hung', after: ' the…' });
  expect(excerpt(['a'], 0, 4)).toEqual({ before: '', token: 'a', after: '' });
});
