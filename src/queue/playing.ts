/**
 * @file Plays one conversation of the queue: what the job says is checked against the studies that this worker
 * has, and every cell is looked up before it is measured and kept as soon as it is. A worker that has to leave
 * lets the cells under way end and begins no other.
 */
import { InvalidInputError, LimbicError, NotFoundError } from '../errors.ts';
import { type ChatLab, type ChatStudy, keyedLab } from '../studies/chat-study.ts';
import { createRecorder } from '../studies/recorder.ts';
import type { Recorder } from '../studies/study.ts';
import type { SharedCells } from './cells.ts';
import { type ConversationJob, jobSchema, printable, type RunNotice } from './jobs.ts';
import type { SharedLabs } from './labs.ts';

/** What a worker plays. */
export interface Repertoire {
  readonly version: string;
  readonly studies: readonly ChatStudy[];
  /** Names of models that it may talk to, judges included; null for any. */
  readonly models: readonly string[] | null;
}

/** Why a run is not for this worker, but may be for another; null if it is. */
export function refusalOf(
  { version, study, models }: RunNotice,
  repertoire: Repertoire,
): string | null {
  if (version !== repertoire.version)
    return `expected limbic ${version}, which the run began with, got ${repertoire.version} on this worker; install the same version`;
  if (!repertoire.studies.some(({ name }) => name === study))
    return `expected a study of this worker, got "${study}"`;
  const { models: allowed } = repertoire;
  const foreign = [models.model, models.judge, models.secondJudge].find(
    (name) => name !== undefined && allowed !== null && !allowed.includes(name),
  );
  return foreign === undefined
    ? null
    : `expected a model of --models, got "${foreign}"; other workers may have it`;
}

export interface Stage {
  readonly run: string;
  readonly repertoire: Repertoire;
  readonly labs: SharedLabs;
  readonly cells: SharedCells;
  /** True as soon as the worker must begin no other cell. */
  readonly isLeaving: () => boolean;
  /** Told of each cell that was measured here. */
  readonly onCell: () => void;
}

/** `left`: unfinished, for another worker. `refused`: never begun, for another worker. */
export type Outcome =
  | { readonly type: 'played' | 'left' }
  | { readonly type: 'refused'; readonly why: string };

/** The conversation goes on elsewhere. */
class LeftError extends Error {
  override name = 'LeftError';
}

/** Would another try, here or elsewhere, end the same way? */
export function isHopeless(error: unknown): boolean {
  return (
    error instanceof LimbicError && ['invalid-input', 'not-found', 'reply'].includes(error.code)
  );
}

/**
 * Plays the conversation of a job to its end, or as far as it may. Throws InvalidInputError or NotFoundError
 * for a job that fits no study, and what the lab and the study throw.
 */
export async function playConversation(data: unknown, stage: Stage): Promise<Outcome> {
  const { repertoire, labs } = stage;
  const job = parseJob(data, stage);
  if ('type' in job) return job;
  const { study: name, params, conversation, models, known } = job;
  const study = repertoire.studies.find((candidate) => candidate.name === name);
  if (study === undefined) throw new NotFoundError('study', name.slice(0, 80));
  const parsed = study.params.safeParse(params);
  if (!parsed.success) throw misfit('params', parsed.error.issues[0]?.message);
  await using held = await labs.hold(models);
  const lab = keyedLab(stage.run, held.lab);
  if (!study.conversations(parsed.data, plannedOf(lab)).includes(conversation))
    throw misfit('conversation', `no such one in ${study.name}`);
  const { recorder, close } = openRecorder(new Map(known), stage);
  try {
    await study.play(conversation, parsed.data, { lab, recorder });
  } catch (error) {
    if (!(await close()).hasLeft) throw error;
  }
  // Also where the study caught the error and went on with less.
  return { type: (await close()).hasLeft ? 'left' : 'played' };
}

function plannedOf(lab: ChatLab): Parameters<ChatStudy['conversations']>[1] {
  return {
    data: lab.data,
    hasJudge: lab.judge !== null,
    hasSecondJudge: lab.secondJudge !== null,
    isLocal: lab.local !== null,
  };
}

/** The version first: another one may write jobs of another form. */
function parseJob(data: unknown, { run, repertoire }: Stage): ConversationJob | Outcome {
  const version: unknown = Object(data).version;
  if (typeof version === 'string' && version !== repertoire.version)
    return {
      type: 'refused',
      why: `expected limbic ${printable(version.slice(0, 40))}, got ${repertoire.version} on this worker`,
    };
  const parsed = jobSchema.safeParse(data);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw misfit(issue?.path.join('.') ?? '', issue?.message);
  }
  const job = parsed.data;
  if (job.run !== run) throw misfit('run', `expected ${run}`);
  const why = refusalOf(job, repertoire);
  return why === null ? job : { type: 'refused', why };
}

function misfit(field: string, why = 'does not fit'): InvalidInputError {
  return new InvalidInputError(printable(`job: ${field}: ${why}`), {
    hint: 'only limbic writes jobs; see who else has the password of the queue',
  });
}

interface OpenRecorder {
  readonly recorder: Recorder;
  /** Begins no further cell, and waits for those under way. */
  readonly close: () => Promise<{ hasLeft: boolean }>;
}

function openRecorder(
  known: ReadonlyMap<string, object>,
  { cells, isLeaving, onCell }: Stage,
): OpenRecorder {
  const inner = createRecorder({ append: () => {} }, known);
  const underWay = new Set<Promise<object>>();
  let [isClosed, hasLeft] = [false, false];
  const leave = (): never => {
    hasLeft = true;
    throw new LeftError('the conversation goes on elsewhere');
  };
  const measureOnce = async <T extends object>(
    key: string,
    measure: () => Promise<T>,
  ): Promise<T> => {
    const stored = await cells.read(key);
    if (stored !== null) return stored as T;
    // A study that asks for several cells at once may go on with the others after one failed.
    if (isClosed) throw new LeftError('the conversation is over');
    if (isLeaving()) leave();
    const kept = await cells.keep(key, await measure());
    if (kept === null) return leave();
    onCell();
    return kept as T;
  };
  const recorder: Recorder = {
    cell: async <T extends object>(key: string, measure: () => Promise<T>): Promise<T> => {
      const cell = inner.cell(key, () => measureOnce(key, measure));
      underWay.add(cell);
      try {
        return await cell;
      } finally {
        underWay.delete(cell);
      }
    },
  };
  return {
    recorder,
    close: async () => {
      isClosed = true;
      while (underWay.size > 0) await Promise.allSettled(underWay);
      return { hasLeft };
    },
  };
}
