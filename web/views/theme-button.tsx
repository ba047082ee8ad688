/** @file The button that goes through the themes. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { ThemeIcon } from '../controls/icons.tsx';
import { applyTheme, loadTheme, nextTheme } from './theme.ts';

export function ThemeButton(): JSX.Element {
  const [theme, setTheme] = useState(loadTheme);
  return (
    <button
      type="button"
      class="icon quiet"
      data-testid="theme"
      aria-label={`Theme: ${theme}`}
      title={`Theme: ${theme}`}
      onClick={() => {
        const next = nextTheme(theme);
        applyTheme(next);
        setTheme(next);
      }}
    >
      <ThemeIcon />
    </button>
  );
}
