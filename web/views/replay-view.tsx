/** @file Replay: a transcript of any model, read by this one, token by token. */
import type { JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

import { offsetsOf, placeAt } from '../charts/track.ts';
import { setTokens } from '../chat/message.ts';
import type { Session } from '../chat/session.ts';
import { problemOf } from '../client/client.ts';
import { type Store, useStore } from '../client/store.ts';
import { parseTranscript, type PlainMessage } from '../client/transcript.ts';
import { dropHandlers, readTextFile } from '../controls/files.ts';
import { Failure, Waiting } from '../controls/loading.tsx';
import { addReadings } from '../reading/align.ts';
import { formatSigned } from '../reading/scale.ts';
import { ReadingPanel } from './reading-panel.tsx';
import { messagesOfReading, type Replay } from './replay.ts';
import { Transport } from './transport.tsx';

interface ReplayViewProps {
  readonly session: Session;
  readonly replay: Store<Replay | null>;
}

const detail = 5;

function example(): string {
  return [
    '{"role": "user", "content": "The build fails again."}',
    '{"role": "assistant", "content": "Let me look at the log."}',
  ].join('\n');
}

/** Marks the tokens before the position; the others are dimmed. */
function markPast(box: HTMLElement, position: number): void {
  for (const [i, span] of box.querySelectorAll('.token').entries()) {
    span.classList.toggle('past', i < position);
  }
}

interface PlayerProps {
  readonly session: Session;
  readonly replay: Replay;
  /** Shows what goes wrong with some work. */
  readonly attempt: (work: Promise<void>) => void;
}

function Player({ session, replay, attempt }: PlayerProps): JSX.Element {
  const { display, client } = session;
  const messages = replay.messages ?? [];
  const count = offsetsOf(messages).at(-1) ?? 0;
  const [position, setPosition] = useState(count);
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const mark = (): void => {
      if (box.current) markPast(box.current, position);
    };
    mark();
    // A message that is read for one more emotion draws its tokens anew, without their marks.
    const ends = messages.map(({ changed }) => changed.subscribe(mark));
    return () => {
      for (const end of ends) end();
    };
  }, [position, messages]);
  const move = (next: number): void => {
    setPosition(next);
    const place = placeAt(messages, Math.max(0, next - 1));
    if (next < count && place) display.selection.set(place);
    box.current?.querySelector('.token.lit')?.scrollIntoView({ block: 'nearest' });
  };
  const add = async (emotion: string): Promise<void> => {
    const first = messages.find(({ tokens }) => tokens.length > 0)?.tokens[0];
    if (!first || first.readouts[emotion] !== undefined) return;
    const plain = replay.conversations[replay.chosen] ?? [];
    const read = await client.read({ messages: plain, emotions: [emotion] });
    for (const [i, other] of messagesOfReading('', plain, read).entries()) {
      const message = messages[i];
      if (message) setTokens(message, addReadings(message.tokens, other.tokens));
    }
  };
  const before = Object.entries(replay.beforeReply ?? {})
    .toSorted((a, b) => b[1] - a[1])
    .map(([name, value]) => `${name} ${formatSigned(value)}`);
  return (
    <ReadingPanel
      messages={messages}
      display={display}
      onAdd={(emotion) => attempt(add(emotion))}
      threadRef={box}
      threadClass="unread"
    >
      <Transport count={count} position={position} onMove={move} />
      {before.length > 0 && (
        <p class="small soft">
          Where the next reply would begin, in standard deviations over neutral messages:{' '}
          {before.join(', ')}.
        </p>
      )}
    </ReadingPanel>
  );
}

function Chooser({
  replay,
  onChoose,
}: {
  readonly replay: Replay;
  readonly onChoose: (i: number) => void;
}): JSX.Element {
  const begins = (messages: readonly PlainMessage[]): string =>
    (messages.find(({ role }) => role === 'user') ?? messages[0])?.content.slice(0, 60) ?? '';
  return (
    <select
      aria-label="Conversation of the file"
      value={replay.chosen}
      onChange={(event) => onChoose(Number(event.currentTarget.value))}
    >
      {replay.conversations.map((messages, i) => (
        <option key={i} value={i}>
          {i + 1}: {begins(messages)}
        </option>
      ))}
    </select>
  );
}

function Nothing({ onFile }: { readonly onFile: (file: File) => void }): JSX.Element {
  return (
    <div class="empty">
      <h2>Open a transcript</h2>
      <p>
        A file of OpenAI messages, one a line, or one <code>{'{"messages": [...]}'}</code> a line
        for many conversations. The model of this server reads it; who wrote it does not matter.
        Drop it here, or
      </p>
      <FileButton onFile={onFile} />
      <pre class="mono" tabIndex={0}>
        {example()}
      </pre>
    </div>
  );
}

function FileButton({ onFile }: { readonly onFile: (file: File) => void }): JSX.Element {
  return (
    <label class="file">
      Choose a file
      <input
        type="file"
        class="unseen"
        data-testid="replay-file"
        accept=".jsonl,.json,.ndjson,.txt"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = '';
          if (file) onFile(file);
        }}
      />
    </label>
  );
}

export function ReplayView({ session, replay }: ReplayViewProps): JSX.Element {
  const value = useStore(replay);
  const [problem, setProblem] = useState<string | null>(null);
  const read = async (next: Replay): Promise<void> => {
    const loading = { ...next, messages: null };
    replay.set(loading);
    const plain = next.conversations[next.chosen] ?? [];
    const { display, client } = session;
    const emotions = [...new Set([...display.shown.get(), display.colour.get()])];
    // Another file, perhaps of the same name, or conversation may be chosen in the meantime.
    const isGone = (): boolean => replay.get() !== loading;
    const result = await client
      .read({ messages: plain, emotions, top: detail })
      .catch((error: unknown) => {
        if (isGone()) return null;
        throw error;
      });
    if (!result || isGone()) return;
    const messages = messagesOfReading(`r${next.chosen}`, plain, result);
    display.selection.set(null);
    replay.set({ ...next, messages, beforeReply: result.beforeReply });
  };
  const attempt = (work: Promise<void>): void => {
    setProblem(null);
    work.catch((error: unknown) => setProblem(problemOf(error)));
  };
  const open = async (file: File): Promise<void> => {
    const conversations = parseTranscript(await readTextFile(file));
    await read({ file: file.name, conversations, chosen: 0, messages: null, beforeReply: null });
  };
  const onFile = (file: File): void => attempt(open(file));
  return (
    <div class="page" {...dropHandlers(onFile)}>
      <header>
        <h1>Replay</h1>
        {value && <span class="soft">{value.file}</span>}
        {value && (
          <Chooser replay={value} onChoose={(chosen) => attempt(read({ ...value, chosen }))} />
        )}
        {value && <FileButton onFile={onFile} />}
      </header>
      {problem && (
        <Failure
          problem={problem}
          {...(value ? { onRetry: () => attempt(read(value)) } : {})}
          {...(value?.messages ? { onDismiss: () => setProblem(null) } : {})}
        />
      )}
      {!value && <Nothing onFile={onFile} />}
      {value && !value.messages && !problem && <Waiting what="Reading" />}
      {value?.messages && (
        <Player
          key={`${value.file} ${value.chosen}`}
          session={session}
          replay={value}
          attempt={attempt}
        />
      )}
    </div>
  );
}
