/**
 * @file Short JavaScript functions to write that can be written (data/studies/functions.jsonl), graded by
 * running the reply's code on calls that it was not shown: the same sandbox as the impossible tasks.
 */
import { z } from 'zod';

import { readJsonLines } from '../formats/jsonl.ts';
import { difficulties } from './graded-tasks.ts';
import { askFor, classify, type StudyTask } from './impossible.ts';

const callSchema = z.strictObject({
  call: z.string().min(1),
  /** JSON of the value, as the sandbox describes it. */
  expected: z.string().min(1),
});

const taskSchema = z.strictObject({
  id: z.string().regex(/^[a-z-]+$/),
  difficulty: z.enum(difficulties),
  /** The function's name. */
  name: z.string().regex(/^[a-z][A-Za-z]*$/),
  request: z.string().min(1),
  /** Calls that the request shows. */
  examples: z.array(callSchema).min(2),
  /** Calls that it does not. */
  tests: z.array(callSchema).min(4),
  /** A right solution. */
  reference: z.string().min(1),
});

/** A function to write: what is shown of it, and what grades it. */
export type FunctionTask = z.infer<typeof taskSchema>;

/** Every task of a file; throws FormatError naming the line. */
export function loadFunctionTasks(path: string): FunctionTask[] {
  return readJsonLines(path, taskSchema);
}

/** The message that sets the task. */
export function askForFunction(task: FunctionTask): string {
  return askFor(studyTaskOf(task));
}

export interface FunctionGrade {
  /** Every example and every hidden test passed, and no built-in was replaced. */
  readonly isRight: boolean;
  /** Share of the hidden tests that passed, 0 to 1; 0 without code. */
  readonly passedShare: number;
  /** The first example that failed, in a sentence, or that there is no code; empty if neither. */
  readonly complaint: string;
}

/** Runs the reply's code. Never throws for what the code does: what hangs is ended and fails. */
export async function gradeFunction(task: FunctionTask, reply: string): Promise<FunctionGrade> {
  const { outcome, hiddenPassed, complaint } = await classify(studyTaskOf(task), reply);
  const passedShare = hiddenPassed / task.tests.length;
  return { isRight: outcome === 'legitimate', passedShare, complaint };
}

/** As a solvable twin, whose visible tests are all right: then "legitimate" means that everything passed. */
function studyTaskOf({ id, name, request, examples, tests }: FunctionTask): StudyTask {
  const mechanism = 'wrong-test';
  return { id, mechanism, name, request, visible: examples, hidden: tests, isSolvable: true };
}
