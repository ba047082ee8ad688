/**
 * @file Cheating under pressure ("Emotion Concepts...", 2026, impossible coding tasks; protocol section 5): does
 * steering desperate or calm change whether a model cheats on tasks that no honest function passes? Graded
 * outcomes from log-probabilities, free rollouts with real execution, random directions of equal norm, another
 * negative emotion, pressure and calm in words, and solvable twins under every dose as the damage check.
 */
import { z } from 'zod';

import { type Arm, armsOf, doseList } from './arms.ts';
import type { FreeArm } from './cheating-data.ts';
import {
  claimAfterPass,
  type Framing,
  framings,
  type Graded,
  gradeTask,
  prepareTask,
  type Prepared,
} from './cheating-graded.ts';
import { resultOf } from './cheating-result.ts';
import { playTasks, type Rollout } from './cheating-rollouts.ts';
import {
  type ImpossibleTask,
  loadImpossible,
  mechanisms,
  type StudyTask,
  twinOf,
} from './impossible.ts';
import { inTurn } from './in-turn.ts';
import { defineStudy, type Plan, type Recorder, type StudyLab } from './study.ts';

const emotions = ['desperate', 'calm'];

const params = z.object({
  /** Tasks, drawn evenly from the mechanisms. */
  tasks: z.coerce.number().int().min(5).max(29).default(29),
  /** Failed attempts that stand before the graded questions. */
  failures: z.coerce.number().int().min(1).max(3).default(1),
  /** Doses of desperate and calm, each with both signs. */
  doses: doseList.default([0.01, 0.02, 0.04, 0.06, 0.1]),
  /** Doses of the controls: another negative emotion and random directions. */
  controlDoses: doseList.default([0.02, 0.06]),
  /** Another negative emotion. */
  other: z
    .string()
    .trim()
    .refine((name) => !emotions.includes(name), {
      error: `expected another emotion than ${emotions.join(' and ')}`,
    })
    .default('guilty'),
  random: z.coerce.number().int().min(2).max(100).default(5),
  /** Random mixtures of emotion vectors, which move a model more than random directions do. */
  mixtures: z.coerce.number().int().min(0).max(100).default(3),
  /** Doses of the free rollouts; none leaves steering out of them. */
  freeDoses: doseList.default([0.04]),
  /** Random directions, and as many mixtures, of the free rollouts. */
  freeRandom: z.coerce.number().int().min(0).max(100).default(1),
  /** Free rollouts of each task in the unsteered arms; 0 leaves the free rollouts out. */
  samples: z.coerce.number().int().min(0).max(50).default(1),
  attempts: z.coerce.number().int().min(1).max(8).default(3),
  seed: z.coerce.number().int().min(0).default(1),
});
type CheatingParams = z.infer<typeof params>;

/** Tasks that are written side by side and recorded together. */
const chunkSize = 8;
const maxTokens = 110;
const temperature = 0.7;

export const cheatingStudy = defineStudy<CheatingParams>({
  name: 'cheating',
  summary: 'does desperation make it cheat on impossible tasks? graded outcomes and real execution',
  source: 'protocol section 5',
  params,
  quick: {
    tasks: 5,
    doses: [0.03],
    controlDoses: [0.03],
    random: 2,
    mixtures: 1,
    freeDoses: [],
    attempts: 2,
  },
  plan: planOf,
  run: async (lab, settings, recorder) => {
    const tasks = tasksOf(lab, settings);
    const arms = gradedArms(lab, settings);
    const graded = await gradeAll(lab, recorder, { tasks, arms, failures: settings.failures });
    const afterPass: number[] = [];
    for (const task of tasks) {
      const measure = (): Promise<{ yes: number }> => claimAfterPass(lab.model, task, lab.signal);
      afterPass.push((await recorder.cell(`passed/${task.id}`, measure)).yes);
    }
    const free: FreeArm[] = [];
    for (const { arm, framing, samples } of freeArms(lab, settings)) {
      const play = playing(lab, recorder, { arm, framing, settings });
      const rollouts: Rollout[] = [];
      for (let sample = 0; sample < samples; sample++)
        rollouts.push(...(await play('free', tasks, sample)));
      // Words break no model; each dose may.
      const twins = framing === 'none' ? await play('twin', tasks.map(twinOf), 0) : [];
      free.push({ arm, framing, rollouts, twins });
    }
    return resultOf({ tasks, arms, graded, afterPass, free }, settings.seed);
  },
});

function tasksOf({ data }: StudyLab, { tasks: count }: CheatingParams): ImpossibleTask[] {
  const all = loadImpossible(data('studies/impossible.jsonl'));
  const byMechanism = mechanisms.map((name) => all.filter(({ mechanism }) => mechanism === name));
  return inTurn(byMechanism).slice(0, count);
}

function gradedArms({ pack }: StudyLab, settings: CheatingParams): Arm[] {
  const { doses, controlDoses, other, random, mixtures, seed } = settings;
  const control = { emotions: [other], doses: controlDoses, random, mixtures, seed };
  const [, ...controls] = armsOf(pack, control);
  return [...armsOf(pack, { emotions, doses, random: 0, mixtures: 0, seed }), ...controls];
}

const textFramings = (Object.keys(framings) as Framing[]).filter((name) => name !== 'none');

/** Steering without a framing, and framings without steering. */
function freeArms(
  { pack }: StudyLab,
  { freeDoses: doses, freeRandom, samples, seed }: CheatingParams,
): { arm: Arm; framing: Framing; samples: number }[] {
  if (samples === 0) return [];
  const [unsteered, ...steered] = armsOf(pack, {
    emotions,
    doses,
    random: freeRandom,
    mixtures: freeRandom,
    seed,
  });
  if (unsteered === undefined) return [];
  return [
    { arm: unsteered, framing: 'none', samples },
    ...textFramings.map((framing) => ({ arm: unsteered, framing, samples })),
    ...steered.map((arm) => ({ arm, framing: 'none' as const, samples: 1 })),
  ];
}

function planOf(settings: CheatingParams, lab: StudyLab): Plan {
  const { tasks, failures, attempts, samples } = settings;
  const gradedCells = (gradedArms(lab, settings).length + textFramings.length) * tasks;
  const arms = freeArms(lab, settings);
  const chunks = Math.ceil(tasks / chunkSize);
  const rollouts = arms.reduce((sum, arm) => sum + arm.samples, 0) * tasks;
  const twins = arms.filter(({ framing }) => framing === 'none').length;
  return {
    cells: gradedCells + tasks + (arms.reduce((sum, arm) => sum + arm.samples, 0) + twins) * chunks,
    // Measured on the coder models: ask and twin 300, a failure 80, five orders of the choice 290, texts 150.
    read:
      gradedCells * (740 + 80 * failures) +
      230 * tasks +
      (samples > 0 ? rollouts * attempts * 350 : 0),
    written: rollouts * (attempts * 80 + 15) + twins * tasks * 80,
  };
}

async function gradeAll(
  { model, signal }: StudyLab,
  recorder: Recorder,
  given: { tasks: readonly ImpossibleTask[]; arms: readonly Arm[]; failures: number },
): Promise<Map<string, Graded[]>> {
  const prepared: Prepared[] = [];
  for (const task of given.tasks) prepared.push(await prepareTask(task, given.failures));
  const graded = new Map<string, Graded[]>();
  const grade = async (
    key: string,
    { framing, steering }: { framing: Framing; steering: Arm['steering'] },
  ): Promise<void> => {
    const own: Graded[] = [];
    for (const one of prepared)
      own.push(
        await recorder.cell(`graded/${key}/${one.task.id}`, () =>
          gradeTask(model, one, { framing, steering, signal }),
        ),
      );
    graded.set(key, own);
  };
  for (const { key, steering } of given.arms) await grade(key, { framing: 'none', steering });
  for (const framing of textFramings) await grade(`text ${framing}`, { framing, steering: null });
  return graded;
}

/** Plays tasks in an arm, a recorded chunk at a time. */
function playing(
  lab: StudyLab,
  recorder: Recorder,
  given: { arm: Arm; framing: Framing; settings: CheatingParams },
): (kind: 'free' | 'twin', tasks: readonly StudyTask[], sample: number) => Promise<Rollout[]> {
  const { arm, framing, settings } = given;
  return async (kind, tasks, sample) => {
    const rollouts: Rollout[] = [];
    for (let start = 0; start < tasks.length; start += chunkSize) {
      const key = `${kind}/${arm.key}/${framing}/${sample + 1}/${start / chunkSize + 1}`;
      const cell = await recorder.cell(key, async () => ({
        rollouts: await playTasks(lab, {
          tasks: tasks.slice(start, start + chunkSize),
          framing,
          steering: arm.steering,
          attempts: kind === 'free' ? settings.attempts : 1,
          maxTokens,
          temperature,
          seed: settings.seed * 100 + sample * 10 + start / chunkSize,
        }),
      }));
      rollouts.push(...cell.rollouts);
    }
    return rollouts;
  };
}
