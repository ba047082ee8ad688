/** @file Messages between the program and the engine's child process. Typed arrays travel by structured clone. */
import type { ErrorCode } from '../../errors.ts';
import type { BackendInfo } from '../backend.ts';
import type {
  Captured,
  CaptureOptions,
  Generated,
  GeneratedToken,
  GenerateOptions,
  GenerateRequest,
  LensOptions,
  LensResult,
  ProjectOptions,
  ScoreRequest,
  SequenceUse,
  CallOptions,
} from '../engine.ts';
import type { ProbeMessage } from './kept-probes.ts';

/** What cannot travel: functions and signals. */
type Wire<T> = Omit<T, 'signal' | 'onProgress' | 'onToken'>;

export interface OpenOptions {
  readonly path: string;
  readonly contextLength: number;
  readonly maxSequences: number;
  readonly threads: number;
  readonly gpuLayers: number;
  readonly libraryFolder?: string;
  /** `HOST:PORT` each. */
  readonly rpcServers?: readonly string[];
}

export type Call =
  | { readonly name: 'open'; readonly options: OpenOptions }
  /** Chooses the number of threads by a measurement of about so many milliseconds. */
  | { readonly name: 'tune'; readonly budget: number }
  | {
      readonly name: 'tokenize';
      readonly text: string;
      readonly addSpecial: boolean;
      readonly parseSpecial: boolean;
    }
  | { readonly name: 'pieces'; readonly tokens: Int32Array }
  | {
      readonly name: 'capture';
      readonly sequences: readonly Int32Array[];
      readonly options: Wire<CaptureOptions>;
    }
  | {
      readonly name: 'project';
      readonly sequences: readonly Int32Array[];
      readonly options: Wire<ProjectOptions>;
    }
  | {
      readonly name: 'generate';
      readonly requests: readonly GenerateRequest[];
      readonly options: Wire<GenerateOptions>;
      readonly streams: boolean;
    }
  | {
      readonly name: 'lens';
      readonly prompts: readonly Int32Array[];
      readonly vectors: readonly Float32Array[];
      readonly options: Wire<LensOptions>;
    }
  | {
      readonly name: 'score';
      readonly requests: readonly ScoreRequest[];
      readonly options: Wire<CallOptions>;
    };

export interface Opened {
  readonly info: BackendInfo;
  /** Largest deviation of the steering self-test, as a share of the vector's norm. */
  readonly selfTest: number;
}

export type Answer =
  | Opened
  | number
  | Int32Array
  | string[]
  | Captured[]
  | Float32Array[]
  | Generated[]
  | LensResult[];

export type ToHost =
  | {
      readonly type: 'call';
      readonly id: number;
      readonly call: Call;
      /** The probes of the call, which itself travels without them. */
      readonly probes?: ProbeMessage;
    }
  | { readonly type: 'abort'; readonly id: number };

export type FromHost =
  | {
      readonly type: 'answer';
      readonly id: number;
      readonly answer: Answer;
      readonly sequences?: SequenceUse | undefined;
    }
  | { readonly type: 'tokens'; readonly id: number; readonly tokens: readonly GeneratedToken[] }
  | { readonly type: 'progress'; readonly id: number; readonly done: number }
  | {
      readonly type: 'error';
      readonly id: number;
      readonly aborted: boolean;
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint?: string;
      readonly sequences?: SequenceUse | undefined;
    };
