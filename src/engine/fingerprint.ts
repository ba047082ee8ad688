/**
 * @file Tells models apart. Two quantisations of one model are the same, since quantisation keeps norm
 * weights in float32; a fine-tune that trained them differs. One that left them alone (most low-rank
 * adapters do) cannot be told from its base.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

import type { GgufHeader } from '../formats/gguf.ts';
import type { BackendInfo } from './backend.ts';

/** Bytes of a norm that are in memory at a time; those of real models have fewer. */
const pieceSize = 1 << 20;

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

/** Hash of the names and values of a model's norm weights, whatever their order and file. */
export function hashNorms(parts: readonly ModelPart[]): string {
  const norms = parts.flatMap(({ path, header }) =>
    header.norms.map((norm) => ({ ...norm, path })),
  );
  const hash = createHash('sha256');
  for (const { name, path, offset, bytes } of norms.toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    hash.update(name);
    const file = openSync(path, 'r');
    try {
      // In pieces: a file may call its largest tensor a norm.
      for (let from = 0; from < bytes; from += pieceSize) {
        const piece = Buffer.alloc(Math.min(pieceSize, bytes - from));
        readSync(file, piece, 0, piece.length, offset + from);
        hash.update(piece);
      }
    } finally {
      closeSync(file);
    }
  }
  return hash.digest('hex');
}

interface ModelPart {
  readonly path: string;
  readonly header: Pick<GgufHeader, 'norms'>;
}
