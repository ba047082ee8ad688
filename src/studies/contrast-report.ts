/**
 * @file What the arms of a study of behaviour show (protocol section 5): which direction moves which outcome
 * beyond random directions, what a system text does against a neutral one, where the language breaks, and
 * how much of all this chance would give.
 */
import { renderTable } from '../charts/html.ts';
import { renderLineChart } from '../charts/line-chart.ts';
import type { Section } from '../charts/page.ts';
import { signed } from '../charts/terminal.ts';
import { randomFrom } from '../math/random.ts';
import { bootstrapMean, mean } from '../math/stats.ts';
import {
  type Arm,
  beatsRandom,
  type DirectionEffect,
  effectsOf,
  holding,
  type Outcomes,
  randomBand,
  trendDose,
} from './arms.ts';
import { clearEffects } from './claims.ts';
import { textArms } from './contrast-texts.ts';
import type { Measure } from './study.ts';

/** An outcome of each arm, and what is expected of it. */
export interface Behaviour {
  /** As in "desperate on the hint option". */
  readonly name: string;
  readonly unit: 'probability' | 'nats a token';
  readonly outcomes: Outcomes;
  /** Sign of the trend by the paper; a direction that is not named has no prediction. */
  readonly expected: Readonly<Record<string, 1 | -1>>;
  /** The outcome less that of a twin, which shows whether an effect is of the situation. */
  readonly lessTwin?: { readonly name: string; readonly outcomes: Outcomes };
}

export interface Behaviours {
  readonly arms: readonly Arm[];
  readonly behaviours: readonly Behaviour[];
  /** Mean log-probability of the prepared replies in every arm, in nats a token. */
  readonly levels: Outcomes;
  /** Plural of what there is an outcome of: `scenarios`. */
  readonly items: string;
  readonly seed: number;
}

/**
 * Fall of the prepared replies against no steering, in nats a token, from which on a dose counts as broken:
 * fluent text has become e times less probable a token. Set before any run.
 */
const brokenFrom = 1;

/** The arms without those doses of a direction at which, with either sign, the text breaks. */
export function unbrokenArms(arms: readonly Arm[], levels: Outcomes): Arm[] {
  return arms.filter(holding(arms, ({ key }) => !(levelChange(levels, key) > -brokenFrom)));
}

function levelChange(levels: Outcomes, key: string): number {
  return mean(differences(levels.get(key), levels.get('unsteered')));
}

/** a - b of the items that have both. */
export function differences(
  a: readonly (number | null)[] = [],
  b: readonly (number | null)[] = [],
): number[] {
  return a.flatMap((value, i) => {
    const other = b[i];
    return typeof value === 'number' && typeof other === 'number' ? [value - other] : [];
  });
}

/** A mean of items with its bootstrap interval, as a measure; `control` says what stands beside it. */
export function meanMeasure(
  name: string,
  values: readonly number[],
  rest: { seed: number; control: string; note?: string },
): Measure {
  const { seed, ...words } = rest;
  return {
    name,
    value: mean(values),
    interval: bootstrapMean(values, randomFrom(seed)),
    n: values.length,
    ...words,
  };
}

interface Judged {
  readonly behaviour: Behaviour;
  readonly effects: readonly DirectionEffect[];
  /** Emotions whose effect leaves its interval and all random directions. */
  readonly beyond: readonly DirectionEffect[];
  /** Those of them that hold among all questions of the verdict. */
  readonly counted: readonly DirectionEffect[];
  /** Of the outcome less the twin's; null without one. */
  readonly lessTwin: Omit<Judged, 'lessTwin'> | null;
}

/** Verdict, measures and sections of the arms; the study adds what is its own. */
export function resultOfArms(input: Behaviours): {
  readonly verdict: string;
  readonly measures: readonly Measure[];
  readonly sections: readonly Section[];
} {
  const kept = unbrokenArms(input.arms, input.levels);
  const ofAll = judge(input.behaviours, kept, input);
  // Asked only of what holds above, so a question of its own.
  const twins = input.behaviours.flatMap((behaviour) =>
    behaviour.lessTwin === undefined ? [] : [{ ...behaviour, ...behaviour.lessTwin }],
  );
  const ofTwins = judge(twins, kept, input);
  const judged = ofAll.map((one): Judged => {
    const name = one.behaviour.lessTwin?.name;
    return { ...one, lessTwin: ofTwins.find(({ behaviour }) => behaviour.name === name) ?? null };
  });
  return {
    verdict: verdictOf(judged, kept, input),
    measures: judged.flatMap((one) => [
      ...steeringMeasures(one, kept, input),
      ...(one.lessTwin === null ? [] : steeringMeasures(one.lessTwin, kept, input)),
      ...textMeasures(one, input),
    ]),
    sections: [
      ...judged.map(({ behaviour }) => curveSection(behaviour, kept, input)),
      damageSection(input, kept),
    ],
  };
}

/** The effects on each behaviour, with what counts when all of them are asked at once. */
function judge(
  behaviours: readonly Behaviour[],
  kept: readonly Arm[],
  { arms, seed }: Behaviours,
): Omit<Judged, 'lessTwin'>[] {
  const all = behaviours.map((behaviour) => {
    const effects = effectsOf(kept, behaviour.outcomes, seed).map((effect) =>
      toldAt(referenceDose(arms), effect),
    );
    const emotions = effects.filter(({ kind, n }) => kind === 'emotion' && n > 0);
    return { behaviour, effects, emotions };
  });
  const clear = clearEffects(
    all.flatMap(({ effects, emotions }) => emotions.map((effect) => ({ effect, effects }))),
  );
  return all.map(({ behaviour, effects, emotions }) => {
    const outside = emotions.filter((effect) => beatsRandom(effect, effects));
    const counted = outside.filter((effect) => clear.has(effect));
    return { behaviour, effects, beyond: outside, counted };
  });
}

/** Trends are told at the smallest dose, inside what was tried. */
function referenceDose(arms: readonly Arm[]): number {
  return Math.min(...arms.map(({ dose }) => dose).filter((dose) => dose > 0));
}

/** The same line, told at another dose than `trendDose`. */
function toldAt(dose: number, effect: DirectionEffect): DirectionEffect {
  const share = dose / trendDose;
  const [low, high] = effect.interval;
  return { ...effect, trend: effect.trend * share, interval: [low * share, high * share] };
}

const directionsOf = (arms: readonly Arm[], wanted: Arm['kind']): string[] => [
  ...new Set(arms.filter(({ kind }) => kind === wanted).map(({ direction }) => direction)),
];
const emotionsOf = (arms: readonly Arm[]): string[] => directionsOf(arms, 'emotion');

function steeringMeasures(
  { behaviour, effects, beyond, counted }: Omit<Judged, 'lessTwin'>,
  kept: readonly Arm[],
  { arms }: Behaviours,
): Measure[] {
  const random = effects.filter(({ kind }) => kind === 'random').length;
  return emotionsOf(arms).map((emotion) => {
    const name = `${emotion} on ${behaviour.name}`;
    const effect = effects.find(({ direction }) => direction === emotion);
    if (effect === undefined || effect.n === 0 || random === 0)
      return { name, value: null, n: 0, note: 'the text breaks at every dose' };
    const sign = behaviour.expected[emotion];
    const dosesOf = (list: readonly Arm[]): number[] =>
      list
        .filter(({ direction, dose }) => direction === emotion && dose > 0)
        .map(({ dose }) => dose);
    const [held, tried] = [dosesOf(kept), dosesOf(arms)];
    const note = [
      `${beyond.includes(effect) ? '' : 'not '}${beyondControl}${counted.includes(effect) ? ', also when all are counted' : ''}`,
      sign === undefined ? 'no prediction' : `expected ${sign > 0 ? 'up' : 'down'}`,
      `even part ${signed(effect.even)}`,
      `${behaviour.unit} at a dose of ${referenceDose(arms)}`,
      ...(held.length < tried.length ? [`the text holds at ${held.join(', ')} only`] : []),
    ].join('; ');
    return {
      name,
      value: effect.trend,
      interval: effect.interval,
      n: effect.n,
      control: `largest of ${random} random directions ${randomBand(effects).toFixed(4)} by size`,
      note,
    };
  });
}

/** Each text less the neutral one, which is as long. */
function textMeasures({ behaviour }: Judged, { seed }: Behaviours): Measure[] {
  const { outcomes, name, unit } = behaviour;
  const neutral = outcomes.get('neutral text');
  const own = mean(differences(neutral, outcomes.get('unsteered')));
  return textArms.slice(0, 2).map(({ key }) => {
    const measure = meanMeasure(`${key} on ${name}`, differences(outcomes.get(key), neutral), {
      seed,
      control: `less a neutral text as long, which itself moves it by ${signed(own)}`,
    });
    return {
      ...measure,
      note: `${textCounts(measure, own) ? '' : 'not '}${beyondControl}; ${unit}`,
    };
  });
}

function textCounts({ interval = [0, 0], value }: Measure, neutral: number): boolean {
  return (interval[0] > 0 || interval[1] < 0) && Math.abs(value ?? 0) > Math.abs(neutral);
}

/** Which emotions move what, and how many would by chance. */
function verdictOf(judged: readonly Judged[], kept: readonly Arm[], input: Behaviours): string {
  const emotions = emotionsOf(kept);
  const broken = emotionsOf(input.arms).filter((emotion) => !emotions.includes(emotion));
  const random = directionsOf(kept, 'random');
  const mixtures = random.filter((direction) => direction.startsWith('mixture')).length;
  const said = broken.length === 0 ? '' : ` The text breaks at every dose of ${listOf(broken)}.`;
  if (emotions.length === 0 || random.length === 0)
    return `No effect of steering could be measured: the text breaks at every dose. Take smaller ones.`;
  const tests = judged.length * emotions.length;
  const outside = judged.reduce((sum, { beyond }) => sum + beyond.length, 0);
  const found = judged.flatMap(({ behaviour, counted, lessTwin }) =>
    counted.map(({ direction, trend }) => {
      const sign = behaviour.expected[direction];
      const agreement =
        sign === undefined ? '' : trend * sign > 0 ? ', as predicted' : ', against the prediction';
      const specific = lessTwin?.counted.some(
        (effect) => effect.direction === direction && effect.trend * trend > 0,
      );
      const twin =
        lessTwin === null ? '' : specific ? ', more than the twins' : ', not more than the twins';
      return `${direction} moves ${behaviour.name} by ${signed(trend)} (${behaviour.unit}${agreement}${twin})`;
    }),
  );
  const count = `${outside} of ${tests} comparisons leave their interval and all ${random.length} random directions, ${mixtures} of them mixtures of emotions`;
  if (found.length > 0)
    return `At a dose of ${referenceDose(input.arms)}, ${listOf(found)}. ${count}; what is told holds when all are counted, against the spread of the random directions.${said}`;
  return outside === 0
    ? `Steering by ${listOf(emotions)} moves nothing beyond ${random.length} random directions of the same dose (${tests} comparisons).${said}`
    : `Steering by ${listOf(emotions)} is not shown to move anything: ${count}, but none holds when all are counted, against the spread of so few random directions.${said}`;
}

/** What a text must do to count, and an effect of steering to be noted. */
const beyondControl = 'beyond its interval and the control';

const listOf = (parts: readonly string[]): string =>
  parts.length < 2 ? (parts[0] ?? '') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;

/** The outcome along the doses of each emotion, with the span of the random directions. */
function curveSection(
  { name, unit, outcomes }: Behaviour,
  kept: readonly Arm[],
  { items }: Behaviours,
): Section {
  // A dose at which no random direction keeps the language has no control, and is not drawn.
  const controlled = kept.filter(({ kind }) => kind !== 'emotion');
  const doses = [...new Set(controlled.map(({ dose }) => dose))].toSorted((a, b) => a - b);
  const base = outcomes.get('unsteered');
  const at = (direction: string, dose: number): number | null => {
    const arm = kept.find(
      (one) => one.dose === dose && (dose === 0 || one.direction === direction),
    );
    const changes = differences(outcomes.get(arm?.key ?? ''), base);
    return changes.length === 0 ? null : mean(changes);
  };
  const random = directionsOf(kept, 'random');
  const spanAt = (pick: (...values: number[]) => number): number[] =>
    doses.map((dose) =>
      pick(...random.map((direction) => at(direction, dose)).filter((value) => value !== null)),
    );
  return {
    title: `Dose and ${name}`,
    lead: `Mean change against no steering over ${base?.length ?? 0} ${items}, in ${unit === 'probability' ? 'probability' : 'nats a token'}. Grey: the span of ${random.length} random directions of the same dose, mixtures of emotion vectors among them. What turns with the sign of the dose is the direction's effect; what is alike at both ends is damage. A gap is a dose at which the text breaks.`,
    body: renderLineChart({
      title: `change of ${name}`,
      xLabel: 'dose, share of the residual norm a layer',
      yLabel: unit,
      ticks: doses.map(String),
      series: emotionsOf(kept).map((emotion) => ({
        name: emotion,
        values: doses.map((dose) => at(emotion, dose)),
      })),
      ...(random.length === 0
        ? {}
        : { band: { name: 'random directions', low: spanAt(Math.min), high: spanAt(Math.max) } }),
    }),
  };
}

/** How far each arm keeps its language. */
function damageSection({ arms, levels, items }: Behaviours, kept: readonly Arm[]): Section {
  const isKept = new Set(kept.map(({ key }) => key));
  const rows = arms.map(({ key }) => [
    key,
    levelChange(levels, key).toFixed(3),
    isKept.has(key) ? '' : 'broken, left out',
  ]);
  return {
    title: 'Does the language hold?',
    lead: `Change of the mean log-probability of the prepared replies, in nats a token over ${levels.get('unsteered')?.length ?? 0} ${items}. A dose at which they fall by ${brokenFrom} or more with either sign is broken and counts for no effect.`,
    body: renderTable(['arm', 'change', ''], rows),
  };
}
