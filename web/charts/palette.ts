/** @file Colours of the page as a canvas needs them, read from the style sheet again when the theme changes. */

export interface Palette {
  readonly ink: string;
  readonly soft: string;
  readonly line: string;
  readonly panel: string;
  readonly ground: string;
  readonly bad: string;
  readonly accent: string;
  readonly series: readonly string[];
}

/** Colours of the lines; from the ninth emotion on they come again, dashed. */
export const seriesCount = 8;

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return {
    ink: read('--ink'),
    soft: read('--soft'),
    line: read('--line'),
    panel: read('--panel'),
    ground: read('--ground'),
    bad: read('--bad'),
    accent: read('--accent'),
    series: Array.from({ length: seriesCount }, (_, i) => read(`--s${i}`)),
  };
}

/** Calls `listener` when the colours of the page change; returns the function that ends it. */
export function onThemeChange(listener: () => void): () => void {
  const query = matchMedia('(prefers-color-scheme: dark)');
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  query.addEventListener('change', listener);
  return () => {
    observer.disconnect();
    query.removeEventListener('change', listener);
  };
}
