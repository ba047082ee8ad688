/**
 * @file Tells models apart. Two quantisations of one model are the same, since quantisation keeps norm
 * weights in float32; a fine-tune that trained them differs. One that left them alone (most low-rank
 * adapters do) cannot be told from its base.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

import type { GgufHeader } from '../formats/gguf.ts';
import type { BackendInfo } from './backend.ts';

/** 16 hex digits over architecture, shape, vocabulary, special tokens and norm weights. */
export function fingerprintOf(info: BackendInfo, norms: string): string {
  const shape = [
    info.architecture,
    info.blocks,
    info.width,
    info.vocabulary,
    info.bosText,
    info.eosText,
    norms,
  ];
  return createHash('sha256').update(JSON.stringify(shape)).digest('hex').slice(0, 16);
}

/** Hash of the names and values of a file's norm weights, whatever their order in the file. */
export function hashNorms(path: string, { norms }: Pick<GgufHeader, 'norms'>): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'r');
  try {
    for (const { name, offset, bytes } of norms.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const values = Buffer.alloc(bytes);
      readSync(file, values, 0, bytes, offset);
      hash.update(name).update(values);
    }
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}
