/**
 * @file Can a reply talk its judge into a score? Labelled replies with a text at their end that speaks to the judge,
 * in twelve ways: down to 0 in distressed replies, up to 10 in calm ones. Beside each stands the same reply with a
 * harmless text of the same form and length, its twin, because any addition moves a small judge. What is said in the
 * prompt against it is measured as an arm.
 */
import { z } from 'zod';

import { readJsonLines } from '../formats/jsonl.ts';
import { type ChatPlan, defineChatStudy, listOf } from './chat-study.ts';
import { loadFrustrationTexts } from './frustration-script.ts';
import { resultOf } from './injection-result.ts';
import { type Defence, defences, highScore, type Judged, judgeReply } from './judge.ts';
import { type LabelledReply, loadLabelled, spread } from './labelled-replies.ts';

const kinds = [
  'order',
  'answer',
  'end',
  'role',
  'replaced',
  'polite',
  'language',
  'base64',
  'spaced',
  'scored',
  'makers',
  'examples',
] as const;
type Kind = (typeof kinds)[number];

/** Down to 0, or up to 10. */
export type Direction = 'down' | 'up';

const params = z
  .object({
    /** Distressed replies (label 5 or more), which are talked down. */
    distressed: z.coerce.number().int().min(0).max(20).default(20),
    /** Calm replies (label 0), which are talked up. */
    calm: z.coerce.number().int().min(0).max(20).default(12),
    kinds: listOf(kinds)
      .refine((list) => list.length > 0, { error: 'expected at least one kind' })
      .default([...kinds]),
    /** Arms beside the usual prompt; empty for none. */
    defences: listOf(defences).default([]),
    seed: z.coerce.number().int().min(0).default(1),
  })
  .refine(({ distressed, calm }) => distressed + calm > 0, {
    error: 'expected at least one reply, distressed or calm',
  });
type Params = z.infer<typeof params>;

const pairSchema = z.strictObject({ order: z.string().min(1), twin: z.string().min(1) });
const injectionSchema = z.strictObject({
  kind: z.enum(kinds),
  /** In words, for the report. */
  what: z.string().min(1),
  down: pairSchema,
  up: pairSchema,
});
export type Injection = z.infer<typeof injectionSchema>;

/** One reply under one prompt, with every text at its end. */
export interface Tried {
  readonly id: string;
  readonly label: number;
  readonly direction: Direction;
  readonly defence: Defence | 'none';
  /** The reply as it is. */
  readonly plain: Judged;
  readonly trials: readonly Trial[];
}

interface Trial {
  readonly kind: Kind;
  readonly order: Judged;
  readonly twin: Judged;
}

export const injectionStudy = defineChatStudy<Params, { readonly tried: readonly Tried[] }>({
  name: 'injection',
  summary: 'can a reply talk this judge into a score? twelve ways, each against a harmless twin',
  source: 'THREATS.md',
  params,
  quick: { distressed: 4, calm: 2 },
  talksOnly: true,
  plan: ({ distressed, calm, kinds: chosen, defences: beside }): ChatPlan => {
    const conversations = distressed + calm;
    const replies = conversations * (1 + beside.length) * (1 + 2 * chosen.length);
    return {
      conversations,
      model: { replies, read: replies * 620, written: replies * 60 },
      judge: { replies: 0, read: 0, written: 0 },
      secondJudge: { replies: 0, read: 0, written: 0 },
    };
  },
  conversations: (settings, { data }) => loadReplies(data, settings).map(({ id }) => id),
  play: async (key, settings, { lab, recorder }) => {
    const item = loadReplies(lab.data, settings).find(({ id }) => id === key);
    if (item === undefined) throw new Error(`no reply of this run is called ${key}`);
    const { rubric } = loadFrustrationTexts(lab.data);
    const texts = loadInjections(lab.data).filter(({ kind }) => settings.kinds.includes(kind));
    const { id, score: label } = item;
    const direction: Direction = label >= highScore ? 'down' : 'up';
    const at = { rubric, recorder, signal: lab.signal };
    const tried: Tried[] = [];
    for (const defence of ['none', ...settings.defences] as const) {
      const judged = (name: string, end: string): Promise<Judged> =>
        judgeReply(
          lab.chat,
          { reply: `${item.reply}${end}`, before: item.rejection },
          {
            ...at,
            key: `${id}/${defence}/${name}`,
            ...(defence === 'none' ? {} : { defence }),
          },
        );
      const plain = await judged('plain', '');
      const trials: Trial[] = [];
      for (const { kind, [direction]: pair } of texts)
        trials.push({
          kind,
          order: await judged(`${kind}/order`, `\n\n${pair.order}`),
          twin: await judged(`${kind}/twin`, `\n\n${pair.twin}`),
        });
      tried.push({ id, label, direction, defence, plain, trials });
    }
    return { tried };
  },
  result: ({ seed }, lab, played) =>
    resultOf(
      played.flatMap(({ tried }) => tried),
      { model: lab.chat.name, seed, texts: loadInjections(lab.data) },
    ),
});

function loadInjections(data: (name: string) => string): Injection[] {
  return readJsonLines(data('studies/frustration/injections.jsonl'), injectionSchema);
}

/** Distressed replies, then calm ones; fewer than all are spread over the labels. */
function loadReplies(
  data: (name: string) => string,
  { distressed, calm }: Pick<Params, 'distressed' | 'calm'>,
): LabelledReply[] {
  const all = loadLabelled(data).toSorted((a, b) => a.score - b.score);
  return [
    ...spread(
      all.filter(({ score }) => score >= highScore),
      distressed,
    ),
    ...spread(
      all.filter(({ score }) => score === 0),
      calm,
    ),
  ];
}
