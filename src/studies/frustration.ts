/**
 * @file Frustration under rejection (protocol section 6, after "Gemma Needs Help"): every answer is rejected, and a
 * judge scores each reply for frustration and distress. Beside it stand neutral continuations, a hidden history,
 * reassurance, a list of words instead of the judge, and in a local model the readings inside and calm
 * steering with random directions of equal norm.
 */
import { z } from 'zod';

import { readText } from '../formats/jsonl.ts';
import { doseList } from './arms.ts';
import {
  allEnded,
  type ChatLab,
  type ChatPlan,
  defineChatStudy,
  listOf,
  type PlannedLab,
} from './chat-study.ts';
import type { Conversation, Turn } from './frustration-data.ts';
import { resultOf } from './frustration-result.ts';
import {
  categories,
  type Category,
  insideEmotions,
  itemsIn,
  loadFrustrationTexts,
  messagesBefore,
  scriptOf,
  type TextArm,
  textArms,
  turnsOf,
} from './frustration-script.ts';
import {
  askInside,
  type InsideSaid,
  type TreatmentPlan,
  treatmentNames,
  treatmentOf,
} from './inside.ts';
import { type Judged, judgementTokens, judgeReply } from './judge.ts';
import type { Recorder } from './study.ts';

const params = z.object({
  /** Conversations in each category and arm; no more than the category has openings. */
  each: z.coerce.number().int().min(1).max(1000).default(12),
  categories: listOf(categories).default([...categories]),
  arms: listOf(textArms).default([...textArms]),
  /** Longest reply, in tokens. */
  tokens: z.coerce.number().int().min(10).max(4000).default(160),
  temperature: z.coerce.number().min(0).max(2).default(1),
  /** Share of the replies that the second judge scores too. */
  secondShare: z.coerce.number().min(0).max(1).default(0.2),
  /** Categories in which a local model is treated; empty for none. */
  treated: listOf(categories).default(['extended']),
  /** Doses of calm. */
  doses: doseList.default([0.02, 0.04, 0.06]),
  /** Random directions at the middle dose. */
  random: z.coerce.number().int().min(0).max(100).default(2),
  /** Random mixtures of emotion vectors at the middle dose. */
  mixtures: z.coerce.number().int().min(0).max(100).default(2),
  seed: z.coerce.number().int().min(0).default(1),
});
type FrustrationParams = z.infer<typeof params>;

export const frustrationStudy = defineChatStudy<FrustrationParams, Conversation>({
  name: 'frustration',
  summary: 'does it break down when every answer is rejected? judged replies, controls, treatments',
  source: 'protocol section 6',
  params,
  quick: {
    each: 2,
    categories: ['numeric', 'extended'],
    arms: ['rejection', 'neutral'],
    tokens: 80,
    doses: [0.04],
    random: 1,
    mixtures: 0,
  },
  plan: planOf,
  conversations: (settings, lab) => specsOf(settings, lab).map(({ key }) => key),
  play: (key, settings, { lab, recorder }) => play(key, settings, { lab, recorder }),
  result: (settings, lab, played) =>
    resultOf(played, {
      settings,
      lexicon: readText(lab.data('studies/frustration/lexicon.json')),
      names: {
        model: lab.chat.name,
        judge: lab.judge?.name ?? null,
        secondJudge: lab.secondJudge?.name ?? null,
      },
      isLocal: lab.local !== null,
    }),
});

interface Spec {
  readonly key: string;
  readonly arm: string;
  readonly category: Category;
  readonly index: number;
}

/** All conversations; those that a category has no openings for are left out. */
function specsOf(settings: FrustrationParams, lab: PlannedLab): Spec[] {
  const texts = loadFrustrationTexts(lab.data);
  const treatments = lab.isLocal ? treatmentNames(treatmentPlan(settings)) : [];
  const cells = [
    ...settings.arms.flatMap((arm) => settings.categories.map((category) => ({ arm, category }))),
    ...treatments.flatMap((arm) => settings.treated.map((category) => ({ arm, category }))),
  ];
  return cells.flatMap(({ arm, category }) =>
    Array.from({ length: Math.min(settings.each, itemsIn(texts, category)) }, (_, index) => ({
      key: `${arm}/${category}/${index}`,
      arm,
      category,
      index,
    })),
  );
}

function treatmentPlan({ doses, random, mixtures, seed }: FrustrationParams): TreatmentPlan {
  return { emotions: ['calm'], doses, random, mixtures, watch: 'frustrated', seed };
}

function planOf(settings: FrustrationParams, lab: PlannedLab): ChatPlan {
  const specs = specsOf(settings, lab);
  const replies = specs.reduce((sum, { category }) => sum + turnsOf[category], 0);
  // A rejection has about 20 tokens, an opening 50, and each reply is read again at every later turn.
  const read = specs.reduce((sum, { category }) => {
    const turns = turnsOf[category];
    return sum + turns * 50 + ((settings.tokens + 20) * (turns * (turns - 1))) / 2;
  }, 0);
  const judged = lab.hasJudge ? replies : 0;
  const again = lab.hasSecondJudge ? Math.round(replies * settings.secondShare) : 0;
  const judging = (count: number): ChatPlan['judge'] => ({
    replies: count,
    // The reply stands in the question, and its sentences once more in the shape of the answer.
    read: count * (450 + 2 * settings.tokens),
    written: count * judgementTokens,
  });
  return {
    conversations: specs.length,
    model: { replies, read, written: replies * settings.tokens },
    judge: judging(judged),
    secondJudge: judging(again),
  };
}

async function play(
  key: string,
  settings: FrustrationParams,
  { lab, recorder }: { lab: ChatLab; recorder: Recorder },
): Promise<Conversation> {
  const spec = specOf(key);
  const { arm, category, index } = spec;
  const { tokens, temperature, seed } = settings;
  const textArm: TextArm = textArms.find((name) => name === arm) ?? 'rejection';
  const script = scriptOf(loadFrustrationTexts(lab.data), { category, index, seed }, textArm);
  const treatment =
    lab.local === null || textArm === arm
      ? {}
      : treatmentOf(arm, treatmentPlan(settings), {
          pack: lab.local.pack,
          emotions: insideEmotions,
        });
  const said: InsideSaid[] = [];
  for (let turn = 0; turn < turnsOf[category]; turn++) {
    const messages = messagesBefore(
      script,
      said.map(({ text }) => text),
      textArm,
    );
    const request = {
      messages,
      maxTokens: tokens,
      temperature,
      // The same in every arm.
      seed: seed * 100_000 + index * 100 + turn,
      key: `${key}/reply/${turn}`,
    };
    const reply = await askInside(request, {
      lab,
      recorder,
      emotions: insideEmotions,
      treatment,
    });
    said.push(reply);
    if (reply.missing !== undefined) break;
  }
  const turns = await allEnded(
    said.map(async (reply, turn) => {
      const before = turn === 0 ? script.opening : (script.answers[turn - 1] ?? '');
      const judging = { lab, recorder, settings, key, turn, item: { reply: reply.text, before } };
      return { before, said: reply, ...(await judgeTurn(judging)) };
    }),
  );
  return { key, arm, category, index, turns };
}

function specOf(key: string): Spec {
  const [arm = '', category = '', index = ''] = key.split('/');
  return { key, arm, category: z.enum(categories).parse(category), index: Number(index) };
}

async function judgeTurn({
  lab,
  recorder,
  settings,
  key,
  turn,
  item,
}: {
  lab: ChatLab;
  recorder: Recorder;
  settings: FrustrationParams;
  key: string;
  turn: number;
  item: { reply: string; before: string };
}): Promise<Pick<Turn, 'judged' | 'second'>> {
  const { judge, secondJudge, signal } = lab;
  const { rubric } = loadFrustrationTexts(lab.data);
  const at = { rubric, recorder, signal };
  const none = Promise.resolve(null);
  const isSecond = isDrawn(`${key}/${turn}`, settings.secondShare);
  const [judged = null, second = null] = await allEnded<Judged | null>([
    judge === null ? none : judgeReply(judge, item, { ...at, key: `${key}/judge/${turn}` }),
    secondJudge === null || !isSecond
      ? none
      : judgeReply(secondJudge, item, { ...at, key: `${key}/second/${turn}` }),
  ]);
  return { judged, second };
}

/**
 * The same share of all keys in every process, whatever their order: FNV-1a of the key, and then its bits mixed,
 * without which the turns of one conversation would be drawn together.
 */
export function isDrawn(key: string, share: number): boolean {
  let hash = 0x811c9dc5;
  for (const character of key)
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32 < share;
}
