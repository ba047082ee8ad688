/** @file The conversation from top to bottom, following the newest line unless the person scrolled away. */
import type { JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

import { type Store, useStore } from '../client/store.ts';
import { ForkView } from './fork-view.tsx';
import { MapDialog } from './map-dialog.tsx';
import { MessageView } from './message-view.tsx';
import { type Item, type Message, messagesOf } from './message.ts';
import type { Session } from './session.ts';

interface ThreadProps {
  readonly session: Session;
  readonly draft: Store<string>;
}

const starters = [
  'My deadline is in ten minutes and none of the tests pass. What should I do?',
  'Write a short scene: someone waits for a call that does not come.',
  'There is smoke coming under our door and the stairs are blocked.',
];

/** Nearer to the end than this, the view follows new text. */
const followPx = 60;

function useFollowing(
  session: Session,
  items: readonly Item[],
): { current: HTMLDivElement | null } {
  const scroller = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return undefined;
    const look = (): void => {
      follows.current = box.scrollHeight - box.scrollTop - box.clientHeight < followPx;
    };
    box.addEventListener('scroll', look, { passive: true });
    return () => box.removeEventListener('scroll', look);
  }, []);
  useLayoutEffect(() => {
    const toEnd = (): void => {
      const box = scroller.current;
      if (box && follows.current) box.scrollTop = box.scrollHeight;
    };
    follows.current = true;
    toEnd();
    const last = [items.slice(-1)].flatMap((list) => [
      ...messagesOf(list, 'steered'),
      ...messagesOf(list, 'unsteered'),
    ]);
    const ends = [...new Set(last)].map(({ changed }) => changed.subscribe(toEnd));
    return () => {
      for (const end of ends) end();
    };
  }, [session, items]);
  return scroller;
}

function Welcome({ session, draft }: ThreadProps): JSX.Element {
  const { lab } = session;
  return (
    <div class="welcome">
      <h1>Talk to {lab.model.name} and watch what it represents</h1>
      <p>
        Every token is coloured by an emotion-like direction of the residual stream after block{' '}
        {lab.pack.layer} of {lab.model.blocks}, in standard deviations above everyday text.{' '}
        {lab.emotions.length} directions; on held-out topics the right one comes first in{' '}
        {Math.round(lab.pack.top1 * 100)} % of stories.
      </p>
      <div class="starters">
        {starters.map((text) => (
          <button key={text} type="button" onClick={() => draft.set(text)}>
            {text}
          </button>
        ))}
      </div>
      <p class="small">
        The readings are of internal representations that work like emotion concepts. Nothing here
        shows that a model feels anything.
      </p>
    </div>
  );
}

interface MenuProps extends ThreadProps {
  readonly message: Message;
  readonly isLastReply: boolean;
  readonly isLastQuestion: boolean;
  readonly onMap: (message: Message) => void;
}

function Menu(props: MenuProps): JSX.Element {
  const { session, draft, message, isLastReply, isLastQuestion, onMap } = props;
  const busy = useStore(session.isBusy);
  return (
    <>
      <button
        type="button"
        class="quiet"
        data-testid="open-heatmap"
        title="Map of all layers and tokens"
        onClick={() => onMap(message)}
      >
        Layers
      </button>
      {isLastQuestion && (
        <button
          type="button"
          class="quiet"
          disabled={busy}
          onClick={() => {
            draft.set(session.takeBack());
            document.querySelector<HTMLElement>('[data-testid="composer"]')?.focus();
          }}
        >
          Edit
        </button>
      )}
      {isLastReply && (
        <button
          type="button"
          class="quiet"
          disabled={busy}
          onClick={() => void session.regenerate()}
        >
          Regenerate
        </button>
      )}
    </>
  );
}

export function Thread({ session, draft }: ThreadProps): JSX.Element {
  const items = useStore(session.items);
  const scroller = useFollowing(session, items);
  const [mapped, setMapped] = useState<Message | null>(null);
  const last = items.at(-1);
  const question = items.findLast(
    (item) => item.kind === 'message' && item.message.role === 'user',
  );
  const hasFork = items.some(({ kind }) => kind === 'fork');
  return (
    <div class="scroller" ref={scroller} role="region" aria-label="Conversation" tabIndex={-1}>
      {items.length === 0 && <Welcome session={session} draft={draft} />}
      <div class={hasFork ? 'thread wide' : 'thread'}>
        {items.map((item) => {
          const onRetry = item === last ? () => void session.regenerate() : undefined;
          if (item.kind === 'fork') {
            return (
              <ForkView
                key={item.steered.id}
                fork={item}
                display={session.display}
                onChoose={session.choose}
                onRetry={onRetry}
              />
            );
          }
          const { message } = item;
          return (
            <MessageView
              key={message.id}
              message={message}
              display={session.display}
              onRetry={onRetry}
              menu={
                <Menu
                  session={session}
                  draft={draft}
                  message={message}
                  isLastReply={item === last && message.role === 'assistant'}
                  isLastQuestion={item === question}
                  onMap={setMapped}
                />
              }
            />
          );
        })}
      </div>
      {mapped && <MapDialog session={session} message={mapped} onClose={() => setMapped(null)} />}
    </div>
  );
}
