/** @file The frame of the laboratory: header, tabs, views, dialogs, keys. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useState } from 'preact/hooks';

import { ChatView } from '../chat/chat-view.tsx';
import { neighbourOf } from '../chat/colour-picker.tsx';
import { type Message, messagesOf } from '../chat/message.ts';
import type { Session } from '../chat/session.ts';
import { createStore } from '../client/store.ts';
import { AtlasView } from './atlas-view.tsx';
import { Header } from './header.tsx';
import { HelpDialog } from './help-dialog.tsx';
import { ReplayView } from './replay-view.tsx';
import type { Replay } from './replay.ts';
import { formatHash, parseHash, type Route, views } from './routes.ts';
import { RunsView } from './runs-view.tsx';
import { ShareDialog } from './share-dialog.tsx';
import { TimelineView } from './timeline-view.tsx';

function useRoute(): Route {
  const [route, setRoute] = useState(() => parseHash(location.hash));
  useEffect(() => {
    const look = (): void => setRoute(parseHash(location.hash));
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, []);
  return route;
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

function useKeys(session: Session, openHelp: () => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector('dialog[open]')) return;
      const view = views[Number(event.key) - 1];
      if (view) location.hash = formatHash(view);
      else if (event.key === '?') openHelp();
      else if (event.key === '[') session.display.colour.set(neighbourOf(session.display, -1));
      else if (event.key === ']') session.display.colour.set(neighbourOf(session.display, 1));
      else if (event.key === '/') {
        event.preventDefault();
        document.querySelector<HTMLElement>('[data-testid="composer"]')?.focus();
      }
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [session]);
}

export function App({ session }: { readonly session: Session }): JSX.Element {
  const route = useRoute();
  const draft = useMemo(() => createStore(''), []);
  const replay = useMemo(() => createStore<Replay | null>(null), []);
  const [open, setOpen] = useState<'help' | 'share' | null>(null);
  useKeys(session, () => setOpen('help'));
  useLayoutEffect(() => {
    session.display.selection.set(null);
    document.title = `${route.view} · limbic`;
  }, [route.view]);
  const close = (): void => setOpen(null);
  const shareable = (): readonly Message[] =>
    (route.view === 'replay' ? replay.get()?.messages : null) ??
    messagesOf(session.items.get(), 'steered');
  return (
    <>
      <Header
        session={session}
        route={route}
        onHelp={() => setOpen('help')}
        onShare={() => setOpen('share')}
      />
      <main id="main" tabIndex={-1}>
        {route.view === 'chat' && <ChatView session={session} draft={draft} />}
        {route.view === 'timeline' && <TimelineView session={session} replay={replay} />}
        {route.view === 'replay' && <ReplayView session={session} replay={replay} />}
        {route.view === 'atlas' && <AtlasView lab={session.lab} chosen={route.detail} />}
        {route.view === 'runs' && <RunsView session={session} id={route.detail} />}
      </main>
      {open === 'help' && <HelpDialog onClose={close} />}
      {open === 'share' && <ShareDialog session={session} messages={shareable()} onClose={close} />}
    </>
  );
}
