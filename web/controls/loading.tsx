/** @file What a view shows while it waits, and when the server doesn't answer. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import { problemOf } from '../client/client.ts';

interface Loaded<T> {
  readonly value: T | null;
  readonly problem: string | null;
  readonly retry: () => void;
}

/** Loads once, and again after `retry`; `key` names what is loaded. */
export function useLoaded<T>(load: () => Promise<T>, key: string): Loaded<T> {
  const [result, setResult] = useState<{ value: T | null; problem: string | null }>({
    value: null,
    problem: null,
  });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    setResult({ value: null, problem: null });
    load().then(
      (value) => isCurrent && setResult({ value, problem: null }),
      (error: unknown) => isCurrent && setResult({ value: null, problem: problemOf(error) }),
    );
    return () => {
      isCurrent = false;
    };
  }, [key, attempt]);
  return { ...result, retry: () => setAttempt(attempt + 1) };
}

export function Failure(props: {
  readonly problem: string;
  readonly onRetry?: () => void;
  readonly onDismiss?: () => void;
}): JSX.Element {
  return (
    <div class="notice bad row" role="alert">
      <span class="grow">{props.problem}</span>
      {props.onRetry && (
        <button type="button" onClick={props.onRetry}>
          Try again
        </button>
      )}
      {props.onDismiss && (
        <button type="button" class="quiet" onClick={props.onDismiss}>
          Dismiss
        </button>
      )}
    </div>
  );
}

export function Waiting({ what }: { readonly what: string }): JSX.Element {
  return (
    <p class="soft" role="status">
      {what} …
    </p>
  );
}
