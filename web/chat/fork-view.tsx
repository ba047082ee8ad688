/** @file The same message answered twice, unsteered and steered, each with its own lines. */
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';

import { DifferencePlot } from '../charts/difference-plot.tsx';
import { Legend } from '../charts/legend.tsx';
import { LineChart } from '../charts/line-chart.tsx';
import { useStore } from '../client/store.ts';
import { firstDifference, mean } from '../reading/compare.ts';
import { formatDoses } from '../reading/doses.ts';
import { visibleText } from '../reading/token.ts';
import type { Display } from './display.ts';
import { MessageNotes, TokenText } from './message-view.tsx';
import { type Item, type Message, seriesOf, type Side } from './message.ts';
import { useMessages } from './use-message.ts';

interface ForkViewProps {
  readonly fork: Extract<Item, { kind: 'fork' }>;
  readonly display: Display;
  readonly onChoose?: ((side: Side) => void) | undefined;
  readonly onRetry?: (() => void) | undefined;
}

interface ColumnProps extends ForkViewProps {
  readonly side: Side;
}

function Column({ fork, display, side, onChoose, onRetry }: ColumnProps): JSX.Element {
  const message = fork[side];
  const other = fork[side === 'steered' ? 'unsteered' : 'steered'];
  const messages = useMemo(() => [message], [message]);
  const peers = useMemo(() => [other], [other]);
  const isDone = message.status !== 'waiting' && message.status !== 'streaming';
  return (
    <div
      class={`column ${side}`}
      data-testid={`column-${side}`}
      role="group"
      aria-label={side}
      aria-busy={!isDone}
    >
      <header>
        <b>{side === 'steered' ? 'Steered' : 'Unsteered'}</b>
        {side === 'steered' && <span class="grow">{formatDoses(message.steer)}</span>}
        {fork.chosen === side && <span>continued</span>}
        {fork.chosen === null && isDone && onChoose && (
          <button type="button" class="quiet small" onClick={() => onChoose(side)}>
            Continue with this
          </button>
        )}
      </header>
      <LineChart
        messages={messages}
        display={display}
        height={104}
        isGrowing
        peers={peers}
        label={`Emotions over the tokens of the ${side} reply`}
      />
      {fork.chosen === null && <Legend messages={messages} display={display} />}
      <div data-testid="reply" data-status={message.status}>
        {message.status === 'waiting' ? (
          <p class="waiting tokens">Reading the prompt …</p>
        ) : (
          <TokenText message={message} display={display} />
        )}
      </div>
      <MessageNotes message={message} display={display} onRetry={onRetry} />
    </div>
  );
}

function Comparison({ fork, display }: ForkViewProps): JSX.Element {
  const shown = useStore(display.shown);
  const texts = (message: Message): string[] => message.tokens.map(({ text }) => text);
  const at = firstDifference(texts(fork.unsteered), texts(fork.steered));
  const rows = shown.map((name) => ({
    name,
    unsteered: mean(seriesOf(fork.unsteered, name, display.scale)),
    steered: mean(seriesOf(fork.steered, name, display.scale)),
  }));
  const textAt = (message: Message): string => visibleText(message.tokens[at ?? 0]?.text ?? '');
  return (
    <div class="stack comparison">
      <p class="small">
        {at === null ? (
          'Both replies begin with the same tokens and do not differ until one ends.'
        ) : (
          <>
            First different token: {at}, <span class="mono">{textAt(fork.unsteered)}</span>{' '}
            unsteered, <span class="mono">{textAt(fork.steered)}</span> steered.{' '}
            <button
              type="button"
              class="quiet small"
              onClick={() => display.selection.set({ message: fork.steered, index: at })}
            >
              Show it
            </button>
          </>
        )}
      </p>
      <DifferencePlot rows={rows} />
      {rows.some(({ name }) => name in fork.steered.steer) && (
        <p class="small soft">
          Where a steered emotion is read at or after a steered block, its own shift contains the
          dose itself. Judge an effect by the other emotions, and by the text.
        </p>
      )}
    </div>
  );
}

/** Two columns, and what differs between them when both are there. */
export function ForkView(props: ForkViewProps): JSX.Element {
  const { fork } = props;
  useMessages([fork.unsteered, fork.steered]);
  const messages = useMemo(() => [fork.unsteered, fork.steered], [fork.unsteered, fork.steered]);
  const isDone = messages.every(({ status }) => status !== 'waiting' && status !== 'streaming');
  return (
    <article class="message assistant">
      <div class="columns">
        <Column {...props} side="unsteered" />
        <Column {...props} side="steered" />
      </div>
      {isDone && <Comparison {...props} />}
    </article>
  );
}
