/** @file Atlas: where the emotions lie to each other. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import type { LabEmotion, LabState } from '../../src/api/lab.ts';
import { Circumplex } from '../charts/circumplex.tsx';
import { useNarrow } from '../chat/token-sheet.tsx';
import { findNames } from '../controls/combobox.tsx';
import { formatSigned } from '../reading/scale.ts';
import { formatHash } from './routes.ts';

interface AtlasViewProps {
  readonly lab: LabState;
  /** Emotion of the address. */
  readonly chosen: string | null;
}

const neighbours = 6;

/** Two decimals; a dash for what was not measured. */
function formatShare(value: number | null | undefined): string {
  return value == null ? '–' : value.toFixed(2);
}

function choose(name: string): void {
  // Without an entry in the history for each step through the list.
  history.replaceState(null, '', formatHash('atlas', name));
  dispatchEvent(new HashChangeEvent('hashchange'));
}

function EmotionList(props: {
  readonly names: readonly string[];
  readonly lab: LabState;
  readonly chosen: string | undefined;
}): JSX.Element {
  const { names, lab, chosen } = props;
  const list = useRef<HTMLUListElement>(null);
  const at = names.indexOf(chosen ?? '');
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [chosen, names.length]);
  const stability = new Map(lab.emotions.map((emotion) => [emotion.name, emotion.stability]));
  return (
    <ul
      ref={list}
      class="list"
      role="listbox"
      tabIndex={0}
      aria-label="Emotions"
      {...(at >= 0 ? { 'aria-activedescendant': `emotion-${at}` } : {})}
      onKeyDown={(event) => {
        const target = {
          ArrowDown: at + 1,
          ArrowUp: at - 1,
          Home: 0,
          End: names.length - 1,
          PageDown: at + 8,
          PageUp: at - 8,
        }[event.key];
        const name =
          target === undefined ? undefined : names[Math.max(0, Math.min(names.length - 1, target))];
        if (!name) return;
        event.preventDefault();
        choose(name);
      }}
    >
      {names.map((name, i) => (
        <li
          key={name}
          id={`emotion-${i}`}
          role="option"
          aria-selected={name === chosen}
          onClick={() => choose(name)}
        >
          <span>{name}</span>
          <span class="soft small">{formatShare(stability.get(name))}</span>
        </li>
      ))}
    </ul>
  );
}

function Details({ emotion }: { readonly emotion: LabEmotion }): JSX.Element {
  return (
    <section class="stack" aria-live="polite" aria-label="Chosen emotion">
      <h2>{emotion.name}</h2>
      <dl>
        <dt>stability</dt>
        <dd>{formatShare(emotion.stability)}</dd>
        <dt>component 1, 2</dt>
        <dd>
          {formatSigned(emotion.x, 2)}, {formatSigned(emotion.y, 2)}
        </dd>
        <dt>everyday text</dt>
        <dd>
          median {formatSigned(emotion.median, 4)}, spread {emotion.spread.toFixed(4)}
        </dd>
      </dl>
      <h3>Nearest, by cosine</h3>
      <div class="bars near">
        {emotion.near.slice(0, neighbours).map(([name, cosine]) => (
          <>
            <button type="button" onClick={() => choose(name)}>
              {name}
            </button>
            <span class="track" aria-hidden="true">
              <i style={{ left: '0', width: `${Math.max(0, cosine) * 100}%` }} />
            </span>
            <output>{cosine.toFixed(2)}</output>
          </>
        ))}
      </div>
    </section>
  );
}

export function AtlasView({ lab, chosen }: AtlasViewProps): JSX.Element {
  const [text, setText] = useState('');
  const isNarrow = useNarrow();
  const names = findNames(
    lab.emotions.map(({ name }) => name),
    text,
  );
  const emotion = lab.emotions.find(({ name }) => name === chosen);
  return (
    <div class="page">
      <header>
        <h1>Atlas</h1>
        <span class="soft">
          {lab.emotions.length} directions of {lab.pack.modelName} after block {lab.pack.layer},
          first two principal components
        </span>
      </header>
      {lab.pack.warning && <p class="notice warn">{lab.pack.warning}</p>}
      <div class="atlas">
        <figure class="stack">
          <Circumplex
            emotions={lab.emotions}
            size={isNarrow ? 380 : 640}
            label="Map of the emotions on two principal components; the list beside it holds the same"
            labelled={emotion ? [] : lab.shown}
            chosen={emotion?.name}
            near={emotion?.near.slice(0, neighbours).map(([name]) => name) ?? []}
            onPick={choose}
          />
          <figcaption class="small soft">
            Colour is the position on the first component. Directions that lie close on the page may
            differ in the others; the cosines count.
          </figcaption>
        </figure>
        <div class="stack">
          <label class="field">
            Search
            <input
              type="search"
              placeholder="an emotion"
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key === 'Enter' && names[0]) choose(names[0]);
              }}
            />
          </label>
          <div class="row small soft between">
            <span>{names.length} emotions</span>
            <span title="mean cosine of the vector with bootstrap draws of the topics">
              stability
            </span>
          </div>
          <EmotionList names={names} lab={lab} chosen={emotion?.name} />
          {emotion ? (
            <Details emotion={emotion} />
          ) : (
            <p class="soft">Choose an emotion in the map or in the list.</p>
          )}
        </div>
      </div>
    </div>
  );
}
