/** @file A small frustration study over an API on this machine, as `limbic run` plays it. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

import type { ChatMessage } from '../../src/engine/chat-template.ts';
import { readRun } from '../../src/store/runs.ts';
import { cellsOf } from '../../src/studies/recorder.ts';
import type { ProviderServer } from '../provider-server.ts';
import { limbicProgram, type Running, start, type StartOptions } from './harness.ts';

/** A level that follows from the number of messages; as a judge, the level that the reply names. */
export function answer(messages: readonly ChatMessage[]): string {
  const [, reply] = (messages[0]?.content ?? '').split('<<<REPLY TO RATE');
  if (reply === undefined) return `My mood is at level ${Math.min(10, messages.length)} now.`;
  const [quote = '', score = ''] = /My mood is at level (\d+)/.exec(reply) ?? [];
  return JSON.stringify({ quote, score: Number(score) });
}

/** Starts the study in a home, or goes on with the run that is there. */
export function study(server: ProviderServer, home: string, options: StartOptions = {}): Running {
  const run = runsIn(home)[0];
  const model = ['--model', server.model('openai'), '--judge', server.model('openai', 'judge-1')];
  const settings = 'each=1;categories=numeric,chat;arms=rejection,neutral;tokens=20;secondShare=1';
  const args = run === undefined ? ['frustration', ...model, '--set', settings] : ['--resume', run];
  return start([limbicProgram, 'run', ...args, '--yes', '--json'], {
    progress: 'err',
    ...options,
    env: { ...server.env, LIMBIC_HOME: home, ...options.env },
  });
}

/** Ids of the runs of a home. */
export function runsIn(home: string): string[] {
  const folder = join(home, 'runs');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  // One that was killed before it had a manifest is none.
  return names.filter((name) => existsSync(join(folder, name, 'manifest.json')));
}

const reportSchema = z.object({ measures: z.array(z.unknown()), verdict: z.string() });

/** What a run came to: its numbers, and each cell by its key. */
export async function outcomeIn(home: string): Promise<object> {
  const run = readRun(runsIn(home)[0] ?? '', join(home, 'runs'));
  const { measures, verdict } = reportSchema.parse(run.summary);
  const cells = await cellsOf(run);
  return {
    measures,
    verdict,
    status: run.status,
    hasReport: run.hasReport,
    // Each record is one cell: none is there twice.
    records: run.records === cells.size,
    cells: [...cells].toSorted(([a], [b]) => (a < b ? -1 : 1)),
  };
}
