import { expect, test } from 'vitest';

import {
  activeDoses,
  describeStrength,
  formatDose,
  formatDoses,
  strengthOf,
  whatIf,
} from './doses.ts';

test('strengthOf adds the sizes of all doses', () => {
  expect(strengthOf({ calm: -0.05, desperate: 0.05 }, 8)).toBeCloseTo(0.8, 12);
});

test('describeStrength speaks plainly about the limit of coherence', () => {
  expect([0, 0.4, 0.8, 1.2, 1.3].map((strength) => describeStrength(strength, 1.2))).toEqual([
    'no steering',
    'a gentle push',
    'a clear push',
    'a strong push',
    'beyond what text survives',
  ]);
});

test('formatDoses names what is active', () => {
  expect(formatDoses({ desperate: 0.05, calm: -0.05, sad: 0 })).toBe('desperate +0.05, calm −0.05');
  expect(formatDoses({ sad: 0 })).toBe('unsteered');
  expect(formatDose(0)).toBe('0');
  expect(activeDoses({ sad: 0, calm: 0.1 })).toEqual({ calm: 0.1 });
});

test('whatIf turns one emotion down and the other up', () => {
  expect(whatIf('calm', 'desperate', 0.05)).toEqual({ calm: -0.05, desperate: 0.05 });
  expect(whatIf('calm', 'calm', 0.05)).toEqual({ calm: 0.05 });
});
