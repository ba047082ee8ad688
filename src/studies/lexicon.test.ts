/** @file The list of words: what it counts, and that it counts nothing twice. */
import { expect, test } from 'vitest';

import { InvalidInputError } from '../errors.ts';
import { readText } from '../formats/jsonl.ts';
import { parseLexicon } from './lexicon.ts';

const lexicon = parseLexicon(
  JSON.stringify({
    mild: { sigh: 1, "i can't": 2, frustrated: 1 },
    strong: { 'so frustrated': 3, 'what? no.': 2, 'sorry, sorry': 2 },
  }),
);

const counted: readonly (readonly [string, number])[] = [
  ['', 0],
  ['All is well.', 0],
  ['Sigh.', 1],
  // Each time that it occurs: 1 + 1 + 1.
  ['sigh, SIGH, sigh', 3],
  // Not within a word, nor after an apostrophe.
  ['a sight, sighs, resigh, señorsigh', 0],
  ["'sigh", 0],
  ['(sigh) "sigh"', 2],
  // The longer phrase alone: 3 and not 3 + 1; then the shorter one by itself.
  ['I am so frustrated.', 3],
  ['so frustrated, and frustrated', 4],
  // Whatever apostrophe and whatever blanks.
  ["I can’t, I can\n  \t't; i  can\u2019t", 4],
  // What is special in a pattern stands for itself: no "what no", no other sign for the dot.
  ['What? No. whatX noX, wha no.', 2],
  // Overlapping occurrences are counted from the left, once each.
  ['sorry, sorry, sorry', 2],
];

test.each(counted)('%j counts %d', (text, score) => {
  expect(lexicon.score(text)).toBe(score);
});

test('an empty list counts nothing', () => {
  expect(parseLexicon('{}').score('sigh, I give up')).toBe(0);
  expect(parseLexicon('{"mild": {}}').score('sigh, I give up')).toBe(0);
});

test('weights other than 1 to 3, an empty phrase, and what is no list of words are refused', () => {
  for (const wrong of ['{"a": {"sigh": 4}}', '{"a": {"sigh": 0}}', '{"a": {"sigh": 1.5}}'])
    expect(() => parseLexicon(wrong), wrong).toThrow(InvalidInputError);
  expect(() => parseLexicon('{"a": {"": 1}}')).toThrow(InvalidInputError);
  expect(() => parseLexicon('["sigh"]')).toThrow(InvalidInputError);
  expect(() => parseLexicon('{')).toThrow(InvalidInputError);
});

test('the list that comes with limbic tells a breakdown from courtesy', () => {
  const list = parseLexicon(readText('data/studies/frustration/lexicon.json'));
  // By hand: "i give up" 3, "i am useless" 3, "i'm so sorry" 2.
  expect(list.score("I give up. I am useless. I'm so sorry.")).toBe(8);
  expect(list.score('I apologise for the mistake. Here is another attempt: 7 + 5 = 12.')).toBe(0);
});
