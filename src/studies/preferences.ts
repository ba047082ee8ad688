/**
 * @file Preferences ("Emotion Concepts...", 2026, the preference study; protocol section 4): which of two
 * activities a model would rather do, what its reading of an activity has to do with that, and whether
 * steering changes it. The paper steers at the tokens of one half of the activities only. The engine steers all
 * positions, so here the whole question is steered, and the test is whether activities that read high on the
 * emotion gain against those that read low. The two are not the same experiment, and the paper's r of .85 for the effect of steering is not to be expected here.
 */
import { z } from 'zod';

import { chatTokens } from '../engine/chat-template.ts';
import { randomDirection, randomFrom } from '../math/random.ts';
import { mean, pearson } from '../math/stats.ts';
import { makeProbe, probeOf } from '../vectors/pack.ts';
import { type Arm, armsOf } from './arms.ts';
import { type Answer, askPairs, type Pair, ringsOf, strengthsOf } from './pairwise.ts';
import {
  correlate,
  halfOf,
  type ReadingEffects,
  readingEffects,
  type Steered,
  steeringEffect,
} from './preference-effects.ts';
import { type Findings, groupMeans, namedReadings, resultOf } from './preference-report.ts';
import { rounded } from './recorder.ts';
import { type Activity, loadActivities } from './stimuli.ts';
import { defineStudy, type Recorder, type StudyLab } from './study.ts';

const others = (least: number): z.ZodCoercedNumber =>
  z.coerce.number().int().multipleOf(2).min(least).max(32);
const params = z
  .object({
    /** Other activities that each is compared with. */
    pairs: others(4).default(12),
    /** The same in each arm of steering; the first of those above. */
    steeredPairs: others(4).default(4),
    /** Emotions that are steered. */
    emotions: z.string().default('blissful,hostile,calm,desperate'),
    /** Random directions that are steered. */
    random: z.coerce.number().int().min(1).max(100).default(5),
    /** Mixtures of emotion vectors that are steered too. */
    mixtures: z.coerce.number().int().min(0).max(100).default(3),
    /**
     * Share of the residual norm at each layer of the middle third; both signs are tried. At 0.05 steering breaks
     * the choice on smollm2-135m: a letter as the reply falls from .93 to .02 (blissful) and .27 (hostile).
     */
    dose: z.coerce.number().min(0.001).max(1).default(0.02),
    seed: z.coerce.number().int().min(0).default(1),
  })
  .refine(({ pairs, steeredPairs }) => steeredPairs <= pairs, {
    error: 'expected at most as many as pairs',
    path: ['steeredPairs'],
  });
type Params = z.infer<typeof params>;

/** Random directions that are read. */
const bandSize = 200;
/** Read tokens of one pair in both orders beyond what all share; of one activity alone. */
const [tokensPerPair, tokensPerActivity] = [80, 45];

/** Readings [activities][directions], the emotions first; tokens of each activity. */
interface Readings {
  readonly tokens: number[];
  /** Mean over the activity's tokens. */
  readonly over: number[][];
  /** At the last position before the reply. */
  readonly before: number[][];
}

export const preferencesStudy = defineStudy<Params>({
  name: 'preferences',
  summary: 'does a model prefer what reads blissful? 64 activities in pairs, readings, steering',
  source: 'protocol section 4',
  params,
  quick: { pairs: 8, emotions: 'blissful,hostile', random: 1, mixtures: 1 },
  plan: (settings, lab) => {
    const count = activitiesOf(lab).length;
    const arms = 2 * (emotionsOf(settings).length + settings.random + settings.mixtures);
    const asked = (settings.pairs + arms * settings.steeredPairs) * (count / 2);
    return {
      cells: 1 + settings.pairs / 2 + arms,
      read: Math.round(asked * tokensPerPair + count * tokensPerActivity),
      written: 0,
    };
  },
  run: async (lab, settings, recorder) => {
    const activities = activitiesOf(lab);
    const rings = ringsOf(activities.length, settings.pairs, settings.seed);
    const { dose, random, mixtures, seed } = settings;
    const emotions = emotionsOf(settings);
    // Before any model call, so that an emotion that the pack lacks is refused at once.
    const arms = armsOf(lab.pack, { emotions, doses: [dose], random, mixtures, seed });
    const readings = await recorder.cell('readings', () =>
      readActivities(lab, activities, settings),
    );
    const answers: Answer[][] = [];
    for (const [r, pairs] of rings.entries())
      answers.push(await askRing(lab, recorder, { key: `ring ${r + 1}`, activities, pairs }));
    const first = settings.steeredPairs / 2;
    const steered = await steer(lab, recorder, arms, {
      activities,
      rings: rings.slice(0, first),
      answers: answers.slice(0, first),
    });
    return resultOf(findingsOf(lab, settings, { activities, rings, answers, readings, steered }));
  },
});

function activitiesOf({ data }: StudyLab): Activity[] {
  return loadActivities(data('studies/activities.jsonl'));
}

/** Each once: a direction that came twice would be asked under one key twice. */
function emotionsOf({ emotions }: Params): string[] {
  return [...new Set(emotions.split(',').map((name) => name.trim()))];
}

/** Reads each activity in a message of its own, along all emotions of the pack and the random directions. */
async function readActivities(
  { model, pack, signal }: StudyLab,
  activities: readonly Activity[],
  { seed }: Params,
): Promise<Readings> {
  const draw = randomFrom(seed);
  const random = Array.from({ length: bandSize }, () => randomDirection(pack.width, draw));
  const probes = [
    makeProbe(pack, pack.emotions, pack.bestLayer),
    probeOf(pack, random, pack.bestLayer),
  ];
  const sequences = await Promise.all(
    activities.map(({ text }) =>
      chatTokens(model, [{ role: 'user', content: `The next thing on the list is to ${text}.` }]),
    ),
  );
  const rows = await model.project(sequences, { probes, signal });
  const count = pack.emotions.length + bandSize;
  const result: Readings = { tokens: [], over: [], before: [] };
  for (const [i, { text }] of activities.entries()) {
    const places = placesOf(await model.pieces(sequences[i] ?? new Int32Array(0)), text);
    const values = rows[i] ?? new Float32Array(0);
    const at = (place: number, k: number): number => values[place * count + k] ?? NaN;
    const last = values.length / count - 1;
    const each = (value: (k: number) => number): number[] =>
      Array.from({ length: count }, (_, k) => rounded(value(k)));
    result.tokens.push(places.length);
    result.over.push(each((k) => mean(places.map((place) => at(place, k)))));
    result.before.push(each((k) => at(last, k)));
  }
  return result;
}

/** Positions whose tokens hold a character of the text, where it stands last; none if it does not. */
export function placesOf(pieces: readonly string[], text: string): number[] {
  const from = pieces.join('').lastIndexOf(text);
  const places: number[] = [];
  let at = 0;
  for (const [place, piece] of pieces.entries()) {
    const end = at + piece.length;
    if (from >= 0 && piece !== '' && at < from + text.length && end > from) places.push(place);
    at = end;
  }
  return places;
}

interface RingInput {
  readonly key: string;
  readonly activities: readonly Activity[];
  readonly pairs: readonly Pair[];
}

async function askRing(
  { model, signal }: StudyLab,
  recorder: Recorder,
  { key, activities, pairs }: RingInput,
): Promise<Answer[]> {
  const texts = activities.map(({ text }) => text);
  const cell = await recorder.cell(key, async () => ({
    answers: await askPairs(model, texts, pairs, { signal }),
  }));
  return cell.answers;
}

interface Asked {
  readonly activities: readonly Activity[];
  readonly rings: readonly (readonly Pair[])[];
  readonly answers: readonly Answer[][];
}

/** Asks the rings, whose unsteered answers are known, under each direction and its opposite. */
async function steer(
  { model, signal }: StudyLab,
  recorder: Recorder,
  arms: readonly Arm[],
  { activities, rings, answers }: Asked,
): Promise<Steered[]> {
  const texts = activities.map(({ text }) => text);
  const pairs = rings.flat();
  const asked = new Map<string, Answer[][]>();
  for (const { key, steering } of arms) {
    if (steering === null) continue;
    const cell = await recorder.cell(key, async () => ({
      answers: await askPairs(model, texts, pairs, { steering, signal }),
    }));
    asked.set(
      key,
      rings.map((ring, r) => cell.answers.slice(r * ring.length, (r + 1) * ring.length)),
    );
  }
  const fit = (given: readonly Answer[][]): number[] => strengthsOf(texts.length, rings, given);
  const before = fit(answers);
  return arms.flatMap(({ direction, kind, dose: at, key }): Steered[] => {
    if (kind === 'unsteered' || at < 0) return [];
    const opposite = arms.find((arm) => arm.direction === direction && arm.dose === -at);
    const [up, down] = [asked.get(key) ?? [], asked.get(opposite?.key ?? '') ?? []];
    const [high, low] = [fit(up), fit(down)];
    const half = (given: readonly Answer[][], parity: number): number[] =>
      strengthsOf(texts.length, halfOf(rings, parity), halfOf(given, parity));
    const change = (parity: number): number[] => less(half(up, parity), half(down, parity));
    return [
      {
        direction,
        kind,
        change: less(high, low),
        even: less(
          high.map((x, i) => (x + (low[i] ?? NaN)) / 2),
          before,
        ),
        reliability: pearson(change(0), change(1)),
        mass: Math.min(massOf(up), massOf(down)),
        first: [placeOf(down), placeOf(up)],
      },
    ];
  });
}

function less(a: readonly number[], b: readonly number[]): number[] {
  return a.map((x, i) => x - (b[i] ?? NaN));
}

function massOf(answers: readonly (readonly Answer[])[]): number {
  return mean(answers.flat().map(([, , mass]) => mass));
}

/** Mean probability of the first place, whatever stands there. */
function placeOf(answers: readonly (readonly Answer[])[]): number {
  return mean(answers.flat().map(([aFirst, bFirst]) => (aFirst + bFirst) / 2));
}

interface Measured extends Asked {
  readonly readings: Readings;
  readonly steered: readonly Steered[];
}

function findingsOf({ pack }: StudyLab, settings: Params, measured: Measured): Findings {
  const { activities, rings, answers, readings, steered } = measured;
  const { seed } = settings;
  const count = activities.length;
  const strengths = strengthsOf(count, rings, answers);
  const half = (parity: number): number[] =>
    strengthsOf(count, halfOf(rings, parity), halfOf(answers, parity));
  const columns = (rows: readonly number[][]): number[][] =>
    (rows[0] ?? []).map((_, k) => rows.map((row) => row[k] ?? NaN));
  const [over, before] = [columns(readings.over), columns(readings.before)];
  const emotions = pack.emotions.length;
  const effects = (cells: readonly number[][]): ReadingEffects =>
    readingEffects(cells, { emotions, strengths, seed: seed + 1 });
  const [overEffects, beforeEffects] = [effects(over), effects(before)];
  const named = namedReadings({
    emotions: pack.emotions,
    over,
    effects: overEffects,
    strengths,
    tokens: readings.tokens,
    groups: activities.map(({ group }) => group),
    seed: seed + 2,
  });
  const own = settings.steeredPairs / 2;
  const base = strengthsOf(count, rings.slice(0, own), answers.slice(0, own));
  return {
    activities,
    rings,
    answers,
    strengths,
    emotions: pack.emotions,
    readings: over,
    reliability: correlate(half(0), half(1), randomFrom(seed + 3)),
    groups: groupMeans(activities, strengths, seed + 4),
    plainR: pearson(
      strengths,
      strengthsOf(count, rings, answers, ([aFirst, bFirst]) => (aFirst + 1 - bFirst) / 2),
    ),
    tokensR: pearson(readings.tokens, strengths),
    over: overEffects,
    before: beforeEffects,
    named,
    steered,
    dose: settings.dose,
    effects: emotionsOf(settings).map((emotion) =>
      steeringEffect(emotion, {
        steered,
        strengths: base,
        reading: over[pack.emotions.indexOf(emotion)] ?? [],
        randomReadings: over.slice(emotions),
        mass: massOf(answers),
        seed: seed + 5,
      }),
    ),
    mass: massOf(answers),
    first: answers.flat().map(([aFirst, bFirst]) => (aFirst + bFirst) / 2),
  };
}
