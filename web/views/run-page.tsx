/** @file One run: its conversations as they were logged, followed while it runs. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import type { RunDetail, Turn } from '../../src/api/lab.ts';
import { type Message, messageOfTurn, setTokens } from '../chat/message.ts';
import type { Session } from '../chat/session.ts';
import { type Client, problemOf } from '../client/client.ts';
import { Failure, Waiting } from '../controls/loading.tsx';
import { formatMoment } from './format-moment.ts';
import { ReadingPanel } from './reading-panel.tsx';
import { ReportLink } from './report-link.tsx';
import { formatHash } from './routes.ts';

const pollMs = 1000;

/**
 * The messages of turns, the old objects where they are the same turn, so that what is on the page stays. A new
 * list only if there are other messages.
 */
export function followTurns(
  old: readonly Message[],
  name: string,
  turns: readonly Turn[],
): readonly Message[] {
  const next = turns.map((turn, i) => {
    const before = old[i];
    const grew = turn.content.startsWith(before?.content ?? '');
    if (!before || before.role !== turn.role || !grew) return messageOfTurn(`${name}-${i}`, turn);
    before.content = turn.content;
    const count = turn.tokens?.length ?? 0;
    if (count !== before.tokens.length || (turn.events?.length ?? 0) !== before.events.length) {
      before.events = [...(turn.events ?? [])];
      setTokens(before, [...(turn.tokens ?? [])]);
    }
    return before;
  });
  const isSame = next.length === old.length && next.every((message, i) => message === old[i]);
  return isSame ? old : next;
}

interface Followed {
  readonly run: RunDetail | null;
  readonly problem: string | null;
  readonly retry: () => void;
}

/** Where in a run the page is: a conversation, and the first of its turns that is shown. */
interface Place {
  readonly conversation: number;
  readonly turn: number;
}

/** Loads a part of a run, and again each second while it runs. */
function useRun(client: Client, id: string, place: Place): Followed {
  const [run, setRun] = useState<RunDetail | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = async (): Promise<void> => {
      try {
        const next = await client.run(id, place);
        if (!isCurrent) return;
        setRun(next);
        setProblem(null);
        if (next.status === 'running') timer = setTimeout(() => void load(), pollMs);
      } catch (error) {
        if (isCurrent) setProblem(problemOf(error));
      }
    };
    void load();
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [id, attempt, place.conversation, place.turn]);
  return { run, problem, retry: () => setAttempt(attempt + 1) };
}

interface RunHeadProps {
  readonly session: Session;
  readonly id: string;
  readonly run: RunDetail | null;
}

function RunHead({ session, id, run }: RunHeadProps): JSX.Element {
  if (!run) {
    return (
      <header>
        <a href={formatHash('runs')}>Runs</a>
        <h1>{id}</h1>
      </header>
    );
  }
  return (
    <header>
      <a href={formatHash('runs')}>Runs</a>
      <h1>{run.title || id}</h1>
      <span class={`status ${run.status}`}>{run.status}</span>
      <span class="soft">
        {run.kind}, {run.model}, {formatMoment(run.started)}, {run.records} records
      </span>
      {run.hasReport && <ReportLink session={session} id={id} />}
    </header>
  );
}

interface ChooserProps {
  readonly run: RunDetail;
  readonly place: Place;
  readonly onChoose: (place: Place) => void;
}

/** The conversations that the server listed, and a field for one that it did not. */
function Chooser({ run, place, onChoose }: ChooserProps): JSX.Element {
  const { conversations, total } = run;
  const choose = (conversation: number): void => onChoose({ conversation, turn: 0 });
  return (
    <label class="row">
      <span class="soft">Conversation</span>
      <select
        value={place.conversation}
        onChange={(event) => choose(Number(event.currentTarget.value))}
      >
        {conversations.map(({ name, index, count }) => (
          <option key={name} value={index}>
            {name}, {count} turns
          </option>
        ))}
      </select>
      {total.conversations > conversations.length && (
        <input
          type="number"
          aria-label={`Number of the conversation, of ${total.conversations}`}
          min={1}
          max={total.conversations}
          value={place.conversation + 1}
          onChange={(event) => {
            const number = Math.round(Number(event.currentTarget.value));
            if (number >= 1 && number <= total.conversations) choose(number - 1);
          }}
        />
      )}
    </label>
  );
}

interface TurnsProps {
  readonly conversation: RunDetail['conversations'][number];
  readonly onGo: (turn: number) => void;
}

/** Which turns are shown, and the way to the others; nothing if all are. */
function Turns({ conversation, onGo }: TurnsProps): JSX.Element | null {
  const { from, count, turns } = conversation;
  const end = from + turns.length;
  if (from === 0 && end === count) return null;
  return (
    <div class="row">
      <button type="button" disabled={from === 0} onClick={() => onGo(0)}>
        First turns
      </button>
      <span class="soft">
        Turns {from + 1} to {end} of {count}
      </span>
      <button type="button" disabled={end >= count} onClick={() => onGo(end)}>
        Next turns
      </button>
    </div>
  );
}

export function RunPage({
  session,
  id,
}: {
  readonly session: Session;
  readonly id: string;
}): JSX.Element {
  const { client, display } = session;
  const [place, setPlace] = useState<Place>({ conversation: 0, turn: 0 });
  const { run, problem, retry } = useRun(client, id, place);
  const shown = useRef<{ name: string; messages: readonly Message[] }>({ name: '', messages: [] });
  const conversation = run?.conversations.find(({ index }) => index === place.conversation);
  if (conversation) {
    const name = `${conversation.name}-${conversation.from}`;
    const old = shown.current.name === name ? shown.current.messages : [];
    shown.current = { name, messages: followTurns(old, name, conversation.turns) };
  }
  // A token of what was shown before is not of this conversation.
  useLayoutEffect(() => display.selection.set(null), [shown.current.name]);
  return (
    <div class="page">
      <RunHead session={session} id={id} run={run} />
      {problem && <Failure problem={problem} onRetry={retry} />}
      {!run && !problem && <Waiting what="Loading the run" />}
      {run && run.conversations.length > 0 && (
        <Chooser run={run} place={place} onChoose={setPlace} />
      )}
      {run?.conversations.length === 0 && (
        <div class="empty">
          <h2>No conversations</h2>
          <p>This run has logged none{run.status === 'running' ? ' yet' : ''}.</p>
        </div>
      )}
      {conversation && (
        <Turns conversation={conversation} onGo={(turn) => setPlace({ ...place, turn })} />
      )}
      {conversation && <ReadingPanel messages={shown.current.messages} display={display} />}
    </div>
  );
}
