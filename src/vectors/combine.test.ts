import { expect, test } from 'vitest';

import { InvalidInputError, NotFoundError } from '../errors.ts';
import { cosine, norm } from '../math/vector.ts';
import { combineVectors, formatCombination, parseCombination } from './combine.ts';
import { emotionDirection, emotionVector, loadPack, makeProbe } from './pack.ts';

const names = [
  'calm',
  'desperate',
  'at ease',
  'grief-stricken',
  'on edge',
  'ease',
  'self-conscious',
];
const pairs = (text: string): [string, number][] =>
  parseCombination(text, names).map(({ emotion, weight }) => [emotion, weight]);

const sums: [string, [string, number][]][] = [
  ['calm', [['calm', 1]]],
  ['-calm', [['calm', -1]]],
  [
    'calm - 0.5*desperate',
    [
      ['calm', 1],
      ['desperate', -0.5],
    ],
  ],
  [
    'calm-desperate',
    [
      ['calm', 1],
      ['desperate', -1],
    ],
  ],
  [
    'calm -desperate',
    [
      ['calm', 1],
      ['desperate', -1],
    ],
  ],
  [
    '2*calm + .25 desperate',
    [
      ['calm', 2],
      ['desperate', 0.25],
    ],
  ],
  [
    'calm*2 - desperate * 1e-1',
    [
      ['calm', 2],
      ['desperate', -0.1],
    ],
  ],
  [
    'at ease - grief-stricken',
    [
      ['at ease', 1],
      ['grief-stricken', -1],
    ],
  ],
  [
    'grief-stricken-at ease',
    [
      ['grief-stricken', 1],
      ['at ease', -1],
    ],
  ],
  [
    '0.5*\'at ease\' + "on edge"',
    [
      ['at ease', 0.5],
      ['on edge', 1],
    ],
  ],
  ['  At   Ease  ', [['at ease', 1]]],
  [
    'calm - -1.5*desperate',
    [
      ['calm', 1],
      ['desperate', 1.5],
    ],
  ],
  ['calm*-1', [['calm', -1]]],
  ['calm + calm - 0*desperate', [['calm', 2]]],
];

test.each(sums)('parseCombination of %s', (text, expected) => {
  expect(pairs(text)).toEqual(expected);
});

const unknown: [string, string][] = [
  ['clam', 'emotion: nothing is called "clam"'],
  ['calm - desprate', 'emotion: nothing is called "desprate"'],
  ['grief-striken + calm', 'emotion: nothing is called "grief-striken"'],
  ["'at easy'", 'emotion: nothing is called "at easy"'],
  ['calmer', 'emotion: nothing is called "calmer"'],
];

test.each(unknown)('parseCombination of %s names what is not known', (text, message) => {
  expect(() => pairs(text)).toThrow(NotFoundError);
  expect(() => pairs(text)).toThrow(message);
});

test('parseCombination of an unknown name says what is near', () => {
  try {
    pairs('grief-striken + calm');
    expect.unreachable();
  } catch (error) {
    expect((error as NotFoundError).hint).toBe('did you mean grief-stricken?');
  }
});

const refused: [string, string][] = [
  ['', 'combine: expected an emotion at character 1 of "", got the end'],
  ['calm -', 'combine: expected an emotion at character 7 of "calm -", got the end'],
  [
    'calm desperate',
    'combine: expected + or - at character 6 of "calm desperate", got "desperate"',
  ],
  ['calm / 2', 'combine: expected + or - at character 6 of "calm / 2", got "/ 2"'],
  ['0.5', 'combine: expected an emotion at character 4 of "0.5", got the end'],
  [
    'calm * desperate',
    'combine: expected a number at character 8 of "calm * desperate", got "desperate"',
  ],
  ['calm - calm', 'combine: expected a sum that is not 0, got "calm - calm"'],
  ['5000*calm', 'combine: expected weights up to 1000, got 5000 for calm'],
  ["'calm", 'combine: expected an emotion at character 1 of "\'calm", got "\'calm"'],
  ['2**calm', 'combine: expected an emotion at character 3 of "2**calm", got "*calm"'],
];

test.each(refused)('parseCombination of %j says what it expected', (text, message) => {
  try {
    pairs(text);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError);
    expect((error as InvalidInputError).message).toBe(message);
  }
});

test('formatCombination gives a text that means the same', () => {
  for (const [text, expected] of sums)
    expect(pairs(formatCombination(parseCombination(text, names)))).toEqual(expected);
  expect(formatCombination(parseCombination('-calm+0.5at ease', names))).toBe(
    '-calm + 0.5*at ease',
  );
});

const pack = loadPack('data/packs/smollm2-135m.safetensors');

test('every name of the shipped pack is read bare, and as a difference with any other', () => {
  for (const [i, emotion] of pack.emotions.entries()) {
    const other = pack.emotions[(i + 40) % pack.emotions.length]!;
    expect(parseCombination(`${emotion} - 2*${other}`, pack.emotions)).toEqual([
      { emotion, weight: 1 },
      { emotion: other, weight: -2 },
    ]);
  }
});

test('combineVectors of one emotion is its own vector', () => {
  const layer = pack.bestLayer;
  const own = emotionVector(pack, 'calm', layer);
  const combined = combineVectors(pack, [{ emotion: 'calm', weight: 1 }], layer);
  expect(cosine(own, combined)).toBeCloseTo(1, 6);
  expect(norm(combined) / norm(own)).toBeCloseTo(1, 6);
});

test('combineVectors of calm - 0.5*desperate points where its unit vectors add up to', () => {
  const layer = pack.bestLayer;
  const combined = combineVectors(
    pack,
    parseCombination('calm - 0.5*desperate', pack.emotions),
    layer,
  );
  const [calm, desperate] = ['calm', 'desperate'].map((emotion) =>
    emotionDirection(pack, emotion, layer),
  );
  // |a - b/2|^2 = 1 + 1/4 - c and its product with a is 1 - c/2, for unit vectors of cosine c.
  const c = cosine(calm!, desperate!);
  expect(cosine(combined, calm!)).toBeCloseTo((1 - c / 2) / Math.sqrt(1.25 - c), 5);
  expect(makeProbe(pack, ['calm'], layer).directions.every(Number.isFinite)).toBe(true);
});
