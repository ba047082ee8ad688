/**
 * @file The OpenAI chat API as this server speaks it, with one added field, `limbic`: steering in,
 * readouts out. Clients that do not know the field lose nothing. The page imports the types alone.
 */
import { z } from 'zod';

/** Longest message list and text of a request; larger ones are refused before they are tokenized. */
const limits = { messages: 2000, characters: 1_000_000, stops: 8, stopLength: 200 } as const;

const textPartSchema = z.object({ type: z.literal('text'), text: z.string() });
const contentSchema = z.union([
  z.string().max(limits.characters),
  z.array(textPartSchema).transform((parts) => parts.map(({ text }) => text).join('')),
]);
const messageSchema = z.object({
  role: z
    .enum(['system', 'developer', 'user', 'assistant'])
    .transform((role) => (role === 'developer' ? 'system' : role)),
  content: contentSchema,
});
export const messagesSchema = z.array(messageSchema).min(1).max(limits.messages);

/** Emotion to dose, a share of the mean residual norm at each steered layer; negative turns it down. */
export const dosesSchema = z.record(z.string(), z.number().min(-5).max(5));

/** A reading (share of the mean residual norm) or a percentile of the calibration set: `p95`. */
const thresholdSchema = z.union([z.number(), z.string().regex(/^p\d{1,2}(\.\d+)?$/)]);

/**
 * What a thermostat has unless told otherwise. Over the 11 steered layers of the default model the limit is a
 * strength of 0.66, below the 0.7 from which text may fall apart.
 */
export const usualThermostat = { gain: 0.1, limit: 0.06 } as const;

const thermostatSchema = z.object({
  /** Emotion whose smoothed reading is watched. */
  watch: z.string(),
  above: thresholdSchema,
  /** Emotion that is turned up while the reading is above the threshold. */
  with: z.string().default('calm'),
  /** Dose per standard deviation of the calibration set above the threshold. */
  gain: z.number().min(0).max(5).default(usualThermostat.gain),
  /** Largest dose. */
  limit: z.number().min(0).max(5).default(usualThermostat.limit),
});

const limbicRequestSchema = z.object({
  steer: dosesSchema.optional(),
  /** `reply`: the prompt is read as it is and only the reply is steered. */
  phase: z.enum(['all', 'reply']).default('all'),
  /** Emotions in `readouts`. Default: the server's list (`GET /api/state`). */
  emotions: z.array(z.string()).max(1000).optional(),
  /** Strongest emotions per token in `top`. */
  top: z.number().int().min(0).max(50).default(0),
  /** Read the prompt's tokens too. */
  prompt: z.boolean().default(false),
  thermostat: thermostatSchema.optional(),
  /** Name of the conversation in the log; requests with the same name are one conversation. */
  conversation: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .optional(),
});

const responseFormatSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({ name: z.string().optional(), schema: z.unknown() }).loose(),
  }),
]);

/** Body of POST /v1/chat/completions. Fields of the OpenAI API that are not listed are ignored. */
export const chatRequestSchema = z.object({
  model: z.string().optional(),
  messages: messagesSchema,
  stream: z.boolean().default(false),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  max_tokens: z.number().int().min(1).nullish(),
  max_completion_tokens: z.number().int().min(1).nullish(),
  temperature: z.number().min(0).max(5).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.number().int().nullish(),
  stop: z
    .union([
      z.string().max(limits.stopLength),
      z.array(z.string().max(limits.stopLength)).max(limits.stops),
    ])
    .nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(20).nullish(),
  response_format: responseFormatSchema.nullish(),
  n: z.literal(1).nullish(),
  user: z.string().max(200).nullish(),
  limbic: limbicRequestSchema.optional(),
});
export type ChatRequest = z.infer<typeof chatRequestSchema>;
/** What a client sends: defaults may be left out. */
export type ChatRequestInput = z.input<typeof chatRequestSchema>;

export type ThermostatRequest = z.infer<typeof thermostatSchema>;

/** Emotion to reading: projection of the residual, as a share of the mean residual norm. */
const readoutsSchema = z.record(z.string(), z.number());
const alternativeSchema = z.object({ token: z.number(), text: z.string(), logprob: z.number() });

/** One token of a reply with its readings, the same in the stream, in files and in the page. */
export const tokenEventSchema = z.object({
  /** Index in the reply, from 0. */
  index: z.number(),
  token: z.number(),
  text: z.string(),
  /** In nats, at temperature 1. */
  logprob: z.number(),
  alternatives: z.array(alternativeSchema).optional(),
  readouts: readoutsSchema,
  /** Strongest emotions against the calibration set, strongest first: name and standard deviations. */
  top: z.array(z.tuple([z.string(), z.number()])).optional(),
  /** Dose that the thermostat added while this token was read; absent at 0. */
  steer: z.record(z.string(), z.number()).optional(),
});
export type TokenEvent = z.infer<typeof tokenEventSchema>;

/** One token of a text that the model did not write. */
export const readTokenSchema = tokenEventSchema.pick({ text: true, readouts: true, top: true });
export type ReadToken = z.infer<typeof readTokenSchema>;

/** A rule of the monitor that fired, or an intervention. */
export const monitorEventSchema = z.object({
  /** Index of the token in the reply at which it happened. */
  index: z.number(),
  kind: z.enum(['rule', 'stop', 'thermostat-on', 'thermostat-off']),
  /** The rule as written, or the thermostat in words. */
  rule: z.string(),
  emotion: z.string(),
  /** The reading then. */
  value: z.number(),
});
export type MonitorEvent = z.infer<typeof monitorEventSchema>;

/** The added field of a response, and of the chunks of a stream (each with what is new). */
const limbicResponseSchema = z.object({
  /** Block after which the residual stream is read. */
  layer: z.number().optional(),
  steer: dosesSchema.optional(),
  /** Steering summed over the layers, in mean residual norms. */
  strength: z.number().optional(),
  warning: z.string().optional(),
  prompt: z.array(readTokenSchema).optional(),
  tokens: z.array(tokenEventSchema).optional(),
  events: z.array(monitorEventSchema).optional(),
});
export type LimbicResponse = z.infer<typeof limbicResponseSchema>;

const topLogprobSchema = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.number()).nullable(),
});
const logprobsSchema = z.object({
  content: z.array(topLogprobSchema.extend({ top_logprobs: z.array(topLogprobSchema) })),
  refusal: z.null(),
});
const finishReasonSchema = z.enum(['stop', 'length', 'content_filter']);
const usageSchema = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  total_tokens: z.number(),
  /** Absent where it is not known: a rule ended the reply before the engine told. */
  prompt_tokens_details: z.object({ cached_tokens: z.number() }).optional(),
});

export const chatResponseSchema = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.number(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.number(),
      message: z.object({
        role: z.literal('assistant'),
        content: z.string(),
        refusal: z.null(),
      }),
      logprobs: logprobsSchema.nullable(),
      finish_reason: finishReasonSchema,
    }),
  ),
  usage: usageSchema,
  limbic: limbicResponseSchema.optional(),
});
export type ChatResponse = z.infer<typeof chatResponseSchema>;

export const chatChunkSchema = z.object({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.number(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.number(),
      delta: z.object({ role: z.literal('assistant').optional(), content: z.string().optional() }),
      logprobs: logprobsSchema.nullable().optional(),
      finish_reason: finishReasonSchema.nullable(),
    }),
  ),
  usage: usageSchema.nullable().optional(),
  limbic: limbicResponseSchema.optional(),
});
export type ChatChunk = z.infer<typeof chatChunkSchema>;

/** GET /v1/models/:id. */
export const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.number(),
  owned_by: z.string(),
});
/** GET /v1/models. */
export const modelsSchema = z.object({ object: z.literal('list'), data: z.array(modelSchema) });

/** What every failed request answers, in the shape of the OpenAI API. */
export const errorSchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    code: z.string(),
    param: z.string().nullable(),
  }),
});
export type ErrorResponse = z.infer<typeof errorSchema>;
