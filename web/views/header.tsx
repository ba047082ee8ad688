/** @file The header: the tabs, what is loaded, and the tools of every view. */
import type { JSX } from 'preact';

import type { Session } from '../chat/session.ts';
import { HelpIcon, ShareIcon } from '../controls/icons.tsx';
import { formatHash, type Route, views } from './routes.ts';
import { ThemeButton } from './theme-button.tsx';

interface HeaderProps {
  readonly session: Session;
  readonly route: Route;
  readonly onHelp: () => void;
  readonly onShare: () => void;
}

const titles = {
  chat: 'Chat',
  timeline: 'Timeline',
  replay: 'Replay',
  atlas: 'Atlas',
  runs: 'Runs',
} as const;

export function Header({ session, route, onHelp, onShare }: HeaderProps): JSX.Element {
  const { model, pack } = session.lab;
  return (
    <header class="header">
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          // The hash belongs to the views.
          event.preventDefault();
          document.querySelector<HTMLElement>('#main')?.focus();
        }}
      >
        Skip to content
      </a>
      <span class="brand">limbic</span>
      <nav class="tabs" aria-label="Views">
        {views.map((view, i) => (
          <a
            key={view}
            href={formatHash(view)}
            data-testid={`tab-${view}`}
            aria-keyshortcuts={String(i + 1)}
            {...(route.view === view ? { 'aria-current': 'page' } : {})}
          >
            {titles[view]}
          </a>
        ))}
      </nav>
      <p class="model" title={`${model.architecture}, width ${model.width}, ${model.device}`}>
        <b>{model.name}</b>
        <span class="detail">
          {' '}
          · {model.quantisation} · layer {pack.layer} of {model.blocks} · {model.device}
        </span>
      </p>
      <div class="tools">
        <button
          type="button"
          class="icon quiet"
          data-testid="share"
          aria-label="Share as a file"
          title="Share as a file"
          onClick={onShare}
        >
          <ShareIcon />
        </button>
        <ThemeButton />
        <button
          type="button"
          class="icon quiet"
          data-testid="help"
          aria-label="Help and keys"
          title="Help and keys"
          onClick={onHelp}
        >
          <HelpIcon />
        </button>
      </div>
    </header>
  );
}
