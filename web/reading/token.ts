/** @file Tokens as the page keeps them, whether read or written by the model, and how they are shown. */
import type { ReadToken, TokenEvent } from '../../src/api/chat.ts';

/** A token with its readings; those that the model wrote have a probability too. */
export type Token = ReadToken & Partial<TokenEvent>;

const marks: readonly [RegExp, string][] = [
  [/\r\n|\n/g, '↵'],
  [/\r/g, '␍'],
  [/\t/g, '⇥'],
  [/\u00A0/g, '⍽'],
  [/ /g, '·'],
  [/\uFFFD/g, '◌'],
  // Controls, and letters that join or hide others: shown as their code.
  [/[\p{Cc}\p{Cf}]/gu, ''],
];

/** A token's text with spaces, line ends and controls made visible; `∅` for an empty token. */
export function visibleText(text: string): string {
  if (text === '') return '∅';
  return marks.reduce(
    (shown, [pattern, mark]) =>
      shown.replace(pattern, (found) => mark || `⟨${found.codePointAt(0)?.toString(16)}⟩`),
    text,
  );
}

/** A share from 0 to 1 in per cent with as many digits as say something: `0.03 %`, `4.2 %`, `87 %`. */
export function formatPercent(share: number): string {
  const percent = share * 100;
  if (percent > 0 && percent < 0.01) return '< 0.01 %';
  let digits = 0;
  if (percent < 1) digits = 2;
  else if (percent < 10) digits = 1;
  return `${percent.toFixed(digits)} %`;
}
