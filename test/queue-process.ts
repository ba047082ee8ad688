/**
 * @file Both sides of the queue as programs, to be killed by a test:
 * `worker QUEUE SERVER CONCURRENCY TIMING` and `coordinator QUEUE FOLDER PARAMS TIMING [RUN]`.
 */
import { runOnQueue } from '../src/queue/coordinator.ts';
import type { QueueTiming } from '../src/queue/jobs.ts';
import { startWorker } from '../src/queue/worker.ts';
import { createRun } from '../src/store/runs.ts';
import { reopenCells } from '../src/studies/recorder.ts';
import { httpLab, talkingStudy } from './talking-study.ts';

const [role, url = '', third = '', fourth = '', timingText = '{}', id] = process.argv.slice(2);
const timing = JSON.parse(timingText) as Partial<QueueTiming>;
const version = '0.0.0';
const signal = new AbortController().signal;

if (role === 'worker') {
  const worker = await startWorker({
    url,
    version,
    studies: [talkingStudy],
    openLab: async () => httpLab(third),
    concurrency: Number(fourth),
    onNotice: (line) => console.error(line),
    timing,
  });
  process.once('SIGTERM', () => void worker.drain());
  console.log('ready');
  console.log(JSON.stringify(await worker.ended));
} else {
  const parameters = JSON.parse(fourth) as { conversations: number; turns: number };
  const about = { kind: 'talking', title: 'talking', model: 'test:http', fingerprint: '-' };
  const begin = { packHash: null, limbicVersion: version, parameters };
  const { run, known } =
    id === undefined
      ? { run: createRun({ ...about, ...begin }, third), known: new Map<string, object>() }
      : await reopenCells(id, third);
  console.log(run.id);
  const lab = { ...httpLab(''), hasJudge: false, hasSecondJudge: false, isLocal: false };
  await runOnQueue({
    url,
    run: run.id,
    version,
    study: 'talking',
    params: parameters,
    models: { model: 'test:http' },
    conversations: talkingStudy.conversations(parameters, lab),
    known,
    onCell: (key, data) => run.append({ type: 'cell', key, data }),
    signal,
    timing,
  });
  run.finish('done', {});
}
