/** @file `limbic run` for studies that read inside a model: a run directory, a plan before it and a report after. */
import type { Model } from '../engine/engine.ts';
import { ConflictError } from '../errors.ts';
import { createRun, type Run, type RunManifest, runsFolder } from '../store/runs.ts';
import { createRecorder, reopenCells } from '../studies/recorder.ts';
import type { Plan, Study, StudyLab, StudyResult } from '../studies/study.ts';
import { packHash } from '../vectors/pack.ts';
import { askToGoOn, secondsFor } from './ahead.ts';
import { openCalibrated } from './calibrate.ts';
import type { Context } from './command.ts';
import { dataFile, openNamedModel } from './open-model.ts';
import { createProgress, formatSeconds } from './progress.ts';
import { type FinishedStudy, studyPage } from './study-output.ts';
import { limbicVersion } from './version.ts';

export interface InsideStart {
  readonly study: Study;
  readonly params: object;
  /** The run that goes on. */
  readonly of?: RunManifest;
  /** Told of a run that was stopped. */
  readonly onStopped: (run: string) => void;
}

/** A study that reads inside a model of our engine. Prints nothing on standard output. */
export async function runInside(
  { study, params, of, onStopped }: InsideStart,
  { values, signal }: Pick<Context, 'values' | 'signal'>,
): Promise<FinishedStudy> {
  const { model: opened, pack } = await openCalibrated({
    signal,
    values: { ...(of === undefined ? {} : { model: of.model }), ...values },
  });
  await using model = opened;
  const open = (name: string): Promise<Model> =>
    openNamedModel({ signal, values: { ...values, model: name } });
  const lab: StudyLab = { model, pack, signal, data: dataFile, open };
  if (of !== undefined) {
    const { name, fingerprint } = model.info;
    assertSame(of, { model: name, fingerprint, packHash: packHash(pack) });
  }
  const plan = study.plan(params, lab);
  await announce(lab, plan, { isAgreed: values['yes'] === true });
  const { run: begun, known } =
    of === undefined
      ? {
          known: new Map<string, object>(),
          run: createRun({
            kind: study.name,
            title: study.summary,
            model: model.info.name,
            fingerprint: model.info.fingerprint,
            packHash: packHash(pack),
            limbicVersion: limbicVersion(),
            parameters: { ...params },
          }),
        }
      : await reopenCells(of.id, runsFolder());
  using run = begun;
  const bar = createProgress(study.name);
  const recorder = createRecorder(run, known, (done) => bar.update(done / plan.cells));
  let result: StudyResult;
  try {
    result = await study.run(lab, params, recorder);
  } catch (error) {
    if (signal.aborted) onStopped(run.id);
    throw error;
  } finally {
    bar.end();
  }
  const { verdict, measures } = result;
  // The report first: a run that is done can't be taken up again.
  run.writeReport(reportOf(study, { run, params, result, lab }));
  run.finish('done', { verdict, measures });
  return { run: run.id, path: run.path, params, verdict, measures };
}

/** Cells of two models or of two packs are not one run. */
export function assertSame(
  { id, model, fingerprint, packHash: hash }: RunManifest,
  now: Pick<RunManifest, 'model' | 'fingerprint' | 'packHash'>,
): void {
  if (fingerprint !== now.fingerprint)
    throw new ConflictError(`run ${id}: expected ${model}, which it began with, got ${now.model}`, {
      hint: 'go on with the same model, or start a new run',
    });
  if (hash !== now.packHash)
    throw new ConflictError(`run ${id}: expected the vectors that it began with, got others`, {
      hint: 'go on with the same --pack, or start a new run',
    });
}

/** Says how much work it is; asks where it is long and somebody is there to answer. */
async function announce(
  { model, signal }: StudyLab,
  plan: Plan,
  { isAgreed }: { isAgreed: boolean },
): Promise<void> {
  const seconds = await secondsFor(model, plan, signal);
  console.error(
    `${plan.cells} cells, ${plan.read} tokens to read${plan.written > 0 ? `, ${plan.written} to write at most` : ''}: about ${formatSeconds(seconds)}`,
  );
  await askToGoOn({ isAgreed, seconds });
}

function reportOf(
  study: Study,
  { run, params, result, lab }: { run: Run; params: object; result: StudyResult; lab: StudyLab },
): string {
  const { model, pack } = lab;
  const title = `${study.name}: ${model.info.name}`;
  const subtitle = `${study.summary} (${study.source}). Read after block ${pack.bestLayer} of ${pack.blocks}; run ${run.id}, limbic ${limbicVersion()}, parameters ${JSON.stringify(params)}.`;
  return studyPage({ title, subtitle }, result);
}
