/** @file Renders a component again when something of a message changes that is not its tokens. */
import { useLayoutEffect, useState } from 'preact/hooks';

import type { Message } from './message.ts';

function outlineOf({ status, warning, events, reread, tokens, content }: Message): string {
  return [status, warning, events.length, reread.size, tokens.length > 0, content === ''].join('|');
}

/** Follows the status, warnings and events of messages; tokens are drawn past the renderer. */
export function useMessages(messages: readonly Message[]): void {
  const [, render] = useState<object>({});
  useLayoutEffect(() => {
    const outline = (): string => messages.map(outlineOf).join('\n');
    let seen = outline();
    const look = (): void => {
      const next = outline();
      if (next === seen) return;
      seen = next;
      render({});
    };
    const ends = messages.map(({ changed }) => changed.subscribe(look));
    return () => {
      for (const end of ends) end();
    };
  }, messages);
}
