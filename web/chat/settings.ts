/** @file What a person sets for the next reply: sampling, steering, the thermostat, what is shown. */
import type { ChatRequestInput } from '../../src/api/chat.ts';
import type { PlainMessage } from '../client/transcript.ts';
import { activeDoses, type Doses } from '../reading/doses.ts';

export interface Sampling {
  readonly temperature: number;
  /** Null: a new one for each reply. */
  readonly seed: number | null;
  readonly maxTokens: number;
  readonly system: string;
}

export interface Thermostat {
  readonly isOn: boolean;
  readonly watch: string;
  /** Percentile of everyday text. */
  readonly above: number;
  readonly with: string;
  readonly limit: number;
}

export interface Steering {
  /** An emotion at 0 keeps its slider. */
  readonly doses: Doses;
  readonly phase: 'all' | 'reply';
  readonly isSideBySide: boolean;
  readonly thermostat: Thermostat;
}

export const defaultSampling: Sampling = {
  temperature: 0.7,
  seed: null,
  maxTokens: 256,
  system: '',
};

/** Steering before anything was set: sliders for the first emotions, all at 0. */
export function defaultSteering(emotions: readonly string[]): Steering {
  const pick = (name: string): string =>
    emotions.includes(name) ? name : (emotions[0] ?? 'desperate');
  return {
    doses: Object.fromEntries([pick('desperate'), pick('calm')].map((name) => [name, 0])),
    phase: 'all',
    isSideBySide: false,
    thermostat: {
      isOn: false,
      watch: pick('desperate'),
      above: 95,
      with: pick('calm'),
      limit: 0.06,
    },
  };
}

interface RequestParts {
  /** The model that the page knows: its scale holds for no other that the server may have by now. */
  readonly model: string;
  readonly messages: readonly PlainMessage[];
  readonly sampling: Sampling;
  /** Null: without any. */
  readonly steering: Steering | null;
  readonly emotions: readonly string[];
  readonly conversation: string;
}

/** Strongest emotions and alternatives a token keeps for the inspector. */
const detail = 5;

/** The body of a chat request. */
export function chatRequest(parts: RequestParts): ChatRequestInput {
  const { model, messages, sampling, steering, emotions, conversation } = parts;
  const steer = steering ? activeDoses(steering.doses) : {};
  const thermostat = steering?.thermostat.isOn ? steering.thermostat : null;
  return {
    model,
    messages: [...messages],
    stream: true,
    temperature: sampling.temperature,
    max_tokens: sampling.maxTokens,
    ...(sampling.seed === null ? {} : { seed: sampling.seed }),
    logprobs: true,
    top_logprobs: detail,
    limbic: {
      ...(Object.keys(steer).length > 0 ? { steer } : {}),
      phase: steering?.phase ?? 'all',
      emotions: [...emotions],
      top: detail,
      prompt: true,
      conversation,
      ...(thermostat
        ? {
            thermostat: {
              watch: thermostat.watch,
              above: `p${thermostat.above}`,
              with: thermostat.with,
              limit: thermostat.limit,
            },
          }
        : {}),
    },
  };
}
