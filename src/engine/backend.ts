/**
 * @file The small machine that each engine provides: run a batch, give back logits and residual rows,
 * add steering vectors. Everything above it (pooling, projection, sampling, scoring) is written once,
 * in runner.ts, and runs beside the backend, in the same process, so that activations never travel.
 *
 * Layers are 0-based block indices and mean the residual stream *after* that block.
 */

/** How an engine gets at the residual stream. */
type ReadingPath = 'layer-input' | 'tensor-callback' | 'direct';

export interface BackendInfo {
  readonly engine: 'llama' | 'toy';
  readonly architecture: string;
  /** Number of transformer blocks. */
  readonly blocks: number;
  /** Size of the residual stream. */
  readonly width: number;
  readonly vocabulary: number;
  /** Positions that all sequences of one call share. */
  readonly contextLength: number;
  readonly maxSequences: number;
  /** Most tokens in one decode. */
  readonly batchSize: number;
  readonly chatTemplate: string | null;
  readonly bosText: string;
  readonly eosText: string;
  readonly reading: ReadingPath;
  readonly threads: number;
  /** Processor or graphics back end in words, for `limbic doctor`. */
  readonly device: string;
}

/** One decode: parallel arrays, one entry a token. */
export interface Batch {
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly sequences: Int32Array;
  /** 1 where the logits after this token are wanted. */
  readonly wantsLogits: Uint8Array;
}

/** What a call will read. The backend may choose its fastest path by it. */
export interface ReadingPlan {
  /** Layers to read, ascending, each from 0 to blocks - 2. */
  readonly layers: readonly number[];
  /** Stop each pass after the deepest wanted layer: no logits come back. */
  readonly earlyExit: boolean;
}

/** Restricts sampling to a GBNF grammar. */
export interface GrammarState {
  /** Which of the tokens the grammar allows now: 1 or 0 for each. */
  allowed(tokens: Int32Array): Uint8Array;
  accept(token: number): void;
  dispose(): void;
}

export interface Backend {
  readonly info: BackendInfo;
  /** Token ids of a text. `addSpecial`: begin-of-sequence if the model wants one. `parseSpecial`: control tokens by their text. */
  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array;
  /** UTF-8 bytes of one token; may be part of a character. */
  piece(token: number): Uint8Array;
  /** True for end-of-sequence and end-of-turn tokens. */
  isEnd(token: number): boolean;
  /** Forgets all sequences and sets what the following decodes read. */
  begin(plan: ReadingPlan): void;
  /** Changes what the following decodes read and keeps the sequences: between plans without early exit. */
  replan(layers: readonly number[]): void;
  decode(batch: Batch): void;
  /** Logits after the batch's token i, [vocabulary]; a view that the next decode overwrites. */
  logits(i: number): Float32Array;
  /** Residual after a block for all tokens of the batch, [tokens, width]; valid until the next decode. */
  residual(layer: number): Float32Array;
  /** Adds vectors [width] after the given blocks (1 to blocks - 1) in every later decode; null removes them. */
  steer(vectors: ReadonlyMap<number, Float32Array> | null): void;
  /**
   * Copies the first `length` positions of a sequence's cache to another sequence; false, and nothing
   * copied, if the model's cache cannot.
   */
  copySequence(from: number, to: number, length: number): boolean;
  removeSequence(sequence: number): void;
  /** Forgets what a sequence's cache holds from position `length` on; false if the model's cache cannot. */
  truncateSequence(sequence: number, length: number): boolean;
  /** Parses a GBNF grammar; throws InvalidInputError if it is malformed or the engine has none. */
  grammar(text: string): GrammarState;
  dispose(): void;
}
