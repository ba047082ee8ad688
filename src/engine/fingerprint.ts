/** @file Tells models apart; two quantisations of the same model are the same. */
import { createHash } from 'node:crypto';

import type { BackendInfo } from './backend.ts';

/** 16 hex digits over architecture, shape, vocabulary and special tokens. */
export function fingerprintOf(info: BackendInfo): string {
  const shape = [
    info.architecture,
    info.blocks,
    info.width,
    info.vocabulary,
    info.bosText,
    info.eosText,
  ];
  return createHash('sha256').update(JSON.stringify(shape)).digest('hex').slice(0, 16);
}
