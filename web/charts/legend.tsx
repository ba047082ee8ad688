/** @file The legend of the lines: each emotion's colour and its value at the token that is pointed at. */
import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

import type { Display } from '../chat/display.ts';
import { type Message, seriesOf } from '../chat/message.ts';
import { useStore } from '../client/store.ts';
import { Combobox } from '../controls/combobox.tsx';
import { formatSigned } from '../reading/scale.ts';
import { seriesCount } from './palette.ts';

interface LegendProps {
  readonly messages: readonly Message[];
  readonly display: Display;
  /** Called with an emotion that isn't read yet; without it none can be added. */
  readonly onAdd?: (emotion: string) => void;
}

/** The value of an emotion at the selected token, or at the last one; NaN without any. */
function valueAt(messages: readonly Message[], display: Display, emotion: string): number {
  const selection = display.selection.get();
  if (selection && messages.includes(selection.message)) {
    return seriesOf(selection.message, emotion, display.scale)[selection.index] ?? Number.NaN;
  }
  const last = messages.findLast(({ tokens }) => tokens.length > 0);
  return last ? (seriesOf(last, emotion, display.scale).at(-1) ?? Number.NaN) : Number.NaN;
}

function toggled(set: ReadonlySet<string>, name: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(name)) next.add(name);
  return next;
}

/** Chips that switch lines on and off, and a field that adds one. */
export function Legend({ messages, display, onAdd }: LegendProps): JSX.Element {
  const shown = useStore(display.shown);
  const hidden = useStore(display.off);
  const list = useRef<HTMLUListElement>(null);
  useLayoutEffect(() => {
    // Values change with every frame of a stream: written past the renderer.
    const write = (): void => {
      for (const output of list.current?.querySelectorAll('output') ?? []) {
        const text = formatSigned(valueAt(messages, display, output.dataset['emotion'] ?? ''));
        if (output.textContent !== text) output.textContent = text;
      }
    };
    write();
    const ends = [
      ...messages.map(({ changed }) => changed.subscribe(write)),
      display.selection.subscribe(write),
    ];
    return () => {
      for (const end of ends) end();
    };
  }, [messages, display, shown]);
  return (
    <div class="legend-row">
      <ul class="legend" ref={list} aria-label="Emotions of the lines">
        {shown.map((name, i) => (
          <li key={name}>
            <button
              type="button"
              class="chip"
              aria-pressed={!hidden.has(name)}
              title={hidden.has(name) ? `show ${name}` : `hide ${name}`}
              onClick={() => display.off.set(toggled(hidden, name))}
            >
              <i
                style={{
                  borderTopColor: `var(--s${i % seriesCount})`,
                  borderTopStyle: i >= seriesCount ? 'dashed' : 'solid',
                }}
              />
              {name}
              <output data-emotion={name} aria-live="off" />
            </button>
            {onAdd && shown.length > 1 && (
              <button
                type="button"
                class="drop"
                aria-label={`Remove ${name}`}
                onClick={() => display.shown.set(shown.filter((other) => other !== name))}
              >
                ×
              </button>
            )}
          </li>
        ))}
      </ul>
      {onAdd && (
        <Combobox
          label="Add an emotion to the lines"
          placeholder="add emotion"
          names={display.names.filter((name) => !shown.includes(name))}
          opensUp
          onPick={(name) => {
            display.shown.set([...shown, name]);
            onAdd(name);
          }}
        />
      )}
    </div>
  );
}
