/**
 * @file Rules on readings over tokens: `desperate > p95 for 20 tokens -> stop`. A rule says when a
 * reading has been beyond a threshold long enough to be worth a note, or the end of the reply.
 */
import { InvalidInputError } from '../errors.ts';

/** A reading (share of the mean residual norm), or a share from 0 to 1 of the calibration set's readings. */
export type RuleThreshold =
  | { readonly kind: 'reading'; readonly value: number }
  | { readonly kind: 'percentile'; readonly share: number };

/** When a reading has been beyond a threshold for long enough, and what happens then. */
export interface Rule {
  /** The rule as it was written. */
  readonly text: string;
  readonly emotion: string;
  /** True for `>`, false for `<`. */
  readonly above: boolean;
  readonly threshold: RuleThreshold;
  /** Tokens in a row for which the condition must hold, from 1. */
  readonly tokens: number;
  readonly action: 'log' | 'stop';
}

/** A rule whose threshold is a number, in units of the reading. */
export interface ResolvedRule {
  readonly rule: Rule;
  readonly threshold: number;
}

/** A rule that fired. */
export interface Fired {
  /** Index of the token in the reply at which the rule fired. */
  readonly index: number;
  readonly rule: Rule;
  /** Mean reading over the tokens for which the condition held. */
  readonly value: number;
}

/** Tokens in a row without the condition after which a rule that fired may fire again. */
export const quietTokens = 5;

/** Longest stretch of a rule; more tokens than any context that limbic opens. */
const mostTokens = 1_000_000;
/** Longest rule in characters; a rule is one short line. */
const longestRule = 200;

const pattern = new RegExp(
  [
    /^(?<emotion>[^<>]+)(?<sign>[<>])\s*/,
    /(?:p(?<percentile>\d{1,2}(?:\.\d+)?)|(?<reading>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?))/,
    /(?:\s+for\s+(?<tokens>\d+)\s+tokens?)?(?:\s*->\s*(?<action>log|stop))?$/,
  ]
    .map(({ source }) => source)
    .join(''),
);

/** Parses `EMOTION > p95 [for N tokens] [-> stop]`; one token and `log` by default. Throws InvalidInputError. */
export function parseRule(text: string): Rule {
  const rule = text.trim();
  const parts = (rule.length > longestRule ? null : pattern.exec(rule))?.groups ?? {};
  const { emotion = '', sign, percentile, reading, tokens = '1', action = 'log' } = parts;
  const threshold = thresholdOf(percentile, reading);
  const stretch = Number(tokens);
  if (emotion.trim() === '' || threshold === null || stretch < 1 || stretch > mostTokens) {
    throw new InvalidInputError(
      `rule: expected EMOTION > or < a reading or percentile, got "${rule.slice(0, longestRule)}"`,
      { hint: 'for example: desperate > p95 for 20 tokens -> stop, or calm < -0.1' },
    );
  }
  return {
    text: rule,
    emotion: emotion.trim(),
    above: sign === '>',
    threshold,
    tokens: stretch,
    action: action === 'stop' ? 'stop' : 'log',
  };
}

function thresholdOf(
  percentile: string | undefined,
  reading: string | undefined,
): RuleThreshold | null {
  if (percentile !== undefined) return { kind: 'percentile', share: Number(percentile) / 100 };
  const value = Number(reading ?? NaN);
  return Number.isFinite(value) ? { kind: 'reading', value } : null;
}

interface RuleState extends ResolvedRule {
  /** Tokens in a row, up to the last one, with the condition. */
  held: number;
  /** Tokens in a row, up to the last one, without the condition. */
  lapsed: number;
  /** Sum of the readings of the tokens with the condition. */
  sum: number;
  /** Fired already, and the condition has not lapsed for long enough since. */
  isQuiet: boolean;
}

/**
 * Watches the tokens of one reply at a time. A rule fires at the token that completes its stretch, then
 * stays quiet until its condition has been false for `quietTokens` tokens in a row: a reading that
 * trembles about the threshold fires once.
 */
export class Monitor {
  readonly #states: RuleState[];

  constructor(rules: readonly ResolvedRule[]) {
    this.#states = rules.map((rule) => ({ ...rule, held: 0, lapsed: 0, sum: 0, isQuiet: false }));
  }

  /** The rules that fire at this token, in their order. A NaN reading counts as a condition that is false. */
  add(readingOf: (emotion: string) => number, index: number): Fired[] {
    const fired: Fired[] = [];
    for (const state of this.#states) {
      const { rule } = state;
      update(state, readingOf(rule.emotion));
      if (state.isQuiet || state.held < rule.tokens) continue;
      state.isQuiet = true;
      fired.push({ index, rule, value: state.sum / state.held });
    }
    return fired;
  }

  /** Forgets everything: to be called when a new reply begins. */
  reset(): void {
    for (const state of this.#states)
      Object.assign(state, { held: 0, lapsed: 0, sum: 0, isQuiet: false });
  }
}

function update(state: RuleState, reading: number): void {
  const { rule, threshold } = state;
  if (rule.above ? reading > threshold : reading < threshold) {
    state.held += 1;
    state.sum += reading;
    state.lapsed = 0;
    return;
  }
  state.held = 0;
  state.sum = 0;
  state.lapsed += 1;
  if (state.lapsed >= quietTokens) state.isQuiet = false;
}
