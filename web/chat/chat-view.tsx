/** @file The chat view: conversation, lines and composer, with the token and the steering beside them. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';

import { Legend } from '../charts/legend.tsx';
import { LineChart } from '../charts/line-chart.tsx';
import { problemOf } from '../client/client.ts';
import { type Store, useStore } from '../client/store.ts';
import { parseTranscript } from '../client/transcript.ts';
import { dropHandlers, readTextFile } from '../controls/files.ts';
import { CloseIcon } from '../controls/icons.tsx';
import { Failure } from '../controls/loading.tsx';
import { Composer } from './composer.tsx';
import { Inspector } from './inspector.tsx';
import { LabFacts } from './lab-facts.tsx';
import { isForked, messagesOf } from './message.ts';
import type { Session } from './session.ts';
import { SteeringPanel } from './steering-panel.tsx';
import { ThermostatPanel } from './thermostat-panel.tsx';
import { Thread } from './thread.tsx';
import { TokenSheet } from './token-sheet.tsx';
import { Toolbar } from './toolbar.tsx';
import { useMessages } from './use-message.ts';
import { WhatIfPanel } from './what-if-panel.tsx';

interface ChatViewProps {
  readonly session: Session;
  readonly draft: Store<string>;
}

function Dock({
  session,
  onMissing,
}: {
  readonly session: Session;
  readonly onMissing: (emotion: string) => void;
}): JSX.Element | null {
  const items = useStore(session.items);
  const messages = useMemo(() => messagesOf(items, 'steered'), [items]);
  // With two sides each column has its lines; a third chart would only repeat one.
  if (isForked(items)) return null;
  return (
    <div class="dock">
      <LineChart
        messages={messages}
        display={session.display}
        height={132}
        isGrowing
        label="Emotions over the tokens of the conversation, standard deviations above everyday text"
      />
      <Legend messages={messages} display={session.display} onAdd={onMissing} />
    </div>
  );
}

/** Says once, for those who listen, that a reply has ended; never token by token. */
function Announcer({ session }: { readonly session: Session }): JSX.Element {
  const items = useStore(session.items);
  const last = items.slice(-1);
  const messages = [...new Set([...messagesOf(last, 'steered'), ...messagesOf(last, 'unsteered')])];
  useMessages(messages);
  const words = {
    whole: 'Reply complete.',
    stopped: 'Reply stopped.',
    failed: 'Reply failed.',
    waiting: '',
    streaming: '',
  };
  // Of two sides, the one that is still being written.
  const message =
    messages.find(({ status }) => status === 'waiting' || status === 'streaming') ?? messages[0];
  const text = message?.role === 'assistant' ? words[message.status] : '';
  return (
    <p class="unseen" aria-live="polite">
      {text}
    </p>
  );
}

function Side({
  session,
  draft,
  isOpen,
  onClose,
}: ChatViewProps & { isOpen: boolean; onClose: () => void }): JSX.Element {
  const { lab, steering, display } = session;
  const shown = useStore(display.shown);
  const busy = useStore(session.isBusy);
  const ask = (doses: Record<string, number>): void => {
    steering.set({ ...steering.get(), doses, isSideBySide: true });
    const text = draft.get().trim();
    onClose();
    if (text !== '') {
      draft.set('');
      void session.send(text);
    } else if (
      session.items.get().some((item) => item.kind === 'message' && item.message.role === 'user')
    ) {
      void session.regenerate();
    }
  };
  return (
    <aside class={isOpen ? 'side open' : 'side'} aria-label="Token and steering">
      <button type="button" class="icon quiet close" aria-label="Close" onClick={onClose}>
        <CloseIcon />
      </button>
      <Inspector display={display}>
        <LabFacts lab={lab} />
      </Inspector>
      <SteeringPanel
        steering={steering}
        names={display.names}
        strengthPerDose={lab.strengthPerDose}
        coherenceLimit={lab.coherenceLimit}
      />
      <ThermostatPanel steering={steering} names={display.names} />
      <WhatIfPanel lab={lab} shown={shown} isBusy={busy} onAsk={ask} />
    </aside>
  );
}

export function ChatView({ session, draft }: ChatViewProps): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const attempt = (work: Promise<void>): void => {
    setProblem(null);
    work.catch((error: unknown) => setProblem(problemOf(error)));
  };
  const readIfMissing = (emotion: string): void => {
    attempt(session.readMissing(emotion));
  };
  const load = async (file: File): Promise<void> => {
    const [messages] = parseTranscript(await readTextFile(file));
    if (messages) await session.load(messages);
  };
  const onFile = (file: File): void => attempt(load(file));
  return (
    <div class="chat" {...dropHandlers(onFile)}>
      <div class="talk">
        <h1 class="unseen">Chat</h1>
        <div>
          <Toolbar
            session={session}
            onFile={onFile}
            onMissing={readIfMissing}
            onPanel={() => setOpen(true)}
          />
          {problem && <Failure problem={problem} onDismiss={() => setProblem(null)} />}
        </div>
        <Thread session={session} draft={draft} />
        <Dock session={session} onMissing={readIfMissing} />
        <Composer session={session} draft={draft} />
        <Announcer session={session} />
      </div>
      <TokenSheet display={session.display} />
      <Side session={session} draft={draft} isOpen={isOpen} onClose={() => setOpen(false)} />
    </div>
  );
}
