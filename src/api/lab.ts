/** @file The laboratory's own routes: what is loaded, readings of given texts, the map, runs, sharing. */
import { z } from 'zod';

import {
  dosesSchema,
  messagesSchema,
  monitorEventSchema,
  readTokenSchema,
  tokenEventSchema,
} from './chat.ts';

/** An emotion of the pack with what a chart needs. */
const emotionSchema = z.object({
  name: z.string(),
  /** Readings on the calibration set (neutral everyday text): median and robust standard deviation. */
  median: z.number(),
  spread: z.number(),
  /** Position on the first two principal components of the vectors, each within -1 to 1. */
  x: z.number(),
  y: z.number(),
  /** Nearest emotions by cosine, nearest first. */
  near: z.array(z.tuple([z.string(), z.number()])),
  /** Share from 0 to 1: mean cosine of the vector with bootstrap draws of the topics; null if not measured. */
  stability: z.number().nullable(),
});

/** GET /api/state: everything the page needs to start. */
export const stateSchema = z.object({
  version: z.string(),
  model: z.object({
    name: z.string(),
    architecture: z.string(),
    blocks: z.number(),
    width: z.number(),
    quantisation: z.string(),
    contextLength: z.number(),
    hasChatTemplate: z.boolean(),
    device: z.string(),
  }),
  pack: z.object({
    modelName: z.string(),
    layer: z.number(),
    layers: z.array(z.number()),
    steeredLayers: z.array(z.number()),
    /** Leave-one-topic-out accuracy at the layer that is read. */
    top1: z.number(),
    warning: z.string().nullable(),
  }),
  emotions: z.array(emotionSchema),
  /** Emotions in `readouts` when a request names none. */
  shown: z.array(z.string()),
  /** Strength (norms summed over layers) above which text may fall apart. */
  coherenceLimit: z.number(),
  /** Strength of a dose of 1 for one emotion. */
  strengthPerDose: z.number(),
  rules: z.array(z.string()),
  /** Whether requests need the token. */
  needsToken: z.boolean(),
});
export type LabState = z.infer<typeof stateSchema>;
export type LabEmotion = z.infer<typeof emotionSchema>;

/** GET /api/packs: where the loaded vectors come from. */
export const packsSchema = z.object({
  packs: z.array(
    z.object({
      modelName: z.string(),
      fingerprint: z.string(),
      architecture: z.string(),
      quantisation: z.string(),
      blocks: z.number(),
      width: z.number(),
      layers: z.array(z.number()),
      emotions: z.array(z.string()),
      bestLayer: z.number(),
      /** Leave-one-topic-out accuracy of each layer, shares from 0 to 1. */
      scores: z.array(z.object({ layer: z.number(), top1: z.number(), top5: z.number() })),
      stories: z.number(),
      topics: z.number(),
      corpusHash: z.string(),
      recipe: z.record(z.string(), z.unknown()),
      /** Neutral texts and tokens of the calibration; null if the pack has none. */
      calibration: z.object({ texts: z.number(), tokens: z.number() }).nullable(),
    }),
  ),
});
export type Packs = z.infer<typeof packsSchema>;

const passageSchema = z.object({
  text: z.string().min(1).max(1_000_000).optional(),
  messages: messagesSchema.optional(),
});

/** POST /api/read: one of `text` and `messages`. */
export const readRequestSchema = passageSchema.extend({
  emotions: z.array(z.string()).max(1000).optional(),
  layer: z.number().int().min(0).optional(),
  top: z.number().int().min(0).max(50).default(0),
});
export const readResponseSchema = z.object({
  layer: z.number(),
  tokens: z.array(readTokenSchema),
  /** Index of the first token of each message's own text, behind the marks of the template; empty for a text. */
  starts: z.array(z.number()),
  /** Index after the last token of each message's own text; equal to its start where a template drops it. */
  ends: z.array(z.number()),
  /** Where the reply would begin, in standard deviations over neutral messages; null for a text. */
  beforeReply: z.record(z.string(), z.number()).nullable(),
});
export type ReadResponse = z.infer<typeof readResponseSchema>;

/** POST /api/map: the readings of one emotion at every layer of the pack. */
export const mapRequestSchema = passageSchema.extend({ emotion: z.string() });
export const mapResponseSchema = z.object({
  emotion: z.string(),
  layers: z.array(z.number()),
  tokens: z.array(z.string()),
  /** One row a layer, one value a token, as shares of the layer's mean residual norm. */
  values: z.array(z.array(z.number())),
});
export type MapResponse = z.infer<typeof mapResponseSchema>;

/** A turn of a conversation as the page and the files keep it. */
export const turnSchema = z.object({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.string(),
  /** `assistant`: the reply's tokens; other roles: the message's tokens, where they were read. */
  tokens: z.array(z.union([tokenEventSchema, readTokenSchema])).optional(),
  steer: dosesSchema.optional(),
  events: z.array(monitorEventSchema).optional(),
});
export type Turn = z.infer<typeof turnSchema>;

/** POST /api/share: makes one offline HTML file of a conversation. */
export const shareRequestSchema = z.object({
  title: z.string().max(200),
  emotions: z.array(z.string()).max(1000),
  turns: z.array(turnSchema).max(2000),
});
export type ShareRequest = z.infer<typeof shareRequestSchema>;

/** What an offline file carries: the conversation and the scale of its emotions. */
export interface SharedConversation extends ShareRequest {
  readonly model: string;
  readonly layer: number;
  readonly scale: Record<string, { median: number; spread: number }>;
  readonly date: string;
}

/** GET /api/runs. */
const runSummarySchema = z.object({
  id: z.string(),
  kind: z.string(),
  title: z.string(),
  model: z.string(),
  started: z.string(),
  /** `running`, `done`, `stopped` or `interrupted` (its process is gone). */
  status: z.enum(['running', 'done', 'stopped', 'interrupted']),
  records: z.number(),
  hasReport: z.boolean(),
});
export const runsSchema = z.object({ runs: z.array(runSummarySchema) });
export type RunSummary = z.infer<typeof runSummarySchema>;

/**
 * GET /api/runs/:id: a logged conversation run, grouped by conversation. Of a large run it tells a part: at most 1000
 * conversations, and turns of at most 4 MB. Those from a place on come with `?conversation=INDEX&turn=INDEX`.
 */
export const runPartSchema = z.object({
  /** The only conversation whose turns are wanted; without it all from the first on, as far as there is room. */
  conversation: z.coerce.number().int().min(0).optional(),
  /** First turn of that conversation. */
  turn: z.coerce.number().int().min(0).default(0),
});
export const runSchema = runSummarySchema.extend({
  /** What the run holds, which may be more than is told here. */
  total: z.object({ conversations: z.number(), turns: z.number() }),
  conversations: z.array(
    z.object({
      name: z.string(),
      /** Which conversation of the run it is, from 0. */
      index: z.number(),
      /** Turns that it has. */
      count: z.number(),
      /** Index of the first turn that is told. */
      from: z.number(),
      turns: z.array(turnSchema),
    }),
  ),
});
export type RunDetail = z.infer<typeof runSchema>;

export const healthSchema = z.object({
  status: z.enum(['ok', 'starting']),
  model: z.string(),
  waiting: z.number(),
  running: z.number(),
});
