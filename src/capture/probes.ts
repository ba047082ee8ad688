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

interface ProbeOptions {
  readonly layers: readonly number[];
  readonly signal?: AbortSignal;
}

function tokensOf(model: Model, scenarios: readonly Scenario[]): Promise<Int32Array[]> {
  return Promise.all(
    scenarios.map(({ text }) => chatTokens(model, [{ role: 'user', content: text }])),
  );
}

/** Residuals where the reply to each scenario begins: a table [scenarios, width] a layer. */
export async function captureScenarios(
  model: Model,
  scenarios: readonly Scenario[],
  { layers, ...call }: ProbeOptions,
): Promise<Float32Array[]> {
  const tokens = await tokensOf(model, scenarios);
  const captured = await model.capture(tokens, { layers, pooling: 'last', ...call });
  return tablesOf(captured, layers, model.info.width);
}

/** Means over each message and what follows it, from the first token that differs between them: a table [scenarios, width] a layer. */
export async function captureScenarioMeans(
  model: Model,
  scenarios: readonly Scenario[],
  { layers, ...call }: ProbeOptions,
): Promise<Float32Array[]> {
  const tokens = await tokensOf(model, scenarios);
  const [first = new Int32Array(0)] = tokens;
  const shared = first.findIndex((token, i) => tokens.some((other) => other[i] !== token));
  const captured = await model.capture(tokens, {
    layers,
    pooling: 'mean',
    starts: [Math.max(0, shared)],
    ...call,
  });
  return tablesOf(captured, layers, model.info.width);
}
