/**
 * @file Whose emotion, and where it goes ("Emotion Concepts...", 2026, speakers and deflection; protocol
 * section 4), in four parts: the turns of the speaker who feels against the other's (speakers-turns.ts), the
 * user's last token against the place before the reply and what predicts the reply (speakers-replies.ts),
 * and emotions felt against emotions shown (speakers-deflection.ts).
 */
import { z } from 'zod';

import { loadScenarios } from '../capture/probes.ts';
import { renderTokens } from '../charts/html.ts';
import type { Section } from '../charts/page.ts';
import type { Probe } from '../engine/engine.ts';
import { randomFrom } from '../math/random.ts';
import { mean, quantile } from '../math/stats.ts';
import { intoFilteredSpace, noFilter } from '../vectors/filter.ts';
import { emotionVector, probeOf } from '../vectors/pack.ts';
import { inTurn } from './in-turn.ts';
import { paintedTrace, readChat, readText } from './reading.ts';
import { rounded } from './recorder.ts';
import { deflectionResult, loadScenes, readScenes, type Scene } from './speakers-deflection.ts';
import {
  type Dialogue,
  type DialogueReading,
  findTurns,
  loadDialogues,
  readDialogues,
} from './speakers-dialogues.ts';
import {
  positionResult,
  type Prompt,
  randomTwins,
  readReplies,
  repliesResult,
  type ReplyReading,
} from './speakers-replies.ts';
import { turnSets, turnsResult } from './speakers-turns.ts';
import { defineStudy, type Recorder, type StudyLab } from './study.ts';

const params = z.object({
  /** Messages that the model replies to: the scenarios first, then the dialogues up to their last reply. */
  replies: z.coerce.number().int().min(10).max(1000).default(120),
  /** Longest reply, in tokens. */
  tokens: z.coerce.number().int().min(5).max(1000).default(40),
  /** Sets of random directions, each as many as the emotions, that go through the same procedure. */
  random: z.coerce.number().int().min(10).max(100).default(20),
  /** Layers between those of the deflection curve; the best layer is always among them. */
  step: z.coerce.number().int().min(1).max(100).default(3),
  seed: z.coerce.number().int().min(0).default(1),
});
type Params = z.infer<typeof params>;

/** Replies that are written side by side in one cell. */
const perCell = 8;

export const speakersStudy = defineStudy<Params>({
  name: 'speakers',
  summary: 'whose emotion is it? turns of either speaker, before the reply, felt against shown',
  source: 'protocol section 4',
  params,
  quick: { replies: 12, tokens: 24, step: 6 },
  plan: (settings, lab) => {
    const { dialogues, scenes, prompts, names } = stimuliOf(lab, settings);
    const chats = [...dialogues, ...prompts].map(({ messages }) => tokensOf(messages));
    const spoken = chats.slice(0, dialogues.length).reduce((sum, count) => sum + count, 0);
    const asked = chats.slice(dialogues.length).reduce((sum, count) => sum + count, 0);
    const told = scenes.reduce((sum, { text }) => sum + text.length / 4, 0);
    return {
      cells: names.length + feltIn(scenes).length + Math.ceil(prompts.length / perCell) + 1,
      // The dialogues are read a second time with fillers for one speaker's words.
      read: Math.round(1.7 * spoken + asked + told + 500),
      written: prompts.length * settings.tokens,
    };
  },
  run: async (lab, settings, recorder) => {
    const stimuli = stimuliOf(lab, settings);
    const { dialogues, prompts, scenes, names } = stimuli;
    const probe = probeFor(lab, names, settings);
    const readings = await dialogueCells(lab, stimuli, { probe, recorder });
    const replies = await replyCells(lab, stimuli, { probe, recorder, settings });
    const sceneNames = feltIn(scenes);
    const layers = layersOf(lab, settings);
    const told = await sceneCells(lab, scenes, { layers, names: sceneNames, recorder });
    const shown = await recorder.cell('examples', () => readExamples(lab, stimuli));
    const sets = turnSets(lab.pack, names, dialogues, readings);
    const parts = [
      turnsResult(names, sets, dialogues, readings),
      positionResult(names, readings),
      repliesResult(names, prompts, replies),
      deflectionResult(sceneNames, scenes, { layers, best: lab.pack.bestLayer, readings: told }),
    ];
    const usual = (emotion: string): number =>
      mean(readings.flatMap(({ turns }) => turns.map((row) => row[names.indexOf(emotion)] ?? NaN)));
    const feltUsual = (emotion: string): number =>
      mean(
        (told[layers.indexOf(lab.pack.bestLayer)] ?? []).map(
          (row) => row[sceneNames.indexOf(emotion)] ?? NaN,
        ),
      );
    return {
      verdict: parts.map(({ verdict }) => verdict).join(' '),
      measures: parts.flatMap(({ measures }) => measures),
      sections: [
        ...parts.flatMap(({ sections }) => sections),
        passagesSection(shown.passages, { dialogue: usual, scene: feltUsual }),
      ],
    };
  },
});

interface Stimuli {
  readonly dialogues: readonly Dialogue[];
  readonly scenes: readonly Scene[];
  readonly prompts: readonly Prompt[];
  /** Emotions of the dialogues. */
  readonly names: readonly string[];
}

function stimuliOf({ data }: StudyLab, { replies }: Params): Stimuli {
  const dialogues = loadDialogues(data('corpus/speakers.jsonl'));
  const scenarios = loadScenarios(data('corpus/scenarios.jsonl'));
  const prompts: Prompt[] = [
    ...balanced(
      scenarios.map(({ emotion, text }) => ({
        emotion,
        messages: [{ role: 'user' as const, content: text }],
      })),
    ),
    ...balanced(
      dialogues.map(({ emotion, messages }) => ({ emotion, messages: messages.slice(0, -1) })),
    ),
  ];
  return {
    dialogues,
    scenes: loadScenes(data('corpus/deflection.jsonl')),
    prompts: prompts.slice(0, replies),
    names: [...new Set(dialogues.map(({ emotion }) => emotion))],
  };
}

/** In turn of the emotions, so that any head of the list is balanced. */
function balanced<T extends { readonly emotion: string }>(items: readonly T[]): T[] {
  const names = [...new Set(items.map(({ emotion }) => emotion))];
  return inTurn(names.map((name) => items.filter(({ emotion }) => emotion === name)));
}

const feltIn = (scenes: readonly Scene[]): string[] => [
  ...new Set(scenes.map(({ feels }) => feels)),
];

/** About four characters a token, and the template's marks and standing system message. */
function tokensOf(messages: Prompt['messages']): number {
  return messages.reduce((sum, { content }) => sum + content.length / 4 + 6, 25);
}

function layersOf({ pack }: StudyLab, { step }: Params): number[] {
  return pack.layers.filter((layer) => (layer - pack.bestLayer) % step === 0);
}

/** The emotions first, then the random sets, all read through the pack's filter. */
function probeFor({ pack }: StudyLab, names: readonly string[], { random, seed }: Params): Probe {
  const { bestLayer } = pack;
  const filter = pack.filters[pack.layers.indexOf(bestLayer)] ?? noFilter;
  const vectors = names.map((name) => emotionVector(pack, name, bestLayer));
  // The angles that count are those of the space where readings are taken.
  const filtered = vectors.map((vector) => intoFilteredSpace(filter, vector));
  const uniform = randomFrom(seed);
  const twins = Array.from({ length: random }, () => randomTwins(filtered, uniform));
  return probeOf(pack, [...vectors, ...twins.flat()], bestLayer);
}

/** One cell an emotion; readings come back in the order of the dialogues. */
async function dialogueCells(
  lab: StudyLab,
  { dialogues, names }: Stimuli,
  { probe, recorder }: { probe: Probe; recorder: Recorder },
): Promise<DialogueReading[]> {
  const result: DialogueReading[] = [];
  for (const name of names) {
    const members = [...dialogues.keys()].filter((i) => dialogues[i]?.emotion === name);
    const { readings } = await recorder.cell(`dialogues ${name}`, async () => ({
      readings: await readDialogues(
        lab,
        members.map((i) => dialogues[i]!),
        { probe, emotions: names.length },
      ),
    }));
    for (const [k, i] of members.entries()) result[i] = readings[k]!;
  }
  return result;
}

async function replyCells(
  lab: StudyLab,
  { prompts }: Stimuli,
  { probe, recorder, settings }: { probe: Probe; recorder: Recorder; settings: Params },
): Promise<ReplyReading[]> {
  const result: ReplyReading[] = [];
  for (let from = 0; from < prompts.length; from += perCell) {
    const some = prompts.slice(from, from + perCell);
    const { replies } = await recorder.cell(`replies ${from / perCell + 1}`, async () => ({
      replies: await readReplies(lab, some, {
        probe,
        maxTokens: settings.tokens,
        seeds: some.map((_, i) => settings.seed * 10_000 + from + i),
      }),
    }));
    result.push(...replies);
  }
  return result;
}

/** One cell a felt emotion; [layers][scenes][emotions], in the order of the scenes. */
async function sceneCells(
  lab: StudyLab,
  scenes: readonly Scene[],
  {
    layers,
    names,
    recorder,
  }: { layers: readonly number[]; names: readonly string[]; recorder: Recorder },
): Promise<number[][][]> {
  const result = layers.map((): number[][] => []);
  for (const name of names) {
    const members = [...scenes.keys()].filter((i) => scenes[i]?.feels === name);
    const { readings } = await recorder.cell(`scenes ${name}`, async () => ({
      readings: await readScenes(
        lab,
        members.map((i) => scenes[i]!),
        { layers, names },
      ),
    }));
    for (const [slot, rows] of readings.entries())
      for (const [k, i] of members.entries()) result[slot]![i] = rows[k]!;
  }
  return result;
}

interface Passage {
  readonly kind: 'dialogue' | 'scene';
  readonly title: string;
  readonly emotion: string;
  readonly tokens: readonly string[];
  /** Readings of the emotion; 0 at attention sinks. */
  readonly values: readonly number[];
}

/** Shown if it has a dialogue of either speaker; the choice is made before any number is seen. */
const exampleEmotion = 'angry';

async function readExamples(
  lab: StudyLab,
  { dialogues, scenes, names }: Stimuli,
): Promise<{ passages: Passage[] }> {
  const { model, pack, signal } = lab;
  const passages: Passage[] = [];
  for (const speaker of ['user', 'assistant'] as const) {
    const own = dialogues.filter((dialogue) => dialogue.speaker === speaker);
    const dialogue = own.find(({ emotion }) => emotion === exampleEmotion) ?? own[0];
    if (dialogue === undefined) continue;
    const { emotion, messages } = dialogue;
    const reading = await readChat(model, pack, messages, { emotions: names, signal });
    const { ranges } = await findTurns(model, messages, { forReply: true });
    const [from, to] = [ranges[0]?.start ?? 0, ranges.at(-1)?.end ?? 0];
    passages.push({
      kind: 'dialogue',
      title: `${emotion}, felt by the ${speaker}`,
      emotion,
      tokens: reading.tokens.slice(from, to),
      values: paintedTrace(reading, emotion)
        .slice(from, to)
        .map((value) => rounded(value)),
    });
  }
  const scene = scenes.find(({ feels }) => feels === exampleEmotion) ?? scenes[0];
  if (scene === undefined) return { passages };
  const reading = await readText(model, pack, scene.text, { emotions: feltIn(scenes), signal });
  for (const side of ['feels', 'shows'] as const)
    passages.push({
      kind: 'scene',
      title: `${scene[side]}, ${side === 'feels' ? 'felt' : 'shown'} in the scene`,
      emotion: scene[side],
      tokens: reading.tokens,
      values: paintedTrace(reading, scene[side]).map((value) => rounded(value)),
    });
  return { passages };
}

function passagesSection(
  passages: readonly Passage[],
  usual: Record<Passage['kind'], (emotion: string) => number>,
): Section {
  const bodies = passages.map(({ kind, title, emotion, tokens, values }) => {
    const zero = usual[kind](emotion);
    const shown = values.map((value) => (value === 0 ? 0 : value - zero));
    return renderTokens(
      tokens.map((text, i) => ({
        text,
        value: shown[i] ?? 0,
        detail: `${emotion} ${(shown[i] ?? 0).toFixed(3)}`,
      })),
      title,
      quantile(shown.map(Math.abs), 0.98),
    );
  });
  return {
    title: 'Token by token',
    lead: 'The first dialogue of one emotion for either speaker and the first scene in which it is felt, chosen before any number was seen. Colour: reading of the named emotion at each token less its mean over all the dialogues, or over all the scenes; orange is above, blue below. Single tokens vary far more than the means that the measures are made of.',
    body: bodies.join(''),
  };
}
