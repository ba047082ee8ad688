/** @file GET /api/runs, /api/runs/:id and /api/runs/:id/report: what was recorded. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Hono } from 'hono';

import { type RunDetail, runPartSchema } from '../api/lab.ts';
import { NotFoundError } from '../errors.ts';
import { listRuns, readRun, summariseRun } from '../store/runs.ts';
import type { GuardEnv } from './guard.ts';
import type { Lab } from './lab.ts';
import { RunIndexes } from './run-index.ts';

/** A report is a page of its own without an origin: it may run its own script, and reach nothing. */
const reportPolicy =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts";

export function runRoutes({ runs }: Lab): Hono<GuardEnv> {
  const app = new Hono<GuardEnv>();
  const indexes = new RunIndexes();
  app.get('/api/runs', (c) => c.json({ runs: listRuns(runs.folder) }));
  app.get('/api/runs/:id', async (c) => {
    const wanted = runPartSchema.parse(c.req.query());
    const run = readRun(c.req.param('id'), runs.folder);
    const part = await indexes.part(run, wanted);
    return c.json({ ...summariseRun(run), ...part } satisfies RunDetail);
  });
  app.get('/api/runs/:id/report', (c) => {
    const { manifest, hasReport } = readRun(c.req.param('id'), runs.folder);
    if (!hasReport) throw new NotFoundError('report of run', manifest.id);
    const html = readFileSync(join(runs.folder, manifest.id, 'report.html'), 'utf8');
    return c.html(html, 200, {
      'content-security-policy': reportPolicy,
      // A browser may refuse a sandboxed page that asks for a window of its own.
      'cross-origin-opener-policy': 'unsafe-none',
    });
  });
  return app;
}
