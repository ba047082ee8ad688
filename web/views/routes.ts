/** @file The views and their addresses after the hash. */

export const views = ['chat', 'timeline', 'replay', 'atlas', 'runs'] as const;
type View = (typeof views)[number];

export interface Route {
  readonly view: View;
  /** What follows the view: the id of a run, the name of an emotion. */
  readonly detail: string | null;
}

/** The view of a hash; the chat for one that isn't known. */
export function parseHash(hash: string): Route {
  const [name = '', ...rest] = hash.replace(/^#\/?/, '').split('/');
  const view = views.find((known) => known === name) ?? 'chat';
  const detail = rest.join('/');
  let decoded = detail;
  try {
    decoded = decodeURIComponent(detail);
  } catch {
    // A hash that was cut within an escape is taken as it is.
  }
  return { view, detail: decoded === '' ? null : decoded };
}

export function formatHash(view: View, detail?: string): string {
  return detail === undefined ? `#/${view}` : `#/${view}/${encodeURIComponent(detail)}`;
}
