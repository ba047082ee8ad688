/** @file GBNF grammars through the library's own grammar sampler. */
import koffi from 'koffi';

import { InvalidInputError } from '../../errors.ts';
import type { GrammarState } from '../backend.ts';
import type { Binding, Pointer } from './binding.ts';

/** Bytes of one llama_token_data: int32 id, float logit, float p. */
const candidateBytes = 12;

/** Parses a grammar whose root rule is `root`; throws InvalidInputError if the library refuses it. */
export function createGrammar(
  binding: Binding,
  vocab: Pointer,
  text: string,
  vocabulary: number,
): GrammarState {
  const sampler = binding.grammarInit(vocab, text, 'root') as Pointer | null;
  if (sampler === null) {
    throw new InvalidInputError(
      'grammar: expected GBNF with a rule named root, got text that does not parse',
    );
  }
  const memory = koffi.alloc('uint8', vocabulary * candidateBytes) as unknown as Pointer;
  const view = new DataView(koffi.view(memory, vocabulary * candidateBytes));
  return {
    mask(logits: Float32Array): void {
      for (let id = 0; id < vocabulary; id++) {
        view.setInt32(id * candidateBytes, id, true);
        view.setFloat32(id * candidateBytes + 4, logits[id] ?? 0, true);
      }
      binding.samplerApply(sampler, {
        data: memory,
        size: vocabulary,
        selected: -1,
        sorted: false,
      });
      for (let i = 0; i < vocabulary; i++) {
        if (view.getFloat32(i * candidateBytes + 4, true) === -Infinity) {
          logits[view.getInt32(i * candidateBytes, true)] = -Infinity;
        }
      }
    },
    accept(token: number): void {
      binding.samplerAccept(sampler, token);
    },
    dispose(): void {
      binding.samplerFree(sampler);
      koffi.free(memory);
    },
  };
}
