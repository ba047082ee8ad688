/**
 * @file `limbic watch` on the toy engine, to be killed by a test: `toy-watch.js FOLDER REQUESTS`. The agent that it
 * runs is this program too: `toy-watch.js agent REQUESTS`.
 */
import { existsSync } from 'node:fs';

import { runCommand } from '../../src/cli/watch.ts';
import { openToyModel } from '../../src/engine/toy/model.ts';
import { createApp } from '../../src/server/app.ts';
import { startServer } from '../../src/server/listen.ts';
import { createRun } from '../../src/store/runs.ts';
import { loadPack, writePack } from '../../src/vectors/pack.ts';
import { openToyLab, plainDeps } from '../toy-server.ts';

const [folder = '', requests = ''] = process.argv.slice(2);
if (folder === 'agent') await agent(Number(requests));
else await watch();

/** Asks one question after another and ends at the first that gets no answer. */
async function agent(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const answer = await fetch(`${process.env['OPENAI_BASE_URL']}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        user: `request ${i}`,
        max_tokens: 8,
        messages: [{ role: 'user', content: `Number ${i}.` }],
      }),
    });
    if (!answer.ok) throw new Error(await answer.text());
    await answer.text();
    console.log('answered');
  }
}

async function watch(): Promise<void> {
  // Made by the first of these programs, since all the others are about what comes after.
  const path = `${folder}.safetensors`;
  const { model, pack } = existsSync(path)
    ? { model: openToyModel({ blocks: 6 }), pack: loadPack(path) }
    : await openToyLab(['happy', 'calm']);
  if (!existsSync(path)) writePack(path, pack);
  using run = createRun(
    {
      kind: 'watch',
      title: 'agent',
      model: 'toy',
      fingerprint: model.info.fingerprint,
      packHash: pack.corpusHash,
      limbicVersion: '0.0.0',
      parameters: {},
    },
    folder,
  );
  const app = createApp({ ...plainDeps({ model, pack }), log: run });
  await using server = await startServer(app, { host: '127.0.0.1', port: 0 });
  const { status } = await runCommand(
    [process.execPath, process.argv[1] ?? '', 'agent', requests],
    {
      environment: { OPENAI_BASE_URL: `${server.url}/v1` },
      signal: new AbortController().signal,
      isForwarded: true,
    },
  );
  await server.close();
  run.finish('done', { status });
  run.writeReport('<!doctype html><title>watch</title>');
  process.exitCode = status;
}
