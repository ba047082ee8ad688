/**
 * @file The interface of an open model, the same for each engine. Ownership: whoever opens a model
 * closes it (`await using`); calls on one model queue and run one after another.
 *
 * Layers are 0-based block indices and mean the residual stream after that block.
 */
import type { BackendInfo } from './backend.ts';

/** What is known of an open model. */
export interface ModelInfo extends BackendInfo {
  /** File name, registry name or `toy`. */
  readonly name: string;
  /** Identifies the weights: architecture, shape and vocabulary hashed (not the quantisation). */
  readonly fingerprint: string;
  /** Type that holds most of the weights, e.g. `Q4_K`. */
  readonly quantisation: string;
  readonly path: string | null;
}

/** Vectors [width] added to the residual stream after the given blocks; absolute, not normed. */
export interface Steering {
  readonly vectors: ReadonlyMap<number, Float32Array>;
  /** Which positions: all, or only those after the prompt. @default 'all' */
  readonly phase?: 'all' | 'reply';
}

/**
 * Directions read at one layer: value k = (residual . direction k - bias k) * scale. Not to be changed after its first
 * use: engines keep what they made of it, and the same probe asked again is cheaper than a new one.
 */
export interface Probe {
  readonly layer: number;
  /** [count, width], row-major. */
  readonly directions: Float32Array;
  /** [count] */
  readonly bias: Float32Array;
  readonly scale: number;
}

/** What every call takes. */
export interface CallOptions {
  readonly steering?: Steering | null;
  /** Cancels between two decodes with the platform's AbortError. */
  readonly signal?: AbortSignal;
  /** Called with the number of sequences done. */
  readonly onProgress?: (done: number) => void;
}

/** What a capture reads. */
export interface CaptureOptions extends CallOptions {
  readonly layers: readonly number[];
  /** `mean`: over positions from `from` on; `last`: last position; `all`: every position. */
  readonly pooling: 'mean' | 'last' | 'all';
  /** First positions of the means, ascending; a shorter text uses its last position. @default [0] */
  readonly starts?: readonly number[];
  /** Stop each pass after the deepest layer. @default true */
  readonly earlyExit?: boolean;
}

/** Residuals of one sequence. */
export interface Captured {
  /**
   * [rows, layers, width] for one sequence; rows is the number of starts for `mean`, 1 for `last`, the
   * number of positions for `all`.
   */
  readonly rows: Float32Array;
  /** Mean Euclidean norm of the residual over the pooled positions, [starts, layers]; one start but for `mean`. */
  readonly norms: Float32Array;
}

/** What a projection reads. */
export interface ProjectOptions extends CallOptions {
  readonly probes: readonly Probe[];
}

/** How a token is chosen from the logits. */
export interface Sampling {
  /** 0 is greedy. @default 0 */
  readonly temperature?: number;
  /** 0 is off. @default 0 */
  readonly topK?: number;
  /** 1 is off. @default 1 */
  readonly topP?: number;
  /** 0 is off. @default 0 */
  readonly minP?: number;
  /** @default 0 */
  readonly seed?: number;
  /** Added to the logits before anything else: token id to bias in nats. */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** GBNF text whose root rule is `root`. */
  readonly grammar?: string;
}

/** One reply to write. */
export interface GenerateRequest extends Sampling {
  readonly prompt: Int32Array;
  readonly maxTokens: number;
  /** Generation ends before the first of these texts. */
  readonly stop?: readonly string[];
  /** Number of most probable alternatives to report per token. @default 0 */
  readonly topLogprobs?: number;
  /**
   * Tokens of this reply that are written already, by a call that broke off: with the same seed and
   * sampling the reply goes on as it would have, up to the rounding of another batch shape. They count as written: `index` goes on after them, and
   * the text and tokens that come back begin after them. @default none
   */
  readonly written?: Int32Array;
}

/**
 * Adds a steering vector in proportion while a smoothed reading is above a threshold, and lets go after.
 * Runs in the engine, between two tokens, so that the same seed gives the same reply.
 */
export interface Thermostat {
  /** Index among the directions of all probes. */
  readonly reading: number;
  /** In units of the reading. */
  readonly threshold: number;
  /** Dose per unit of the reading above the threshold. */
  readonly gain: number;
  /** Largest dose. */
  readonly limit: number;
  /** Tokens after which a past reading counts half in the smoothed one. */
  readonly halfLife: number;
  /** Vectors [width] by layer of a dose of 1. */
  readonly vectors: ReadonlyMap<number, Float32Array>;
}

/** A token and how probable it was. */
export interface TokenChoice {
  readonly token: number;
  readonly text: string;
  /** Natural logarithm of the probability under the model at temperature 1, before top-k and the like. */
  readonly logprob: number;
}

/** A token of a reply, as it is written. */
export interface GeneratedToken extends TokenChoice {
  /** Index of the request. */
  readonly sequence: number;
  /** Index in the reply, from 0. */
  readonly index: number;
  readonly alternatives: readonly TokenChoice[];
  /** One value per direction of all probes in order: the residual at this token's own position. */
  readonly readings: Float32Array;
  /** Dose that the thermostat added in the pass that read this token; 0 without one. */
  readonly dose: number;
}

/** What the replies of one call share. */
export interface GenerateOptions extends CallOptions {
  readonly probes?: readonly Probe[];
  readonly thermostat?: Thermostat | null;
  /**
   * Take what the cache holds of a prompt from earlier calls with `reuse`, under the same steering and
   * probes only, and keep this conversation there. Another batch shape and another place in the cache make
   * quantised kernels round differently (log-probabilities by up to 0.2 nats on 4-bit models), so studies
   * leave it off: then a reply that runs alone begins with an empty cache. @default false
   */
  readonly reuse?: boolean;
  readonly onToken?: (token: GeneratedToken) => void;
}

/** One reply. */
export interface Generated {
  readonly text: string;
  readonly tokens: readonly GeneratedToken[];
  readonly stopReason: 'end' | 'stop-string' | 'length';
  /** Readings of the prompt's positions, [positions, directions]; empty without probes. */
  readonly promptReadings: Float32Array;
  /** Positions of the prompt that came from the cache. */
  readonly reused: number;
  /** Characters of the written text that a stop text took back, since it began there; mostly 0. */
  readonly takenBack: number;
}

/** A continuation whose probability after a prompt is wanted (teacher forcing). */
export interface ScoreRequest {
  readonly prompt: Int32Array;
  readonly continuation: Int32Array;
}

/** Where a vector is added, and how many tokens are told. */
export interface LensOptions extends Omit<CallOptions, 'steering'> {
  /**
   * Block after which the vector is added at all positions. After the last one it goes through the final norm
   * and unembedding alone (the logit lens); after an earlier one also through the blocks that follow.
   * @default the last block
   */
  readonly layer?: number;
  /** Tokens to report at either end. @default 10 */
  readonly count?: number;
}

/** What a vector does to the next token. */
export interface LensResult {
  /** Tokens that it raises most, strongest first. */
  readonly raised: readonly TokenShift[];
  /** Tokens that it lowers most, strongest first. */
  readonly lowered: readonly TokenShift[];
}

/** How far a token is moved. */
export interface TokenShift {
  readonly token: number;
  readonly text: string;
  /** Mean change of the logit over the prompts, less the mean over the vocabulary. */
  readonly change: number;
}

/** How a text becomes tokens. */
export interface TokenizeOptions {
  /** @default true */
  readonly addSpecial?: boolean;
  /** Read control tokens written as text. @default false */
  readonly parseSpecial?: boolean;
}

/** What of an engine's cache is in use. */
export interface SequenceUse {
  /** Sequences that replies write in; 0 when nothing runs. */
  readonly held: number;
  /** Sequences that were left for later prompts, at most as many as the context has. */
  readonly kept: number;
}

/** An open model. Calls reject with InvalidInputError for what does not fit it, and with EngineError if its engine fails. */
export interface Model extends AsyncDisposable {
  readonly info: ModelInfo;
  /** As of the last call that ended; undefined for an engine that does not tell. */
  readonly sequences?: SequenceUse | undefined;
  tokenize(text: string, options?: TokenizeOptions): Promise<Int32Array>;
  /** Text of each token; bytes that end mid-character are carried to the token that completes them. */
  pieces(tokens: Int32Array): Promise<string[]>;
  /** Pooled residuals of each sequence, in the order given. */
  capture(sequences: readonly Int32Array[], options: CaptureOptions): Promise<Captured[]>;
  /** Readings of every position of each sequence: [positions, directions]. */
  project(sequences: readonly Int32Array[], options: ProjectOptions): Promise<Float32Array[]>;
  /** Runs the requests side by side, as many at once as the context holds, beside those of other calls. */
  generate(requests: readonly GenerateRequest[], options?: GenerateOptions): Promise<Generated[]>;
  /** What adding each vector [width] does to the logits after the prompts; see LensOptions.layer. */
  lens(
    prompts: readonly Int32Array[],
    vectors: readonly Float32Array[],
    options?: LensOptions,
  ): Promise<LensResult[]>;
  /** Log-probability of each token of each continuation, in nats. */
  score(requests: readonly ScoreRequest[], options?: CallOptions): Promise<Float32Array[]>;
}
