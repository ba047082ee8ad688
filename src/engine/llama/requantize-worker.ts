/** @file A child process that writes a Q8_0 copy of a GGUF file with llama.cpp's own quantiser, and ends. */
import { type Binding, bind, type QuantizeParams } from './binding.ts';
import { listenToLog } from './device.ts';
import { findLibrary } from './library.ts';

export interface RequantizeRequest {
  readonly from: string;
  readonly to: string;
  readonly threads: number;
  readonly libraryFolder?: string;
}

export type RequantizeMessage =
  | { readonly type: 'progress'; readonly done: number; readonly total: number }
  | { readonly type: 'end'; readonly status: number };

/** LLAMA_FTYPE_MOSTLY_Q8_0 of the pinned release. */
const q8 = 7;

function run(binding: Binding, { from, to, threads }: RequantizeRequest): number {
  const params = binding.quantizeDefaults() as QuantizeParams;
  params.nthread = threads;
  params.ftype = q8;
  params.allow_requantize = true;
  return Number(binding.quantize(from, to, params));
}

function send(message: RequantizeMessage): void {
  process.send?.(message);
}

process.once('message', (request: RequantizeRequest) => {
  const library = findLibrary({
    gpu: false,
    ...(request.libraryFolder === undefined ? {} : { folder: request.libraryFolder }),
  });
  const binding = bind(library);
  listenToLog(binding, (text) => {
    // The quantiser numbers each tensor as it writes it: "[  12/ 272]  blk.1.attn_k.weight ...".
    const match = /^\[\s*(\d+)\/\s*(\d+)\]/.exec(text);
    if (match !== null) send({ type: 'progress', done: Number(match[1]), total: Number(match[2]) });
  });
  send({ type: 'end', status: run(binding, request) });
  process.disconnect();
});
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
