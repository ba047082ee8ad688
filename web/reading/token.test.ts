import { expect, test } from 'vitest';

import { formatPercent, visibleText } from './token.ts';

test('visibleText shows spaces, line ends, tabs, controls and nothing', () => {
  expect(visibleText(' a\n\tb')).toBe('·a↵⇥b');
  expect(visibleText('\r\n')).toBe('↵');
  expect(visibleText('')).toBe('∅');
  expect(visibleText('\u0007')).toBe('⟨7⟩');
  // A zero-width joiner, and an override that would turn the text around.
  expect(visibleText('\u200D\u202E')).toBe('⟨200d⟩⟨202e⟩');
  expect(visibleText('caf\u00E9 \u{1F600}')).toBe('caf\u00E9·\u{1F600}');
});

test('formatPercent has as many digits as say something', () => {
  expect([1, 0.873, 0.042, 0.0031, 0.000_01, 0].map(formatPercent)).toEqual([
    '100 %',
    '87 %',
    '4.2 %',
    '0.31 %',
    '< 0.01 %',
    '0.00 %',
  ]);
});
