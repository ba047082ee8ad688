/** @file Timeline: one conversation as a whole, with its strongest moments. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';

import { Legend } from '../charts/legend.tsx';
import { Strip } from '../charts/strip.tsx';
import { countTokens, type Place } from '../charts/track.ts';
import { ColourPicker } from '../chat/colour-picker.tsx';
import { isForked, type Message, messagesOf, type Side } from '../chat/message.ts';
import type { Session } from '../chat/session.ts';
import { focusToken } from '../chat/token-text.ts';
import { type Store, useStore } from '../client/store.ts';
import { PeakList } from './peak-list.tsx';
import type { Replay } from './replay.ts';
import { formatHash } from './routes.ts';

interface TimelineViewProps {
  readonly session: Session;
  readonly replay: Store<Replay | null>;
}

type Source = Side | 'replay';

/** Opens the view that holds the conversation, then goes to the token. */
function jumpIn(view: 'chat' | 'replay', { message, index }: Place): void {
  // The view is there after the frame that follows the change.
  const go = (): void => {
    requestAnimationFrame(() => requestAnimationFrame(() => focusToken(message.id, index)));
  };
  addEventListener('hashchange', go, { once: true });
  location.hash = formatHash(view);
}

function Sources(props: {
  readonly sources: readonly (readonly [Source, string])[];
  readonly value: Source;
  readonly onChange: (source: Source) => void;
}): JSX.Element | null {
  if (props.sources.length < 2) return null;
  return (
    <fieldset>
      <legend class="unseen">Conversation</legend>
      <div class="segmented">
        {props.sources.map(([source, title]) => (
          <label key={source}>
            <input
              type="radio"
              name="source"
              checked={props.value === source}
              onChange={() => props.onChange(source)}
            />
            {title}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function Events({
  messages,
  onJump,
}: {
  readonly messages: readonly Message[];
  readonly onJump: (place: Place) => void;
}): JSX.Element | null {
  const rows = messages.flatMap((message) => message.events.map((event) => ({ message, event })));
  if (rows.length === 0) return null;
  return (
    <section class="stack" aria-label="Events">
      <h2>Rules and interventions</h2>
      <ol class="peaks">
        {rows.map(({ message, event }) => (
          <li key={`${message.id} ${event.index} ${event.kind} ${event.rule}`}>
            <button type="button" onClick={() => onJump({ message, index: event.index })}>
              <span class="soft">{event.index}</span>
              <span>{event.kind}</span>
              <span class="mono">{event.rule}</span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

export function TimelineView({ session, replay }: TimelineViewProps): JSX.Element {
  const { display } = session;
  const items = useStore(session.items);
  const opened = useStore(replay);
  const [wanted, setWanted] = useState<Source>('steered');
  const sources: (readonly [Source, string])[] = [
    ...(items.length > 0 && isForked(items)
      ? ([
          ['unsteered', 'Unsteered'],
          ['steered', 'Steered'],
        ] as const)
      : []),
    ...(items.length > 0 && !isForked(items) ? ([['steered', 'Chat']] as const) : []),
    ...(opened?.messages ? ([['replay', opened.file]] as const) : []),
  ];
  const source = sources.some(([name]) => name === wanted)
    ? wanted
    : (sources[0]?.[0] ?? 'steered');
  const messages = useMemo(
    () => (source === 'replay' ? (opened?.messages ?? []) : messagesOf(items, source)),
    [items, opened, source],
  );
  const jump = (place: Place): void => jumpIn(source === 'replay' ? 'replay' : 'chat', place);
  const count = countTokens(messages);
  return (
    <div class="page">
      <header>
        <h1>Timeline</h1>
        <Sources sources={sources} value={source} onChange={setWanted} />
        {count > 0 && (
          <span class="soft">
            {messages.length} messages, {count} tokens
          </span>
        )}
      </header>
      {count === 0 ? (
        <div class="empty">
          <h2>Nothing to show yet</h2>
          <p>
            A conversation in <a href={formatHash('chat')}>Chat</a> or a transcript in{' '}
            <a href={formatHash('replay')}>Replay</a> appears here as one strip. Logged ones are in{' '}
            <a href={formatHash('runs')}>Runs</a>.
          </p>
        </div>
      ) : (
        <>
          <ColourPicker
            display={display}
            onChange={(emotion) => {
              // Without an answer the list below says that there are no readings.
              if (source !== 'replay') session.readMissing(emotion).catch(() => undefined);
            }}
          />
          <Strip messages={messages} display={display} onJump={jump} />
          <Legend messages={messages} display={display} />
          <div class="two">
            <PeakList messages={messages} display={display} onJump={jump} />
            <Events messages={messages} onJump={jump} />
          </div>
        </>
      )}
    </div>
  );
}
