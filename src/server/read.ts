/** @file POST /api/read and POST /api/map: readings of texts that the model did not write. */
import { Hono } from 'hono';

import {
  mapRequestSchema,
  type MapResponse,
  readRequestSchema,
  type ReadResponse,
} from '../api/lab.ts';
import { readChat, type Reading, readText } from '../studies/reading.ts';
import { makeProbe } from '../vectors/pack.ts';
import type { GuardEnv } from './guard.ts';
import type { Lab } from './lab.ts';
import { messageSpans, type Passage, passageOf, passageTokens } from './passage.ts';
import { rounded } from './readouts.ts';
import { refuseUnknown } from './refusal.ts';
import { readTokens } from './reply.ts';
import { inTurn } from './request-scope.ts';

export function readRoutes(lab: Lab): Hono<GuardEnv> {
  const app = new Hono<GuardEnv>();
  app.post('/api/read', async (c) => {
    const { emotions = lab.shown, layer, top, ...given } = readRequestSchema.parse(c.get('json'));
    const passage = passageOf(given);
    const readouts = refuseUnknown('emotions', () =>
      lab.planReadouts({
        shown: emotions,
        others: [],
        top,
        ...(layer === undefined ? {} : { layer }),
      }),
    );
    await passageTokens(lab.model, passage);
    const reading = await inTurn(lab, c, (signal) =>
      read(lab, passage, { emotions: readouts.names, layer: readouts.probe.layer, signal }),
    );
    const spans =
      passage.kind === 'chat' ? messageSpans(lab.model.info, passage.messages, reading.tokens) : [];
    return c.json({
      layer: reading.layer,
      tokens: readTokens(readouts, reading.tokens, reading.values),
      starts: spans.map(({ start }) => start),
      ends: spans.map(({ end }) => end),
      beforeReply: beforeReply(reading, emotions),
    } satisfies ReadResponse);
  });
  app.post('/api/map', async (c) => {
    const { emotion, ...given } = mapRequestSchema.parse(c.get('json'));
    const { model, pack } = lab;
    const probes = refuseUnknown('emotion', () =>
      pack.layers.map((layer) => makeProbe(pack, [emotion], layer)),
    );
    const tokens = await passageTokens(model, passageOf(given));
    const [values = new Float32Array(0)] = await inTurn(lab, c, (signal) =>
      model.project([tokens], { probes, signal }),
    );
    const count = pack.layers.length;
    return c.json({
      emotion,
      layers: [...pack.layers],
      tokens: await model.pieces(tokens),
      values: pack.layers.map((_, k) =>
        Array.from(tokens, (__, position) => rounded(values[position * count + k] ?? Number.NaN)),
      ),
    } satisfies MapResponse);
  });
  return app;
}

async function read(
  { model, pack }: Lab,
  passage: Passage,
  options: { emotions: readonly string[]; layer: number; signal: AbortSignal },
): Promise<Reading> {
  return passage.kind === 'text'
    ? readText(model, pack, passage.text, options)
    : readChat(model, pack, passage.messages, options);
}

function beforeReply(
  { beforeReply: readings, emotions }: Reading,
  shown: readonly string[],
): Record<string, number> | null {
  if (readings === null) return null;
  return Object.fromEntries(
    shown
      .map((name) => [name, rounded(readings.z[emotions.indexOf(name)] ?? Number.NaN)] as const)
      // A pack of a single neutral dialogue has no spread.
      .filter(([, z]) => Number.isFinite(z)),
  );
}
