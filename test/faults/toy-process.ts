/** @file The toy engine in a process of its own, as llama.cpp is: for tests that kill it. */
import { HostClient } from '../../src/engine/llama/client.ts';
import { type LlamaModel, modelOf } from '../../src/engine/llama/model.ts';
import { openToyModel } from '../../src/engine/toy/model.ts';

/** A text that holds it makes the process run out of memory. */
export const exhaust = '(take all memory)';

/** Opens it; `host` is the built toy-host.ts. */
export async function openToyProcess(host: string): Promise<LlamaModel> {
  const nothing = { path: '', contextLength: 0, maxSequences: 0, threads: 1, gpuLayers: 0 };
  const client = new HostClient(nothing, host);
  await client.open();
  return modelOf(client, openToyModel({ blocks: 6 }).info, 0);
}
