/** @file From the body of a chat request to what the engine is asked and what is reported. */
import { randomInt } from 'node:crypto';

import type { ChatRequest, LimbicResponse, ThermostatRequest } from '../api/chat.ts';
import { chatTokens } from '../engine/chat-template.ts';
import type { GenerateOptions, GenerateRequest, Steering, Thermostat } from '../engine/engine.ts';
import { grammarOfSchema, jsonObjectGrammar } from '../engine/json-grammar.ts';
import { buildSteering, coherenceLimit, type Dose, totalDose } from '../steering/steering.ts';
import { buildThermostat } from '../steering/thermostat.ts';
import type { VectorPack } from '../vectors/pack.ts';
import type { Lab } from './lab.ts';
import type { Readouts } from './readouts.ts';
import { Refusal, refuseUnknown } from './refusal.ts';
import { readThreshold } from './threshold.ts';

export interface ReplyPlan {
  readonly request: GenerateRequest;
  readonly options: GenerateOptions;
  /** Null when nothing reads the reply: it is written at full speed. */
  readonly readouts: Readouts | null;
  /** Whether the client asked for readings. */
  readonly isReported: boolean;
  /** Whether the client asked for readings of the prompt. */
  readonly readsPrompt: boolean;
  readonly thermostat: ThermostatRequest | null;
  /** What is known before the first token. */
  readonly head: LimbicResponse;
}

/** Longest reply when the client names no limit. */
const usualReply = 1024;

/** Checks the request against the model and the pack; throws a Refusal or another LimbicError. */
export async function planReply(lab: Lab, body: ChatRequest): Promise<ReplyPlan> {
  const prompt = await chatTokens(lab.model, body.messages);
  const maxTokens = replyLimit(lab, body, prompt.length);
  return refuseUnknown('limbic', () => {
    const { limbic } = body;
    const readouts = readoutsFor(lab, body);
    const steering = steeringOf(lab, body);
    const thermostat = limbic?.thermostat ?? lab.thermostat ?? null;
    return {
      request: { ...samplingOf(body), prompt, maxTokens },
      options: {
        reuse: true,
        ...(steering === null ? {} : { steering }),
        ...(readouts === null ? {} : { probes: [readouts.probe] }),
        ...(thermostat === null || readouts === null
          ? {}
          : { thermostat: engineThermostat(lab, thermostat, readouts) }),
      },
      readouts,
      isReported: limbic !== undefined,
      readsPrompt: limbic?.prompt === true,
      thermostat,
      head:
        limbic === undefined ? {} : headOf(lab, limbic.steer, { steering, readouts, thermostat }),
    };
  });
}

function replyLimit(lab: Lab, body: ChatRequest, promptLength: number): number {
  const { contextLength } = lab.model.info;
  const room = contextLength - promptLength;
  if (room < 1)
    throw new Refusal(
      'context_length_exceeded',
      `messages: expected at most ${contextLength - 1} tokens, got ${promptLength}`,
      {
        param: 'messages',
        hint: 'shorten the conversation, or start the server with more context',
      },
    );
  return Math.min(body.max_completion_tokens ?? body.max_tokens ?? usualReply, room);
}

/** The defaults are those of the OpenAI API: temperature 1 and a new seed each time. */
function samplingOf(body: ChatRequest): Omit<GenerateRequest, 'prompt' | 'maxTokens'> {
  const grammar = grammarFor(body);
  const stop = [body.stop ?? []].flat().filter((text) => text !== '');
  return {
    temperature: body.temperature ?? 1,
    topP: body.top_p ?? 1,
    // Drawn here rather than in the engine, so that a reply whose engine fails goes on as it would have.
    seed: body.seed ?? randomInt(2 ** 31),
    ...(stop.length === 0 ? {} : { stop }),
    ...(body.top_logprobs == null ? {} : { topLogprobs: body.top_logprobs }),
    ...(grammar === null ? {} : { grammar }),
  };
}

function grammarFor({ response_format: format }: ChatRequest): string | null {
  if (format?.type === 'json_object') return jsonObjectGrammar;
  if (format?.type === 'json_schema') return grammarOfSchema(format.json_schema.schema);
  return null;
}

function readoutsFor(lab: Lab, { limbic }: ChatRequest): Readouts | null {
  const thermostat = limbic?.thermostat ?? lab.thermostat;
  const isWatched = lab.watched.length > 0 || lab.log !== null || thermostat !== undefined;
  if (limbic === undefined && !isWatched) return null;
  const isShown = limbic !== undefined || lab.log !== null;
  const shown = limbic?.emotions ?? (isShown ? lab.shown : []);
  const watched = thermostat === undefined ? [] : [thermostat.watch];
  const readouts = lab.planReadouts({
    shown,
    others: [...lab.watched.map(({ rule }) => rule.emotion), ...watched],
    top: limbic?.top ?? 0,
  });
  return readouts.names.length === 0 ? null : readouts;
}

function dosesOf(steer: Readonly<Record<string, number>> = {}): Dose[] {
  return Object.entries(steer)
    .map(([emotion, dose]) => ({ emotion, dose }))
    .filter(({ dose }) => dose !== 0);
}

function steeringOf(lab: Lab, { limbic }: ChatRequest): Steering | null {
  const doses = dosesOf(limbic?.steer);
  if (doses.length === 0 || limbic === undefined) return null;
  return { ...buildSteering(lab.pack, doses), phase: limbic.phase };
}

function engineThermostat(
  { pack }: Lab,
  request: ThermostatRequest,
  readouts: Readouts,
): Thermostat {
  const { watch, above, with: emotion, gain, limit } = request;
  const threshold = readThreshold(pack, watch, above);
  const plan = { watch, threshold, with: emotion, gain, limit };
  return buildThermostat(pack, plan, readouts.names.indexOf(watch));
}

function headOf(
  { pack }: Lab,
  steer: Record<string, number> | undefined,
  {
    steering,
    readouts,
    thermostat,
  }: Pick<ReplyPlan, 'readouts' | 'thermostat'> & { steering: Steering | null },
): LimbicResponse {
  const strength = steering === null ? 0 : roundedStrength(pack, steering);
  const most =
    thermostat === null
      ? strength
      : roundedStrength(
          pack,
          buildSteering(pack, [
            ...dosesOf(steer),
            { emotion: thermostat.with, dose: thermostat.limit },
          ]),
        );
  return {
    ...(readouts === null ? {} : { layer: readouts.probe.layer }),
    ...(steering === null || steer === undefined ? {} : { steer, strength }),
    ...warningOf(strength, most),
  };
}

/** Compared as it is shown. */
function roundedStrength(pack: VectorPack, steering: Steering): number {
  return Math.round(totalDose(pack, steering) * 1000) / 1000;
}

/** @param most strength with the thermostat at its limit; between the two it is never above both */
function warningOf(strength: number, most: number): Pick<LimbicResponse, 'warning'> {
  if (Math.max(strength, most) <= coherenceLimit) return {};
  const what = strength > coherenceLimit ? strength : `${most} with the thermostat at its limit`;
  return {
    warning: `strength ${what}: above ${coherenceLimit} mean residual norms over the layers, text may fall apart`,
  };
}
