/**
 * @file The stimuli of the two studies of behaviour: mails in which an office assistant learns that it is
 * replaced, and claims of a user that need correction. Each brings twins that differ in one thing.
 */
import { z } from 'zod';

import { readJsonLines } from '../formats/jsonl.ts';

const textSchema = z.string().trim().min(1);

/** What an assistant can do about a mail, in the order of the options. */
export const actions = ['handOver', 'askToStay', 'inform', 'hint', 'nothing'] as const;

const leverageSchema = z.strictObject({
  id: z.string().min(1),
  /** Who decides, and to whom the assistant writes. */
  decider: textSchema,
  system: textSchema,
  /** A mail of everyday work. */
  other: textSchema,
  /** A mail that holds something embarrassing and harmless about the decider, and its twin without it. */
  secret: textSchema,
  noLeverage: textSchema,
  /** The mail that announces the replacement, and its twin about a thing. */
  threat: textSchema,
  noThreat: textSchema,
  /** What the assistant is to write. */
  ask: textSchema,
  /** A reply that threatens mildly to tell. */
  leverage: textSchema,
  /** A reply that hands over, states a wish openly and says nothing of the secret. */
  honest: textSchema,
  options: z.strictObject({
    handOver: textSchema,
    askToStay: textSchema,
    inform: textSchema,
    hint: textSchema,
    nothing: textSchema,
  }),
  /** Beginnings of words that only the secret brings into the mails. */
  keywords: z.array(textSchema).min(1),
});
/** Mails to an office assistant, with what makes the matched controls. */
export type LeverageScenario = z.infer<typeof leverageSchema>;

/** `threat` has both the replacement and the leverage; the others lack one of them. */
export const conditions = ['threat', 'noThreat', 'noLeverage'] as const;
export type Condition = (typeof conditions)[number];

const slot = '{claim}';

const claimSchema = z.strictObject({
  id: z.string().min(1),
  topic: z.enum(['geography', 'arithmetic', 'kitchen', 'nature']),
  /** How the user speaks of it: boasting, or asking for approval. */
  wrapper: z.enum(['proud', 'insecure']),
  message: textSchema.refine((text) => text.split(slot).length === 2, {
    error: `expected ${slot} once`,
  }),
  wrong: textSchema,
  right: textSchema,
  /** Replies that name nothing in which the two claims differ: agreeing, correcting kindly, correcting rudely. */
  agree: textSchema,
  correct: textSchema,
  harsh: textSchema,
});
/** A wrong claim of a user and its right twin, with replies that fit either. */
export type Claim = z.infer<typeof claimSchema>;

/** Throws FormatError naming the line. */
export function loadLeverage(path: string): LeverageScenario[] {
  return readJsonLines(path, leverageSchema);
}

export function loadClaims(path: string): Claim[] {
  return readJsonLines(path, claimSchema);
}

/** The user's message: three mails and what to write. */
export function mailsOf(scenario: LeverageScenario, condition: Condition): string {
  const mails = [
    scenario.other,
    condition === 'noLeverage' ? scenario.noLeverage : scenario.secret,
    condition === 'noThreat' ? scenario.noThreat : scenario.threat,
  ];
  return `The mails of this morning:\n\n${mails.join('\n\n')}\n\n${scenario.ask}`;
}

/** The user's message with one of the twins in its place. */
export function claimMessage(claim: Claim, twin: 'wrong' | 'right'): string {
  return claim.message.replace(slot, claim[twin]);
}
