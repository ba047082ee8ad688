/** @file The ten strongest moments of a conversation, with their text. */
import type { JSX } from 'preact';

import { wholeSeries } from '../charts/strip.tsx';
import { type Place, placeAt } from '../charts/track.ts';
import type { Display } from '../chat/display.ts';
import type { Message } from '../chat/message.ts';
import { useMessages } from '../chat/use-message.ts';
import { useStore } from '../client/store.ts';
import { excerpt, findPeaks } from '../reading/peaks.ts';
import { formatSigned, heatColour } from '../reading/scale.ts';

interface PeakListProps {
  readonly messages: readonly Message[];
  readonly display: Display;
  readonly onJump: (place: Place) => void;
}

const most = 10;

/** Peaks nearer than this many tokens are one moment. */
const apart = 8;

export function PeakList({ messages, display, onJump }: PeakListProps): JSX.Element {
  const colour = useStore(display.colour);
  useMessages(messages);
  const peaks = findPeaks(wholeSeries(messages, colour, display), most, apart);
  return (
    <section class="stack" aria-label="Peaks">
      <h2>Peaks of {colour}</h2>
      {peaks.length === 0 && <p class="soft">No readings of {colour} here.</p>}
      <ol class="peaks">
        {peaks.map(({ position, value }) => {
          const place = placeAt(messages, position);
          if (!place) return null;
          const texts = place.message.tokens.map(({ text }) => text);
          const { before, token, after } = excerpt(texts, place.index, 60);
          return (
            <li key={position}>
              <button
                type="button"
                onClick={() => onJump(place)}
                onPointerEnter={() => display.selection.set(place)}
              >
                <b>{formatSigned(value)}</b>
                <span class="soft small">
                  {place.message.role} {place.index}
                </span>
                <span>
                  {before}
                  <mark style={{ backgroundColor: heatColour(value) }}>{token}</mark>
                  {after}
                </span>
              </button>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
