/** @file GET /api/runs, /api/runs/:id and /api/runs/:id/report: what was recorded. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Hono } from 'hono';
import { z } from 'zod';

import { type RunDetail, type Turn, turnSchema } from '../api/lab.ts';
import { NotFoundError } from '../errors.ts';
import { listRuns, readRun, type StoredRun } from '../store/runs.ts';
import type { GuardEnv } from './guard.ts';
import type { Lab } from './lab.ts';

/** A line that conversation-log.ts wrote; other kinds of runs have other lines. */
const recordSchema = turnSchema.extend({ type: z.literal('turn'), conversation: z.string() });

/** A report is a page of its own without an origin: it may run its own script, and reach nothing. */
const reportPolicy =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts";

export function runRoutes({ runs }: Lab): Hono<GuardEnv> {
  const app = new Hono<GuardEnv>();
  app.get('/api/runs', (c) => c.json({ runs: listRuns(runs.folder) }));
  app.get('/api/runs/:id', async (c) => {
    const run = readRun(c.req.param('id'), runs.folder);
    return c.json({ ...summaryOf(run), conversations: await conversationsOf(run) });
  });
  app.get('/api/runs/:id/report', (c) => {
    const { manifest, hasReport } = readRun(c.req.param('id'), runs.folder);
    if (!hasReport) throw new NotFoundError('report of run', manifest.id);
    const html = readFileSync(join(runs.folder, manifest.id, 'report.html'), 'utf8');
    return c.html(html, 200, { 'content-security-policy': reportPolicy });
  });
  return app;
}

function summaryOf({
  manifest,
  status,
  records,
  hasReport,
}: StoredRun): Omit<RunDetail, 'conversations'> {
  const { id, kind, title, model, started } = manifest;
  return { id, kind, title, model, started, status, records, hasReport };
}

/** Turns by conversation, both in the order in which they came. */
export async function conversationsOf(run: StoredRun): Promise<RunDetail['conversations']> {
  const conversations = new Map<string, Turn[]>();
  for await (const record of run.events()) {
    const parsed = recordSchema.safeParse(record);
    if (!parsed.success) continue;
    const { conversation, type: _, ...turn } = parsed.data;
    const turns = conversations.get(conversation);
    if (turns === undefined) conversations.set(conversation, [turn]);
    else turns.push(turn);
  }
  return [...conversations].map(([name, turns]) => ({ name, turns }));
}
