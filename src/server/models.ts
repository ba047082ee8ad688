/** @file GET /v1/models and GET /v1/models/:id: the one model that is loaded. */
import { Hono } from 'hono';
import type { z } from 'zod';

import type { modelSchema } from '../api/chat.ts';
import { checkModel } from './chat.ts';
import type { GuardEnv } from './guard.ts';
import type { Lab } from './lab.ts';

export function modelRoutes(lab: Lab): Hono<GuardEnv> {
  const app = new Hono<GuardEnv>();
  const model: z.infer<typeof modelSchema> = {
    id: lab.model.info.name,
    object: 'model',
    created: Math.floor(lab.clock.now() / 1000),
    owned_by: 'limbic',
  };
  app.get('/v1/models', (c) => c.json({ object: 'list', data: [model] }));
  app.get('/v1/models/:id{.+}', (c) => {
    checkModel(lab, c.req.param('id'));
    return c.json(model);
  });
  return app;
}
