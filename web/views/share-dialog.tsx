/** @file Makes one file of a conversation that opens anywhere, without a server. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { type Message, turnOfMessage } from '../chat/message.ts';
import type { Session } from '../chat/session.ts';
import { problemOf } from '../client/client.ts';
import { Dialog } from '../controls/dialog.tsx';
import { saveFile } from '../controls/files.ts';
import { Failure } from '../controls/loading.tsx';

interface ShareDialogProps {
  readonly session: Session;
  readonly messages: readonly Message[];
  readonly onClose: () => void;
}

/** Emotions that any token was read for, the shown ones first. */
function readEmotions(messages: readonly Message[], shown: readonly string[]): string[] {
  const read = new Set(messages.flatMap(({ tokens }) => Object.keys(tokens[0]?.readouts ?? {})));
  return [
    ...shown.filter((name) => read.has(name)),
    ...[...read].filter((name) => !shown.includes(name)),
  ];
}

/** A file name of a title: letters, digits and hyphens. */
function fileNameOf(title: string): string {
  const words = title.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return `${words.join('-').slice(0, 60) || 'conversation'}.html`;
}

export function ShareDialog({ session, messages, onClose }: ShareDialogProps): JSX.Element {
  const question = messages.find(({ role }) => role === 'user')?.content ?? '';
  const [title, setTitle] = useState(question.slice(0, 80) || 'Conversation');
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const count = messages.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const save = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const emotions = readEmotions(messages, session.display.shown.get());
      const turns = messages.map(turnOfMessage);
      saveFile(fileNameOf(title), await session.client.share({ title, emotions, turns }));
      onClose();
    } catch (error) {
      setProblem(problemOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title="Share as a file" onClose={onClose}>
      {messages.length === 0 ? (
        <p>There is no conversation to share yet.</p>
      ) : (
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            void save();
          }}
        >
          <p>
            One HTML file with {messages.length} messages and {count} tokens, their readings and
            charts. It opens without a server or network. Whoever has the file can read the
            conversation.
          </p>
          <label class="field">
            Title
            <input
              type="text"
              maxLength={200}
              value={title}
              onInput={(event) => setTitle(event.currentTarget.value)}
            />
          </label>
          {problem && <Failure problem={problem} />}
          <div class="row">
            <button type="submit" class="primary" data-testid="share-save" disabled={isBusy}>
              {isBusy ? 'Making the file …' : 'Save the file'}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
