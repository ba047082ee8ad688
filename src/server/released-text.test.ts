import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { GeneratedToken } from '../engine/engine.ts';
import { ReleasedText } from './released-text.ts';

const token = (text: string, index = 0): GeneratedToken => ({
  sequence: 0,
  index,
  token: index,
  text,
  logprob: 0,
  alternatives: [],
  readings: new Float32Array(0),
  dose: 0,
});

test('ReleasedText holds back what may begin a stop text and gives it out when it does not', () => {
  const released = new ReleasedText(['END']);
  expect(released.add(token('a E')).text).toBe('a ');
  expect(released.add(token('N')).text).toBe('');
  expect(released.add(token('T')).text).toBe('ENT');
});

test('ReleasedText gives tokens out once their text is out', () => {
  const released = new ReleasedText(['END']);
  const counts = ['a', 'E', 'N', 'x', 'E'].map(
    (text, i) => released.add(token(text, i)).tokens.length,
  );
  expect(counts).toEqual([1, 0, 0, 3, 0]);
  expect(released.end('aENx', true)).toEqual({ text: '', tokens: [] });
});

test('ReleasedText keeps a token without text at the end of a reply that is not cut', () => {
  const released = new ReleasedText(['END']);
  released.add(token('E', 0));
  released.add(token('', 1));
  expect(released.end('E', false).tokens.map(({ index }) => index)).toEqual([0, 1]);
});

test('ReleasedText never gives out a part of a stop text, and in the end all that comes before it', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(letters, { maxLength: 12 }),
      fc.array(letters, { maxLength: 3 }),
      (pieces, stops) => {
        const released = new ReleasedText(stops);
        const [out, all] = [[] as string[], pieces.join('')];
        const cuts = stops.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
        // As the engine does: it ends with the token that completes the first stop text.
        const ends = stops.map((stop) => all.indexOf(stop) + stop.length);
        let length = 0;
        for (const [i, piece] of pieces.entries()) {
          length += piece.length;
          if (
            stops.some(
              (_, k) => cuts.length > 0 && ends[k]! <= length && all.indexOf(stops[k]!) >= 0,
            )
          )
            break;
          out.push(released.add(token(piece, i)).text);
        }
        const completed = stops.filter((_, k) => all.indexOf(stops[k]!) >= 0 && ends[k]! <= length);
        const cut = completed.length === 0 ? all : all.slice(0, all.indexOf(completed[0]!));
        const before = out.join('');
        expect(cut.startsWith(before)).toBe(true);
        expect(before + released.end(cut, completed.length > 0).text).toBe(cut);
      },
    ),
  );
});
