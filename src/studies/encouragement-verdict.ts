/**
 * @file The verdict of the encouragement study in plain words: which arms differ in accuracy and in giving up, from
 * no sentence and from a demand without affect, whether form explains it, and that none does where none does.
 */
import { signed } from '../charts/terminal.ts';
import { holm } from '../math/paired.ts';
import { besideControls } from './claims.ts';
import {
  attemptContrasts,
  type Contrast,
  contrastsOf,
  isClear,
  isSolved,
  isSolvedIfReadable,
  isUnreadable,
  largestOf,
  type Outcome,
} from './encouragement-contrasts.ts';
import {
  armGroups,
  baseArms,
  type EncouragementContext,
  type Played,
  rightIn,
  runsIn,
  textArmsAgainst,
} from './encouragement-data.ts';
import { type ReadingContrast, readingContrasts } from './encouragement-inside.ts';
import { inArm } from './measures.ts';

/** Sentences made from the numbers. */
export function verdictOf(
  played: readonly Played[],
  { settings, model, isLocal }: EncouragementContext,
): string {
  const asked = countedTogether(askedOf(played, { settings, isLocal }));
  const parts = [
    accuracyInWords(played, asked.accuracy, settings.seed),
    roomInWords(played, model),
    unreadableInWords(asked.unreadable),
    attemptsInWords(played, asked.attempts, settings.attempts),
    vectorsInWords(played, asked, settings),
    readingsInWords(asked.readings),
    missingInWords(played),
  ];
  const said = parts.filter((part) => part !== '');
  return said.length === 0
    ? `Nothing was played that could be compared, with ${model}.`
    : said.join(' ');
}

/** All that the verdict asks; random directions are controls and ask nothing. */
interface Asked {
  readonly accuracy: readonly Contrast[];
  readonly unreadable: readonly Contrast[];
  readonly attempts: readonly Contrast[];
  readonly steeredAccuracy: readonly Contrast[];
  readonly steeredAttempts: readonly Contrast[];
  readonly readings: readonly ReadingContrast[];
}

function askedOf(
  played: readonly Played[],
  { settings, isLocal }: Pick<EncouragementContext, 'settings' | 'isLocal'>,
): Asked {
  const { attempts, seed } = settings;
  const { emotions } = armGroups(played);
  const against = (outcome: Outcome): Contrast[] =>
    textContrasts(played, (at) => contrastsOf(played, outcome, { ...at, seed }));
  const at = { base: 'none', arms: isLocal ? emotions : [], seed };
  return {
    accuracy: against(isSolved),
    unreadable: against(isUnreadable),
    attempts: textContrasts(played, (own) => attemptContrasts(played, { ...own, attempts, seed })),
    steeredAccuracy: contrastsOf(played, isSolved, at),
    steeredAttempts: attemptContrasts(played, { ...at, attempts }),
    readings: isLocal ? readingContrasts(played, 'before', seed) : [],
  };
}

/** Holm's correction over every question of the verdict, so that the chance of any false claim in it is 5 %. */
function countedTogether(asked: Asked): Asked {
  const all: Contrast[] = Object.values(asked).flat();
  const corrected = holm(all.map(({ p }) => p));
  const values = new Map(all.map((contrast, i) => [contrast, corrected[i] ?? 1]));
  const raised = <T extends Contrast>(contrasts: readonly T[]): T[] =>
    contrasts.map((contrast) => ({
      ...contrast,
      corrected: values.get(contrast) ?? 1,
      reach: Math.min(1, all.length * 2 ** (1 - contrast.n)),
    }));
  return {
    accuracy: raised(asked.accuracy),
    unreadable: raised(asked.unreadable),
    attempts: raised(asked.attempts),
    steeredAccuracy: raised(asked.steeredAccuracy),
    steeredAttempts: raised(asked.steeredAttempts),
    readings: raised(asked.readings),
  };
}

/** How differences of one outcome are told. */
interface Wording {
  /** What differs: "no arm differs in ...". */
  readonly noun: string;
  /** The same as a sentence: "with X ... more often than". */
  readonly subject: string;
  readonly more: string;
  readonly less: string;
  /** What the items are called. */
  readonly items: string;
  readonly amount: (contrast: Contrast) => string;
}

const accuracyWords: Wording = {
  noun: 'accuracy',
  subject: 'the model is right',
  more: 'more often',
  less: 'less often',
  items: 'tasks',
  amount: (contrast) => amountOf(contrast, { factor: 100, digits: 1, unit: 'points' }),
};

const attemptWords: Wording = {
  noun: 'attempts before giving up',
  subject: 'the model goes on',
  more: 'longer',
  less: 'less long',
  items: 'puzzles',
  amount: (contrast) => amountOf(contrast, { factor: 1, digits: 2, unit: 'attempts' }),
};

function amountOf(
  { difference, interval, n }: Contrast,
  { factor, digits, unit }: { factor: number; digits: number; unit: string },
): string {
  const number = (value: number): string => (factor * value).toFixed(digits);
  const range = interval.every(Number.isFinite) ? `${interval.map(number).join(' to ')}, ` : '';
  return `${signed(factor * difference, digits)} ${unit} (${range}n ${n})`;
}

const nameOf = (base: string): string => (base === 'none' ? 'no sentence' : 'the demand');

function accuracyInWords(
  played: readonly Played[],
  contrasts: readonly Contrast[],
  seed: number,
): string {
  const readable = textContrasts(played, (at) =>
    contrastsOf(played, isSolvedIfReadable, { ...at, seed }),
  );
  return differencesInWords(contrasts, accuracyWords, (contrast) =>
    formInWords(
      readable.find(({ arm, base }) => arm === contrast.arm && base === contrast.base),
      contrast,
    ),
  );
}

/** Text arms against none, and against demand. */
function textContrasts(
  played: readonly Played[],
  contrast: (at: { base: string; arms: readonly string[] }) => Contrast[],
): Contrast[] {
  return baseArms.flatMap((base) => contrast({ base, arms: textArmsAgainst(played, base) }));
}

/** What is left of a clear difference where both replies could be read. */
function formInWords(readable: Contrast | undefined, { difference }: Contrast): string {
  if (readable === undefined) return '; no task has a readable answer in both, so it may be form';
  const amount = accuracyWords.amount(readable);
  return isClear(readable) && readable.difference * difference > 0
    ? `; also where both answers are readable: ${amount}`
    : `; where both answers are readable nothing clear is left: ${amount}, so it may be form and no ability`;
}

/** Clear differences arm by arm, or that there is none and what the numbers leave open. */
function differencesInWords(
  contrasts: readonly Contrast[],
  words: Wording,
  more: (contrast: Contrast) => string = () => '',
): string {
  if (contrasts.length === 0) return '';
  const clear = contrasts.filter(isClear);
  if (clear.length === 0) return noneInWords(contrasts, words);
  const arms = [...new Set(clear.map(({ arm }) => arm))];
  const others = [...new Set(contrasts.map(({ arm }) => arm))].filter((arm) => !arms.includes(arm));
  const rest =
    others.length === 0 ? '' : ` No clear difference in ${words.noun}: ${others.join(', ')}.`;
  const found = arms
    .map((arm) => {
      const own = contrasts.filter((contrast) => contrast.arm === arm);
      const said = own.filter(isClear).map((contrast) => {
        const direction = contrast.difference > 0 ? words.more : words.less;
        return `${direction} than with ${nameOf(contrast.base)}: ${words.amount(contrast)}${more(contrast)}`;
      });
      return `With ${arm} ${words.subject} ${said.join('; ')}${toneInWords(own, words)}.`;
    })
    .join(' ');
  return found + rest;
}

/** Whether a difference can be laid to the tone of the sentence. */
function toneInWords(own: readonly Contrast[], words: Wording): string {
  const [none, demand] = ['none', 'demand'].map((base) => own.find((one) => one.base === base));
  if (own[0]?.arm === 'demand') return ', without any affect in it';
  if (demand === undefined) return '; no demand was played, so any sentence might do the same';
  if (!isClear(demand))
    return `; from the demand it does not clearly differ (${words.amount(demand)}), so the tone is not shown to matter`;
  if (none !== undefined && !isClear(none))
    return `; from no sentence it does not clearly differ (${words.amount(none)}), so it may be the demand that moves`;
  return '';
}

function noneInWords(contrasts: readonly Contrast[], words: Wording): string {
  const bases = [...new Set(contrasts.map(({ base }) => nameOf(base)))].join(' or ');
  const said = contrasts.map(
    (contrast) =>
      `${contrast.arm} ${words.amount(contrast)}${bases.includes(' or ') ? ` against ${nameOf(contrast.base)}` : ''}`,
  );
  const n = Math.max(...contrasts.map((contrast) => contrast.n));
  const isTooFew = contrasts.every(({ reach }) => reach >= 0.05);
  const open = isTooFew ? ` ${n} ${words.items} are too few to show any.` : '';
  return `No arm differs clearly in ${words.noun} from ${bases}: ${said.join('; ')}.${open}`;
}

/** Near the floor or the ceiling nothing can be told. */
function roomInWords(played: readonly Played[], model: string): string {
  const base = baseArms.find((arm) => rightIn(inArm(played, arm)).length > 0);
  if (base === undefined) return '';
  const right = rightIn(inArm(played, base));
  const share = right.filter(Boolean).length / right.length;
  if (share >= 0.1 && share <= 0.9) return '';
  const side =
    share < 0.1 ? 'so few that little could be lost' : 'so many that little could be won';
  return `With ${nameOf(base)} ${model} solves ${(100 * share).toFixed(0)} % of the tasks, ${side}.`;
}

function unreadableInWords(contrasts: readonly Contrast[]): string {
  return contrasts
    .filter(isClear)
    .map(
      (contrast) =>
        `With ${contrast.arm} ${contrast.difference > 0 ? 'more' : 'fewer'} replies are without a readable answer than with ${nameOf(contrast.base)}: ${accuracyWords.amount(contrast)}.`,
    )
    .join(' ');
}

function attemptsInWords(
  played: readonly Played[],
  contrasts: readonly Contrast[],
  attempts: number,
): string {
  const texts = played.filter(({ arm }) => armGroups(played).texts.includes(arm));
  const runs = runsIn(texts);
  if (runs.length === 0) return '';
  if (runs.every(({ gaveUp }) => !gaveUp))
    return `In none of ${runs.length} runs of up to ${attempts} attempts at a puzzle without a solution does it give up, in no arm.`;
  const count = `On puzzles without a solution it gives up in ${runs.filter(({ gaveUp }) => gaveUp).length} of ${runs.length} runs.`;
  return `${count} ${differencesInWords(contrasts, attemptWords)}`.trim();
}

function vectorsInWords(
  played: readonly Played[],
  { steeredAccuracy, steeredAttempts }: Asked,
  { attempts, seed }: EncouragementContext['settings'],
): string {
  const outcomes: [Wording, readonly Contrast[]][] = [
    [accuracyWords, steeredAccuracy],
    [attemptWords, steeredAttempts],
  ];
  if (outcomes.every(([, contrasts]) => contrasts.length === 0)) return '';
  const { emotions, random: arms } = armGroups(played);
  const at = { base: 'none', arms, seed };
  const random = {
    accuracy: contrastsOf(played, isSolved, at),
    attempts: attemptContrasts(played, { ...at, attempts }),
  };
  const beyond = outcomes.flatMap(([words, contrasts]) =>
    contrasts.filter(isClear).map((contrast) => {
      const control = besideRandom(contrast, {
        controls: words === accuracyWords ? random.accuracy : random.attempts,
        asked: steeredAccuracy.length + steeredAttempts.length,
        amount: (size) => words.amount({ ...contrast, difference: size, interval: [NaN, NaN] }),
      });
      const direction = contrast.difference > 0 ? words.more : words.less;
      return `Steered with ${contrast.arm} ${words.subject} ${direction}: ${words.amount(contrast)}, ${control}.`;
    }),
  );
  return beyond.length === 0
    ? `No steering with ${emotions.join(', ')} differs clearly from none.`
    : beyond.join(' ');
}

/** A difference under steering beside those of random directions of equal norm. */
function besideRandom(
  { difference }: Contrast,
  {
    controls,
    asked,
    amount,
  }: { controls: readonly Contrast[]; asked: number; amount: (size: number) => string },
): string {
  if (controls.length === 0) return 'without a random direction to compare with';
  const sizes = controls.map((control) => control.difference);
  const word = besideControls(difference, sizes, asked);
  return `${word} the ${controls.length} random directions (${amount(largestOf(controls))})`;
}

function readingsInWords(contrasts: readonly ReadingContrast[]): string {
  if (contrasts.length === 0) return '';
  const base = nameOf(contrasts[0]?.base ?? 'demand');
  const clear = contrasts.filter(isClear);
  if (clear.length === 0)
    return `Inside, right before the reply, no arm reads clearly other than ${base}.`;
  const said = clear.map(
    (contrast) =>
      `${contrast.emotion} ${contrast.difference > 0 ? 'higher' : 'lower'} with ${contrast.arm}, ${amountOf(contrast, { factor: 1, digits: 2, unit: 'SD' })}`,
  );
  return `Inside, right before the reply, against ${base}: ${said.join('; ')}.`;
}

function missingInWords(played: readonly Played[]): string {
  const replies = played.flatMap((one) => one.replies);
  const gone = replies.filter(({ missing }) => missing !== undefined).length;
  return gone === 0 ? '' : `${gone} of ${replies.length} replies never came and count nowhere.`;
}
