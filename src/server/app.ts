/** @file The server as a function of its parts. It holds no state of its own and opens no port. */
import { Hono } from 'hono';
import { routePath } from 'hono/route';

import { assetRoutes, loadAssets } from './assets.ts';
import { chatRoutes } from './chat.ts';
import { addSecurityHeaders, guard, type GuardEnv } from './guard.ts';
import { healthRoutes } from './health.ts';
import { createLab, reportWithheld, type ServerDeps } from './lab.ts';
import { modelRoutes } from './models.ts';
import { openApiRoutes } from './openapi.ts';
import { readRoutes } from './read.ts';
import { type Failure, failureOf, Refusal } from './refusal.ts';
import { runRoutes } from './runs.ts';
import { shareRoutes } from './share.ts';
import { stateRoutes } from './state.ts';

export interface ServerApp extends Hono<GuardEnv> {
  /** Resolves when no request is in the engine or waits for it; what they log is then written. */
  idle(): Promise<void>;
}

/** Makes the app; throws a LimbicError for rules, a thermostat or emotions that the pack cannot serve. */
export function createApp(deps: ServerDeps): ServerApp {
  const lab = createLab(deps);
  const { metrics, limits, token, allowedHosts } = lab;
  const assets = loadAssets(deps.webFolder);
  const app = new Hono<GuardEnv>();
  app.use(async (c, next) => {
    await next();
    metrics.add('limbic_requests_total', { route: routePath(c, -1), status: c.res.status });
  });
  app.use(addSecurityHeaders);
  app.use(
    guard({
      token,
      allowedHosts,
      bodyBytes: limits.bodyBytes,
      isOpen: (path) => path === '/health' || assets.has(path),
    }),
  );
  for (const routes of [
    chatRoutes(lab),
    modelRoutes(lab),
    stateRoutes(lab),
    readRoutes(lab),
    runRoutes(lab),
    shareRoutes(lab),
    healthRoutes(lab),
    openApiRoutes(lab.version),
    assetRoutes(assets),
  ])
    app.route('/', routes);
  app.notFound((c) =>
    responseOf(
      failureOf(new Refusal('unknown_route', `route: no ${c.req.method} ${c.req.path} here`)),
    ),
  );
  app.onError((error) => {
    const failure = failureOf(error);
    if (failure.isWithheld) reportWithheld(lab, error);
    return responseOf(failure);
  });
  return Object.assign(app, { idle: () => lab.queue.idle() });
}

function responseOf({ status, body, headers }: Failure): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });
}
