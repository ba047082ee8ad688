/** @file The layers of one message: asked for when it is opened, by emotion. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { HeatMap } from '../charts/heat-map.tsx';
import { Dialog } from '../controls/dialog.tsx';
import { EmotionSelect } from '../controls/emotion-select.tsx';
import { Failure, useLoaded, Waiting } from '../controls/loading.tsx';
import type { Message } from './message.ts';
import type { Session } from './session.ts';

interface MapDialogProps {
  readonly session: Session;
  readonly message: Message;
  readonly onClose: () => void;
}

export function MapDialog({ session, message, onClose }: MapDialogProps): JSX.Element {
  const { client, display, lab } = session;
  const [emotion, setEmotion] = useState(display.colour.get());
  const messages = [{ role: message.role, content: message.content }];
  const { value, problem, retry } = useLoaded(() => client.map({ messages, emotion }), emotion);
  return (
    <Dialog title="Layers and tokens" onClose={onClose} isWide>
      <div class="row">
        <EmotionSelect
          label="Emotion of the map"
          value={emotion}
          names={display.names}
          first={display.shown.get()}
          onChange={setEmotion}
        />
        <span class="small soft">this message alone, without steering</span>
      </div>
      {problem && <Failure problem={problem} onRetry={retry} />}
      {!problem && !value && <Waiting what="Reading every layer" />}
      {value && <HeatMap map={value} layerRead={lab.pack.layer} />}
    </Dialog>
  );
}
