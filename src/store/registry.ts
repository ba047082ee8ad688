/** @file The models that limbic knows by name, from data/models.json. */
import { readFileSync } from 'node:fs';

import { z } from 'zod';

const entrySchema = z.object({
  name: z.string(),
  title: z.string(),
  role: z.string(),
  architecture: z.string(),
  blocks: z.number().int(),
  width: z.number().int(),
  chat: z.boolean(),
  bytes: z.number().int(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  license: z.string(),
  hub: z.object({ repo: z.string(), revision: z.string().optional(), file: z.string() }).optional(),
  pythonPackages: z.array(z.object({ package: z.string(), member: z.string() })).optional(),
});
export type ModelEntry = z.infer<typeof entrySchema>;

/** The model that is used when none is named. */
export const defaultModelName = 'smollm2-135m';

/** All known models, in the file's order. */
export function loadRegistry(): ModelEntry[] {
  const file = new URL('../../data/models.json', import.meta.url);
  return z.object({ models: z.array(entrySchema) }).parse(JSON.parse(readFileSync(file, 'utf8')))
    .models;
}
