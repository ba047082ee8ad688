/**
 * @file The typed C calls into llama.cpp. Structs go by value and their fields change between
 * releases, so the library's version is checked first and the default parameters serve as a canary:
 * if they do not read as the numbers that the release documents, nothing else is called.
 */
import koffi, { type LibraryHandle } from 'koffi';

import { EngineError, UnsupportedModelError } from '../../errors.ts';
import type { NativeLibrary } from './library.ts';
import { libraryRelease } from './library.ts';

/** An opaque native address. */
export type Pointer = bigint;

export interface ModelParams {
  n_gpu_layers: number;
  split_mode: number;
  main_gpu: number;
  vocab_only: boolean;
}

export interface ContextParams {
  n_ctx: number;
  n_batch: number;
  n_ubatch: number;
  n_seq_max: number;
  n_threads: number;
  n_threads_batch: number;
  rope_scaling_type: number;
  pooling_type: number;
  cb_eval: unknown;
  kv_unified: boolean;
  no_perf: boolean;
  swa_full: boolean;
}

export interface QuantizeParams {
  nthread: number;
  ftype: number;
  allow_requantize: boolean;
}

/** Native memory of llama_batch: arrays that the library reads in place. */
export interface NativeBatch {
  n_tokens: number;
  token: Pointer;
  pos: Pointer;
  n_seq_id: Pointer;
  seq_id: Pointer;
  logits: Pointer;
}

const modelParamsFields = {
  devices: 'void*',
  overrides: 'void*',
  n_gpu_layers: 'int32',
  split_mode: 'int32',
  load_mode: 'int32',
  lazy_mode: 'int32',
  main_gpu: 'int32',
  tensor_split: 'void*',
  progress: 'void*',
  progress_data: 'void*',
  kv_overrides: 'void*',
  vocab_only: 'bool',
  check_tensors: 'bool',
  use_extra_bufts: 'bool',
  no_host: 'bool',
  no_alloc: 'bool',
  load_mtp: 'bool',
};
const contextParamsFields = {
  n_ctx: 'uint32',
  n_batch: 'uint32',
  n_ubatch: 'uint32',
  n_seq_max: 'uint32',
  n_rs_seq: 'uint32',
  n_outputs_max: 'uint32',
  n_outputs_max_per_seq: 'uint32',
  n_threads: 'int32',
  n_threads_batch: 'int32',
  ctx_type: 'int32',
  rope_scaling_type: 'int32',
  pooling_type: 'int32',
  attention_type: 'int32',
  flash_attn_type: 'int32',
  rope_freq_base: 'float',
  rope_freq_scale: 'float',
  yarn_ext_factor: 'float',
  yarn_attn_factor: 'float',
  yarn_beta_fast: 'float',
  yarn_beta_slow: 'float',
  yarn_orig_ctx: 'uint32',
  defrag_thold: 'float',
  cb_eval: 'LimbicEvalCallback*',
  cb_eval_data: 'void*',
  type_k: 'int32',
  type_v: 'int32',
  abort_callback: 'void*',
  abort_data: 'void*',
  embeddings: 'bool',
  offload_kqv: 'bool',
  no_perf: 'bool',
  op_offload: 'bool',
  swa_full: 'bool',
  kv_unified: 'bool',
  samplers: 'void*',
  n_samplers: 'size_t',
  ctx_other: 'void*',
};
const quantizeParamsFields = {
  nthread: 'int32',
  ftype: 'int32',
  output_tensor_type: 'int32',
  token_embedding_type: 'int32',
  allow_requantize: 'bool',
  quantize_output_tensor: 'bool',
  only_copy: 'bool',
  pure: 'bool',
  keep_split: 'bool',
  dry_run: 'bool',
  imatrix: 'void*',
  kv_overrides: 'void*',
  tensor_types: 'void*',
  prune_layers: 'void*',
};
const batchFields = {
  n_tokens: 'int32',
  token: 'void*',
  embd: 'void*',
  pos: 'void*',
  n_seq_id: 'void*',
  seq_id: 'void*',
  logits: 'void*',
};

/** Byte offsets of fields in ggml_tensor; `rows` is ne[1]. */
export const tensorOffsets = { buffer: 8, rows: 24, view: 232, data: 248 } as const;

/** Declares the structs once in a process; koffi keeps type names globally. */
function declareTypes(): void {
  // The library passes a third argument, which a callee may leave: each costs a conversion at each graph node.
  koffi.proto('bool LimbicEvalCallback(void* tensor, bool ask)');
  koffi.proto('void LimbicLogCallback(int level, const char* text, void* data)');
  koffi.struct('LimbicModelParams', modelParamsFields);
  koffi.struct('LimbicContextParams', contextParamsFields);
  koffi.struct('LimbicQuantizeParams', quantizeParamsFields);
  koffi.struct('LimbicBatch', batchFields);
  koffi.struct('LimbicChainParams', { no_perf: 'bool' });
  koffi.struct('LimbicCandidates', {
    data: 'void*',
    size: 'size_t',
    selected: 'int64',
    sorted: 'bool',
  });
}

const signatures = {
  backendInit: 'void llama_backend_init()',
  logSet: 'void llama_log_set(LimbicLogCallback*, void*)',
  version: 'const char* llama_version()',
  modelDefaults: 'LimbicModelParams llama_model_default_params()',
  contextDefaults: 'LimbicContextParams llama_context_default_params()',
  quantizeDefaults: 'LimbicQuantizeParams llama_model_quantize_default_params()',
  quantize: 'uint32 llama_model_quantize(const char*, const char*, LimbicQuantizeParams*)',
  loadModel: 'void* llama_model_load_from_file(const char*, LimbicModelParams)',
  freeModel: 'void llama_model_free(void*)',
  initContext: 'void* llama_init_from_model(void*, LimbicContextParams)',
  freeContext: 'void llama_free(void*)',
  vocab: 'void* llama_model_get_vocab(void*)',
  blocks: 'int32 llama_model_n_layer(void*)',
  width: 'int32 llama_model_n_embd(void*)',
  trainedContext: 'int32 llama_model_n_ctx_train(void*)',
  vocabularySize: 'int32 llama_vocab_n_tokens(void*)',
  metaValue: 'int32 llama_model_meta_val_str(void*, const char*, void*, size_t)',
  chatTemplate: 'const char* llama_model_chat_template(void*, const char*)',
  tokenize: 'int32 llama_tokenize(void*, const char*, int32, void*, int32, bool, bool)',
  piece: 'int32 llama_token_to_piece(void*, int32, void*, int32, int32, bool)',
  isEnd: 'bool llama_vocab_is_eog(void*, int32)',
  bos: 'int32 llama_vocab_bos(void*)',
  eos: 'int32 llama_vocab_eos(void*)',
  batchInit: 'LimbicBatch llama_batch_init(int32, int32, int32)',
  batchFree: 'void llama_batch_free(LimbicBatch)',
  decode: 'int32 llama_decode(void*, LimbicBatch)',
  logitsAt: 'void* llama_get_logits_ith(void*, int32)',
  setThreads: 'void llama_set_n_threads(void*, int32, int32)',
  memory: 'void* llama_get_memory(void*)',
  memoryClear: 'void llama_memory_clear(void*, bool)',
  memoryRemove: 'bool llama_memory_seq_rm(void*, int32, int32, int32)',
  memoryFirst: 'int32 llama_memory_seq_pos_min(void*, int32)',
  window: 'int32 llama_model_n_swa(void*)',
  isRecurrent: 'bool llama_model_is_recurrent(void*)',
  isHybrid: 'bool llama_model_is_hybrid(void*)',
  memoryCopy: 'void llama_memory_seq_cp(void*, int32, int32, int32, int32)',
  setControlVector: 'int32 llama_set_adapter_cvec(void*, void*, size_t, int32, int32, int32)',
  grammarInit: 'void* llama_sampler_init_grammar(void*, const char*, const char*)',
  samplerApply: 'void llama_sampler_apply(void*, LimbicCandidates*)',
  samplerAccept: 'void llama_sampler_accept(void*, int32)',
  samplerFree: 'void llama_sampler_free(void*)',
  systemInfo: 'const char* llama_print_system_info()',
  setLayerInput: 'void _Z30llama_set_embeddings_layer_inpP13llama_contextjb(void*, uint32, bool)',
  getLayerInput: 'void* _Z30llama_get_embeddings_layer_inpP13llama_contextj(void*, uint32)',
  scheduler: 'void* _ZNK13llama_context9get_schedEv(void*)',
} as const;

const baseSignatures = {
  tensorName: 'const char* ggml_get_name(void*)',
  tensorData: 'void* ggml_get_data(void*)',
  bufferName: 'const char* ggml_backend_buffer_name(void*)',
  setEvalCallback: 'void ggml_backend_sched_set_eval_callback(void*, LimbicEvalCallback*, void*)',
  tensorGet: 'void ggml_backend_tensor_get(void*, void*, size_t, size_t)',
  deviceDescription: 'const char* ggml_backend_dev_description(void*)',
  deviceType: 'int ggml_backend_dev_type(void*)',
} as const;
const ggmlSignatures = {
  loadBackends: 'void ggml_backend_load_all_from_path(const char*)',
  registerBackend: 'void ggml_backend_register(void*)',
  deviceCount: 'size_t ggml_backend_dev_count()',
  deviceAt: 'void* ggml_backend_dev_get(size_t)',
} as const;

type Foreign = (...args: unknown[]) => unknown;
type Calls<T> = { readonly [K in keyof T]: Foreign };
export type Binding = Calls<typeof signatures> &
  Calls<typeof baseSignatures> &
  Calls<typeof ggmlSignatures>;

function bindAll<T extends Record<string, string>>(handle: LibraryHandle, table: T): Calls<T> {
  const entries = Object.entries(table).map(([name, signature]) => [name, handle.func(signature)]);
  return Object.fromEntries(entries) as Calls<T>;
}

/** Loads the three libraries, checks release and struct layout, and returns the calls. Once a process. */
export function bind(library: NativeLibrary): Binding {
  declareTypes();
  const base = koffi.load(library.ggmlBase);
  const ggml = koffi.load(library.ggml);
  const llama = koffi.load(library.llama);
  const binding: Binding = {
    ...bindAll(base, baseSignatures),
    ...bindAll(ggml, ggmlSignatures),
    ...bindAll(llama, signatures),
  };
  checkVersion(binding, library);
  binding.loadBackends(`${library.folder}/`);
  binding.backendInit();
  return binding;
}

function checkVersion(binding: Binding, library: NativeLibrary): void {
  const version = String(binding.version());
  if (!version.includes(libraryRelease.slice(1))) {
    throw new UnsupportedModelError(
      `native library: expected llama.cpp ${libraryRelease}, got ${version} from ${library.source}`,
      { hint: 'run: npm ci' },
    );
  }
  const context = binding.contextDefaults() as ContextParams;
  const model = binding.modelDefaults() as ModelParams;
  const sane =
    context.n_batch === 2048 &&
    context.n_ubatch === 512 &&
    context.n_seq_max === 1 &&
    context.rope_scaling_type === -1 &&
    context.pooling_type === -1 &&
    context.cb_eval === null &&
    model.main_gpu === 0 &&
    !model.vocab_only;
  if (!sane) {
    throw new EngineError(
      `native library: parameter structs of ${library.source} are not laid out as in ${libraryRelease}`,
      { hint: 'run: npm ci' },
    );
  }
}
