import { expect, test } from 'vitest';

import { formatLayers } from './lab-facts.tsx';

test('formatLayers joins neighbours into ranges', () => {
  expect(formatLayers([12, 10, 11, 3])).toBe('3, 10–12');
  expect(formatLayers([])).toBe('');
});
