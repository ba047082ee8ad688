/** @file What a study leaves in its run's summary: a verdict and numbers with their n, interval and control. */
import { z } from 'zod';

const measureSchema = z.object({
  name: z.string(),
  /** Null where it could not be measured. */
  value: z.number().nullable(),
  /** At 95 %; one with an end missing counts as none, so that it does not hide the other numbers. */
  interval: z.tuple([z.number(), z.number()]).optional().catch(undefined),
  n: z.number(),
  control: z.string().optional(),
  note: z.string().optional(),
});

/** `summary` of a run of a study; summaries of servers and agents do not fit it. */
export const studySummarySchema = z.object({
  verdict: z.string(),
  measures: z.array(measureSchema),
});
export type StudySummary = z.infer<typeof studySummarySchema>;
