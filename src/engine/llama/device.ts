/** @file What the library found to compute on, and its log. */
import koffi from 'koffi';

import { shown } from '../../errors.ts';
import type { Binding } from './binding.ts';
import type { NativeLibrary } from './library.ts';

/** Names of the devices that the loaded back ends offer, graphics cards first. */
export function describeDevice(binding: Binding, library: NativeLibrary): string {
  const names: string[] = [];
  for (let i = 0; i < Number(binding.deviceCount()); i++) {
    const device = binding.deviceAt(i);
    names.push(String(binding.deviceDescription(device)).trim());
  }
  return `${names.join(' + ') || 'processor'} (${library.source})`;
}

/** llama.cpp's level of an error line; 1 is debug, 2 info, 3 warning, 5 continues the line before. */
const errorLevel = 4;

/**
 * Keeps only the library's errors, on standard error, where the client collects its last words. Gives a function that
 * says why the library refused a model last; empty if it refused none.
 */
export function quietLog(binding: Binding): () => string {
  let reason = '';
  listenToLog(binding, (text, level) => {
    if (level !== errorLevel) return;
    reason = /error loading model: (.+)/.exec(text)?.[1] ?? reason;
    process.stderr.write(text);
  });
  return () => shown(reason);
}

/** Gives each line of the library's log to `hear`, with its level. */
export function listenToLog(binding: Binding, hear: (text: string, level: number) => void): void {
  const callback = koffi.register(
    (level: number, text: string): void => hear(text, level),
    'LimbicLogCallback*',
  );
  binding.logSet(callback, null);
}
