/** @file GBNF grammars through the library's own grammar sampler. */
import koffi from 'koffi';

import { InvalidInputError } from '../../errors.ts';
import type { GrammarState } from '../backend.ts';
import type { Binding, Pointer } from './binding.ts';

/** Bytes of one llama_token_data: int32 id, float logit, float p. */
const candidateBytes = 12;
const candidateWords = candidateBytes / 4;

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
  const bytes = koffi.view(memory, vocabulary * candidateBytes);
  const ids = new Int32Array(bytes);
  const logits = new Float32Array(bytes);
  return {
    allowed(tokens: Int32Array): Uint8Array {
      for (let i = 0; i < tokens.length; i++) {
        ids[i * candidateWords] = tokens[i] ?? 0;
        logits[i * candidateWords + 1] = 0;
      }
      const size = tokens.length;
      binding.samplerApply(sampler, { data: memory, size, selected: -1, sorted: false });
      return Uint8Array.from(tokens, (_, i) => Number(logits[i * candidateWords + 1] === 0));
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
