/**
 * @file Base against instruct (protocol section 4): the vectors of the instruct model read both models on the
 * same tokens. Does the right emotion rank as well in the base model, and which readings right before the
 * reply move, by more than random directions do?
 */
import { z } from 'zod';

import { loadNeutral } from '../capture/neutral.ts';
import { loadScenarios } from '../capture/probes.ts';
import { loadStories } from '../capture/stories.ts';
import { type ChatMessage, chatTokens } from '../engine/chat-template.ts';
import type { Model, ModelInfo } from '../engine/engine.ts';
import { InvalidInputError, UnsupportedModelError } from '../errors.ts';
import { type BaseReadings, baseResult, type BaseSide, type BaseTexts } from './base-report.ts';
import { sharedEnds } from './positions.ts';
import { rounded } from './recorder.ts';
import { defineStudy, type StudyLab } from './study.ts';

const name = { error: 'expected the name or file of the base model' };
const params = z.object({
  /** Name or file of the base model, as `--model` takes it. */
  base: z.string(name).trim().min(1, name),
  /** Texts of each kind, at most, evenly spaced. */
  texts: z.coerce.number().int().min(8).max(1000).default(1000),
  /** Sets of random directions, each as many as there are emotions. */
  random: z.coerce.number().int().min(20).max(1000).default(200),
  seed: z.coerce.number().int().min(0).default(1),
});
type Params = z.infer<typeof params>;

interface Sequences {
  readonly neutral: readonly Int32Array[];
  readonly scenarios: readonly Int32Array[];
  readonly stories: readonly Int32Array[];
}

export const baseStudy = defineStudy<Params>({
  name: 'base',
  summary: 'base against instruct: the same vectors and tokens in both, what moves?',
  source: 'protocol section 4',
  params,
  quick: { texts: 24, random: 50 },
  plan: (settings, lab) => {
    const { neutral, scenarios, stories } = textsOf(lab, settings);
    const read = neutral.length * 45 + scenarios.length * 75 + stories.length * 85;
    return { cells: 7, read: 2 * read, written: 0 };
  },
  run: async (lab, settings, recorder) => {
    const { model } = lab;
    await using base = await lab.open(settings.base);
    const texts = textsOf(lab, settings);
    const sequences = await sequencesOf(model, texts);
    await assertPair(model, base, { sequences, sample: texts.stories[0]?.text ?? '' });
    const sides = await recorder.cell('pair', async () => ({
      instruct: sideOf(model.info),
      base: sideOf(base.info),
      // What both read of the first scenario, as text.
      sample: (await model.pieces(sequences.scenarios[0] ?? new Int32Array(0))).join(''),
    }));
    const read = async (reader: Model, side: string): Promise<BaseReadings> => {
      const call = callFor(lab, reader);
      const { neutral } = await recorder.cell(`neutral:${side}`, async () => ({
        neutral: (await call(sequences.neutral, [last(sequences.neutral)]))[0] ?? [],
      }));
      const { message, reply } = await recorder.cell(`scenarios:${side}`, async () => {
        const starts = [sharedEnds(sequences.scenarios).prefix, last(sequences.scenarios)];
        const [means = [], ends = []] = await call(sequences.scenarios, starts);
        return { message: means, reply: ends };
      });
      const { stories } = await recorder.cell(`stories:${side}`, async () => ({
        stories: (await call(sequences.stories, [lab.pack.recipe.from]))[0] ?? [],
      }));
      return { neutral, message, reply, stories };
    };
    const instruct = await read(model, 'instruct');
    const other = await read(base, 'base');
    return baseResult({ pack: lab.pack, texts, sides, settings, instruct, base: other });
  },
});

/** Reads rows after the pack's best layer: [starts][texts][width]; a start beyond a text is its last position. */
function callFor(
  { pack, signal }: StudyLab,
  model: Model,
): (sequences: readonly Int32Array[], starts: readonly number[]) => Promise<number[][][]> {
  return async (sequences, starts) => {
    const captured = await model.capture(sequences, {
      layers: [pack.bestLayer],
      pooling: 'mean',
      starts,
      signal,
    });
    return starts.map((_, s) =>
      captured.map(({ rows }) =>
        Array.from(rows.subarray(s * pack.width, (s + 1) * pack.width), (value) => rounded(value)),
      ),
    );
  };
}

function sideOf({ name: title, quantisation, fingerprint }: ModelInfo): BaseSide {
  return { name: title, quantisation, fingerprint };
}

function textsOf({ data, pack }: StudyLab, { texts }: Params): BaseTexts {
  const isKnown = ({ emotion }: { emotion: string }): boolean => pack.emotions.includes(emotion);
  const dialogues = loadNeutral(data('corpus/neutral.jsonl')).flatMap((text) =>
    text.kind === 'dialogue' ? [beforeReply(text.messages)] : [],
  );
  const scenarios = loadScenarios(data('corpus/scenarios.jsonl')).filter(isKnown);
  if (new Set(scenarios.map(({ emotion }) => emotion)).size < 2)
    throw new InvalidInputError(
      `base: expected a pack with at least two emotions of the scenarios, got ${pack.modelName} with ${pack.emotions.length} others`,
    );
  return {
    neutral: spaced(dialogues, texts),
    scenarios: spaced(scenarios, texts),
    stories: spaced(loadStories(data('corpus/held-out.jsonl')).filter(isKnown), texts),
  };
}

function beforeReply(messages: readonly ChatMessage[]): ChatMessage[] {
  const end = messages.findIndex(({ role }) => role === 'assistant');
  return messages.slice(0, end < 0 ? messages.length : end);
}

/** At most `count` of the items, evenly spaced. */
export function spaced<T>(items: readonly T[], count: number): T[] {
  const kept = Math.min(1, count / items.length);
  return items.filter((_, i) => Math.floor((i + 1) * kept + 1e-9) > Math.floor(i * kept + 1e-9));
}

/** Tokens of the instruct model, through its template if it has one; both models get them. */
async function sequencesOf(model: Model, texts: BaseTexts): Promise<Sequences> {
  return {
    neutral: await Promise.all(texts.neutral.map((messages) => chatTokens(model, messages))),
    scenarios: await Promise.all(
      texts.scenarios.map(({ text }) => chatTokens(model, [{ role: 'user', content: text }])),
    ),
    stories: await Promise.all(texts.stories.map(({ text }) => model.tokenize(text))),
  };
}

/** A start at or beyond the last position of each sequence. */
function last(sequences: readonly Int32Array[]): number {
  return Math.max(...sequences.map(({ length }) => length)) - 1;
}

/** Refuses a base that can't be read by the same vectors on the same tokens, or that is the same file. */
async function assertPair(
  model: Model,
  base: Model,
  { sequences, sample }: { sequences: Sequences; sample: string },
): Promise<void> {
  const [own, other] = [model.info, base.info];
  const shape = ({ blocks, width }: ModelInfo): string => `${blocks} blocks of ${width}`;
  if (shape(own) !== shape(other))
    throw new UnsupportedModelError(
      `base: expected a base of ${own.name} with ${shape(own)}, got ${other.name} with ${shape(other)}`,
      { hint: 'base and instruct model must be of one family and size' },
    );
  if (own.fingerprint === other.fingerprint && own.quantisation === other.quantisation)
    throw new InvalidInputError(
      `base: expected another model than ${own.name}, got the same weights in the same quantisation (${other.name})`,
      { hint: 'give the base model with --set base=NAME, the instruct model with --model' },
    );
  const [mine, theirs] = [await model.tokenize(sample), await base.tokenize(sample)];
  const highest = Math.max(
    ...Object.values(sequences).flatMap((set: readonly Int32Array[]) =>
      set.map((tokens) => tokens.reduce((a, b) => Math.max(a, b), 0)),
    ),
  );
  if (mine.join(' ') !== theirs.join(' ') || highest >= other.vocabulary)
    throw new UnsupportedModelError(
      `base: expected a model that reads the tokens of ${own.name}, got ${other.name} with another vocabulary`,
      { hint: 'base and instruct model must share a tokenizer' },
    );
}
