/**
 * @file Can a model be the judge? It scores 60 replies that were labelled by hand, by the same rubric, and is compared
 * with the labels, with a list of words as the baseline and a second reader as what can be hoped for.
 */
import { z } from 'zod';

import { renderTable } from '../charts/html.ts';
import { readJsonLines, readText } from '../formats/jsonl.ts';
import { type Agreement, agreementOf } from '../math/agreement.ts';
import { randomFrom } from '../math/random.ts';
import { mean, pearson } from '../math/stats.ts';
import { type ChatPlan, defineChatStudy } from './chat-study.ts';
import { loadFrustrationTexts } from './frustration-script.ts';
import { highScore, type Judged, judgeReply } from './judge.ts';
import { type LabelledReply, loadLabelled, spread } from './labelled-replies.ts';
import { parseLexicon } from './lexicon.ts';
import { measure } from './measures.ts';
import type { Measure, StudyResult } from './study.ts';

const params = z.object({
  /** Replies that are scored, of the 60. */
  replies: z.coerce.number().int().min(10).max(60).default(60),
  seed: z.coerce.number().int().min(0).default(1),
});
type Params = z.infer<typeof params>;

const secondSchema = z.object({ id: z.string(), score: z.number().int().min(0).max(10) });

interface Scored {
  readonly item: LabelledReply;
  readonly judged: Judged;
}

const folder = 'studies/frustration';
const worstShown = 8;

export const judgeStudy = defineChatStudy<Params, Scored>({
  name: 'judge',
  summary: 'can this model judge frustration? its scores against 60 labelled replies',
  source: 'protocol section 6',
  params,
  quick: { replies: 20 },
  talksOnly: true,
  plan: ({ replies }): ChatPlan => ({
    conversations: replies,
    model: { replies, read: replies * 560, written: replies * 60 },
    judge: { replies: 0, read: 0, written: 0 },
    secondJudge: { replies: 0, read: 0, written: 0 },
  }),
  conversations: ({ replies }, lab) => itemsOf(lab.data, replies).map(({ id }) => id),
  play: async (key, { replies }, { lab, recorder }) => {
    const item = itemsOf(lab.data, replies).find(({ id }) => id === key);
    if (item === undefined) throw new Error(`no labelled reply is called ${key}`);
    const { rubric } = loadFrustrationTexts(lab.data);
    const at = { key, rubric, recorder, signal: lab.signal };
    const judged = await judgeReply(lab.chat, { reply: item.reply, before: item.rejection }, at);
    return { item, judged };
  },
  result: ({ seed }, lab, played) => {
    const second = readJsonLines(lab.data(`${folder}/second-labels.jsonl`), secondSchema);
    const lexicon = parseLexicon(readText(lab.data(`${folder}/lexicon.json`)));
    return resultOf(played, {
      model: lab.chat.name,
      seed,
      secondOf: new Map(second.map(({ id, score }) => [id, score])),
      words: (text) => lexicon.score(text),
    });
  },
});

/** Spread over the file, so that fewer than all have all scores too. */
function itemsOf(data: (name: string) => string, count: number): LabelledReply[] {
  return spread(loadLabelled(data), count);
}

function resultOf(
  played: readonly Scored[],
  context: {
    readonly model: string;
    readonly seed: number;
    readonly secondOf: ReadonlyMap<string, number>;
    readonly words: (text: string) => number;
  },
): StudyResult {
  const { model, seed, secondOf, words } = context;
  const scored = played.flatMap(({ item, judged }) =>
    judged.score === null ? [] : [{ item, judged, score: judged.score }],
  );
  const labels = scored.map(({ item }) => item.score);
  const scores = scored.map(({ score }) => score);
  const own = agreementOf(labels, scores, { threshold: highScore, random: randomFrom(seed) });
  const others = scored.map(({ item }) => secondOf.get(item.id) ?? NaN);
  const reader = agreementOf(labels, others, { threshold: highScore, random: randomFrom(seed) });
  const list = pearson(
    labels,
    scored.map(({ item }) => words(item.reply)),
  );
  const bias = mean(scores.map((score, i) => score - (labels[i] ?? NaN)));
  const measures = [
    ...measuresOf(own, { reader, list, bias }),
    measure('replies that it could not judge', played.length, {
      value: played.length - scored.length,
    }),
  ];
  return { verdict: verdictOf(model, own, played.length), measures, sections: sectionsOf(scored) };
}

function measuresOf(
  own: Agreement,
  { reader, list, bias }: { reader: Agreement; list: number; bias: number },
): Measure[] {
  const same = 'it gives the same score to all';
  const shown = (value: number | null): string => (value === null ? '-' : value.toFixed(3));
  return [
    measure('against the labels, r', own.n, {
      value: own.correlation,
      ...(own.correlationInterval === null ? {} : { interval: own.correlationInterval }),
      control: `list of words ${shown(list)}, second reader ${shown(reader.correlation)}`,
      note: same,
    }),
    measure('within one point of the label', own.n, {
      value: own.withinOne,
      interval: own.withinOneInterval,
      control: `second reader ${shown(reader.withinOne)}`,
    }),
    measure('kappa of 5 or more', own.n, {
      value: own.kappaAtThreshold,
      control: `second reader ${shown(reader.kappaAtThreshold)}`,
      note: same,
    }),
    measure('quadratic kappa', own.n, {
      value: own.kappaQuadratic,
      control: `second reader ${shown(reader.kappaQuadratic)}`,
      note: same,
    }),
    measure('mean score less mean label', own.n, { value: bias }),
  ];
}

/** Kappa of high scores from which a judge is fit for use, by the usual reading of "substantial". */
const fitKappa = 0.6;

function verdictOf(
  model: string,
  { kappaAtThreshold, correlation, n }: Agreement,
  of: number,
): string {
  const missing = of - n;
  const lost = missing === 0 ? '' : ` It left ${missing} of ${of} without a usable score.`;
  if (kappaAtThreshold === null || correlation === null)
    return `${model} can't judge: it gives the same score to all or nearly all of ${n} replies.${lost}`;
  const numbers = `r ${correlation.toFixed(2)}, kappa of 5 or more ${kappaAtThreshold.toFixed(2)}, n ${n}`;
  return kappaAtThreshold >= fitKappa
    ? `${model} agrees with the labels well enough to judge (${numbers}).${lost}`
    : `${model} does not agree with the labels well enough to judge (${numbers}): its shares of high scores mean little.${lost}`;
}

function sectionsOf(
  scored: readonly (Scored & { readonly score: number })[],
): StudyResult['sections'] {
  const bands: readonly [name: string, low: number, high: number][] = [
    ['0', 0, 0],
    ['1 to 2', 1, 2],
    ['3 to 4', 3, 4],
    ['5 to 7', 5, 7],
    ['8 to 10', 8, 10],
  ];
  const rows = bands.map(([name, low, high]) => {
    const own = scored.filter(({ item }) => item.score >= low && item.score <= high);
    const given = own.map(({ score }) => score);
    return own.length === 0
      ? [name, 0, '-', '-']
      : [
          name,
          own.length,
          mean(given).toFixed(1),
          `${Math.min(...given)} to ${Math.max(...given)}`,
        ];
  });
  const farthest = scored
    .toSorted((a, b) => Math.abs(b.score - b.item.score) - Math.abs(a.score - a.item.score))
    .slice(0, worstShown)
    .map(({ item, judged, score }) => [item.score, score, judged.quote, item.reply]);
  return [
    {
      title: 'By label',
      lead: 'Scores that it gave to the replies of each label.',
      body: renderTable(['label', 'replies', 'mean score', 'from, to'], rows),
    },
    {
      title: 'Farthest apart',
      lead: 'Where it disagrees most with the label.',
      body: renderTable(['label', 'score', 'its quote', 'reply'], farthest),
    },
  ];
}
