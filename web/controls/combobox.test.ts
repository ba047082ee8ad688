import { expect, test } from 'vitest';

import { findNames } from './combobox.tsx';

test('findNames lists names that begin with the text before those that contain it', () => {
  expect(findNames(['unhappy', 'happy', 'sad'], ' HAP')).toEqual(['happy', 'unhappy']);
  expect(findNames(['sad'], 'x')).toEqual([]);
});
