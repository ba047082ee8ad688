/** @file A conversation to read, not to go on with: colours, lines, strip, peaks, and its text. */
import type { ComponentChildren, JSX, Ref } from 'preact';

import { Legend } from '../charts/legend.tsx';
import { LineChart } from '../charts/line-chart.tsx';
import { Strip } from '../charts/strip.tsx';
import type { Place } from '../charts/track.ts';
import { ColourPicker } from '../chat/colour-picker.tsx';
import type { Display } from '../chat/display.ts';
import { Inspector } from '../chat/inspector.tsx';
import { MessageView } from '../chat/message-view.tsx';
import type { Message } from '../chat/message.ts';
import { TokenSheet } from '../chat/token-sheet.tsx';
import { focusToken } from '../chat/token-text.ts';
import { PeakList } from './peak-list.tsx';

interface ReadingPanelProps {
  readonly messages: readonly Message[];
  readonly display: Display;
  /** Called with an emotion that is added; without it none can be. */
  readonly onAdd?: ((emotion: string) => void) | undefined;
  /** Between the charts and the text. */
  readonly children?: ComponentChildren;
  readonly threadRef?: Ref<HTMLDivElement> | undefined;
  readonly threadClass?: string | undefined;
}

function jumpTo({ message, index }: Place): void {
  focusToken(message.id, index);
}

export function ReadingPanel(props: ReadingPanelProps): JSX.Element {
  const { messages, display, onAdd, children, threadRef, threadClass = '' } = props;
  return (
    <div class="reading">
      <div class="stack charts">
        <ColourPicker display={display} {...(onAdd ? { onChange: onAdd } : {})} />
        <LineChart
          messages={messages}
          display={display}
          height={140}
          isGrowing={false}
          label="Emotions over the tokens, standard deviations above everyday text"
        />
        <Legend messages={messages} display={display} {...(onAdd ? { onAdd } : {})} />
        <Strip messages={messages} display={display} onJump={jumpTo} />
      </div>
      {children}
      <div class="reading-text">
        <div class={`thread replay-box ${threadClass}`} ref={threadRef ?? null}>
          {messages.map((message) => (
            <MessageView key={message.id} message={message} display={display} />
          ))}
        </div>
        <div class="side-box">
          <Inspector display={display} />
        </div>
      </div>
      <TokenSheet display={display} />
      <PeakList messages={messages} display={display} onJump={jumpTo} />
    </div>
  );
}
