/** @file The row above a conversation: colours, files, a new conversation. */
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';

import { useStore } from '../client/store.ts';
import { formatTranscript } from '../client/transcript.ts';
import { saveFile } from '../controls/files.ts';
import { ColourPicker } from './colour-picker.tsx';
import { messagesOf, plainMessages } from './message.ts';
import type { Session } from './session.ts';

interface ToolbarProps {
  readonly session: Session;
  readonly onFile: (file: File) => void;
  readonly onMissing: (emotion: string) => void;
  readonly onPanel: () => void;
}

export function Toolbar({ session, onFile, onMissing, onPanel }: ToolbarProps): JSX.Element {
  const items = useStore(session.items);
  const busy = useStore(session.isBusy);
  const picker = useRef<HTMLInputElement>(null);
  const isEmpty = items.length === 0;
  const save = (): void => {
    const text = formatTranscript(plainMessages(messagesOf(items, 'steered')));
    saveFile('conversation.jsonl', new Blob([text], { type: 'application/jsonl' }));
  };
  return (
    <div class="bar">
      <ColourPicker display={session.display} onChange={onMissing} />
      <div class="end">
        <button type="button" class="quiet" disabled={isEmpty} onClick={session.clear}>
          New
        </button>
        <button
          type="button"
          class="quiet"
          disabled={busy}
          title="Load OpenAI messages, JSON lines"
          onClick={() => picker.current?.click()}
        >
          Load
        </button>
        <button
          type="button"
          class="quiet"
          disabled={isEmpty || busy}
          title="Save as OpenAI messages, JSON lines"
          onClick={save}
        >
          Export
        </button>
        <button type="button" class="only-narrow quiet" onClick={onPanel}>
          Steer
        </button>
        <input
          ref={picker}
          type="file"
          hidden
          accept=".jsonl,.json,.ndjson,.txt"
          aria-label="Transcript"
          data-testid="chat-file"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            event.currentTarget.value = '';
            if (file) onFile(file);
          }}
        />
      </div>
    </div>
  );
}
