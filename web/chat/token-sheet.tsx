/** @file The inspector on a narrow screen: a sheet at the lower edge while a token is chosen. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import { usePart } from '../client/store.ts';
import { CloseIcon } from '../controls/icons.tsx';
import type { Display } from './display.ts';
import { Inspector } from './inspector.tsx';

/** Below this there is no room beside the text; the same as in the style sheets. */
const narrow = '(max-width: 1000px)';

/** Whether the screen is narrow, now and when it changes. */
export function useNarrow(): boolean {
  const [isNarrow, setNarrow] = useState(() => matchMedia(narrow).matches);
  useEffect(() => {
    const query = matchMedia(narrow);
    const look = (): void => setNarrow(query.matches);
    query.addEventListener('change', look);
    return () => query.removeEventListener('change', look);
  }, []);
  return isNarrow;
}

export function TokenSheet({ display }: { readonly display: Display }): JSX.Element | null {
  const isNarrow = useNarrow();
  const hasToken = usePart(display.selection, (selection) => selection !== null);
  if (!isNarrow || !hasToken) return null;
  return (
    <aside class="sheet" aria-label="Chosen token">
      <button
        type="button"
        class="icon quiet"
        aria-label="Close"
        onClick={() => display.selection.set(null)}
      >
        <CloseIcon />
      </button>
      <Inspector display={display} />
    </aside>
  );
}
