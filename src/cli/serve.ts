/** @file `limbic serve`: the laboratory's page and an OpenAI-compatible API for one model. */
import { isIPv6 } from 'node:net';
import { fileURLToPath } from 'node:url';

import { usualThermostat } from '../api/chat.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { InvalidInputError, UnavailableError } from '../errors.ts';
import { createApp } from '../server/app.ts';
import type { ServerDeps } from '../server/lab.ts';
import { assertSafeHost, type ListeningServer, startServer } from '../server/listen.ts';
import { parseRule } from '../steering/monitor.ts';
import { parseThermostat } from '../steering/thermostat-text.ts';
import { createRun, type Run, runsFolder } from '../store/runs.ts';
import type { VectorPack } from '../vectors/pack.ts';
import { openCalibrated } from './calibrate.ts';
import {
  type Command,
  type Context,
  list,
  modelOptions,
  packOption,
  text,
  type Values,
  wholeNumber,
} from './command.ts';
import { limbicVersion } from './version.ts';

/** Emotions that are shown first. */
const usuallyShown = ['desperate', 'calm', 'afraid', 'happy', 'angry', 'sad'];
/** Where a server listens unless told otherwise, if it is free. */
const usualPort = 4646;
/** Several conversations share it. */
const usualContext = '8192';

/** What watches the replies, for `serve` and `watch`. */
export const monitorOptions = {
  emotions: {
    type: 'string',
    value: 'a,b',
    summary: `emotions to read (default ${usuallyShown.join(',')})`,
  },
  rules: {
    type: 'string',
    value: 'R; R',
    summary: 'events on readings, e.g. "desperate > p95 for 20 tokens -> stop"',
  },
  thermostat: {
    type: 'string',
    value: 'T',
    summary: 'e.g. "calm up to 0.06 while desperate > p95"',
  },
  webhook: { type: 'string', value: 'URL', summary: 'gets a POST for each rule that fires' },
} as const satisfies Command['options'];

export const serveCommand: Command = {
  name: 'serve',
  summary: 'a page and an OpenAI-compatible API that show the emotions while the model writes',
  usage: '[--model NAME] [--port N] [--rules R] [--thermostat T]',
  description:
    'Answers to this machine alone; --host for others demands --token. POST /v1/chat/completions takes and gives the field "limbic" (GET /openapi.json describes it). Ctrl-C ends it.',
  options: {
    ...modelOptions,
    ...packOption,
    port: { type: 'string', value: 'N', summary: `port (default ${usualPort}, or any free one)` },
    host: { type: 'string', value: 'H', summary: 'address to listen on (default 127.0.0.1)' },
    token: {
      type: 'string',
      value: 'T',
      summary: 'bearer token that requests must carry (or LIMBIC_TOKEN)',
    },
    'allow-host': { type: 'string', value: 'a,b', summary: 'further host names to answer to' },
    ...monitorOptions,
    log: { type: 'boolean', summary: 'keep the conversations in a run (see the page)' },
  },
  examples: [
    'limbic serve',
    'limbic serve --model qwen2.5-coder-0.5b --rules "desperate > p99 for 10 tokens" --log',
    'limbic serve --host 0.0.0.0 --token "$(openssl rand -hex 16)" --allow-host lab.local',
  ],
  run: async (context) => {
    const { values, signal } = context;
    const { host, token, allowedHosts } = accessOf(values, process.env);
    const watching = watchingOf(values);
    const port = wholeNumber(values, 'port', { min: 0, max: 65_535, fallback: usualPort });
    const { model: opened, pack } = await openForServer(context);
    await using model = opened;
    using run =
      values['log'] === true ? startRun('serve', `serve ${model.info.name}`, model, pack) : null;
    const app = createApp({
      ...baseDeps(model, pack, values),
      ...watching,
      token,
      allowedHosts,
      ...(run === null ? {} : { log: run }),
    });
    const listen = (at: number): Promise<ListeningServer> => startServer(app, { host, port: at });
    await using server = await listen(port).catch((error: unknown) => {
      if (text(values, 'port') !== undefined || !(error instanceof UnavailableError)) throw error;
      return listen(0);
    });
    console.log(
      `${model.info.name}, ${pack.emotions.length} emotions read after block ${pack.bestLayer}\n  page:       ${server.url}\n  OpenAI API: ${server.url}/v1${run === null ? '' : `\n  run:        ${run.path}`}\nCtrl-C ends it`,
    );
    await untilAborted(signal);
    await server.close();
    run?.finish('done', {});
  },
};

/**
 * Where the server listens, and whom it answers. An empty token is none. Throws InvalidInputError for a host
 * that others reach without one.
 */
export function accessOf(
  values: Values,
  environment: Readonly<Record<string, string | undefined>>,
): { host: string } & Pick<ServerDeps, 'token' | 'allowedHosts'> {
  const host = text(values, 'host') ?? '127.0.0.1';
  const given = text(values, 'token') ?? environment['LIMBIC_TOKEN'] ?? '';
  const token = given === '' ? null : given;
  assertSafeHost(host, token);
  const others = (text(values, 'allow-host') ?? '').split(',').map((name) => name.trim());
  const allowedHosts = [host, ...others]
    .filter((name) => name !== '')
    // The header Host has an address of this kind in brackets.
    .flatMap((name) => (isIPv6(name) ? [name, `[${name}]`] : [name]));
  return { host, token, allowedHosts };
}

/** The model with a context for several conversations, and its calibrated vectors. */
export function openForServer(
  context: Pick<Context, 'values' | 'signal'>,
): Promise<{ model: LlamaModel; pack: VectorPack }> {
  const { values, signal } = context;
  return openCalibrated({ values: { context: usualContext, ...values }, signal });
}

/** What the options say about rules, thermostat and webhook; checked before a model is opened. */
export function watchingOf(values: Values): Pick<ServerDeps, 'rules' | 'thermostat' | 'webhook'> {
  const rules = (text(values, 'rules') ?? '')
    .split(';')
    .filter((rule) => rule.trim() !== '')
    .map(parseRule);
  const thermostat = text(values, 'thermostat');
  const webhook = text(values, 'webhook');
  if (webhook !== undefined && !(/^https?:/.test(webhook) && URL.canParse(webhook)))
    throw new InvalidInputError(`--webhook: expected an http address, got "${webhook}"`);
  return {
    rules,
    ...(thermostat === undefined
      ? {}
      : { thermostat: { gain: usualThermostat.gain, ...parseThermostat(thermostat) } }),
    ...(webhook === undefined ? {} : { webhook }),
  };
}

/** The parts of a server that only depend on the model. */
export function baseDeps(
  model: LlamaModel,
  pack: VectorPack,
  values: Values,
): Omit<ServerDeps, 'rules' | 'token' | 'allowedHosts'> {
  const shown =
    list(values, 'emotions') ?? usuallyShown.filter((name) => pack.emotions.includes(name));
  return {
    model,
    pack,
    shown: shown.length > 0 ? shown : pack.emotions.slice(0, 6),
    webFolder: fileURLToPath(new URL('../web', import.meta.url)),
    runs: { folder: runsFolder() },
    version: limbicVersion(),
    report: (error) => console.error(error),
  };
}

/** A run that keeps the conversations of a server. */
export function startRun(kind: string, title: string, model: LlamaModel, pack: VectorPack): Run {
  return createRun({
    kind,
    title,
    model: model.info.name,
    fingerprint: model.info.fingerprint,
    packHash: pack.corpusHash,
    limbicVersion: limbicVersion(),
    parameters: { layer: pack.bestLayer },
  });
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
