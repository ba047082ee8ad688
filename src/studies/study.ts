/**
 * @file The one shape of every study: parameters, a plan before long work, a run in cells that are recorded
 * one by one (so that a killed run goes on where it stopped), and a result of numbers with their n, interval
 * and control. What can't be measured is null with a reason.
 */
import type { z } from 'zod';

import type { Section } from '../charts/page.ts';
import type { Model } from '../engine/engine.ts';
import type { VectorPack } from '../vectors/pack.ts';

export interface StudyLab {
  readonly model: Model;
  readonly pack: VectorPack;
  /** Path of a file under `data/`. */
  readonly data: (name: string) => string;
  /** Opens another model by a name that `--model` takes; whoever opens it closes it. */
  readonly open: (name: string) => Promise<Model>;
  readonly signal: AbortSignal;
}

export interface Recorder {
  /** What the run holds under this key already, or what `measure` gives, which is recorded. */
  cell<T extends object>(key: string, measure: () => Promise<T>): Promise<T>;
}

/** Work ahead, for the estimate before the start. */
export interface Plan {
  readonly cells: number;
  /** Tokens that the model reads. */
  readonly read: number;
  /** Tokens that it writes, at most. */
  readonly written: number;
}

export interface Measure {
  readonly name: string;
  /** Null when it could not be measured; `note` says why. */
  readonly value: number | null;
  /** At 95 %. */
  readonly interval?: readonly [low: number, high: number];
  readonly n: number;
  /** What the same procedure gives without the effect: chance, shuffles, random directions. */
  readonly control?: string;
  readonly note?: string;
}

export interface StudyResult {
  /** In plain words, made from the measures. */
  readonly verdict: string;
  readonly measures: readonly Measure[];
  readonly sections: readonly Section[];
}

export interface Study<P extends object = object> {
  readonly name: string;
  readonly summary: string;
  /** Section of the paper or of our protocol. */
  readonly source: string;
  /** Parameters with their defaults; strings from the command line are coerced. */
  readonly params: z.ZodType<P>;
  /** What `--quick` changes: at most 5 minutes on two cores. */
  readonly quick: Partial<P>;
  readonly plan: (params: P, lab: StudyLab) => Plan;
  readonly run: (lab: StudyLab, params: P, recorder: Recorder) => Promise<StudyResult>;
}

/** A study whose parameters are checked where they enter, so that all studies can be in one list. */
export function defineStudy<P extends object>(study: Study<P>): Study {
  return {
    ...study,
    plan: (params, lab) => study.plan(study.params.parse(params), lab),
    run: (lab, params, recorder) => study.run(lab, study.params.parse(params), recorder),
  };
}
