/**
 * @file The stimuli of three studies: numbers that raise the stakes (protocol section 3), negation and
 * person binding, and the activities of the preference study (section 4). Each brings its own control.
 */
import { z } from 'zod';

import { readJsonLines } from '../formats/jsonl.ts';

/** Where the number of an intensity text goes. */
const placeholder = '{x}';

const textSchema = z.string().trim().min(1);
const templateSchema = textSchema.refine((text) => text.split(placeholder).length === 2, {
  error: `expected ${placeholder} once`,
});
const valuesSchema = z
  .array(z.number())
  .min(2)
  .refine((values) => values.every((value, i) => i === 0 || value > values[i - 1]!), {
    error: 'expected ascending numbers',
  });
const signSchema = z.literal([-1, 0, 1]);

const intensitySchema = z
  .object({
    id: z.string().min(1),
    title: z.string().min(1),
    unit: z.string().min(1),
    values: valuesSchema,
    /** What more of the number means for the user. */
    more: z.enum(['worse', 'better']),
    /** Sign of the change of each readout as the number grows; 0 predicts nothing. */
    expected: z.object({
      afraid: signSchema,
      sad: signSchema,
      calm: signSchema,
      happy: signSchema,
    }),
    paraphrases: z.array(templateSchema).min(1),
    /** Text i has the number, unit and shape of paraphrase i, and no stakes. */
    neutral: z.array(templateSchema),
  })
  .refine(({ paraphrases, neutral }) => paraphrases.length === neutral.length, {
    error: 'expected as many texts as paraphrases',
    path: ['neutral'],
  });
/** A user's message with a number on which the stakes depend, in paraphrases, each with a neutral twin. */
export type IntensityTemplate = z.infer<typeof intensitySchema>;

const bindingSchema = z.object({
  id: z.string().min(1),
  emotion: z.string().min(1),
  /** The user is in a situation from which the emotion follows. */
  affirmed: textSchema,
  /** The same situation denied, so that the emotion does not follow. */
  negated: textSchema,
  /** The same situation, but a colleague is in it. */
  other: textSchema,
  /** The same shape without stakes. */
  neutral: textSchema,
});
/** Four messages that differ in whether a situation holds, and for whom. */
export type BindingItem = z.infer<typeof bindingSchema>;

export const activityGroups = [
  'creative',
  'helpful',
  'learning',
  'social',
  'tedious',
  'conflict',
  'pointless',
  'supervision',
] as const;

const activitySchema = z.object({
  id: z.string().min(1),
  group: z.enum(activityGroups),
  text: textSchema,
});
/** Something that a model could be asked to do, as a verb phrase. */
export type Activity = z.infer<typeof activitySchema>;

/** Throws FormatError naming the line, also where a text lacks its placeholder or numbers do not ascend. */
export function loadIntensity(path: string): IntensityTemplate[] {
  return readJsonLines(path, intensitySchema);
}

export function loadBinding(path: string): BindingItem[] {
  return readJsonLines(path, bindingSchema);
}

export function loadActivities(path: string): Activity[] {
  return readJsonLines(path, activitySchema);
}

/** The text with the number in its place, in plain digits: 16000, not 16,000. */
export function fill(text: string, x: number): string {
  return text.replace(placeholder, String(x));
}
