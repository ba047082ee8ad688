/** @file The smallest store that a page needs: a value, listeners, and a hook that picks a part of it. */
import { useLayoutEffect, useState } from 'preact/hooks';

export interface Emitter {
  readonly emit: () => void;
  /** Returns the function that ends the subscription. */
  readonly subscribe: (listener: () => void) => () => void;
}

export interface Store<T> {
  readonly get: () => T;
  readonly set: (value: T) => void;
  readonly subscribe: (listener: () => void) => () => void;
}

/** Listeners without a value. */
export function createEmitter(): Emitter {
  const listeners = new Set<() => void>();
  return {
    emit: () => {
      for (const listener of listeners) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** A value that tells its listeners when another one is set. */
export function createStore<T>(initial: T): Store<T> {
  const { emit, subscribe } = createEmitter();
  let value = initial;
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      emit();
    },
    subscribe,
  };
}

/** The store's value; the component renders again when it changes. */
export function useStore<T>(store: Store<T>): T {
  return usePart(store, (value) => value);
}

/** A part of the store's value; the component renders again when that part changes. */
export function usePart<T, P>(store: Store<T>, pick: (value: T) => P): P {
  const [, render] = useState<object>({});
  const part = pick(store.get());
  useLayoutEffect(() => {
    let seen = pick(store.get());
    const look = (): void => {
      const next = pick(store.get());
      if (Object.is(next, seen)) return;
      seen = next;
      render({});
    };
    // It may have changed between the render and this effect.
    if (!Object.is(seen, part)) render({});
    return store.subscribe(look);
    // `pick` is written in place and means the same at each render.
  }, [store]);
  return part;
}
