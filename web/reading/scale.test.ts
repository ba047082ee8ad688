import { expect, test } from 'vitest';

import {
  axisEnd,
  contrast,
  formatSigned,
  heatColour,
  heatOver,
  share,
  standardise,
} from './scale.ts';

test('standardise counts spreads above the median', () => {
  expect(standardise(0.1, { median: 0.04, spread: 0.03 })).toBeCloseTo(2, 12);
  expect(standardise(undefined, { median: 0, spread: 1 })).toBeNaN();
  expect(standardise(1, undefined)).toBeNaN();
  expect(standardise(1, { median: 0, spread: 0 })).toBeNaN();
});

test('share stays within -1 and 1, and is 0 for what is no number', () => {
  expect([share(8, 4), share(-8, 4), share(1, 4), share(Number.NaN, 4), share(1, 0)]).toEqual([
    1, -1, 0.25, 0, 0,
  ]);
});

test('heatColour is transparent in the middle, blue below and orange above', () => {
  expect(heatColour(0)).toBe('transparent');
  expect(heatColour(Number.NaN)).toBe('transparent');
  expect(heatColour(-9)).toBe('rgba(33,102,172,0.720)');
  expect(heatColour(9)).toBe('rgba(217,95,2,0.720)');
});

// Ink and ground of style/base.css, light and dark; 4.5 is the AA level of WCAG 2.2 for text.
test.each([
  { theme: 'light', ink: [0x19, 0x1d, 0x21], ground: [0xff, 0xff, 0xff] },
  { theme: 'light panel', ink: [0x19, 0x1d, 0x21], ground: [0xf6, 0xf7, 0xf8] },
  { theme: 'dark', ink: [0xe3, 0xe7, 0xeb], ground: [0x10, 0x13, 0x17] },
  { theme: 'dark panel', ink: [0xe3, 0xe7, 0xeb], ground: [0x16, 0x1a, 0x1f] },
] as const)('text on every heat colour keeps a contrast of 4.5 in the $theme theme', (theme) => {
  for (let value = -4; value <= 4; value += 0.25) {
    expect(contrast(theme.ink, heatOver(value, 4, theme.ground)), `at ${value}`).toBeGreaterThan(
      4.5,
    );
  }
});

test('contrast of black and white is 21', () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 5);
});

test('formatSigned writes a true minus, no sign for zero, a dash for nothing', () => {
  expect([1.26, -1.26, 0.04, -0.04, Number.NaN].map((value) => formatSigned(value))).toEqual([
    '+1.3',
    '−1.3',
    '0.0',
    '0.0',
    '–',
  ]);
});

test('axisEnd holds the extent and grows in even steps', () => {
  expect([0, 4, 4.1, 6.5, 9, 13, 20].map(axisEnd)).toEqual([4, 4, 6, 8, 12, 16, 24]);
});
