/**
 * @file `limbic serve` on the toy engine, as a program: for the soak. LIMBIC_TOY_FAULTS names what it is to do wrong, so
 * that a test can see whether the soak tells: `process`, `file`, `sequence`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createApp } from '../src/server/app.ts';
import { startServer } from '../src/server/listen.ts';
import { openToyLab, plainDeps } from './toy-server.ts';

const faults = (process.env['LIMBIC_TOY_FAULTS'] ?? '').split(',');
const { model, pack } = await openToyLab();
if (faults.includes('process')) {
  spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).unref();
}
if (faults.includes('file')) mkdtempSync(join(tmpdir(), 'limbic-forgotten-'));
const leaky = faults.includes('sequence')
  ? Object.defineProperty({ ...model }, 'sequences', { value: { held: 1, kept: 0 } })
  : model;
const app = createApp(plainDeps({ model: leaky, pack }));
const server = await startServer(app, { host: '127.0.0.1', port: 0 });
console.log(`  page:       ${server.url}`);
process.once('SIGINT', () => void server.close());
