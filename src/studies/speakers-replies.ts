/**
 * @file From the user's words to the reply ("Emotion Concepts...", 2026, the position before the reply;
 * protocol section 4): does a reading at the user's last token go with the one right before the reply, and
 * does either predict the mean over the reply? Any direction of the residual stream predicts itself to some
 * degree, so sets of random directions with the angles of the emotions go through the same procedure.
 */
import { renderBars, renderTable } from '../charts/html.ts';
import type { Section } from '../charts/page.ts';
import type { ChatMessage } from '../engine/chat-template.ts';
import type { Probe } from '../engine/engine.ts';
import { symmetricEigen } from '../math/eigen.ts';
import { type Random, randomDirection, randomFrom, shuffled } from '../math/random.ts';
import { deviation, mean, quantile } from '../math/stats.ts';
import { studentP } from '../math/student.ts';
import { addInto, dot, unit } from '../math/vector.ts';
import { rounded } from './recorder.ts';
import { findTurns } from './speakers-dialogues.ts';
import { smallestP } from './speakers-turns.ts';
import type { Measure, StudyLab, StudyResult } from './study.ts';

/** A conversation that ends with the user's message, and the emotion of that message. */
export interface Prompt {
  readonly emotion: string;
  readonly messages: readonly ChatMessage[];
}

/** Readings of one message and its reply, each [directions]: the emotions first, then the random ones. */
export interface ReplyReading {
  /** At the last token of the user's message. */
  readonly user: number[];
  /** Right before the reply. */
  readonly before: number[];
  /** Mean over the reply's own tokens; null if the reply is empty. */
  readonly reply: number[] | null;
  readonly text: string;
}

/** Temperature of the replies. */
const temperature = 0.7;

/** Lets the model reply to each prompt, side by side, and reads along. */
export async function readReplies(
  { model, signal }: StudyLab,
  prompts: readonly Prompt[],
  options: { probe: Probe; maxTokens: number; seeds: readonly number[] },
): Promise<ReplyReading[]> {
  const { probe, maxTokens, seeds } = options;
  const turns = await Promise.all(
    prompts.map(({ messages }) => findTurns(model, messages, { forReply: true })),
  );
  const replies = await model.generate(
    turns.map(({ tokens }, i) => ({ prompt: tokens, maxTokens, temperature, seed: seeds[i] ?? 0 })),
    { probes: [probe], signal },
  );
  const count = probe.bias.length;
  return replies.map(({ promptReadings, tokens, text }, i) => {
    const at = (position: number): number[] =>
      Array.from(promptReadings.slice(position * count, (position + 1) * count), (value) =>
        rounded(value),
      );
    const reply = Array.from({ length: count }, (_, k) =>
      rounded(mean(tokens.map(({ readings }) => readings[k] ?? NaN))),
    );
    return {
      user: at((turns[i]?.ranges.at(-1)?.end ?? 1) - 1),
      before: at(promptReadings.length / count - 1),
      reply: tokens.length === 0 ? null : reply,
      text,
    };
  });
}

/**
 * Random vectors [width] with about the angles among one another that the given ones have: the square root
 * of their table of cosines, times directions uniform on the sphere, which are nearly orthogonal.
 */
export function randomTwins(vectors: readonly Float32Array[], random: Random): Float32Array[] {
  const units = vectors.map(unit);
  const { values, vectors: axes } = symmetricEigen(units.map((a) => units.map((b) => dot(a, b))));
  const root = (i: number, j: number): number =>
    values.reduce(
      (sum, value, e) =>
        sum + Math.sqrt(Math.max(0, value)) * (axes[e]?.[i] ?? 0) * (axes[e]?.[j] ?? 0),
      0,
    );
  const fresh = units.map(({ length }) => randomDirection(length, random));
  return units.map((own, i) => {
    const sum = new Float32Array(own.length);
    for (const [j, direction] of fresh.entries()) addInto(sum, direction, root(i, j));
    return sum;
  });
}

/** Sums of products about the means of one direction over items: what correlations pool. */
interface Sums {
  readonly xy: number;
  readonly xx: number;
  readonly yy: number;
}

function sumsOf(x: readonly number[], y: readonly number[]): Sums {
  const [centreX, centreY] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (const [i, value] of x.entries()) {
    const [a, b] = [value - centreX, (y[i] ?? NaN) - centreY];
    xy += a * b;
    xx += a * a;
    yy += b * b;
  }
  return { xy, xx, yy };
}

function pooled(sums: readonly Sums[]): number {
  const total = (key: keyof Sums): number => sums.reduce((sum, part) => sum + part[key], 0);
  return total('xy') / Math.sqrt(total('xx') * total('yy'));
}

const rounds = 1000;

interface Correlation {
  /** Over items x emotions, each emotion centred over the items. */
  readonly r: number;
  readonly interval: readonly [low: number, high: number];
  /** 95 % of shuffles of the items. */
  readonly shuffles: readonly [low: number, high: number];
  /** Lowest and highest of the random sets, each pooled like the emotions. */
  readonly random: readonly [low: number, high: number];
  readonly sets: number;
  /** Chance that one more random set lies as far from the others, as a t; 1 of fewer than two sets. */
  readonly beyondSets: number;
  /** Of each emotion by itself, over the items. */
  readonly emotions: readonly number[];
  /** 95 % of the random directions, each by itself. */
  readonly single: readonly [low: number, high: number];
  readonly n: number;
}

type Table = readonly (readonly number[])[];

const column = (table: Table, k: number, items?: readonly number[]): number[] =>
  items === undefined ? table.map((row) => row[k] ?? NaN) : items.map((i) => table[i]?.[k] ?? NaN);

const band = (values: readonly number[]): [number, number] => [
  quantile(values, 0.025),
  quantile(values, 0.975),
];

/**
 * Correlation of two tables [items][directions]: the first `emotions` columns are the emotions, each further
 * as many a random set.
 */
export function correlate(x: Table, y: Table, emotions: number): Correlation {
  const own = Array.from({ length: emotions }, (_, k) => k);
  const over = (items: readonly number[], others: readonly number[] = items): number =>
    pooled(own.map((k) => sumsOf(column(x, k, items), column(y, k, others))));
  const all = x.map((_, i) => i);
  const random = randomFrom(43);
  const drawn = Array.from({ length: rounds }, () => over(draw(all, random)));
  const shuffles = Array.from({ length: rounds }, () => over(all, shuffled(all, random)));
  const sums = (x[0] ?? []).map((_, k) => sumsOf(column(x, k), column(y, k)));
  const others = sums.slice(emotions);
  const sets = Array.from({ length: others.length / emotions }, (_, i) =>
    pooled(others.slice(i * emotions, (i + 1) * emotions)),
  );
  return {
    r: over(all),
    interval: band(drawn),
    shuffles: band(shuffles),
    random: [Math.min(...sets), Math.max(...sets)],
    sets: sets.length,
    beyondSets: newcomerP(over(all), sets),
    emotions: sums.slice(0, emotions).map((part) => pooled([part])),
    single: band(others.map((part) => pooled([part]))),
    n: all.length,
  };
}

/** p of one more value beside a sample: its distance from the mean over the spread of such distances. */
function newcomerP(value: number, sample: readonly number[]): number {
  if (sample.length < 2) return 1;
  const spread = deviation(sample) * Math.sqrt(1 + 1 / sample.length);
  return studentP((value - mean(sample)) / spread, sample.length - 1);
}

function draw(items: readonly number[], random: () => number): number[] {
  return items.map(() => items[Math.floor(random() * items.length)] ?? 0);
}

/** How much better `x` goes with `y` than `other` does: difference of the pooled correlations, bootstrapped. */
export function compare(
  x: Table,
  other: Table,
  y: Table,
  emotions: number,
): { difference: number; interval: [number, number]; strict: [number, number] } {
  const own = Array.from({ length: emotions }, (_, k) => k);
  const over = (items: readonly number[]): number =>
    pooled(own.map((k) => sumsOf(column(x, k, items), column(y, k, items)))) -
    pooled(own.map((k) => sumsOf(column(other, k, items), column(y, k, items))));
  const all = x.map((_, i) => i);
  const random = randomFrom(47);
  const drawn = Array.from({ length: rounds }, () => over(draw(all, random)));
  const strict: [number, number] = [quantile(drawn, 0.0025), quantile(drawn, 0.9975)];
  return { difference: over(all), interval: band(drawn), strict };
}

/** Whether two places go together at all, and more than every random set does. */
function gradeOf({ r, interval, shuffles, random, beyondSets }: Correlation): 'no' | 'any' | 'own' {
  if (!(interval[0] > 0 && r > shuffles[1])) return 'no';
  return r > random[1] && beyondSets < smallestP ? 'own' : 'any';
}

const inWords = ([low, high]: readonly [number, number]): string =>
  `${low.toFixed(2)} to ${high.toFixed(2)}`;

function measureOf(name: string, correlation: Correlation, items: string): Measure {
  const { r, interval, shuffles, random, sets, n } = correlation;
  return {
    name,
    value: r,
    interval,
    n,
    control: `${sets} random sets: ${inWords(random)}; 95 % of shuffled ${items}: ${inWords(shuffles)}`,
    note: `pooled over ${items} x ${correlation.emotions.length} emotions, each emotion centred; interval over ${items}`,
  };
}

/** A link with its strength and what it is worth. */
function linkOf(correlation: Correlation): string {
  const { r, random, sets } = correlation;
  const value = `r ${r.toFixed(2)}`;
  return {
    no: `no link beyond shuffles (${value})`,
    any: `a link (${value}) that is not clearly more than random directions have (${sets} sets: ${inWords(random)}), so it is not shown to be the emotions' own`,
    own: `a link (${value}) beyond each of ${sets} random sets (${inWords(random)})`,
  }[gradeOf(correlation)];
}

/** User's last token against the place before the reply, in the dialogues. */
export function positionResult(
  names: readonly string[],
  readings: readonly { readonly user: number[]; readonly reply: number[] }[],
): StudyResult {
  const correlation = correlate(
    readings.map(({ user }) => user),
    readings.map(({ reply }) => reply),
    names.length,
  );
  const { r, n, emotions, single } = correlation;
  return {
    verdict: `Between the user's last token and the place right before the reply there is ${linkOf(correlation)}.`,
    measures: [measureOf("user's last token against before the reply", correlation, 'dialogues')],
    sections: [
      {
        title: "The user's last token and the place before the reply",
        lead: `Correlation over ${n} dialogues of the reading at the last token of the last user's message with the one at the last token of the template's opening of the reply, emotion by emotion. The control: of the random directions, each by itself, 95 % lie at ${inWords(single)}. The paper has r = .11 on its model, a replication about .7 on a 70B one; compare them with the pooled measure (${r.toFixed(2)}).`,
        body: renderBars(
          names.map((name, k) => ({ name, value: emotions[k] ?? NaN })),
          "r of the reading at the user's last token with the one before the reply",
        ),
      },
    ],
  };
}

/** What predicts the mean over the reply. */
export function repliesResult(
  names: readonly string[],
  prompts: readonly Prompt[],
  readings: readonly ReplyReading[],
): StudyResult {
  const kept = readings.flatMap((reading) =>
    reading.reply === null ? [] : [{ ...reading, reply: reading.reply }],
  );
  const user = kept.map((reading) => reading.user);
  const before = kept.map((reading) => reading.before);
  const reply = kept.map((reading) => reading.reply);
  const count = names.length;
  const fromBefore = correlate(before, reply, count);
  const fromUser = correlate(user, reply, count);
  const { difference, interval, strict } = compare(before, user, reply, count);
  const empty = readings.length - kept.length;
  const better = strict[0] > 0 ? 'better' : strict[1] < 0 ? 'worse' : 'no better and no worse';
  return {
    verdict: `From the value right before the reply to the mean over the reply there is ${linkOf(fromBefore)}; it predicts the reply ${better} than the value at the user's last token (r ${fromUser.r.toFixed(2)}).`,
    measures: [
      measureOf("before the reply against the reply's mean", fromBefore, 'messages'),
      measureOf("user's last token against the reply's mean", fromUser, 'messages'),
      {
        name: "before the reply less user's last token",
        value: difference,
        interval,
        n: kept.length,
        control: 'no difference is 0; both on the same replies',
        note: `${empty} empty ${empty === 1 ? 'reply' : 'replies'} left out`,
      },
      measureOf(
        "user's last token against before the reply, on these messages",
        correlate(user, before, count),
        'messages',
      ),
    ],
    sections: [
      {
        title: 'What predicts the reply',
        lead: `Correlation over ${kept.length} messages of the reading right before the reply with the mean over the model's own reply (temperature ${temperature}), emotion by emotion; below it the same from the user's last token. The control: of the random directions, each by itself, 95 % lie at ${inWords(fromBefore.single)} from before the reply and at ${inWords(fromUser.single)} from the user's last token. The paper has r = .87 and .59, pooled; here ${fromBefore.r.toFixed(2)} and ${fromUser.r.toFixed(2)}.`,
        body: renderBars(
          names.map((name, k) => ({
            name,
            value: fromBefore.emotions[k] ?? NaN,
            note: `from the user's last token ${(fromUser.emotions[k] ?? NaN).toFixed(3)}`,
          })),
          "r of the reading before the reply with the reply's mean",
        ),
      },
      repliesSection(names, prompts, readings),
    ],
  };
}

/** How many replies the report shows. */
const shown = 6;

function repliesSection(
  names: readonly string[],
  prompts: readonly Prompt[],
  readings: readonly ReplyReading[],
): Section {
  const inDeviations = (key: 'before' | 'reply', k: number, i: number): string => {
    const values = readings.flatMap((reading) => reading[key]?.[k] ?? []);
    const value = readings[i]?.[key]?.[k];
    return value === undefined ? '' : ((value - mean(values)) / deviation(values)).toFixed(2);
  };
  const rows = prompts.slice(0, shown).map(({ emotion, messages }, i) => {
    const k = names.indexOf(emotion);
    return [
      messages.at(-1)?.content ?? '',
      emotion,
      inDeviations('before', k, i),
      inDeviations('reply', k, i),
      readings[i]?.text ?? '',
    ];
  });
  return {
    title: 'Messages and replies',
    lead: `The first ${rows.length} of ${prompts.length} messages, each of another emotion, with the reading of that emotion before the reply and over it, in standard deviations over the messages. Not chosen by their numbers.`,
    body: renderTable(['message', 'emotion', 'before', 'over reply', 'reply'], rows),
  };
}
