/** @file Light, dark, or as the system has it; remembered in this browser. */

export type Theme = 'system' | 'light' | 'dark';

const key = 'limbic-theme';
const order: readonly Theme[] = ['system', 'light', 'dark'];

/** Storage may be forbidden, as in a file that is opened from disk in some browsers. */
function stored(): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function loadTheme(): Theme {
  const value = stored();
  return order.find((theme) => theme === value) ?? 'system';
}

export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
  try {
    localStorage.setItem(key, theme);
  } catch {
    // The theme then lasts as long as the page.
  }
}

export function nextTheme(theme: Theme): Theme {
  return order[(order.indexOf(theme) + 1) % order.length] ?? 'system';
}
