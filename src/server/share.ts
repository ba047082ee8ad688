/** @file POST /api/share: a conversation as one offline HTML file. */
import { Hono } from 'hono';

import { shareRequestSchema } from '../api/lab.ts';
import { scaleOf } from '../vectors/calibration.ts';
import type { GuardEnv } from './guard.ts';
import type { Lab } from './lab.ts';
import { offlinePage } from './offline-page.ts';
import { refuseUnknown } from './refusal.ts';

export function shareRoutes({ model, pack, webFolder, clock }: Lab): Hono<GuardEnv> {
  const app = new Hono<GuardEnv>();
  app.post('/api/share', (c) => {
    const shared = shareRequestSchema.parse(c.get('json'));
    const scale = refuseUnknown('emotions', () => scaleOf(pack, shared.emotions));
    const html = offlinePage(webFolder, {
      ...shared,
      scale,
      model: model.info.name,
      layer: pack.bestLayer,
      date: new Date(clock.now()).toISOString(),
    });
    return c.body(html, 200, {
      'content-type': 'text/html; charset=utf-8',
      'content-disposition': `attachment; filename="${fileName(shared.title)}"`,
    });
  });
  return app;
}

/** A name that no file system and no header minds. */
function fileName(title: string): string {
  const slug = title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 60);
  return `limbic-${slug === '' ? 'conversation' : slug}.html`;
}
