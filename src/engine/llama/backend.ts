/**
 * @file The llama.cpp backend: runs inside the engine's child process and owns all native memory.
 *
 * On architectures on the allow-list a `plain` context without a tensor callback serves all but early exit, and reads
 * residuals through the layer-input call at no measurable cost. The `tapped` context serves early exit there, and
 * everything elsewhere (tap.ts). Both share the weights; each is made on first need, since its cache of keys and
 * values is memory from then on: 48 MB for 4096 positions of a model of 0.5B.
 */
import { EngineError, InvalidInputError, ShapeError } from '../../errors.ts';
import type { Backend, BackendInfo, Batch, GrammarState, ReadingPlan } from '../backend.ts';
import type { Binding, ContextParams, ModelParams, Pointer } from './binding.ts';
import { createGrammar } from './grammar.ts';
import { BatchMemory, NativeFloats } from './memory.ts';
import { Tap } from './tap.ts';

/** Architectures whose graph fills the layer-input buffers; on any other the call aborts the process. */
const layerInputArchitectures =
  /^(llama|qwen3|qwen3moe|qwen3next|qwen35|qwen35moe|gemma4|openai-moe|gpt-oss|lfm2|lfm2moe|minimax-m2|nemotron_h|nemotron_h_moe)$/;

export interface LlamaOptions {
  readonly path: string;
  readonly contextLength: number;
  readonly maxSequences: number;
  readonly threads: number;
  readonly gpuLayers: number;
}

/** Tokens in one decode; also the micro-batch, so that each pass is one graph and one callback. */
const batchSize = 512;

interface Context {
  readonly handle: Pointer;
  readonly memory: Pointer;
  readonly tap: Tap | null;
  /** Layers whose input the context keeps. */
  readonly layerInputs: Set<number>;
}

export class LlamaBackend implements Backend {
  info: BackendInfo;
  readonly #binding: Binding;
  readonly #model: Pointer;
  readonly #vocab: Pointer;
  readonly #batch: BatchMemory;
  readonly #floats = new NativeFloats();
  #plain: Context | undefined;
  #tapped: Context | undefined;
  #active: Context;
  #plan: ReadingPlan = { layers: [], earlyExit: false };
  /** Vectors of all blocks from the first on, and the blocks that the library is to add them after. */
  #steering: { data: Float32Array; first: number; last: number } | null = null;
  #inputRows = new Map<number, Float32Array>();
  /** Keeps a state in place of positions, or besides: only whole sequences, one at a time. */
  readonly #isRecurrent: boolean;

  constructor(binding: Binding, options: LlamaOptions, device: string) {
    this.#binding = binding;
    const params = binding.modelDefaults() as ModelParams;
    params.n_gpu_layers = options.gpuLayers;
    const model = binding.loadModel(options.path, params) as Pointer | null;
    if (model === null) throw new EngineError(`engine: llama.cpp could not load ${options.path}`);
    this.#model = model;
    this.#vocab = binding.vocab(model) as Pointer;
    this.#isRecurrent = Boolean(binding.isRecurrent(model)) || Boolean(binding.isHybrid(model));
    const architecture = this.#meta('general.architecture') ?? 'unknown';
    this.info = {
      engine: 'llama',
      architecture,
      blocks: Number(binding.blocks(model)),
      width: Number(binding.width(model)),
      vocabulary: Number(binding.vocabularySize(this.#vocab)),
      contextLength: Math.min(options.contextLength, Number(binding.trainedContext(model))),
      // Such a model orders the rows of several sequences in a way of its own.
      maxSequences: this.#isRecurrent ? 1 : options.maxSequences,
      batchSize,
      chatTemplate: binding.chatTemplate(model, null) as string | null,
      bosText: this.#special(Number(binding.bos(this.#vocab))),
      eosText: this.#special(Number(binding.eos(this.#vocab))),
      reading: layerInputArchitectures.test(architecture) ? 'layer-input' : 'tensor-callback',
      threads: options.threads,
      device,
    };
    this.#batch = new BatchMemory(binding, batchSize);
    // One of them now, so that a context that the machine can't hold is refused at once.
    this.#active =
      this.info.reading === 'layer-input' ? this.#plainContext() : this.#tappedContext();
  }

  /** Computes on so many threads from now on. */
  useThreads(threads: number): void {
    this.info = { ...this.info, threads };
    for (const context of [this.#plain, this.#tapped])
      if (context !== undefined) this.#binding.setThreads(context.handle, threads, threads);
  }

  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array {
    const bytes = Buffer.from(text);
    const out = new Int32Array(bytes.length + 8);
    const count = Number(
      this.#binding.tokenize(
        this.#vocab,
        bytes,
        bytes.length,
        out,
        out.length,
        addSpecial,
        parseSpecial,
      ),
    );
    if (count < 0)
      throw new EngineError(`tokenize: expected at most ${out.length} tokens, got ${-count}`);
    return out.slice(0, count);
  }

  piece(token: number): Uint8Array {
    const out = new Uint8Array(512);
    const count = Number(this.#binding.piece(this.#vocab, token, out, out.length, 0, true));
    return out.slice(0, Math.max(0, count));
  }

  isEnd(token: number): boolean {
    return this.#binding.isEnd(this.#vocab, token) as boolean;
  }

  begin(plan: ReadingPlan): void {
    const needsTap = plan.earlyExit || this.info.reading === 'tensor-callback';
    this.#active = needsTap ? this.#tappedContext() : this.#plainContext();
    this.#planFor(plan);
    this.#applySteering();
    this.#binding.memoryClear(this.#active.memory, false);
  }

  replan(layers: readonly number[]): void {
    this.#planFor({ layers, earlyExit: false });
  }

  #planFor(plan: ReadingPlan): void {
    const { tap } = this.#active;
    this.#plan = plan;
    if (tap === null) this.#wantInputs(this.#active, plan.layers);
    else tap.plan(plan.layers, plan.earlyExit);
  }

  decode(batch: Batch): void {
    const { tap, handle } = this.#active;
    this.#batch.fill(batch);
    tap?.arm(this.#graphShape(batch), batch.tokens.length);
    const status = Number(this.#binding.decode(handle, this.#batch.native));
    if (status !== 0) {
      throw new EngineError(
        `decode: llama.cpp answered ${status} for ${batch.tokens.length} tokens${status === 1 ? ' (the context is full)' : ''}`,
        { hint: 'use a longer context or fewer sequences' },
      );
    }
    tap?.settle();
    if (tap === null) {
      this.#inputRows.clear();
      for (const layer of this.#plan.layers) {
        const address = this.#binding.getLayerInput(handle, layer + 1) as Pointer;
        this.#inputRows.set(layer, this.#floats.at(address, batch.tokens.length * this.info.width));
      }
    }
  }

  logits(i: number): Float32Array {
    const address = this.#binding.logitsAt(this.#active.handle, i) as Pointer | null;
    if (address === null) throw new EngineError(`logits: none were asked for at batch index ${i}`);
    return this.#floats.at(address, this.info.vocabulary);
  }

  residual(layer: number): Float32Array {
    const { tap } = this.#active;
    if (tap !== null) return tap.rows(layer);
    const rows = this.#inputRows.get(layer);
    if (rows === undefined) throw new EngineError(`reading: layer ${layer} was not planned`);
    return rows;
  }

  steer(vectors: ReadonlyMap<number, Float32Array> | null): void {
    const { blocks, width } = this.info;
    if (vectors === null || vectors.size === 0) {
      this.#steering = null;
    } else {
      const data = new Float32Array((blocks - 1) * width);
      for (const [layer, vector] of vectors) {
        if (layer < 1 || layer >= blocks) {
          throw new InvalidInputError(
            `steer: expected a layer from 1 to ${blocks - 1}, got ${layer}`,
          );
        }
        if (vector.length !== width) throw new ShapeError('steer', width, vector.length);
        data.set(vector, (layer - 1) * width);
      }
      const layers = [...vectors.keys()];
      this.#steering = { data, first: Math.min(...layers), last: Math.max(...layers) };
    }
    this.#applySteering();
  }

  copySequence(from: number, to: number, length: number): boolean {
    if (!this.#holdsWindow(from, length)) return false;
    this.#binding.memoryCopy(this.#active.memory, from, to, 0, length);
    return true;
  }

  removeSequence(sequence: number): void {
    this.#binding.memoryRemove(this.#active.memory, sequence, -1, -1);
  }

  truncateSequence(sequence: number, length: number): boolean {
    if (length > 0 && !this.#holdsWindow(sequence, length)) return false;
    return this.#binding.memoryRemove(this.#active.memory, sequence, length, -1) as boolean;
  }

  grammar(text: string): GrammarState {
    return createGrammar(this.#binding, this.#vocab, text, this.info.vocabulary);
  }

  dispose(): void {
    for (const context of [this.#plain, this.#tapped]) {
      if (context === undefined) continue;
      this.#binding.freeContext(context.handle);
      context.tap?.dispose();
    }
    this.#binding.freeModel(this.#model);
  }

  /**
   * Whether what comes after `length` positions can be computed from the cache: layers with a sliding window
   * lose the cells of an idle sequence that lie outside its own window as soon as another needs room.
   */
  #holdsWindow(sequence: number, length: number): boolean {
    if (this.#isRecurrent) return false;
    const window = Number(this.#binding.window(this.#model));
    const first = Number(this.#binding.memoryFirst(this.#active.memory, sequence));
    return window === 0 || first <= Math.max(0, length - window);
  }

  /** What makes the library build another graph: batch size, number of outputs, steering. */
  #graphShape(batch: Batch): string {
    const count = batch.tokens.length;
    const outputs = batch.wantsLogits.reduce((sum, flag) => sum + flag, 0);
    const { first, last } = this.#steering ?? { first: 0, last: -1 };
    const steered = this.#steering === null ? 'bare' : `steered ${first} to ${last}`;
    const kind = outputs === 0 ? 'none' : outputs === count ? 'all' : 'some';
    return `${steered}:${count === 1 ? 'one' : 'many'}:${kind}`;
  }

  #meta(key: string): string | null {
    const out = Buffer.alloc(4096);
    const length = Number(this.#binding.metaValue(this.#model, key, out, out.length));
    return length < 0 ? null : out.subarray(0, length).toString();
  }

  #special(token: number): string {
    return token < 0 ? '' : Buffer.from(this.piece(token)).toString();
  }

  #open(tap: Tap | null): Context {
    const params = this.#binding.contextDefaults() as ContextParams;
    params.n_ctx = this.info.contextLength;
    params.n_batch = batchSize;
    params.n_ubatch = batchSize;
    params.n_seq_max = this.info.maxSequences;
    params.n_threads = this.info.threads;
    params.n_threads_batch = this.info.threads;
    params.kv_unified = true;
    params.no_perf = true;
    if (tap !== null) params.cb_eval = tap.callback;
    const handle = this.#binding.initContext(this.#model, params) as Pointer | null;
    if (handle === null) {
      throw new EngineError(
        `engine: llama.cpp could not make a context of ${params.n_ctx} positions`,
        { hint: 'try a smaller --context' },
      );
    }
    tap?.attach(handle);
    const memory = this.#binding.memory(handle) as Pointer;
    return { handle, memory, tap, layerInputs: new Set() };
  }

  #tappedContext(): Context {
    this.#tapped ??= this.#open(new Tap(this.#binding, this.info));
    return this.#tapped;
  }

  #plainContext(): Context {
    this.#plain ??= this.#open(null);
    return this.#plain;
  }

  #wantInputs({ handle, layerInputs }: Context, layers: readonly number[]): void {
    const wanted = new Set(layers.map((layer) => layer + 1));
    for (const input of layerInputs) {
      if (!wanted.has(input)) this.#binding.setLayerInput(handle, input, false);
    }
    for (const input of wanted) {
      if (!layerInputs.has(input)) this.#binding.setLayerInput(handle, input, true);
    }
    layerInputs.clear();
    for (const input of wanted) layerInputs.add(input);
  }

  #applySteering(): void {
    const { width } = this.info;
    const { handle } = this.#active;
    const steering = this.#steering;
    const status = Number(
      steering === null
        ? this.#binding.setControlVector(handle, null, 0, width, 0, 0)
        : this.#binding.setControlVector(
            handle,
            steering.data,
            steering.data.length,
            width,
            steering.first,
            steering.last,
          ),
    );
    if (status !== 0) throw new EngineError(`steer: llama.cpp answered ${status}`);
  }
}
