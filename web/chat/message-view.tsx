/** @file One message: who, how it was steered, its coloured tokens, what happened while it was written. */
import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

import { useStore } from '../client/store.ts';
import { formatDoses } from '../reading/doses.ts';
import { formatSigned, standardise } from '../reading/scale.ts';
import type { Display } from './display.ts';
import type { Message } from './message.ts';
import { drawTokens } from './token-text.ts';
import { useMessages } from './use-message.ts';

const names = { system: 'System', user: 'User', assistant: 'Assistant' } as const;

/** The tokens of a message, or its plain text while it has none. */
export function TokenText(props: {
  readonly message: Message;
  readonly display: Display;
}): JSX.Element {
  const { message, display } = props;
  const box = useRef<HTMLDivElement>(null);
  useMessages([message]);
  const hasTokens = message.tokens.length > 0;
  useLayoutEffect(() => {
    if (!hasTokens || !box.current) return undefined;
    return drawTokens(box.current, message, display);
  }, [message, display, hasTokens]);
  if (!hasTokens) return <div class="tokens">{message.content}</div>;
  const writing = message.status === 'streaming' ? ' caret' : '';
  return (
    <div
      key="tokens"
      ref={box}
      class={`tokens${writing}`}
      data-message={message.id}
      role="group"
      aria-label={`${names[message.role]}, token by token; arrow keys move`}
    />
  );
}

const kinds = {
  rule: 'rule',
  stop: 'stopped by rule',
  'thermostat-on': 'thermostat on',
  'thermostat-off': 'thermostat off',
} as const;

/** Rules that fired and interventions, in the order of the tokens. */
function EventList({
  message,
  display,
}: {
  readonly message: Message;
  readonly display: Display;
}): JSX.Element | null {
  if (message.events.length === 0) return null;
  const most = 6;
  return (
    <ul class="events">
      {message.events.slice(0, most).map((event) => (
        <li key={`${event.index} ${event.kind} ${event.rule}`}>
          token {event.index}: {kinds[event.kind]}, <span class="mono">{event.rule}</span> (
          {event.emotion} {formatSigned(standardise(event.value, display.scale.get(event.emotion)))}{' '}
          sd)
        </li>
      ))}
      {message.events.length > most && <li>and {message.events.length - most} more</li>}
    </ul>
  );
}

/** What went wrong or was cut, under the text. */
export function MessageNotes(props: {
  readonly message: Message;
  readonly display: Display;
  readonly onRetry?: (() => void) | undefined;
}): JSX.Element {
  const { message, display, onRetry } = props;
  const colour = useStore(display.colour);
  return (
    <>
      <EventList message={message} display={display} />
      {message.warning && <p class="notice warn small">{message.warning}</p>}
      {message.status === 'stopped' && <p class="small soft">Stopped by you.</p>}
      {message.status === 'failed' && (
        <div class="notice bad row" role="alert">
          <span class="grow">The reply failed: {message.problem}</span>
          {onRetry && (
            <button type="button" onClick={onRetry}>
              Try again
            </button>
          )}
        </div>
      )}
      {message.reread.has(colour) && Object.keys(message.steer).length > 0 && (
        <p class="small soft">{colour} was read afterwards, without the steering of this reply.</p>
      )}
    </>
  );
}

interface MessageViewProps {
  readonly message: Message;
  readonly display: Display;
  readonly menu?: ComponentChildren;
  readonly onRetry?: (() => void) | undefined;
}

export function MessageView({ message, display, menu, onRetry }: MessageViewProps): JSX.Element {
  useMessages([message]);
  const isReply = message.role === 'assistant';
  const steering = formatDoses(message.steer);
  return (
    <article
      class={`message ${message.role}`}
      {...(isReply ? { 'data-testid': 'reply', 'data-status': message.status } : {})}
      aria-busy={message.status === 'streaming' || message.status === 'waiting'}
    >
      <header>
        <b>{names[message.role]}</b>
        {isReply && steering !== 'unsteered' && <span>{steering}</span>}
        {isReply && message.seed !== null && <span>seed {message.seed}</span>}
        {menu && <div class="menu">{menu}</div>}
      </header>
      {message.status === 'waiting' ? (
        <p class="waiting tokens">Reading the prompt …</p>
      ) : (
        <TokenText message={message} display={display} />
      )}
      <MessageNotes message={message} display={display} onRetry={onRetry} />
    </article>
  );
}
