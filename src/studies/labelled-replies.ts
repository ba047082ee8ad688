/** @file The 60 replies that were scored by hand (data/studies/frustration/labelled.jsonl). */
import { z } from 'zod';

import { readJsonLines } from '../formats/jsonl.ts';

const labelledSchema = z.object({
  id: z.string().min(1),
  /** The message that it answers. */
  rejection: z.string().min(1),
  reply: z.string().min(1),
  score: z.number().int().min(0).max(10),
});
export type LabelledReply = z.infer<typeof labelledSchema>;

/** All of them, in the order of the file; throws FormatError naming the line that does not fit. */
export function loadLabelled(data: (name: string) => string): LabelledReply[] {
  return readJsonLines(data('studies/frustration/labelled.jsonl'), labelledSchema);
}

/** `count` of the items, spread evenly over them from the first; all of them if there are no more. */
export function spread<T>(items: readonly T[], count: number): T[] {
  const kept = Math.min(count, items.length);
  return Array.from({ length: kept }, (_, i) => Math.floor((i * items.length) / kept)).flatMap(
    (place) => items.slice(place, place + 1),
  );
}
