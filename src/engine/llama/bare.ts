/**
 * @file llama.cpp with nothing of ours around it but the calls themselves: the same library, threads and batches, in
 * this process, the most probable token each time. What limbic costs is measured against it, and nothing else uses it.
 */
import type { Batch } from '../backend.ts';
import { LlamaBackend, type LlamaOptions } from './backend.ts';
import { bind } from './binding.ts';
import { describeDevice, quietLog } from './device.ts';
import { findLibrary } from './library.ts';

export interface BareEngine extends Disposable {
  /** Reads the prompt and writes `count` tokens, ends of sequences among them. */
  generate(prompt: Int32Array, count: number): void;
  /** Whole passes over the texts, as many side by side as fit in one batch; logits of each last token. */
  prefill(texts: readonly Int32Array[]): void;
}

/** Opens the file once more, in this process: native faults end it. Throws as opening a model does. */
export function openBare(options: Omit<LlamaOptions, 'maxSequences'>): BareEngine {
  const library = findLibrary({ gpu: options.gpuLayers !== 0 });
  const binding = bind(library);
  quietLog(binding);
  const device = describeDevice(binding, library);
  const backend = new LlamaBackend(binding, { ...options, maxSequences: 16 }, device);
  return {
    generate: (prompt, count) => {
      backend.begin({ layers: [], earlyExit: false });
      backend.decode(batchOf([prompt]));
      let token = largest(backend.logits(prompt.length - 1));
      for (let k = 1; k < count; k++) {
        backend.decode(batchOf([Int32Array.of(token)], prompt.length + k - 1));
        token = largest(backend.logits(0));
      }
    },
    prefill: (texts) => {
      for (let at = 0; at < texts.length;) {
        const group: Int32Array[] = [];
        let tokens = 0;
        do {
          const text = texts[at++];
          if (text === undefined) break;
          group.push(text);
          tokens += text.length;
        } while (tokens + (texts[at]?.length ?? Infinity) <= backend.info.batchSize);
        backend.begin({ layers: [], earlyExit: false });
        backend.decode(batchOf(group));
      }
    },
    [Symbol.dispose]: () => backend.dispose(),
  };
}

/** Each text a sequence of its own, logits wanted after its last token. */
function batchOf(texts: readonly Int32Array[], from = 0): Batch {
  const count = texts.reduce((sum, text) => sum + text.length, 0);
  const batch = {
    tokens: new Int32Array(count),
    positions: new Int32Array(count),
    sequences: new Int32Array(count),
    wantsLogits: new Uint8Array(count),
  };
  let at = 0;
  for (const [sequence, text] of texts.entries()) {
    for (let k = 0; k < text.length; k++, at++) {
      batch.tokens[at] = text[k] ?? 0;
      batch.positions[at] = from + k;
      batch.sequences[at] = sequence;
    }
    batch.wantsLogits[at - 1] = 1;
  }
  return batch;
}

function largest(logits: Float32Array): number {
  let best = 0;
  for (let k = 1; k < logits.length; k++) if (logits[k]! > logits[best]!) best = k;
  return best;
}
