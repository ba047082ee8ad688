/** @file A shared conversation in a file of its own: all that can be looked at, nothing that needs a server. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';

import type { SharedConversation } from '../../src/api/lab.ts';
import { createDisplay } from '../chat/display.ts';
import { messageOfTurn } from '../chat/message.ts';
import { formatMoment } from './format-moment.ts';
import { ReadingPanel } from './reading-panel.tsx';
import { ThemeButton } from './theme-button.tsx';

/** Lines at first; more would be a tangle, and all others are a click away in the colours. */
const mostLines = 8;

export function SharedView({ shared }: { readonly shared: SharedConversation }): JSX.Element {
  const display = useMemo(
    () =>
      createDisplay(
        new Map(Object.entries(shared.scale)),
        shared.emotions,
        shared.emotions.slice(0, mostLines),
      ),
    [shared],
  );
  const messages = useMemo(
    () => shared.turns.map((turn, i) => messageOfTurn(`t${i}`, turn)),
    [shared],
  );
  return (
    <>
      <header class="header">
        <span class="brand">limbic</span>
        <p class="model">
          <b>{shared.model}</b>
          <span class="detail">
            {' '}
            · layer {shared.layer} · {formatMoment(shared.date)}
          </span>
        </p>
        <div class="tools">
          <ThemeButton />
        </div>
      </header>
      <main>
        <div class="page" data-testid="shared">
          <header>
            <h1>{shared.title}</h1>
          </header>
          <ReadingPanel messages={messages} display={display} onAdd={() => undefined} />
          <p class="small soft">
            Readings are projections of the residual stream after block {shared.layer}, in standard
            deviations above everyday text. They show internal representations that work like
            emotion concepts, not that a model feels anything.
          </p>
        </div>
      </main>
    </>
  );
}
