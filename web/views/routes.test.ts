import { expect, test } from 'vitest';

import { formatHash, parseHash } from './routes.ts';

test('parseHash reads what formatHash writes', () => {
  expect(parseHash(formatHash('atlas', 'at ease/é'))).toEqual({
    view: 'atlas',
    detail: 'at ease/é',
  });
  expect(parseHash(formatHash('runs'))).toEqual({ view: 'runs', detail: null });
});

test('parseHash falls back to the chat, and takes a broken escape as it is', () => {
  expect(parseHash('')).toEqual({ view: 'chat', detail: null });
  expect(parseHash('#/nowhere')).toEqual({ view: 'chat', detail: null });
  expect(parseHash('#/runs/%E0%A4%A')).toEqual({ view: 'runs', detail: '%E0%A4%A' });
});
