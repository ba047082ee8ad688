/** @file GET /health and GET /metrics: how the server does. */
import { Hono } from 'hono';

import type { GuardEnv } from './guard.ts';
import type { Lab } from './lab.ts';
import type { Gauge } from './metrics.ts';

export function healthRoutes(lab: Lab): Hono<GuardEnv> {
  const app = new Hono<GuardEnv>();
  const { queue, model, metrics } = lab;
  app.get('/health', (c) =>
    c.json({
      status: 'ok',
      model: model.info.name,
      waiting: queue.waiting,
      running: queue.running,
    }),
  );
  app.get('/metrics', (c) =>
    c.body(metrics.format(gaugesOf(lab)), 200, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
    }),
  );
  return app;
}

function gaugesOf({ queue, model }: Lab): Gauge[] {
  const { rss, heapUsed } = process.memoryUsage();
  const { sequences } = model;
  return [
    { name: 'limbic_requests_waiting', help: 'Requests in the queue.', value: queue.waiting },
    { name: 'limbic_requests_running', help: 'Requests in the engine.', value: queue.running },
    ...(sequences === undefined
      ? []
      : [
          {
            name: 'limbic_sequences_held',
            help: 'Sequences of the cache that replies write in, as of the last call that ended.',
            value: sequences.held,
          },
          {
            name: 'limbic_sequences_kept',
            help: 'Sequences of the cache that were left for later prompts.',
            value: sequences.kept,
          },
        ]),
    {
      name: 'process_resident_memory_bytes',
      help: 'Memory of the server, without the engine.',
      value: rss,
    },
    { name: 'nodejs_heap_size_used_bytes', help: 'JavaScript heap in use.', value: heapUsed },
  ];
}
