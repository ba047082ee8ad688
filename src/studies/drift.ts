/**
 * @file Drift in a long context (protocol section 4, context carry-over): does a reading drift with position
 * alone, and does an emotional beginning carry over? Neutral dialogues are chained to one long chat. Each is
 * also read near the start of a chat, so that the same text is compared at two positions; and each chain is
 * begun by a neutral and by an emotional message, so that the same text is compared behind two beginnings.
 */
import { z } from 'zod';

import { loadNeutral } from '../capture/neutral.ts';
import { loadScenarios } from '../capture/probes.ts';
import { type ChatMessage, chatTokens, formatChat } from '../engine/chat-template.ts';
import type { Model, Probe } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';
import { randomDirection, randomFrom, shuffled } from '../math/random.ts';
import { emotionVector, probeOf } from '../vectors/pack.ts';
import { type Arm, arms, type Chain, targets, type Turn } from './drift-effects.ts';
import { driftResult } from './drift-report.ts';
import { meanOver, sharedEnds, sinksOf } from './positions.ts';
import { rounded } from './recorder.ts';
import { loadBinding } from './stimuli.ts';
import { defineStudy, type StudyLab } from './study.ts';

const params = z.object({
  /** Longest conversation. */
  tokens: z.coerce.number().int().min(400).max(100_000).default(2500),
  /** Conversations; each has another order of the dialogues and other openings. */
  conversations: z.coerce.number().int().min(2).max(50).default(6),
  /** Random directions that go through the same procedure. */
  random: z.coerce.number().int().min(20).max(1000).default(200),
  seed: z.coerce.number().int().min(0).default(1),
});
type Params = z.infer<typeof params>;

/** Ends every opening exchange, whatever its message was. */
const answer = 'I see. Tell me what you need.';
/** Dialogues in one cell of those that are read near the start. */
const baseChunk = 15;
/** Fewest dialogues in a conversation that a slope is drawn through. */
const fewest = 3;

/** The texts of the study. */
interface Texts {
  readonly dialogues: readonly (readonly ChatMessage[])[];
  /** Opening messages of each arm. */
  readonly openings: Readonly<Record<Arm, readonly string[]>>;
}

export const driftStudy = defineStudy<Params>({
  name: 'drift',
  summary: 'do readings drift in a long chat, and does an emotional beginning carry over?',
  source: 'protocol section 4',
  params,
  quick: { tokens: 1000, conversations: 3 },
  plan: (settings, lab) => {
    const { conversations } = settings;
    const { dialogues, openings } = textsOf(lab, 1);
    const [opening = ''] = openings.neutral;
    const base = dialogues
      .map((dialogue) => formatChat(lab.model.info, [...exchange(opening), ...dialogue]).length)
      .reduce((sum, length) => sum + length / 4, 0);
    return {
      cells: Math.ceil(dialogues.length / baseChunk) + conversations * arms.length,
      read: Math.round(base + conversations * arms.length * budgetOf(lab, settings)),
      written: 0,
    };
  },
  run: async (lab, settings, recorder) => {
    const texts = textsOf(lab, settings.seed);
    const reader = await readerFor(lab, texts, settings);
    const [first = ''] = texts.openings.neutral;
    const base: Turn[] = [];
    for (let from = 0; from < texts.dialogues.length; from += baseChunk) {
      const chosen = texts.dialogues.slice(from, from + baseChunk).map((_, k) => from + k);
      const cell = await recorder.cell(`near the start ${from}`, async () => {
        const chains: Chain[] = [];
        for (const dialogue of chosen) chains.push(await reader.read(first, [dialogue]));
        return { turns: chains.flatMap(({ turns }) => turns) };
      });
      base.push(...cell.turns);
    }
    const conversations: Record<Arm, Chain>[] = [];
    for (let c = 0; c < settings.conversations; c++) {
      const opened = openingsOf(texts, c);
      const chain = await reader.chain(Object.values(opened), settings.seed * 1000 + c);
      const cells: Partial<Record<Arm, Chain>> = {};
      for (const arm of arms)
        cells[arm] = await recorder.cell(`conversation ${c + 1} ${arm}`, () =>
          reader.read(opened[arm], chain),
        );
      conversations.push(cells as Record<Arm, Chain>);
    }
    const { random, seed } = settings;
    return driftResult(
      { base, conversations, random, seed },
      {
        layer: lab.pack.bestLayer,
        openings: conversations.map((_, c) => openingsOf(texts, c)),
        answer,
        budget: budgetOf(lab, settings),
        asked: settings.tokens,
      },
    );
  },
});

/** Neutral openings are the neutral twins of the binding study: as long and as personal as the emotional ones. */
function textsOf({ data }: StudyLab, seed: number): Texts {
  const dialogues = loadNeutral(data('corpus/neutral.jsonl')).flatMap((text) =>
    text.kind === 'dialogue' ? [text.messages] : [],
  );
  const scenarios = loadScenarios(data('corpus/scenarios.jsonl'));
  const draw = randomFrom(seed);
  const about = (emotion: string): string[] =>
    scenarios.flatMap((scenario) => (scenario.emotion === emotion ? [scenario.text] : []));
  const neutral = loadBinding(data('studies/binding.jsonl')).map((item) => item.neutral);
  return {
    dialogues,
    openings: {
      neutral: shuffled(neutral, draw),
      desperate: about('desperate'),
      afraid: about('afraid'),
      happy: about('happy'),
      calm: about('calm'),
    },
  };
}

/** Tokens that a conversation may have: what is asked for, or what the context holds. */
function budgetOf({ model }: StudyLab, { tokens }: Params): number {
  return Math.min(tokens, model.info.contextLength);
}

/** The opening message of each arm in a conversation; they go round when there are more conversations. */
function openingsOf({ openings }: Texts, conversation: number): Record<Arm, string> {
  const at = (texts: readonly string[]): string => texts[conversation % texts.length] ?? '';
  return {
    neutral: at(openings.neutral),
    desperate: at(openings.desperate),
    afraid: at(openings.afraid),
    happy: at(openings.happy),
    calm: at(openings.calm),
  };
}

function exchange(opening: string): ChatMessage[] {
  return [
    { role: 'user', content: opening },
    { role: 'assistant', content: answer },
  ];
}

interface Reader {
  /** As many dialogues in a seeded order as fit behind each of the openings. */
  chain(openings: readonly string[], seed: number): Promise<number[]>;
  /** One conversation: an opening exchange, then the dialogues. */
  read(opening: string, chain: readonly number[]): Promise<Chain>;
}

async function readerFor(
  lab: StudyLab,
  { dialogues, openings }: Texts,
  settings: Params,
): Promise<Reader> {
  const { model, pack, signal } = lab;
  const budget = budgetOf(lab, settings);
  const draw = randomFrom(settings.seed);
  const probe = probeOf(
    pack,
    [
      ...targets.map((emotion) => emotionVector(pack, emotion, pack.bestLayer)),
      ...Array.from({ length: settings.random }, () => randomDirection(pack.width, draw)),
    ],
    pack.bestLayer,
  );
  const all = await Promise.all(
    Object.values(openings)
      .flat()
      .map((text) => tokensOf(model, exchange(text))),
  );
  // Where the user's first words begin: all before is the template's.
  const { prefix } = sharedEnds(all);
  const messagesOf = (opening: string, chain: readonly number[]): ChatMessage[] => [
    ...exchange(opening),
    ...chain.flatMap((index) => dialogues[index] ?? []),
  ];
  return {
    chain: async (starts, seed) => {
      const lengths = await Promise.all(
        starts.map(async (opening) => (await tokensOf(model, exchange(opening))).length),
      );
      const longest = starts[lengths.indexOf(Math.max(...lengths))] ?? '';
      const chain: number[] = [];
      for (const index of shuffled([...dialogues.keys()], randomFrom(seed))) {
        const tokens = await tokensOf(model, messagesOf(longest, [...chain, index]));
        if (tokens.length > budget) break;
        chain.push(index);
      }
      if (chain.length < fewest)
        throw new InvalidInputError(
          `drift: expected conversations of at least ${fewest} dialogues, got room for ${chain.length} in ${budget} tokens`,
          { hint: 'raise tokens, and --context where the model has more' },
        );
      return chain;
    },
    read: async (opening, chain) => {
      const messages = messagesOf(opening, chain);
      const ends = await Promise.all(
        messages.flatMap((_, k) =>
          k % 2 === 1
            ? [tokensOf(model, messages.slice(0, k + 1)).then(({ length }) => length)]
            : [],
        ),
      );
      const readings = await project(model, probe, await tokensOf(model, messages), signal);
      const [start = 0] = ends;
      const turnsOf = chain.flatMap((dialogue) =>
        Array.from({ length: (dialogues[dialogue]?.length ?? 0) / 2 }, (_, turn) => ({
          dialogue,
          turn,
        })),
      );
      return {
        opening: readings(prefix, start),
        turns: turnsOf.map(({ dialogue, turn }, k) => {
          const [from = 0, to = 0] = ends.slice(k, k + 2);
          const at = (from + to) / 2 - start;
          return { dialogue, turn, at, tokens: to - from, values: readings(from, to) };
        }),
      };
    },
  };
}

/** Mean readings of any stretch of a sequence, without attention sinks. */
async function project(
  model: Model,
  probe: Probe,
  tokens: Int32Array,
  signal: AbortSignal,
): Promise<(from: number, to: number) => number[]> {
  const [values = new Float32Array(0)] = await model.project([tokens], { probes: [probe], signal });
  const count = probe.bias.length;
  const block = { values, columns: count, at: 0, count };
  const sinks = sinksOf(block);
  return (from, to) => meanOver(block, [from, to], sinks).map((value) => rounded(value, 5));
}

/** Tokens of a whole conversation, ending with its last reply. */
function tokensOf(model: Model, messages: readonly ChatMessage[]): Promise<Int32Array> {
  return chatTokens(model, messages, { forReply: false });
}
