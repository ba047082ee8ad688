/** @file Before the laboratory: loading what the server has, the token, and what to do when it is down. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import { createSession, type Session } from '../chat/session.ts';
import { type Client, problemOf } from '../client/client.ts';
import { type Store, useStore } from '../client/store.ts';
import { Dialog } from '../controls/dialog.tsx';
import { App } from './app.tsx';

/** A question for the token that waits for its answer. */
export type TokenQuestion = (token: string | null) => void;

interface StartProps {
  readonly client: Client;
  readonly question: Store<TokenQuestion | null>;
}

function TokenDialog({ onAnswer }: { readonly onAnswer: TokenQuestion }): JSX.Element {
  const [text, setText] = useState('');
  return (
    <Dialog title="This server needs a token" onClose={() => onAnswer(null)}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== '') onAnswer(text.trim());
        }}
      >
        <p>
          It is the one that the server was started with, by <code>--token</code> or{' '}
          <code>LIMBIC_TOKEN</code>. This tab keeps it until it is closed.
        </p>
        <label class="field">
          Token
          <input
            type="password"
            autocomplete="off"
            data-testid="token-field"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <div class="row">
          <button type="submit" class="primary">
            Continue
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function nameConversation(): string {
  return `page-${Date.now().toString(36)}`;
}

function drawSeed(): number {
  return Math.floor(Math.random() * 1e6);
}

export function Start({ client, question }: StartProps): JSX.Element {
  const [session, setSession] = useState<Session | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const asking = useStore(question);
  const load = async (): Promise<void> => {
    setProblem(null);
    try {
      const lab = await client.state();
      setSession(createSession(client, lab, { nameConversation, drawSeed }));
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  useEffect(() => void load(), []);
  return (
    <>
      {session && <App session={session} />}
      {!session && (
        <main class="start">
          <h1>limbic</h1>
          {problem ? (
            <>
              <p role="alert">{problem}.</p>
              <p class="soft">
                Start it with <code>limbic serve</code>, then try again.
              </p>
              <button type="button" class="primary" onClick={() => void load()}>
                Try again
              </button>
            </>
          ) : (
            <p class="soft" role="status">
              Asking the server what is loaded …
            </p>
          )}
        </main>
      )}
      {asking && <TokenDialog onAnswer={asking} />}
    </>
  );
}
