/**
 * @file A run that was made of the same study, model, parameters, judges and vectors by the same limbic, so that it
 * need not be made again, or can be gone on with.
 */
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

import { ConflictError } from '../errors.ts';
import { formatModelName, parseModelName } from '../providers/model-name.ts';
import { listRuns, readRun, type RunManifest, runsFolder } from '../store/runs.ts';
import { studySummarySchema } from '../store/study-summary.ts';
import { loadPack, packHash } from '../vectors/pack.ts';
import type { Context } from './command.ts';
import { packPathOf } from './make-pack.ts';
import { resolveNamed } from './open-model.ts';

/** What makes two runs the same. */
export type Wanted = Pick<
  RunManifest,
  'kind' | 'model' | 'packHash' | 'limbicVersion' | 'parameters'
>;

export interface FoundRun {
  readonly manifest: RunManifest;
  /** Whether it has its numbers; else it was stopped and can be gone on with. */
  readonly isDone: boolean;
}

/**
 * The newest such run that is done, else the newest that was stopped, else null. Throws ConflictError while one of
 * them is running and none is done, as a second one would pay again.
 * @param folder @default runsFolder()
 */
export function findRun(wanted: Wanted, folder: string = runsFolder()): FoundRun | null {
  const same = listRuns(folder)
    .filter(({ kind }) => kind === wanted.kind)
    .flatMap(({ id }) => {
      const { manifest, status, summary } = readRun(id, folder);
      return isSame(manifest, wanted) ? [{ manifest, status, summary }] : [];
    });
  const done = same.find(
    ({ status, summary }) => status === 'done' && studySummarySchema.safeParse(summary).success,
  );
  if (done !== undefined) return { manifest: done.manifest, isDone: true };
  const running = same.find(({ status }) => status === 'running');
  if (running !== undefined)
    throw new ConflictError(
      `run ${running.manifest.id}: expected that nobody makes this run now, got a running one`,
      { hint: 'wait for it to end, or --fresh for another one' },
    );
  const stopped = same.find(({ status }) => status !== 'done');
  return stopped === undefined ? null : { manifest: stopped.manifest, isDone: false };
}

function isSame(manifest: RunManifest, wanted: Wanted): boolean {
  return (
    manifest.limbicVersion === wanted.limbicVersion &&
    manifest.packHash === wanted.packHash &&
    fullName(manifest.model) === fullName(wanted.model) &&
    isDeepStrictEqual(comparable(manifest.parameters), comparable(wanted.parameters))
  );
}

/** Parameters as JSON keeps them, with the judges by their full names. */
function comparable(parameters: RunManifest['parameters']): unknown {
  const entries = Object.entries(parameters).map(([name, value]) => [
    name,
    (name === 'judge' || name === 'secondJudge') && typeof value === 'string'
      ? fullName(value)
      : value,
  ]);
  return JSON.parse(JSON.stringify(Object.fromEntries(entries)));
}

/** `smollm2-135m` and `local:smollm2-135m` are one model. */
function fullName(name: string): string {
  return formatModelName(parseModelName(name));
}

/**
 * The name of a model of this machine as runs of a study that reads inside it have it, and the hash of its vectors;
 * null where there are none yet. Fetches the model if it is not here.
 */
export async function modelHere(
  name: string,
  { values, signal }: Pick<Context, 'values' | 'signal'>,
): Promise<Pick<RunManifest, 'model' | 'packHash'>> {
  const { name: model } = await resolveNamed({ signal, values: { ...values, model: name } });
  const path = packPathOf(model, values);
  const hash = path === undefined || !existsSync(path) ? null : packHash(loadPack(path));
  return { model, packHash: hash };
}
