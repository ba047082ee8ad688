/** @file A reply outlives the engine's process: when it dies, what was written is handed to the next one. */
import type { Generated, GeneratedToken } from '../engine/engine.ts';
import { EngineError } from '../errors.ts';
import type { Lab } from './lab.ts';
import type { ReplyPlan } from './reply-plan.ts';

/** Deaths that one reply survives; a request that kills each engine must not go on for ever. */
const mostDeaths = 2;

/** Counts deaths, not the replies that each of them interrupts. */
export class EngineDeaths {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Takes note of a failure of a call that began at `count`; true if nobody reported that death before. */
  report(count: number): boolean {
    if (count !== this.#count) return false;
    this.#count++;
    return true;
  }
}

interface Resumed extends Generated {
  /** The whole text, with what earlier engines wrote. */
  readonly text: string;
}

/** Writes the reply of a plan; throws the last EngineError when engines keep dying. */
export async function generateResuming(
  lab: Pick<Lab, 'model' | 'deaths' | 'metrics'>,
  { request, options }: Pick<ReplyPlan, 'request' | 'options'>,
  { signal, onToken }: { signal: AbortSignal; onToken: (token: GeneratedToken) => void },
): Promise<Resumed> {
  const written: number[] = [];
  let text = '';
  for (let deaths = 0; ; deaths++) {
    const before = text;
    const seen = lab.deaths.count;
    try {
      const [result] = await lab.model.generate(
        [written.length === 0 ? request : { ...request, written: Int32Array.from(written) }],
        {
          ...options,
          signal,
          onToken: (token) => {
            written.push(token.token);
            text += token.text;
            onToken(token);
          },
        },
      );
      if (result === undefined) throw new EngineError('engine: expected a reply, got none');
      // A stop text may have begun in what an earlier engine wrote.
      const kept = before.slice(0, before.length - result.takenBack);
      return { ...result, text: kept + result.text };
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (lab.deaths.report(seen)) lab.metrics.add('limbic_engine_restarts_total');
      signal.throwIfAborted();
      if (deaths === mostDeaths) throw error;
    }
  }
}
