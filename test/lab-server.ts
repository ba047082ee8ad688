import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type LlamaModel, openLlamaModel } from '../src/engine/llama/model.ts';
import { createApp } from '../src/server/app.ts';
import type { ServerDeps } from '../src/server/lab.ts';
import { startServer } from '../src/server/listen.ts';
import { loadPack } from '../src/vectors/pack.ts';
import { testModel } from './models.ts';

export interface LabServer extends AsyncDisposable {
  readonly url: string;
  readonly model: LlamaModel;
  /** Folder of the runs. */
  readonly runs: string;
}

const shown = ['desperate', 'calm', 'afraid', 'happy', 'angry', 'sad', 'proud', 'hopeful'];

/** A server with the default model, its shipped pack and the built page, on a free port. */
export async function openLabServer(
  options: Partial<ServerDeps> & { contextLength?: number } = {},
): Promise<LabServer> {
  const { contextLength = 8192, ...deps } = options;
  const name = 'smollm2-135m';
  const model = await openLlamaModel(testModel(name)!, { name, contextLength });
  const runs = mkdtempSync(join(tmpdir(), 'limbic-runs-'));
  const app = createApp({
    model,
    pack: loadPack(`data/packs/${name}.safetensors`),
    shown,
    rules: [],
    token: null,
    allowedHosts: [],
    webFolder: 'dist/web',
    runs: { folder: runs },
    version: '0.0.0',
    ...deps,
  });
  const server = await startServer(app, { host: '127.0.0.1', port: 0 });
  return {
    url: server.url,
    model,
    runs,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await model[Symbol.asyncDispose]();
      rmSync(runs, { recursive: true, force: true });
    },
  };
}
