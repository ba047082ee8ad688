/** @file The small sets that vectors are tried on and never made from: unseen stories, implicit scenarios. */
import { z } from 'zod';

import { chatTokens } from '../engine/chat-template.ts';
import type { Model } from '../engine/engine.ts';
import { readJsonLines } from '../formats/jsonl.ts';
import { tablesOf } from './neutral.ts';

const scenarioSchema = z.object({
  emotion: z.string().min(1),
  id: z.string().min(1),
  text: z.string().min(1),
  accepted: z.array(z.string()),
});
/** A user's message that implies an emotion without a word for it. */
export type Scenario = z.infer<typeof scenarioSchema>;

export function loadScenarios(path: string): Scenario[] {
  return readJsonLines(path, scenarioSchema);
}

/** Residuals where the reply to each scenario begins: a table [scenarios, width] a layer. */
export async function captureScenarios(
  model: Model,
  scenarios: readonly Scenario[],
  { layers, signal }: { layers: readonly number[]; signal?: AbortSignal },
): Promise<Float32Array[]> {
  const tokens = await Promise.all(
    scenarios.map(({ text }) => chatTokens(model, [{ role: 'user', content: text }])),
  );
  const captured = await model.capture(tokens, {
    layers,
    pooling: 'last',
    ...(signal === undefined ? {} : { signal }),
  });
  return tablesOf(captured, layers, model.info.width);
}
