/** @file What is drawn, in every view that draws conversations. */
import { createStore, type Store } from '../client/store.ts';
import type { Scale } from '../reading/scale.ts';
import type { Message } from './message.ts';

/** The token that a person points at. */
interface Selection {
  readonly message: Message;
  readonly index: number;
}

export interface Display {
  readonly scale: Scale;
  /** All emotions by name. */
  readonly names: readonly string[];
  /** Emotions of the lines. */
  readonly shown: Store<readonly string[]>;
  /** Emotions of the lines that are switched off. */
  readonly off: Store<ReadonlySet<string>>;
  /** The emotion that colours the tokens. */
  readonly colour: Store<string>;
  readonly selection: Store<Selection | null>;
}

/** A display that starts with the emotions of `shown` that exist. */
export function createDisplay(
  scale: Scale,
  names: readonly string[],
  shown: readonly string[],
): Display {
  const known = shown.filter((name) => names.includes(name));
  const first = known.length > 0 ? known : names.slice(0, 4);
  return {
    scale,
    names,
    shown: createStore<readonly string[]>(first),
    off: createStore<ReadonlySet<string>>(new Set()),
    colour: createStore(first.includes('desperate') ? 'desperate' : (first[0] ?? '')),
    selection: createStore<Selection | null>(null),
  };
}
